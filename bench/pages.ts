/**
 * Lists and figures of the web interface over a million conversations of two years on SQLite: the first page and the ones
 * after it, for each filter and the usual combinations. Target of a page: 300 ms at the 95th percentile.
 *
 * node --import tsx bench/pages.ts [CONVERSATIONS]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { CallQuery } from '../src/core/ledger-queries.ts';
import { createCallReports } from '../src/storage/call-reports.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { createLedgerQueries } from '../src/storage/ledger-queries.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { report } from './figure.ts';
import { refreshStatistics } from '../src/storage/statistics.ts';
import { fillLongLedger, lastDay } from './long-ledger.ts';

const conversations = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-'));
// An existing ledger is measured as it is.
const path = process.env['LEDGER'] ?? join(folder, 'ledger.sqlite');
const database = await openDatabase({ kind: 'sqlite', path });
await migrateDatabase(database);
if (process.env['LEDGER'] === undefined) await fillLongLedger(database.knex, conversations);
// As the service does when it starts.
await refreshStatistics(database);
const queries = createLedgerQueries(database);
const reports = createCallReports(database);

const day = 86_400_000;
const since = (days: number) => ({ from: new Date(lastDay - days * day), to: new Date(lastDay) });
const page = { sort: 'startedAt', order: 'desc', limit: 50 } as const;
const filters: Readonly<Record<string, Omit<CallQuery, 'sort' | 'order' | 'limit' | 'after'>>> = {
  all: {},
  'one day a year ago': { from: new Date(lastDay - 366 * day), to: new Date(lastDay - 365 * day) },
  inbound: { direction: 'inbound' },
  missed: { results: ['missed'] },
  'missed, of a month': { results: ['missed'], ...since(30) },
  'by the end of a number': { number: '0012' },
  'by a whole number': { client: '+79160000123' },
  'by a name (300 numbers)': {
    clients: Array.from({ length: 300 }, (_, index) => `+7916${String(index * 331).padStart(7, '0')}`),
  },
  'by a name that few have': { clients: ['+79160000123', '+79160004567'] },
  'by extension': { extension: '117' },
  'by extension, missed, inbound': { extension: '117', results: ['missed'], direction: 'inbound' },
  'of a group of ten': { extensions: Array.from({ length: 10 }, (_, index) => String(110 + index)) },
  'of one who sees own calls, missed': { extensions: ['117'], results: ['missed'] },
  'by line': { did: '74950000002' },
  'by line, missed': { did: '74950000002', results: ['missed'] },
  'by queue': { queue: 'sales' },
  'by a queue that nobody was in': { queue: 'nobody' },
  'not registered': { isRegistered: false },
  'held back by a rule': { reason: 'rule:suppliers' },
  'held back by a rule, of an extension': { reason: 'rule:suppliers', extension: '117' },
  rejected: { deliveryState: 'rejected' },
  'rejected by one CRM': { deliveryState: 'rejected', crm: 'kommo' },
  skipped: { deliveryState: 'skipped' },
  waiting: { deliveryState: 'pending' },
  delivered: { deliveryState: 'delivered', crm: 'kommo' },
  'delivered, of an extension': { deliveryState: 'delivered', crm: 'kommo', extension: '117' },
  'nothing that fits': { results: ['voicemail'], direction: 'outbound' },
  'nothing that fits, of an extension': { results: ['voicemail'], extension: '117' },
  'open ones': { isOpen: true },
  'a number without any': { number: '99999999999' },
  'missed by the end of a number': { results: ['missed'], number: '123' },
};

/** `isList`: what a person waits for at every click; figures over months may take longer. */
async function measure(
  what: string,
  look: (round: number) => Promise<unknown>,
  { rounds, isList }: { readonly rounds: number; readonly isList: boolean },
): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    await look(round);
    times.push(performance.now() - startedAt);
  }
  const value = times.sort((a, b) => a - b)[Math.ceil(rounds * 0.95) - 1]!;
  report({ what: `${what}, 95th percentile`, value, unit: 'ms', ...(isList && { target: { atMost: 300 } }) });
}

for (const [what, filter] of Object.entries(filters)) {
  let after: string | null = null;
  await measure(
    `a page of calls, ${what}`,
    async () => {
      after = (await queries.listCalls({ ...page, ...filter, after })).nextCursor;
    },
    { rounds: 20, isList: true },
  );
}
for (const crm of ['kommo', undefined]) {
  const state = { sort: 'createdAt', order: 'desc', limit: 50 } as const;
  let after: string | null = null;
  const states = ['rejected'] as const;
  await measure(
    `a page of refused deliveries${crm === undefined ? '' : ' of one CRM'}`,
    async () => {
      const asked = { ...state, states, after, ...(crm === undefined ? {} : { crm }) };
      after = (await queries.listDeliveries(asked)).nextCursor;
    },
    { rounds: 20, isList: true },
  );
}
for (const days of [1, 7, 30, 90]) {
  const period = { ...since(days), extensions: null };
  const few = { rounds: 5, isList: days <= 7 };
  await measure(`overview of ${days} days`, () => reports.overview(period), few);
  await measure(`missed clients of ${days} days`, () => reports.missedClients({ ...period, limit: 500 }), few);
  await measure(
    `completeness of ${days} days, two CRMs`,
    () =>
      reports.completeness({
        ...period,
        crms: ['local', 'kommo'],
        clocks: [{ from: period.from, aheadMs: 10_800_000 }],
      }),
    few,
  );
}
{
  let after: string | null = null;
  await measure(
    'a page of what a CRM lacks in 90 days',
    async () => {
      const asked = { ...since(90), crm: 'kommo', states: ['missing', 'rejected'] as const };
      const { nextCursor } = await queries.listLacking({
        ...asked,
        sort: 'requestedAt',
        order: 'desc',
        limit: 100,
        after,
      });
      after = nextCursor;
    },
    { rounds: 5, isList: false },
  );
}
await database.close();
rmSync(folder, { recursive: true });
