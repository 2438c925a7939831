/** Every story as a real call on a real Asterisk, followed by the running service, checked in its ledger and in the built-in CRM. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { describeCall, differences } from '../support/expectation.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { CannotProvision, provision } from '../support/lab/provision.ts';
import { stories } from '../support/lab/stories.ts';
import type { Story } from '../support/lab/story.ts';
import { RunningService, type ListedCall } from '../support/running-service.ts';

/** Stories mostly wait, so several laboratories play them side by side. */
const laboratories = 4;
const patienceMs = 15_000;

interface Outcome {
  /** Set when the story did not happen as scripted, or the service failed. */
  readonly error: Error | null;
  readonly faults: readonly string[];
  readonly calls: readonly ListedCall[];
}

async function play(story: Story, lab: Lab): Promise<Outcome> {
  const config =
    story.employees === undefined
      ? {}
      : {
          users: story.employees.map(({ extension, mobile }) => ({
            id: extension,
            name: extension,
            extensions: [extension],
            mobile,
          })),
        };
  const service = await RunningService.start(lab, { config });
  try {
    await connected(service);
    lab.witness.reset();
    await story.run(lab);
    await lab.quiet();
    const waitUntil = Date.now() + patienceMs;
    for (;;) {
      const calls = await service.calls();
      const faults = [...differences(calls, story.expect), ...calls.flatMap(undelivered)];
      if (faults.length === 0 || Date.now() > waitUntil) return { error: null, faults, calls };
      await delay(100);
    }
  } finally {
    await service.stop();
  }
}

/** A story must not begin before the service listens to the PBX. */
async function connected(service: RunningService): Promise<void> {
  const waitUntil = Date.now() + patienceMs;
  for (;;) {
    const faults = (await service.app.status()).filter(
      (part) => part.part.startsWith('lab') && part.health === 'error',
    );
    if (faults.length === 0) return;
    if (Date.now() > waitUntil) throw new Error(faults.map((fault) => fault.message).join('\n'));
    await delay(50);
  }
}

/** Each registered conversation is delivered to the built-in CRM once, and nothing else is. */
function undelivered(call: ListedCall): string[] {
  return call.conversations.flatMap(({ uniqueId, registered, deliveries }) => {
    if (!registered) return deliveries.length === 0 ? [] : [`${uniqueId}: is not registered, but owed`];
    if (deliveries.length !== 1) return [`${uniqueId}: has ${deliveries.length} deliveries`];
    const { state, lastError } = deliveries[0]!;
    return state === 'delivered' ? [] : [`${uniqueId}: its delivery is ${state} (${lastError})`];
  });
}

describe('stories on a real Asterisk', function () {
  const outcomes = new Map<string, Promise<Outcome>>();
  const labs: Lab[] = [];

  before(async function () {
    this.timeout(600_000);
    try {
      await provision();
    } catch (error) {
      if (!(error instanceof CannotProvision)) throw error;
      console.warn(`      not run here: ${error.message}`);
      this.skip();
    }
    const started = await Promise.all(Array.from({ length: laboratories }, () => startLab()));
    labs.push(...started);
    const left = [...stories];
    const settle = new Map<string, (outcome: Outcome) => void>();
    for (const story of stories) outcomes.set(story.name, new Promise((resolve) => settle.set(story.name, resolve)));
    for (const lab of labs) {
      void (async () => {
        for (let story = left.shift(); story !== undefined; story = left.shift()) {
          const outcome = await play(story, lab).catch((error: Error) => ({ error, faults: [], calls: [] }));
          settle.get(story.name)!(outcome);
          if (outcome.error !== null) await lab.hangUpAll().catch(() => undefined);
        }
      })();
    }
  });
  after(async function () {
    this.timeout(60_000);
    await Promise.all(labs.map((lab) => lab.stop()));
  });

  for (const story of stories) {
    it(`${story.name}: ${story.title}`, async function () {
      this.timeout(300_000);
      const { error, faults, calls } = await outcomes.get(story.name)!;
      if (error !== null) throw error;
      assert.deepEqual(faults, [], `${faults.join('\n')}\n${calls.map(describeCall).join('\n')}`);
    });
  }
});
