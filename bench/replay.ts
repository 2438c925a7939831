/**
 * `replay` of the traffic of very many calls: does memory stay as it is, and how long does it take. The traffic is played
 * by the same process; a file of it would have hundreds of megabytes.
 *
 * node --import tsx bench/replay.ts [CALLS] [ami|cel]
 */
import { replayCalls } from '../src/cli/replay.ts';
import { silentLog } from '../test/support/silent-log.ts';
import {
  createTrafficReader,
  playTraffic,
  readStories,
  trafficPlan,
  type TrafficKind,
} from '../test/support/traffic.ts';
import { measure, report } from './figure.ts';

const calls = Number(process.argv[2] ?? 100_000);
const kind: TrafficKind = process.argv[3] === 'ami' ? 'ami' : 'cel';

async function* play() {
  const read = createTrafficReader(kind);
  for (const text of playTraffic({ stories: readStories(kind), calls, storiesPerSecond: 20 }))
    yield read(Buffer.from(text));
}

const rssMb: number[] = [];
let told = 0;
const { seconds } = await measure(async () => {
  const parts = { plan: trafficPlan(), log: silentLog, screen: () => null, keepsInternal: true };
  for await (const _ of replayCalls([play()], parts)) {
    told++;
    if (told % (calls / 10) === 0) rssMb.push(process.memoryUsage().rss / 2 ** 20);
  }
});
if (told < calls) throw new Error(`${told} calls of ${calls} were told`);
report({
  what: `replay of ${calls.toLocaleString('en')} calls (${kind.toUpperCase()}): memory at the end, against after a fifth`,
  value: rssMb[9]!,
  unit: 'MB',
  peer: { name: 'after a fifth', value: rssMb[1]! },
  target: { atMost: 1.1, isOfRatio: true },
});
report({ what: 'replay, with the playing of the traffic', value: told / seconds, unit: 'calls/s' });
