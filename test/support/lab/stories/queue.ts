/** Calls from outside that a machine takes first: queues, menus, voicemail, announcements. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { answer, hangUp, neverAnswer, press, ring, stay, talk } from '../script.ts';
import { about, answered, assertRangInVain, assertTalked, rangElsewhere, unanswered, type Story } from '../story.ts';

const client = '79161110002';
const allRingInVain = { '101': [neverAnswer()], '102': [neverAnswer()], '103': [neverAnswer()] };

const queueAnswered: Story = {
  name: 'queue-answered',
  title: 'A queue rings three phones, one answers.',
  async run(lab) {
    await lab.script({ ...allRingInVain, '102': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000003', then: [talk(3), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '102', client, 2);
    assertRangInVain(lab, '101');
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000003',
      result: 'answered',
      conversations: [answered('102', 2, { hasRecording: true }), rangElsewhere('101'), rangElsewhere('103')],
    },
  ],
};
const queueSecondRound: Story = {
  name: 'queue-answered-in-second-round',
  title: 'A queue rings three phones in vain, then once more, and one answers.',
  async run(lab) {
    await lab.script({
      '101': [neverAnswer()],
      '102': [neverAnswer()],
      '103': [[neverAnswer()], [ring(1), answer(), stay()]],
    });
    const call = await lab.call({ from: client, to: '7000003', then: [talk(7), hangUp()] });
    await call.ended;
    await lab.quiet();
    assert(lab.witness.talkSeconds('103', client) > 1.5, lab.witness.describe());
    assertRangInVain(lab, '101', 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000003',
      result: 'answered',
      conversations: [answered('103', 3, { hasRecording: true }), rangElsewhere('101'), rangElsewhere('102')],
    },
  ],
};
const queueAbandoned: Story = {
  name: 'queue-abandoned',
  title: 'The client leaves the queue during the second round of ringing.',
  async run(lab) {
    await lab.script(allRingInVain);
    const call = await lab.call({ from: client, to: '7000003', then: [talk(4), hangUp()] });
    await call.ended;
    await lab.quiet();
    for (const phone of ['101', '102', '103']) assertRangInVain(lab, phone, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000003',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(4) })],
    },
  ],
};
const queueTimedOut: Story = {
  name: 'queue-timed-out',
  title: 'A queue rings three phones in several rounds in vain, then says good-bye.',
  async run(lab) {
    await lab.script(allRingInVain);
    const call = await lab.call({ from: client, to: '7000013' });
    await call.ended;
    await lab.quiet();
    assert(lab.witness.of('101').length >= 2, lab.witness.describe());
    assert.equal(call.experience()?.wasEnded, true);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000013',
      result: 'missed',
      conversations: [unanswered('101', 'missed')],
    },
  ],
};
const queueLocalAnswered: Story = {
  name: 'queue-local-members-answered',
  title: 'A queue whose members are Local channels: one phone answers.',
  async run(lab) {
    await lab.script({ ...allRingInVain, '102': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000023', then: [talk(3), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '102', client, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000023',
      result: 'answered',
      conversations: [answered('102', 2, { hasRecording: true }), rangElsewhere('101'), rangElsewhere('103')],
    },
  ],
};
const queueLocalAbandoned: Story = {
  name: 'queue-local-members-abandoned',
  title: 'A queue whose members are Local channels: the client leaves in the second round.',
  async run(lab) {
    await lab.script(allRingInVain);
    const call = await lab.call({ from: client, to: '7000023', then: [talk(4), hangUp()] });
    await call.ended;
    await lab.quiet();
    for (const phone of ['101', '102', '103']) assertRangInVain(lab, phone, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000023',
      result: 'missed',
      // The members' Local channels run side by side: any of the three may be first.
      conversations: [unanswered(['101', '102', '103'], 'missed', { waiting: about(4) })],
    },
  ],
};
const queueCrowd: Story = {
  name: 'queue-thirteen-members-timed-out',
  title: 'A queue of thirteen members rings round after round in vain: one missed call.',
  async run(lab) {
    await lab.script({});
    const call = await lab.call({ from: client, to: '7000033' });
    await call.ended;
    await lab.quiet();
    assert.equal(call.experience()?.wasEnded, true);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000033',
      result: 'missed',
      conversations: [unanswered('151', 'missed')],
    },
  ],
};

const ivrHangUp: Story = {
  name: 'ivr-hang-up',
  title: 'The client hangs up in the menu: no phone rang.',
  async run(lab) {
    await lab.script({});
    const call = await lab.call({ from: client, to: '7000004', then: [talk(1.5), hangUp()] });
    await call.ended;
    await lab.quiet();
    assert.equal(call.experience()?.wasEnded, false);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000004',
      result: 'missed',
      isIvr: true,
      conversations: [unanswered(null, 'missed')],
    },
  ],
};
const ivrChoice: Story = {
  name: 'ivr-choice-answered',
  title: 'The client chooses in the menu and is answered.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000004', then: [talk(0.5), press('1'), talk(3), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 2);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000004',
      result: 'answered',
      conversations: [answered('101', 2, { hasRecording: true })],
    },
  ],
};
const ivrQueue: Story = {
  name: 'ivr-queue-answered',
  title: 'The client chooses the queue in the menu; three phones ring, one answers.',
  async run(lab) {
    await lab.script({ ...allRingInVain, '103': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000004', then: [talk(0.5), press('2'), talk(3), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '103', client, 2);
    assertRangInVain(lab, '101');
    assertRangInVain(lab, '102');
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000004',
      result: 'answered',
      conversations: [answered('103', 2, { hasRecording: true }), rangElsewhere('101'), rangElsewhere('102')],
    },
  ],
};
const announcementOnly: Story = {
  name: 'announcement-only',
  title: 'The number only plays an announcement.',
  async run(lab) {
    await lab.script({});
    const call = await lab.call({ from: client, to: '7000009' });
    await call.ended;
    await lab.quiet();
    assert.equal(call.experience()?.wasEnded, true);
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000009',
      result: 'missed',
      isIvr: true,
      conversations: [unanswered(null, 'missed')],
    },
  ],
};
const voicemail: Story = {
  name: 'voicemail',
  title: 'The employee does not answer, the client leaves a message.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000005', then: [talk(4), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    const inbox = join(lab.voicemailFolder, 'default/101/INBOX');
    assert(existsSync(inbox) && readdirSync(inbox).some((name) => name.endsWith('.wav')), 'a message was left');
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000005',
      result: 'voicemail',
      conversations: [unanswered('101', 'voicemail', { hasRecording: true })],
    },
  ],
};

const voicemailLeftNothing: Story = {
  name: 'voicemail-without-message',
  title: 'The employee does not answer, the client hangs up during the greeting of the mailbox.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000015', then: [talk(1.5), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assert(call.experience()?.answeredAt, 'the mailbox took the call');
  },
  expect: [
    {
      direction: 'inbound',
      client: '+79161110002',
      did: '7000015',
      result: 'missed',
      conversations: [unanswered('101', 'missed')],
    },
  ],
};

export const queueStories: readonly Story[] = [
  queueAnswered,
  queueSecondRound,
  queueAbandoned,
  queueTimedOut,
  queueLocalAnswered,
  queueLocalAbandoned,
  queueCrowd,
  ivrHangUp,
  ivrChoice,
  ivrQueue,
  announcementOnly,
  voicemail,
  voicemailLeftNothing,
];
