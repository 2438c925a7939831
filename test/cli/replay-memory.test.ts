import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { replayCalls } from '../../src/cli/replay.ts';
import type { Call } from '../../src/core/call.ts';
import { silentLog } from '../support/silent-log.ts';
import { createTrafficReader, playTraffic, readStories, trafficPlan, type TrafficKind } from '../support/traffic.ts';

async function* play(kind: TrafficKind, calls: number, stories = readStories(kind)) {
  const read = createTrafficReader(kind);
  for (const text of playTraffic({ stories, calls, storiesPerSecond: 5 })) yield read(Buffer.from(text));
}
const replay = (events: ReturnType<typeof play>) =>
  replayCalls([events], { plan: trafficPlan(), log: silentLog, screen: () => null, keepsInternal: true });

/** What a call came to, without what differs from one playing to the next. */
function outcomeOf(call: Call): string {
  const { direction, result, did, conversations } = call;
  return JSON.stringify([
    direction,
    result,
    did,
    conversations.map(({ extension, result, registered, reason, duration, waiting }) => [
      extension,
      result,
      registered,
      reason,
      duration,
      waiting,
    ]),
  ]);
}
async function countOutcomes(calls: AsyncIterable<Call>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const call of calls) counts.set(outcomeOf(call), (counts.get(outcomeOf(call)) ?? 0) + 1);
  return counts;
}

describe('replay of heavy traffic', () => {
  for (const kind of ['ami', 'cel'] as const) {
    it(`tells hundreds of overlapping calls apart (${kind})`, async function () {
      this.timeout(60_000);
      const stories = readStories(kind);
      const expected = new Map<string, number>();
      for (const story of stories)
        for (const [outcome, count] of await countOutcomes(replay(play(kind, story.calls, [story]))))
          expected.set(outcome, (expected.get(outcome) ?? 0) + 3 * count);
      const calls = 3 * stories.reduce((sum, story) => sum + story.calls, 0);
      const found = await countOutcomes(replay(play(kind, calls, stories)));
      assert.deepEqual([...found].sort(), [...expected].sort());
    });
  }

  it('needs no more memory for more calls', async function () {
    this.timeout(60_000);
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const usedMb = () => {
      collectGarbage();
      return process.memoryUsage().heapUsed / 2 ** 20;
    };
    let calls = 0;
    let atFirst = 0;
    for await (const _ of replay(play('cel', 9_000))) {
      calls++;
      // By then the calls in grace and those held back for their order are as many as they will be.
      if (calls === 3_000) atFirst = usedMb();
      if (calls !== 6_000) continue;
      const grownMb = usedMb() - atFirst;
      assert.ok(grownMb < 3, `${grownMb.toFixed(1)} MB more after 3,000 calls more`);
    }
    assert.ok(calls >= 9_000);
  });
});
