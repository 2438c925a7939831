import assert from 'node:assert/strict';
import { replayCalls } from '../../src/cli/replay.ts';
import type { Call } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import {
  amiEvents,
  apartMs,
  celEvents,
  describeFacts,
  labNumbering,
  readRecordedStories,
  releases,
  withoutAmiAlone,
  withoutDialler,
  type RecordedStory,
} from '../support/recorded-traffic.ts';
import { createDice, diceOfThisRun } from '../support/random-seed.ts';
import { silentLog } from '../support/silent-log.ts';

async function follow(story: RecordedStory, ami: readonly string[]): Promise<Call[]> {
  const once = async function* (events: readonly PbxEvent[]) {
    yield events;
  };
  const calls: Call[] = [];
  const parts = { plan: labNumbering(story.mobiles), log: silentLog, screen: () => null, keepsInternal: true };
  for await (const call of replayCalls([once(amiEvents(ami)), once(celEvents(story.cel))], parts)) calls.push(call);
  return calls;
}

/** Of a hundred messages two are lost, five come twice and five at another time. */
function disturb(messages: readonly string[], seed: number): string[] {
  const dice = createDice(seed);
  const told = messages.flatMap((message) => {
    const lot = dice();
    return lot < 0.02 ? [] : lot < 0.07 ? [message, message] : [message];
  });
  for (let index = 0; index < told.length; index++) {
    if (dice() >= 0.05) continue;
    const [moved] = told.splice(index, 1);
    told.splice(Math.floor(dice() * (told.length + 1)), 0, moved!);
  }
  return told;
}

describe('an AMI link that loses, doubles and reorders events', function () {
  this.timeout(60_000);
  for (const release of releases) {
    it(`leaves the same records as a clean one when CEL is whole, for every story of ${release}`, async () => {
      const dice = diceOfThisRun();
      for (const story of readRecordedStories(release)) {
        const factsOf = (told: readonly Call[]) => withoutDialler(withoutAmiAlone(told)).map(describeFacts);
        const clean = factsOf(await follow(story, story.ami));
        for (let round = 0; round < 4; round++) {
          const seed = Math.floor(dice() * 2 ** 31);
          const calls = factsOf(await follow(story, disturb(story.ami, seed)));
          const which = `${story.name}, seed ${seed}`;
          const facts = (described: typeof calls) => described.map((call) => JSON.stringify(call.facts)).join('\n');
          assert.equal(facts(calls), facts(clean), which);
          for (const [index, { times }] of calls.entries()) {
            const isNear = times.every((at, place) => Math.abs(at - clean[index]!.times[place]!) <= apartMs);
            assert.ok(isNear, `${which}: ${times.join()} instead of ${clean[index]!.times.join()}`);
          }
        }
      }
    });
  }
});
