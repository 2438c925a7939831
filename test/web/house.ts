/** A web server on a free port in front of parts that remember what they were asked. */
import type { Call } from '../../src/core/call.ts';
import { CallRefused } from '../../src/core/click-to-call.ts';
import type { CallQuery, ConversationQuery, DeliveryQuery, LedgerQueries } from '../../src/core/ledger-queries.ts';
import type { Delivery, Log, PartStatus } from '../../src/core/ports.ts';
import { httpConfig, metricsConfig } from '../../src/web/config.ts';
import type { LookupQuestion, WebParts } from '../../src/web/ports.ts';
import { createWebServer } from '../../src/web/server.ts';

export const fullToken = 'full-'.padEnd(32, 'x');
export const readToken = 'read-'.padEnd(32, 'y');

export const answeredCall: Call = {
  source: 'office',
  linkedId: '1795246371.2',
  linkedIds: ['1795246371.2'],
  direction: 'inbound',
  client: '+79161110002',
  clientName: null,
  did: '7000001',
  trunk: 'provider',
  result: 'answered',
  startedAt: new Date('2026-11-21T07:32:51Z'),
  endedAt: new Date('2026-11-21T07:32:55Z'),
  isIvr: false,
  queue: null,
  conversations: [
    {
      uniqueId: '1795246371.3',
      channel: 'PJSIP/101-00000001',
      extension: '101',
      result: 'answered',
      registered: true,
      reason: null,
      requestedAt: new Date('2026-11-21T07:32:51Z'),
      answeredAt: new Date('2026-11-21T07:32:52Z'),
      endedAt: new Date('2026-11-21T07:32:55Z'),
      duration: 3,
      waiting: 1,
      recording: null,
      forwardedTo: null,
      requestId: null,
    },
  ],
};

export const rejectedDelivery: Delivery = {
  id: '7',
  crm: 'local',
  kind: 'conversation',
  source: 'office',
  linkedId: '1795246371.2',
  uniqueId: '1795246371.3',
  state: 'rejected',
  attempts: 2,
  dueAt: new Date('2026-11-21T07:33:00Z'),
  fence: 4,
  progress: { contact: '12' },
  lastError: 'the contact is locked',
  crmId: null,
  createdAt: new Date('2026-11-21T07:32:55Z'),
  deliveredAt: null,
};

export interface Asked {
  readonly calls: CallQuery[];
  readonly conversations: ConversationQuery[];
  readonly deliveries: DeliveryQuery[];
  readonly lookups: LookupQuestion[];
  readonly resent: string[];
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[];
}

export function silentLog(logged: Asked['logged'] = []): Log {
  const write = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const log: Log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  };
  return log;
}

export interface House {
  readonly asked: Asked;
  readonly url: string;
  readonly port: number;
  /** With the token that may do everything, unless another is given; null: none. */
  request(path: string, options?: RequestInit & { token?: string | null; json?: unknown }): Promise<Response>;
  stop(withinMs?: number): Promise<void>;
}

export interface HouseOptions {
  readonly parts?: Partial<WebParts>;
  readonly http?: Record<string, unknown>;
  readonly metrics?: Record<string, unknown>;
  readonly status?: readonly PartStatus[];
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const asked: Asked = { calls: [], conversations: [], deliveries: [], lookups: [], resent: [], logged: [] };
  const paused = new Map<string, string>();
  const ledger: LedgerQueries = {
    async listCalls(query) {
      asked.calls.push(query);
      return { items: [answeredCall], nextCursor: 'next' };
    },
    findCall: async (source, linkedId) =>
      source === 'office' && linkedId === answeredCall.linkedId ? answeredCall : null,
    listEvents: async () => [],
    listLacking: async () => ({ items: [], nextCursor: null }),
    async listConversations(query) {
      asked.conversations.push(query);
      const { conversations, ...call } = answeredCall;
      return { items: [{ conversation: conversations[0]!, call }], nextCursor: null };
    },
    async listDeliveries(query) {
      asked.deliveries.push(query);
      return { items: [rejectedDelivery], nextCursor: null };
    },
    findDelivery: async (id) => (id === rejectedDelivery.id ? rejectedDelivery : null),
    listAttempts: async () => [
      { at: new Date('2026-11-21T07:33:00Z'), node: 'one', result: 'rejected', reason: 'the contact is locked' },
    ],
  };
  const used = new Set<string>();
  const parts: WebParts = {
    log: silentLog(asked.logged),
    clock: { now: () => new Date() },
    usedTokens: { use: async (id) => !used.has(id) && used.add(id).has(id) },
    statusProviders: [
      () => options.status ?? [{ part: 'storage', health: 'ok', message: 'SQLite in /var/lib/ringledger' }],
    ],
    metrics: null,
    ledger,
    deliveries: {
      async resend(id) {
        asked.resent.push(id);
        return true;
      },
      resendMatching: async () => 0,
      close: async () => true,
      oweMissing: async () => 0,
      pause: async (crm, reason) => void paused.set(crm, reason),
      resume: async (crm) => void paused.delete(crm),
      paused: async () => paused,
      counts: async () => [{ crm: 'local', state: 'rejected', count: 1 }],
    },
    crms: ['local'],
    contactBook: null,
    callerNames: { callerName: async (number) => (number === '+79161110002' ? 'Иван Ёлкин' : null) },
    lookup: {
      async trace(question) {
        asked.lookups.push(question);
        return { status: 'FOUND', extension: '101' };
      },
    },
    clickToCall: {
      start: () => Promise.reject(new CallRefused('no_pbx', 'No phone system.')),
      state: async () => null,
      list: async () => [],
    },
    toClientNumber: (raw) =>
      raw.replaceAll(/[^\d+]/g, '') === '' ? null : raw.replaceAll(/[^\d+]/g, '').replace(/^8(?=\d{10}$)/, '+7'),
    ...options.parts,
  };
  const server = createWebServer({
    config: httpConfig.parse({ port: 0, ...options.http }),
    metricsConfig: metricsConfig.parse(options.metrics),
    tokens: [
      { name: 'tests', token: fullToken, access: 'full' },
      { name: 'wallboard', token: readToken, access: 'read' },
    ],
    parts,
  });
  const { port } = await server.start();
  const url = `http://127.0.0.1:${port}`;
  return {
    asked,
    url,
    port,
    request(path, { token = fullToken, json, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (token !== null) headers.set('authorization', `Bearer ${token}`);
      if (json !== undefined) headers.set('content-type', 'application/json');
      return fetch(url + path, { ...init, headers, ...(json === undefined ? {} : { body: JSON.stringify(json) }) });
    },
    stop: (withinMs) => server.stop(withinMs),
  };
}
