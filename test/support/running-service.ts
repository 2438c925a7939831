/** The service as it runs, over a laboratory's PBX: its own configuration, database and ports, asked over its HTTP API. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createApp, type App } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Call, Conversation } from '../../src/core/call.ts';
import type { Delivery, Log } from '../../src/core/ports.ts';
import type { Lab } from './lab/lab.ts';
import { silentLog } from './silent-log.ts';

export interface ListedConversation extends Conversation {
  readonly deliveries: readonly Delivery[];
}
export interface ListedCall extends Call {
  readonly conversations: readonly ListedConversation[];
}

export interface ServiceOptions {
  /** Sections of the configuration, over those that name the laboratory's PBX. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Kept when the service stops; else a new one that is removed. */
  readonly folder?: string;
  readonly log?: Log;
}

/** The settings of a service beside this laboratory's PBX. */
export function labConfig(lab: Lab, folder: string): Record<string, unknown> {
  return {
    installation: { country: 'RU', timezone: 'UTC' },
    numbering: { extensions: ['_1XX'], trunks: ['provider'] },
    storage: { kind: 'sqlite', path: join(folder, 'ringledger.db') },
    http: { port: 0 },
    agi: { port: 0 },
    pbx: [
      {
        name: 'lab',
        kind: 'asterisk',
        ami: {
          port: lab.amiPort,
          events: { username: 'ringledger-events', secret: lab.secrets.events },
          control: { username: 'ringledger-control', secret: lab.secrets.control },
        },
        cel: { file: lab.celFile },
        cdr: { file: lab.cdrFile },
      },
    ],
    users: ['101', '102', '103', '104'].map((extension) => ({
      id: `u${extension}`,
      name: `Employee ${extension}`,
      extensions: [extension],
    })),
  };
}

/** Every debt of this conversation is paid: itself to each CRM, and the link of its recording where it was talked. */
export function isPaid({ answeredAt, deliveries }: ListedConversation, crms: number): boolean {
  const count = (kind: Delivery['kind']) => deliveries.filter((delivery) => delivery.kind === kind).length;
  return (
    deliveries.every(({ state }) => state === 'delivered') &&
    count('conversation') === crms &&
    count('recording') > 0 === (answeredAt !== null)
  );
}

export class RunningService {
  readonly app: App;
  readonly folder: string;
  readonly #token: string;
  readonly #isTemporary: boolean;

  private constructor(parts: { app: App; folder: string; isTemporary: boolean }) {
    this.app = parts.app;
    this.folder = parts.folder;
    this.#isTemporary = parts.isTemporary;
    this.#token = readFileSync(join(parts.folder, 'api-token'), 'utf8').trim();
  }

  static async start(lab: Lab, options: ServiceOptions = {}): Promise<RunningService> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'ringledger-service-'));
    const text = stringify({ ...labConfig(lab, folder), ...options.config });
    const { config } = parseConfig({ file: null, text, env: {} });
    const app = await createApp(config, { log: options.log ?? silentLog });
    return new RunningService({ app, folder, isTemporary: options.folder === undefined });
  }

  async stop(): Promise<void> {
    await this.app.stop();
    if (this.#isTemporary) rmSync(this.folder, { recursive: true, force: true });
  }

  /** @throws with the answer when it is no success */
  async get<Answer>(path: string): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.app.httpPort}${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text, reviveTimes) as Answer;
  }

  /** @throws with the answer when it is no success */
  async post<Answer>(path: string, body: unknown): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.app.httpPort}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text, reviveTimes) as Answer;
  }

  /** Every call of the ledger with its deliveries, oldest first. */
  async calls(): Promise<readonly ListedCall[]> {
    const { items } = await this.get<{ items: readonly Call[] }>('/api/v1/calls?limit=500&sort=startedAt');
    const calls = await Promise.all(
      items.map((call) => this.get<ListedCall>(`/api/v1/calls/${call.source}/${encodeURIComponent(call.linkedId)}`)),
    );
    return calls.sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  }
}

const reviveTimes = (_key: string, value: unknown) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value;
