/**
 * Catching up after we were away: rows of a CEL file per second, from the file through reader, spool and tracker until
 * calls, events and deliveries are durable on SQLite; and without a database, what reading and tracking alone cost.
 *
 * node --import tsx bench/catch-up.ts [CALLS]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallStore, CursorStore } from '../src/core/ports.ts';
import { CallTracker, defaultTrackerSettings } from '../src/core/tracking/call-tracker.ts';
import { CelReader } from '../src/pbx/asterisk/csv/cel-reader.ts';
import { LocalTime } from '../src/pbx/asterisk/csv/local-time.ts';
import { createCallStore } from '../src/storage/call-store.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { createCursorStore } from '../src/storage/cursor-store.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { createSpool } from '../src/storage/spool.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { playTraffic, readStories, trafficPlan } from '../test/support/traffic.ts';
import { until } from '../test/support/until.ts';
import { measure, report } from './figure.ts';

const calls = Number(process.argv[2] ?? 5_000);
const clock = { now: () => new Date() };

const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-'));
const file = join(folder, 'Master.csv');
// The peak of an office with some hundreds of phones.
const text = [...playTraffic({ stories: readStories('cel'), calls, storiesPerSecond: 2 })].join('');
writeFileSync(file, text);
const rows = text.split('\n').length - 1;

/** Reads the whole file, waits until all of it is durable, and says what that cost. */
async function catchUp(store: CallStore, cursors: CursorStore) {
  const tracker = new CallTracker({
    store,
    plan: trafficPlan(),
    clock,
    log: silentLog,
    watchers: [],
    screen: () => null,
    settings: defaultTrackerSettings,
  });
  const spool = createSpool({ sink: tracker, path: join(folder, 'spool.jsonl'), log: silentLog });
  const reader = new CelReader(
    { file, columns: null, lookBackMs: null, pollMs: 1_000 },
    { source: 'office', sink: spool, cursors, clock, log: silentLog, time: new LocalTime('UTC') },
  );
  await spool.start();
  const cost = await measure(async () => {
    reader.start();
    await until(() => reader.status().rows === rows, { timeoutMs: 120_000 });
  });
  await reader.stop();
  // What the spool wrote down would not be in the ledger yet.
  if (spool.status().health !== 'ok') throw new Error(spool.status().message);
  await spool.stop();
  await tracker.stop();
  return cost;
}

const positions = new Map<string, string>();
const forgetful = {
  store: { save: async () => {}, load: async () => [], loadFollowed: async () => [] },
  cursors: {
    get: async (name: string) => positions.get(name) ?? null,
    set: async (name: string, value: string) => void positions.set(name, value),
  },
};
const without = await catchUp(forgetful.store, forgetful.cursors);

const database = await openDatabase({ kind: 'sqlite', path: join(folder, 'ledger.sqlite') });
await migrateDatabase(database);
const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
const durable = await catchUp(store, createCursorStore(database));
const [counted] = await database.reader('calls').count<{ calls: number }[]>('* as calls');
const [owed] = await database.reader('conversations').count<{ conversations: number }[]>('* as conversations');
await database.close();
rmSync(folder, { recursive: true });
if (counted!.calls < calls) throw new Error(`${counted!.calls} calls of ${calls} are in the ledger`);
report({
  what: 'CEL catch-up until durable on SQLite',
  value: rows / durable.cpuSeconds,
  unit: 'rows/s',
  peer: { name: 'without a database', value: rows / without.cpuSeconds },
  target: { atLeast: 20_000 },
});
report({ what: 'the same by the clock', value: rows / durable.seconds, unit: 'rows/s' });
report({
  what: 'conversations made durable on SQLite, catching up',
  value: owed!.conversations / durable.cpuSeconds,
  unit: 'conversations/s',
  target: { atLeast: 1_000 },
});
