/**
 * Live calls through the tracker until they are durable on SQLite, as fast as events can be had: conversations per
 * second, and how long the event loop, on which callers' questions are answered, stands meanwhile. Events come as from
 * the event session, in batches of at most 2,000, hundreds of calls overlapping, so that each call is saved many times.
 *
 * node --import tsx bench/ledger.ts [CALLS]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { PbxEvent } from '../src/core/pbx-event.ts';
import { CallTracker, defaultTrackerSettings } from '../src/core/tracking/call-tracker.ts';
import { createCallStore } from '../src/storage/call-store.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { createTrafficReader, playTraffic, readStories, trafficPlan } from '../test/support/traffic.ts';
import { measure, report } from './figure.ts';

const calls = Number(process.argv[2] ?? 2_000);
const maxBatch = 2_000;

const read = createTrafficReader('ami');
const events: PbxEvent[] = [];
for (const text of playTraffic({ stories: readStories('ami'), calls, storiesPerSecond: 20 }))
  events.push(...read(Buffer.from(text)));

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
const delays = monitorEventLoopDelay({ resolution: 1 });
const { seconds, cpuSeconds } = await measure(async () => {
  delays.enable();
  for (let start = 0; start < events.length; start += maxBatch)
    await tracker.accept(events.slice(start, start + maxBatch));
  delays.disable();
});
await tracker.stop();
const [saved] = await database.reader('conversations').count<{ conversations: number }[]>('* as conversations');
const [counted] = await database.reader('calls').count<{ calls: number }[]>('* as calls');
await database.close();
rmSync(folder, { recursive: true });
if (counted!.calls < calls) throw new Error(`${counted!.calls} calls of ${calls} are in the ledger`);
report({
  what: 'conversations made durable on SQLite, live',
  value: saved!.conversations / cpuSeconds,
  unit: 'conversations/s',
  target: { atLeast: 1_000 },
});
report({ what: 'the same by the clock', value: saved!.conversations / seconds, unit: 'conversations/s' });
report({ what: 'their events', value: events.length / cpuSeconds, unit: 'events/s' });
report({ what: 'event loop meanwhile, 99th percentile', value: delays.percentile(99) / 1e6, unit: 'ms' });
