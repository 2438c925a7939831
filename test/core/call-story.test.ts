import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { tellStory, type CallStory } from '../../src/core/call-story.ts';
import type { QueueStay } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { recordCall } from '../../src/core/tracking/call-record.ts';
import { stateFromEvents } from '../../src/core/tracking/call-tracker.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { readCapture } from '../../src/pbx/asterisk/capture.ts';

const plan = createNumberPlan(
  numberingConfig.parse({ country: 'RU', extensions: ['_1XX'], trunks: ['provider'] }),
  (number) => /^1\d\d$/.test(number),
);

async function read(story: string, file = 'ami.log'): Promise<PbxEvent[]> {
  const path = fileURLToPath(new URL(`../scenarios/${story}/asterisk-22/${file}`, import.meta.url));
  const events: PbxEvent[] = [];
  for await (const some of readCapture(path, { source: 'office', timeZone: 'Europe/Moscow' })) events.push(...some);
  return events;
}
function storedCall(events: readonly PbxEvent[]) {
  const linkedIds = [...new Set(events.map(({ linkedId }) => linkedId))];
  return { source: 'office', linkedId: linkedIds[0]!, linkedIds, events, owed: [] };
}
const tell = (events: readonly PbxEvent[]): CallStory => tellStory(storedCall(events), plan)!;
const queueOf = (events: readonly PbxEvent[]): QueueStay | null =>
  recordCall(stateFromEvents(storedCall(events)), plan)!.queue;
/** `ring 1, talk 2`: what there was, in whole seconds. */
const words = ({ conversations }: CallStory, index = 0) =>
  conversations[index]!.spans.map(
    ({ kind, from, to }) => `${kind} ${Math.round((to!.getTime() - from.getTime()) / 1000)}`,
  ).join(', ');

describe('the story of a call', () => {
  it('tells when the client was on hold while the employee asked a colleague, and that the call was passed on', async () => {
    const story = tell(await read('attended-transfer-refer'));
    assert.equal(words(story), 'ring 1, talk 2, hold 3');
    assert.deepEqual(
      story.conversations[0]!.transfers.map(({ kind, to }) => [kind, to]),
      [['attended', null]],
    );
  });

  it('tells when the client came back from hold', async () => {
    const story = tell(await read('attended-transfer-aborted'));
    assert.equal(words(story), 'ring 1, talk 2, hold 5, talk 2');
    assert.deepEqual(story.conversations[0]!.transfers, []);
  });

  it('tells where a call was sent without asking', async () => {
    const [first] = tell(await read('blind-transfer-refer')).conversations;
    assert.deepEqual(
      first!.transfers.map(({ kind, to }) => [kind, to]),
      [['blind', '103']],
    );
  });

  it('has no gaps and ends with its conversation, whatever the call', async () => {
    for (const name of [
      'attended-transfer-refer',
      'attended-transfer-into-queue',
      'queue-answered',
      'pickup',
      'voicemail',
    ]) {
      for (const { spans } of tell(await read(name)).conversations) {
        for (const [index, span] of spans.entries()) {
          if (index > 0) assert.deepEqual(span.from, spans[index - 1]!.to, name);
          assert.ok(span.to !== null && span.to >= span.from, name);
        }
      }
    }
  });

  it('is the same however often and in whatever order its events are told', async () => {
    const events = await read('attended-transfer-aborted');
    const told = tell(events);
    assert.deepEqual(tell([...events, ...events]), told);
    const { linkedId } = storedCall(events);
    const turned = { ...storedCall([...events].reverse()), linkedId, linkedIds: storedCall(events).linkedIds };
    assert.deepEqual(tellStory(turned, plan), told);
  });

  it('knows whose voice the left side of a recording holds: that of the channel that was recorded', async () => {
    const { sides } = tell(await read('attended-transfer-refer'));
    assert.deepEqual(
      sides.map(({ path, left }) => [path.split('/').at(-1), left]),
      [['1795251383.27.wav', 'client']],
    );
  });

  it('is known without AMI as far as CEL tells', async () => {
    const story = tell(await read('blind-transfer-refer', 'cel.csv'));
    assert.equal(words(story), 'ring 1, talk 2');
    assert.equal(story.conversations[0]!.transfers[0]!.kind, 'blind');
  });
});

describe('the queue of a call', () => {
  it('is left when somebody answers', async () => {
    const events = await read('queue-answered');
    const { name, joinedAt, leftAt } = queueOf(events)!;
    const answered = recordCall(stateFromEvents(storedCall(events)), plan)!.conversations.find((one) => one.answeredAt);
    assert.equal(name, 'sales');
    assert.ok(joinedAt < leftAt!);
    assert.deepEqual(leftAt, answered!.answeredAt);
  });

  it('is left when the client gives up, or is sent on', async () => {
    for (const [story, seconds] of [
      ['queue-abandoned', 4],
      ['queue-timed-out', 6],
    ] as const) {
      const { joinedAt, leftAt } = queueOf(await read(story))!;
      assert.ok(Math.abs((leftAt!.getTime() - joinedAt.getTime()) / 1000 - seconds) <= 1, story);
    }
  });

  it('is not left as long as phones ring', async () => {
    const events = await read('queue-answered');
    const answeredAt = queueOf(events)!.leftAt!.getTime();
    // As told until then: call records, which come last, tell of earlier times.
    const meanwhile = events.slice(
      0,
      events.findIndex(({ at }) => at >= answeredAt - 100),
    );
    const { name, leftAt } = queueOf(meanwhile)!;
    assert.deepEqual([name, leftAt], ['sales', null]);
  });

  it('is none for calls that stood in none', async () => {
    assert.equal(queueOf(await read('blind-transfer-refer')), null);
  });
});
