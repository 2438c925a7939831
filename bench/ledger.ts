/**
 * Live calls through the tracker until they are durable on SQLite, as fast as events can be had: conversations per
 * second, and how long the event loop, on which callers' questions are answered, stands meanwhile. Events come as from
 * the event session, fresh from the parser and in batches of at most 2,000, hundreds of calls overlapping, so that each
 * call is saved many times. The parser has a bench of its own (`ami`) and is not measured here, nor are the first calls,
 * which a process follows while its code is still being compiled. Flags of V8 are those of the service.
 *
 * node --import tsx bench/ledger.ts [CALLS]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setGarbageCollection } from '../src/installation/garbage-collection.ts';
import type { PbxEvent } from '../src/core/pbx-event.ts';
import { CallTracker, defaultTrackerSettings } from '../src/core/tracking/call-tracker.ts';
import { createCallStore } from '../src/storage/call-store.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { createTrafficReader, playTraffic, readStories, trafficPlan } from '../test/support/traffic.ts';
import { measure, report } from './figure.ts';

const calls = Number(process.argv[2] ?? 2_000);
const warmUpCalls = 2_000;
const maxBatch = 2_000;
setGarbageCollection();

const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-'));
const database = await openDatabase({ kind: 'sqlite', path: join(folder, 'ledger.sqlite') });
await migrateDatabase(database);
const clock = { now: () => new Date() };
const tracker = new CallTracker({
  store: createCallStore({ database, crms: ['local'], settleMs: 0, clock }),
  plan: trafficPlan(),
  clock,
  log: silentLog,
  watchers: [],
  screen: () => null,
  settings: defaultTrackerSettings,
});

async function countOf(table: 'calls' | 'conversations'): Promise<number> {
  const [row] = await database.reader(table).count<{ rows: number }[]>('* as rows');
  return row!.rows;
}

/** Plays the traffic into the tracker, and tells what following and saving it has cost. */
async function follow(traffic: { readonly calls: number; readonly afterSeconds: number }) {
  const read = createTrafficReader('ami');
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const cost = { events: 0, seconds: 0, cpuSeconds: 0, delays };
  let batch: PbxEvent[] = [];
  const accept = async () => {
    delays.enable();
    const { seconds, cpuSeconds } = await measure(() => tracker.accept(batch));
    delays.disable();
    cost.events += batch.length;
    cost.seconds += seconds;
    cost.cpuSeconds += cpuSeconds;
    batch = [];
  };
  for (const text of playTraffic({ stories: readStories('ami'), storiesPerSecond: 20, ...traffic })) {
    for (const event of read(Buffer.from(text))) if (batch.push(event) === maxBatch) await accept();
  }
  await accept();
  return cost;
}

await follow({ calls: warmUpCalls, afterSeconds: 0 });
const before = { calls: await countOf('calls'), conversations: await countOf('conversations') };
const { events, seconds, cpuSeconds, delays } = await follow({ calls, afterSeconds: 3_600 });
await tracker.stop();
const savedCalls = (await countOf('calls')) - before.calls;
const saved = (await countOf('conversations')) - before.conversations;
await database.close();
rmSync(folder, { recursive: true });
if (savedCalls < calls) throw new Error(`${savedCalls} calls of ${calls} are in the ledger`);
report({
  what: 'conversations made durable on SQLite, live',
  value: saved / cpuSeconds,
  unit: 'conversations/s',
  target: { atLeast: 1_000 },
});
report({ what: 'the same by the clock', value: saved / seconds, unit: 'conversations/s' });
report({ what: 'their events', value: events / cpuSeconds, unit: 'events/s' });
report({ what: 'event loop meanwhile, 99th percentile', value: delays.percentile(99) / 1e6, unit: 'ms' });
