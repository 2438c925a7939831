/** Calls from outside to phones and groups of phones. */
import assert from 'node:assert/strict';
import { answer, busy, decline, hangUp, neverAnswer, ring, stay, talk } from '../script.ts';
import {
  about,
  answered,
  assertNeverTalked,
  assertRangInVain,
  assertTalked,
  rangElsewhere,
  seconds,
  unanswered,
  unregistered,
  type Story,
} from '../story.ts';

const client = '79161110002';

const inboundAnswered: Story = {
  name: 'inbound-answered',
  title: 'A client calls, one phone rings, the employee answers, the client hangs up.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 2, { waiting: about(1), hasRecording: true })],
    },
  ],
};

const employeeHangsUp: Story = {
  name: 'inbound-employee-hangs-up',
  title: 'A client with a name and a national prefix calls, the employee answers and hangs up.',
  async run(lab) {
    await lab.script({ '101': [ring(0.5), answer(), talk(2), hangUp()] });
    const call = await lab.call({ from: '89161110003', name: 'Иван Петров', to: '7000001' });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', '89161110003', 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110003',
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 2, { hasRecording: true })],
    },
  ],
};

const ringGroup: Story = {
  name: 'ring-group',
  title: 'Three phones ring at once, the second one answers.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], '102': [ring(1), answer(), stay()], '103': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000002', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '102', client, 2);
    assertRangInVain(lab, '101');
    assertRangInVain(lab, '103');
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000002',
      result: 'answered',
      conversations: [answered('102', 2, { hasRecording: true }), rangElsewhere('101'), rangElsewhere('103')],
    },
  ],
};

const noAnswer: Story = {
  name: 'no-answer',
  title: 'One phone rings until the PBX gives up.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000001' });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assert.equal(call.experience()?.wasEnded, true);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(4) })],
    },
  ],
};

const ringGroupNoAnswer: Story = {
  name: 'ring-group-no-answer',
  title: 'Three phones ring until the PBX gives up: one missed call.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], '102': [neverAnswer()], '103': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000002' });
    await call.ended;
    await lab.quiet();
    for (const phone of ['101', '102', '103']) assertRangInVain(lab, phone);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000002',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(4) })],
    },
  ],
};

const callerGivesUp: Story = {
  name: 'caller-gives-up',
  title: 'The client hangs up while the phone rings.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000001', givesUpAfterSeconds: 2 });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assert.equal(call.experience()?.wasEnded, false);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(2) })],
    },
  ],
};

const allBusy: Story = {
  name: 'all-busy',
  title: 'All phones of the group are busy.',
  async run(lab) {
    await lab.script({ '101': [busy()], '102': [busy()], '103': [busy()] });
    const call = await lab.call({ from: client, to: '7000002' });
    await call.ended;
    await lab.quiet();
    assert.equal(call.experience()?.answeredAt, null);
    assert.equal(call.experience()?.cause, 17);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000002',
      result: 'missed',
      conversations: [unanswered('101', 'missed')],
    },
  ],
};

const declined: Story = {
  name: 'employee-declines',
  title: 'The only phone declines the call.',
  async run(lab) {
    await lab.script({ '101': [ring(1), decline()] });
    const call = await lab.call({ from: client, to: '7000001' });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assert.equal(call.experience()?.answeredAt, null);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(1) })],
    },
  ],
};

const phoneUnregistered: Story = {
  name: 'phone-unregistered',
  title: 'The only phone is not registered: nothing rings.',
  async run(lab) {
    await lab.script({});
    await lab.unregister('101');
    try {
      const call = await lab.call({ from: client, to: '7000001' });
      await call.ended;
      await lab.quiet();
      assert.equal(lab.witness.of('101').length, 0);
      assert.equal(call.experience()?.answeredAt, null);
    } finally {
      await lab.register('101');
    }
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'missed',
      isIvr: true,
      conversations: [unanswered(null, 'missed')],
    },
  ],
};

const secondDial: Story = {
  name: 'second-dial',
  title: 'The first employee does not answer, the next one in the dialplan does.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], '102': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000007', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assertTalked(lab, '102', client, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000007',
      result: 'answered',
      conversations: [answered('102', 2, { hasRecording: true }), rangElsewhere('101')],
    },
  ],
};

const anonymous: Story = {
  name: 'anonymous-caller',
  title: 'A caller who hides the number is answered.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: 'anonymous', to: '7000001', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', 'anonymous', 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: null,
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 2, { hasRecording: true })],
    },
  ],
};

const overlapping: Story = {
  name: 'overlapping-same-numbers',
  title: 'Two calls between the same two numbers overlap; both are answered by the same phone.',
  async run(lab) {
    await lab.script({ '101': [ring(0.5), answer(), stay()] });
    const first = await lab.call({ from: client, to: '7000001', then: [talk(4), hangUp()] });
    await seconds(1);
    const second = await lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
    await Promise.all([first.ended, second.ended]);
    await lab.quiet();
    assert.equal(lab.witness.of('101').filter((one) => one.answeredAt !== null).length, 2);
    assertTalked(lab, '101', client, 5);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 4, { hasRecording: true })],
    },
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 1, { hasRecording: true })],
    },
  ],
};

const callWaiting: Story = {
  name: 'call-waiting',
  title: 'While the employee talks, a second client rings in vain on the other line.',
  async run(lab) {
    await lab.script({ '101': [[ring(0.5), answer(), stay()], [neverAnswer()]] });
    const first = await lab.call({ from: client, to: '7000001', then: [talk(6), hangUp()] });
    await lab.witness.until('101 answers', () => lab.witness.of('101').some((one) => one.answeredAt !== null));
    const second = await lab.call({ from: '79161110004', to: '7000001' });
    await Promise.all([first.ended, second.ended]);
    await lab.quiet();
    assertTalked(lab, '101', client, 6);
    assertNeverTalked(lab, '101', '79161110004');
    assert.equal(lab.witness.of('101').length, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000001',
      result: 'answered',
      conversations: [answered('101', 6, { hasRecording: true })],
    },
    {
      direction: 'inbound',
      client: '+79161110004',
      did: '7000001',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(4) })],
    },
  ],
};

const employeeMobile: Story = {
  name: 'employee-mobile-calls',
  title: 'An employee calls in from the own mobile: a call between employees.',
  employees: [{ extension: '103', mobile: '+79167770103' }],
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: '79167770103', to: '7000001', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', '79167770103', 2);
  },
  expect: [
    {
      direction: 'internal',
      client: null,
      conversations: [unregistered('101', 'internal', { result: 'answered', duration: about(2) })],
    },
  ],
};

const followMeNotTaken: Story = {
  name: 'follow-me-not-taken',
  title: 'Follow-me rings the employee, who answers and does not press the key; the client hears music all the time.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), talk(4), hangUp()] });
    const call = await lab.call({ from: client, to: '7000020', then: [talk(30)] });
    await call.ended;
    await lab.quiet();
    assertNeverTalked(lab, '101', client);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000020',
      result: 'missed',
      conversations: [unanswered('101', 'missed')],
    },
  ],
};

const numberFormats: Story = {
  name: 'number-formats',
  title: 'The provider writes the numbers of clients in several ways.',
  async run(lab) {
    for (const from of ['+79161110005', '89161110006', '9161110007', '+442071838750']) {
      await lab.script({ '101': [neverAnswer()] });
      const call = await lab.call({ from, to: '7000001', givesUpAfterSeconds: 1 });
      await call.ended;
      await lab.quiet();
    }
    assertRangInVain(lab, '101', 4);
  },
  expect: ['+79161110005', '+79161110006', '+79161110007', '+442071838750'].map((number) => ({
    direction: 'inbound',
    client: number,
    did: '7000001',
    result: 'missed',
    conversations: [unanswered('101', 'missed')],
  })),
};

export const inboundStories: readonly Story[] = [
  inboundAnswered,
  employeeHangsUp,
  ringGroup,
  noAnswer,
  ringGroupNoAnswer,
  callerGivesUp,
  allBusy,
  declined,
  phoneUnregistered,
  secondDial,
  anonymous,
  overlapping,
  callWaiting,
  employeeMobile,
  numberFormats,
  followMeNotTaken,
];
