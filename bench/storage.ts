/**
 * Conversations made durable per second on SQLite and PostgreSQL, whole calls at once (catching up) and call by call in
 * five steps (live); how long the event loop stands meanwhile; deliveries per second; pages of a long ledger.
 * Targets on SQLite: 1,000 conversations/s, event loop p99 below 20 ms, 50 deliveries/s, pages p95 below 300 ms.
 *
 * node --import tsx bench/storage.ts [CALLS]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createDeliveryRunner } from '../src/core/delivery.ts';
import type { CallChange } from '../src/core/ports.ts';
import { createCallStore } from '../src/storage/call-store.ts';
import type { DatabaseConfig } from '../src/storage/config.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { createDeliveryStore } from '../src/storage/delivery-store.ts';
import { createLedgerQueries } from '../src/storage/ledger-queries.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { numberedChange } from '../test/support/ledger-samples.ts';
import { report } from './figure.ts';
import { startPostgresCluster } from '../test/support/postgres-cluster.ts';

const calls = Number(process.argv[2] ?? 20_000);
const conversationsPerCall = 2;
const clock = { now: () => new Date() };
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** A call as the tracker saves it while it goes on: three events at a time, owed with the last. */
function liveSteps(n: number): CallChange[] {
  const whole = numberedChange(n, conversationsPerCall);
  return Array.from({ length: 5 }, (_, step) => ({
    ...whole,
    newEvents: whole.newEvents.slice(step * 3, step * 3 + 3),
    owed: step === 4 ? whole.owed : [],
  }));
}

async function measureSaves(
  save: (changes: readonly CallChange[]) => Promise<void>,
  batches: Iterable<readonly CallChange[]>,
): Promise<{ readonly seconds: number; readonly p99Ms: number }> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const startedAt = performance.now();
  for (const batch of batches) await save(batch);
  const seconds = (performance.now() - startedAt) / 1_000;
  delays.disable();
  return { seconds, p99Ms: delays.percentile(99) / 1e6 };
}

function* wholeCalls(from: number, count: number, perBatch: number): Generator<CallChange[]> {
  for (let n = from; n < from + count; n += perBatch) {
    yield Array.from({ length: perBatch }, (_, index) => numberedChange(n + index, conversationsPerCall));
  }
}
function* callsInSteps(from: number, count: number, sideBySide: number): Generator<CallChange[]> {
  for (let n = from; n < from + count; n += sideBySide) {
    const group = Array.from({ length: sideBySide }, (_, index) => liveSteps(n + index));
    for (let step = 0; step < 5; step++) yield group.map((steps) => steps[step]!);
  }
}

async function measure(name: string, config: DatabaseConfig): Promise<void> {
  const database = await openDatabase(config);
  await migrateDatabase(database);
  const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
  const reportSaves = (how: string, count: number, run: { seconds: number; p99Ms: number }) => {
    const value = count / run.seconds;
    report({
      what: `${name}: conversations saved, ${how}`,
      value,
      unit: 'conversations/s',
      ...(name === 'SQLite' && { target: { atLeast: 1_000 } }),
    });
    report({
      what: `${name}: event loop meanwhile, 99th percentile`,
      value: run.p99Ms,
      unit: 'ms',
      target: { atMost: 20 },
    });
  };
  const live = Math.ceil(calls / 10);
  const save = (changes: readonly CallChange[]) => store.save(changes);
  await measureSaves(save, wholeCalls(10_000_000, 200, 50));
  reportSaves(
    '100 whole calls a batch',
    calls * conversationsPerCall,
    await measureSaves(save, wholeCalls(0, calls, 100)),
  );
  reportSaves(
    '20 calls in five steps each',
    live * conversationsPerCall,
    await measureSaves(save, callsInSteps(1_000_000, live, 20)),
  );
  reportSaves(
    'one call at a time',
    live * conversationsPerCall,
    await measureSaves(save, wholeCalls(2_000_000, live, 1)),
  );

  const deliveries = createDeliveryStore({ database, clock });
  const some = 2_000;
  let done = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const runner = createDeliveryRunner({
      store: deliveries,
      crms: ['local'],
      node: 'bench',
      clock,
      log: silent,
      async handle() {
        if (++done === some) void runner.stop().then(resolve, reject);
        return { crmId: String(done) };
      },
    });
    runner.start().catch(reject);
  });
  report({
    what: `${name}: deliveries`,
    value: some / ((performance.now() - startedAt) / 1_000),
    unit: '/s',
    target: { atLeast: 50 },
  });

  const queries = createLedgerQueries(database);
  const page = { sort: 'startedAt', order: 'desc', limit: 50, after: null } as const;
  const filters = {
    all: {},
    'by extension': { extension: '117' },
    'by number': { number: '0000123' },
    missed: { results: ['missed'] as const },
  };
  for (const [what, filter] of Object.entries(filters)) {
    const times: number[] = [];
    let after: string | null = null;
    for (let n = 0; n < 40; n++) {
      const pageStartedAt = performance.now();
      after = (await queries.listCalls({ ...page, ...filter, after })).nextCursor;
      times.push(performance.now() - pageStartedAt);
    }
    const p95 = times.sort((a, b) => a - b)[37]!;
    report({
      what: `${name}: a page of 50 calls, ${what}, 95th percentile`,
      value: p95,
      unit: 'ms',
      target: { atMost: 300 },
    });
  }
  await database.close();
}

const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-'));
await measure('SQLite', { kind: 'sqlite', path: join(folder, 'ledger.sqlite') });
rmSync(folder, { recursive: true });
const cluster = await startPostgresCluster();
await measure('PostgreSQL', { kind: 'postgres', url: cluster.urlOf('postgres') });
await cluster.remove();
