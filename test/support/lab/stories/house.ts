/** What employees do with calls inside the house: pickup, parking, holding, conferences. */
import assert from 'node:assert/strict';
import { answer, hangUp, hold, neverAnswer, press, ring, stay, talk } from '../script.ts';
import {
  answered,
  assertNeverTalked,
  assertRangInVain,
  assertTalked,
  rangElsewhere,
  seconds,
  type Story,
} from '../story.ts';

const client = '79161110002';
const inbound = { direction: 'inbound', client: '+79161110002', did: '7000001', result: 'answered' } as const;
const withRecording = { hasRecording: true };

function pickup(story: { name: string; title: string; code: string }): Story {
  return {
    name: story.name,
    title: story.title,
    async run(lab) {
      await lab.script({ '101': [neverAnswer()] });
      const call = await lab.call({ from: client, to: '7000001', then: [talk(2), hangUp()] });
      await lab.witness.until('101 rings', () => lab.witness.of('101').length > 0);
      await seconds(1);
      const picker = await lab.call({ from: '102', to: story.code });
      await call.ended;
      await picker.ended;
      await lab.quiet();
      assertRangInVain(lab, '101');
      assertTalked(lab, '102', client, 2);
    },
    expect: [{ ...inbound, conversations: [answered('102', 2, withRecording), rangElsewhere('101')] }],
  };
}

const park: Story = {
  name: 'park-and-retrieve',
  title: 'The employee parks the client, a colleague retrieves the client from the parking place.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), talk(2), press('#72'), stay()] });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(30)] });
    await lab.witness.until('the client is parked', () => lab.witness.parkedAt !== null);
    await lab.witness.until('101 is free', () => lab.witness.of('101').every((one) => one.endedAt !== null));
    await lab.call({ from: '102', to: lab.witness.parkedAt!, then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 2);
    assertTalked(lab, '102', client, 2);
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording), answered('102', 2, withRecording)] }],
};
const parkComesBack: Story = {
  name: 'park-comes-back',
  title: 'The employee parks the client, nobody retrieves the client, the call comes back to the employee.',
  async run(lab) {
    await lab.script({
      '101': [
        [ring(1), answer(), talk(2), press('#72'), stay()],
        [ring(1), answer(), talk(2), hangUp()],
      ],
    });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(30)] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 4);
    assert.equal(lab.witness.of('101').length, 2);
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording), answered('101', 2, withRecording)] }],
};

const pickupFromQueue: Story = {
  name: 'pickup-from-queue',
  title: 'A colleague who is no member picks up the call that a queue rings on three phones.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], '102': [neverAnswer()], '103': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000003', then: [talk(4), hangUp()] });
    await lab.witness.until('103 rings', () => lab.witness.of('103').length > 0);
    await seconds(1);
    const picker = await lab.call({ from: '104', to: '*8' });
    await call.ended;
    await picker.ended;
    await lab.quiet();
    for (const phone of ['101', '102', '103']) assertRangInVain(lab, phone);
    assertTalked(lab, '104', client, 3);
  },
  expect: [{ ...inbound, did: '7000003', conversations: [answered('104', 3, withRecording)] }],
};
const parkAbandoned: Story = {
  name: 'park-abandoned',
  title: 'The client hangs up on the parking place.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), talk(2), press('#72'), stay()] });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(5), hangUp()] });
    await call.ended;
    await lab.quiet();
    assert(lab.witness.parkedAt, 'the client was parked');
    assertTalked(lab, '101', client, 2);
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording)] }],
};
const onHold: Story = {
  name: 'hold',
  title: 'The employee puts the client on hold for a while.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), talk(1.5), hold(2), talk(1.5), hangUp()] });
    const call = await lab.call({ from: client, to: '7000001' });
    await call.ended;
    await lab.quiet();
    assert.equal(lab.witness.holds.length, 1, 'the client was put on hold once');
    assertTalked(lab, '101', client, 5);
  },
  expect: [{ ...inbound, conversations: [answered('101', 5, withRecording)] }],
};
const secondLine: Story = {
  name: 'second-line',
  title: 'The employee puts the client on hold to answer a second client, and comes back.',
  async run(lab) {
    await lab.script({
      '101': [
        [ring(0.5), answer(), talk(2), hold(4), talk(1), hangUp()],
        [ring(1), answer(), talk(2), hangUp()],
      ],
    });
    const first = await lab.call({ from: client, to: '7000001' });
    await lab.witness.until('101 answers', () => lab.witness.of('101').some((one) => one.answeredAt !== null));
    await seconds(1.5);
    const second = await lab.call({ from: '79161110004', to: '7000001' });
    await Promise.all([first.ended, second.ended]);
    await lab.quiet();
    assert.equal(lab.witness.holds.length, 1);
    assertTalked(lab, '101', client, 7);
    assertTalked(lab, '101', '79161110004', 2);
    assertNeverTalked(lab, client, '79161110004');
  },
  expect: [
    { ...inbound, conversations: [answered('101', 7, withRecording)] },
    {
      ...inbound,
      client: '+79161110004',
      conversations: [answered('101', 2, withRecording)],
    },
  ],
};

const conference: Story = {
  name: 'conference',
  title: 'The client enters a conference room, two employees join and leave one after the other.',
  async run(lab) {
    await lab.script({});
    const call = await lab.call({ from: client, to: '7000008', then: [talk(5), hangUp()] });
    await seconds(0.5);
    const first = await lab.call({ from: '101', to: '800', then: [talk(3), hangUp()] });
    await seconds(1);
    const second = await lab.call({ from: '102', to: '800', then: [talk(2.7), hangUp()] });
    await Promise.all([call.ended, first.ended, second.ended]);
    await lab.quiet();
    assertTalked(lab, '101', client, 3);
    assertTalked(lab, '102', client, 2.7);
  },
  expect: [
    {
      ...inbound,
      did: '7000008',
      conversations: [answered('101', 3), answered('102', 2.7)],
    },
  ],
};

export const houseStories: readonly Story[] = [
  pickup({ name: 'pickup', title: 'A colleague picks up the ringing call with *8.', code: '*8' }),
  pickup({
    name: 'pickup-directed',
    title: 'A colleague picks up the call that rings on a named phone.',
    code: '*8101',
  }),
  pickupFromQueue,
  park,
  parkComesBack,
  parkAbandoned,
  onHold,
  secondLine,
  conference,
];
