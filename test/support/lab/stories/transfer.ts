/** Calls that move from one employee to another, or out of the house. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab.ts';
import { mobileOf101 } from '../pbx-config.ts';
import { answer, busy, hangUp, hold, neverAnswer, press, ring, stay, step, talk, transferTo, wait } from '../script.ts';
import {
  about,
  answered,
  assertNeverTalked,
  assertRangInVain,
  assertTalked,
  unanswered,
  unregistered,
  type ExpectedCall,
  type Story,
} from '../story.ts';

const client = '79161110002';
/** From the last digit to the PBX starting to dial: it waits for further ones. */
const digitTimeout = 1;
/** How long 101 stays with the client when it talks for 2 s and then presses the keys of a transfer. */
const talkAndKeys = 4.5;
const inbound = { direction: 'inbound', client: '+79161110002', did: '7000001', result: 'answered' } as const;
const withRecording = { hasRecording: true };

async function callUntilEnded(lab: Lab, then = [talk(30)]): Promise<void> {
  const call = await lab.call({ from: client, to: '7000001', then });
  await call.ended;
  await lab.quiet();
}

const blindDtmf: Story = {
  name: 'blind-transfer-dtmf',
  title: 'The employee transfers the client blindly by key codes; the second employee answers.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('##'), wait(0.4), press('103'), stay()],
      '103': [ring(1), answer(), talk(2), hangUp()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, talkAndKeys);
    assertTalked(lab, '103', client, 2);
  },
  expect: [
    { ...inbound, conversations: [answered('101', talkAndKeys, withRecording), answered('103', 2, withRecording)] },
  ],
};
const blindRefer: Story = {
  name: 'blind-transfer-refer',
  title: "The employee transfers the client blindly by the phone's key; the second employee answers.",
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), transferTo(lab.pbxUri('103')), hangUp()],
      '103': [ring(1), answer(), talk(2), hangUp()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, 2);
    assertTalked(lab, '103', client, 2);
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording), answered('103', 2, withRecording)] }],
};
const blindNoAnswer: Story = {
  name: 'blind-transfer-no-answer',
  title: 'The employee transfers the client blindly to a phone that nobody answers.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), transferTo(lab.pbxUri('104')), hangUp()],
      '104': [neverAnswer()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, 2);
    assertRangInVain(lab, '104');
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording)] }],
};
const blindChain: Story = {
  name: 'blind-transfer-twice',
  title: 'The client is transferred blindly twice and talks with three employees.',
  async run(lab) {
    await lab.script({
      '101': [ring(0.5), answer(), talk(2), transferTo(lab.pbxUri('102')), hangUp()],
      '102': [ring(0.5), answer(), talk(2), transferTo(lab.pbxUri('103')), hangUp()],
      '103': [ring(0.5), answer(), talk(2), hangUp()],
    });
    await callUntilEnded(lab);
    for (const phone of ['101', '102', '103']) assertTalked(lab, phone, client, 2);
  },
  expect: [{ ...inbound, conversations: ['101', '102', '103'].map((phone) => answered(phone, 2, withRecording)) }],
};
const blindOutbound: Story = {
  name: 'blind-transfer-of-outbound-call',
  title: 'An employee calls a client and transfers the client blindly to another employee.',
  async run(lab) {
    await lab.script({
      [client]: [ring(1), answer(), stay()],
      '103': [ring(1), answer(), talk(2), hangUp()],
    });
    const call = await lab.call({
      from: '101',
      to: client,
      then: [talk(2), transferTo(lab.pbxUri('103')), hangUp()],
    });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 2);
    assertTalked(lab, '103', client, 2);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'answered',
      conversations: [answered('101', 2, withRecording), answered('103', 2, withRecording)],
    },
  ],
};

const blindBusy: Story = {
  name: 'blind-transfer-busy',
  title: 'The employee transfers the client blindly to a phone that is busy.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), transferTo(lab.pbxUri('103')), hangUp()],
      '103': [busy()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, 2);
    assertRangInVain(lab, '103');
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording)] }],
};
const blindQueueAbandoned: Story = {
  name: 'blind-transfer-into-queue-abandoned',
  title: 'The employee transfers the client blindly into a queue, where the client gives up.',
  async run(lab) {
    await lab.script({
      '101': [[ring(1), answer(), talk(2), transferTo(lab.pbxUri('600')), hangUp()], [neverAnswer()]],
      '102': [neverAnswer()],
      '103': [neverAnswer()],
    });
    await callUntilEnded(lab, [talk(5), hangUp()]);
    assertTalked(lab, '101', client, 2);
    assert(lab.witness.of('102').length > 0, lab.witness.describe());
  },
  expect: [{ ...inbound, conversations: [answered('101', 2, withRecording)] }],
};

const attendedDtmf: Story = {
  name: 'attended-transfer-dtmf',
  title: 'The employee asks a colleague first, then hands the client over, by key codes.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('103'), wait(digitTimeout + 1 + 2), hangUp()],
      '103': [ring(1), answer(), talk(4), hangUp()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, talkAndKeys);
    assert(lab.witness.talkSeconds('101', '103') > 1, lab.witness.describe());
    assert(lab.witness.talkSeconds('103', client) > 1, lab.witness.describe());
  },
  expect: [
    {
      ...inbound,
      // The rules leave open whether asking the colleague belongs to the talk of 101; to that of 103 it does not.
      conversations: [{ ...answered('101', 4, withRecording), duration: [4, 8] }, answered('103', 2, withRecording)],
    },
  ],
};
const attendedBlonde: Story = {
  name: 'attended-transfer-before-answer',
  title: 'The employee starts to ask a colleague and hangs up while the phone rings; the colleague answers the client.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('103'), wait(digitTimeout + 0.5), hangUp()],
      '103': [ring(1.5), answer(), talk(2), hangUp()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, talkAndKeys);
    assertTalked(lab, '103', client, 2);
    assertNeverTalked(lab, '101', '103');
  },
  expect: [
    {
      ...inbound,
      conversations: [{ ...answered('101', 4, withRecording), duration: [4, 6] }, answered('103', 2, withRecording)],
    },
  ],
};
const attendedAborted: Story = {
  name: 'attended-transfer-aborted',
  title: 'The employee asks a colleague, leaves the consultation and goes on with the client.',
  async run(lab) {
    await lab.script({
      '101': [
        ring(1),
        answer(),
        talk(2),
        press('*2'),
        wait(0.4),
        press('103'),
        wait(digitTimeout + 0.5 + 2),
        press('*1'),
        wait(2),
        hangUp(),
      ],
      '103': [ring(0.5), answer(), stay()],
    });
    await callUntilEnded(lab);
    assert(lab.witness.talkSeconds('101', '103') > 1, lab.witness.describe());
    assert(lab.witness.talkSeconds('101', client) > 3, lab.witness.describe());
    assertNeverTalked(lab, '103', client);
  },
  expect: [
    {
      ...inbound,
      conversations: [
        { ...answered('101', 8, withRecording), duration: [6, 10] },
        unregistered('103', 'consultation', { result: 'answered' }),
      ],
    },
  ],
};
const attendedNoAnswer: Story = {
  name: 'attended-transfer-no-answer',
  title: 'The employee asks a colleague who does not answer, and goes on with the client.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('104'), wait(digitTimeout + 3 + 3), hangUp()],
      '104': [neverAnswer()],
    });
    await callUntilEnded(lab);
    assert(lab.witness.talkSeconds('101', client) > 3, lab.witness.describe());
    assertRangInVain(lab, '104');
  },
  expect: [{ ...inbound, conversations: [{ ...answered('101', 9, withRecording), duration: [7, 12] }] }],
};
const attendedBusy: Story = {
  name: 'attended-transfer-busy',
  title: 'The employee asks a colleague who is busy, and goes on with the client.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('103'), wait(digitTimeout + 4), hangUp()],
      '103': [busy()],
    });
    await callUntilEnded(lab);
    assert(lab.witness.talkSeconds('101', client) > 5, lab.witness.describe());
    assertRangInVain(lab, '103');
  },
  expect: [{ ...inbound, conversations: [{ ...answered('101', 8, withRecording), duration: [6, 10] }] }],
};
const attendedClientLeaves: Story = {
  name: 'attended-transfer-client-leaves',
  title: 'The client hangs up while the employee asks a colleague.',
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('103'), wait(digitTimeout + 6), hangUp()],
      '103': [ring(0.5), answer(), stay()],
    });
    await callUntilEnded(lab, [talk(7), hangUp()]);
    assertTalked(lab, '101', client, talkAndKeys);
    assert(lab.witness.talkSeconds('101', '103') > 1, lab.witness.describe());
    assertNeverTalked(lab, '103', client);
  },
  expect: [
    {
      ...inbound,
      conversations: [
        { ...answered('101', 8, withRecording), duration: [4, 10] },
        unregistered('103', 'consultation', { result: 'answered' }),
      ],
    },
  ],
};
const attendedOutbound: Story = {
  name: 'attended-transfer-of-outbound-call',
  title: 'An employee calls a client, asks a colleague and hands the client over.',
  async run(lab) {
    await lab.script({
      [client]: [ring(1), answer(), stay()],
      '103': [ring(0.5), answer(), talk(4), hangUp()],
    });
    const call = await lab.call({
      from: '101',
      to: client,
      then: [talk(2), press('*2'), wait(0.4), press('103'), wait(digitTimeout + 0.5 + 2), hangUp()],
    });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, talkAndKeys);
    assert(lab.witness.talkSeconds('101', '103') > 1, lab.witness.describe());
    assert(lab.witness.talkSeconds('103', client) > 1, lab.witness.describe());
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'answered',
      conversations: [{ ...answered('101', 4, withRecording), duration: [4, 8] }, answered('103', 2, withRecording)],
    },
  ],
};
const attendedCalledBack: Story = {
  name: 'attended-transfer-called-back',
  title: 'The employee hangs up while the colleague rings, who does not answer: the PBX calls the employee back.',
  async run(lab) {
    await lab.script({
      '101': [
        [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('104'), wait(digitTimeout + 0.5), hangUp()],
        [ring(0.5), answer(), talk(2), hangUp()],
      ],
      '104': [neverAnswer()],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, talkAndKeys + 2);
    assertRangInVain(lab, '104');
  },
  expect: [
    {
      ...inbound,
      conversations: [{ ...answered('101', 4, withRecording), duration: [4, 6] }, answered('101', 2, withRecording)],
    },
  ],
};
const attendedReplaces: Story = {
  name: 'attended-transfer-refer',
  title: "The employee asks a colleague on the phone's second line and joins both calls by the phone's key.",
  async run(lab) {
    await lab.script({
      '101': [ring(1), answer(), talk(2), hold(30)],
      '103': [ring(1), answer(), talk(4), hangUp()],
    });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(30)] });
    await lab.witness.until('101 holds the client', () => lab.witness.holds.length > 0);
    await lab.call({
      from: '101',
      to: '103',
      then: [
        step(
          'Set(GLOBAL(CONSULTATION)=${URIENCODE(${CHANNEL(pjsip,call-id)}\\;to-tag=${CHANNEL(pjsip,remote_tag)}\\;from-tag=${CHANNEL(pjsip,local_tag)})})',
        ),
        talk(2),
        step('UserEvent(Consulted)'),
        stay(),
      ],
    });
    await lab.witness.untilTold('Consulted');
    const first = lab.witness.of('101').find((one) => !one.isCalling)!;
    await lab.redirect(first, [transferTo(`${lab.pbxUri('103')}?Replaces=\${CONSULTATION}`), wait(0.5), hangUp()]);
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', client, 5);
    assertTalked(lab, '101', '103', 2);
    assertTalked(lab, '103', client, 2);
  },
  expect: [
    {
      ...inbound,
      conversations: [{ ...answered('101', 2, withRecording), duration: [2, 6] }, answered('103', 2, withRecording)],
    },
  ],
};
const attendedThreeWay: Story = {
  name: 'attended-transfer-three-way',
  title: 'The employee asks a colleague, joins all three, and all hang up together.',
  async run(lab) {
    await lab.script({
      '101': [
        ring(1),
        answer(),
        talk(2),
        press('*2'),
        wait(0.4),
        press('103'),
        wait(digitTimeout + 0.5 + 1.5),
        press('*3'),
        stay(),
      ],
      '103': [ring(0.5), answer(), stay()],
    });
    const call = await lab.call({ from: client, to: '7000001', then: [talk(9), hangUp()] });
    await call.ended;
    await lab.hangUpAll();
    await lab.quiet();
    assert(lab.witness.talkSeconds('103', client) > 1, lab.witness.describe());
    assert(lab.witness.talkSeconds('101', client) > 3, lab.witness.describe());
  },
  expect: [
    {
      ...inbound,
      conversations: [
        { ...answered('101', 9, withRecording), duration: [7, 11] },
        { ...answered('103', 2, withRecording), duration: [1, 6] },
      ],
    },
  ],
};
const attendedQueue: Story = {
  name: 'attended-transfer-into-queue',
  title: 'The employee hands the client over into a queue whose first round of ringing is in vain.',
  async run(lab) {
    await lab.script({
      '101': [
        [ring(1), answer(), talk(2), press('*2'), wait(0.4), press('600'), wait(digitTimeout + 1), hangUp()],
        [neverAnswer()],
      ],
      '102': [neverAnswer()],
      '103': [[neverAnswer()], [ring(0.5), answer(), talk(2), hangUp()]],
    });
    await callUntilEnded(lab);
    assertTalked(lab, '101', client, talkAndKeys);
    assertTalked(lab, '103', client, 2);
  },
  expect: [
    {
      ...inbound,
      conversations: [{ ...answered('101', 4, withRecording), duration: [4, 6] }, answered('103', 2, withRecording)],
    },
  ],
};

const forwardInVain: Story = {
  name: 'forward-to-mobile-no-answer',
  title: "Neither the employee nor the employee's mobile answers.",
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], [mobileOf101]: [neverAnswer()] });
    const call = await lab.call({ from: client, to: '7000006', givesUpAfterSeconds: 5 });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assertRangInVain(lab, mobileOf101);
  },
  expect: [
    {
      ...inbound,
      did: '7000006',
      result: 'missed',
      conversations: [unanswered('101', 'missed', { waiting: about(5) })],
    },
  ],
};
const phoneAndMobile: Story = {
  name: 'phone-and-mobile-ring',
  title: "The employee's phone and mobile ring together, the mobile answers.",
  async run(lab) {
    await lab.script({ '101': [neverAnswer()], [mobileOf101]: [ring(1), answer(), stay()] });
    const call = await lab.call({ from: client, to: '7000026', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '101');
    assertTalked(lab, mobileOf101, client, 2);
  },
  expect: [
    {
      ...inbound,
      did: '7000026',
      conversations: [answered('101', 2, { forwardedTo: `+${mobileOf101}`, hasRecording: true })],
    },
  ],
};
function forward(story: {
  name: string;
  title: string;
  did: string;
  mobile: string;
  rings: string;
  by302: boolean;
}): Story {
  const expected: ExpectedCall = {
    direction: 'inbound',
    client: '+79161110002',
    did: story.did,
    result: 'answered',
    conversations: [answered(story.rings, 2, { forwardedTo: `+${story.mobile}`, hasRecording: true })],
  };
  return {
    name: story.name,
    title: story.title,
    async run(lab) {
      await lab.script({
        [story.rings]: story.by302 ? [ring(0.5), transferTo(lab.pbxUri(story.mobile)), hangUp()] : [neverAnswer()],
        [story.mobile]: [ring(1), answer(), stay()],
      });
      const call = await lab.call({ from: client, to: story.did, then: [talk(2), hangUp()] });
      await call.ended;
      await lab.quiet();
      assertTalked(lab, story.mobile, client, 2);
      assertNeverTalked(lab, story.rings, client);
    },
    expect: [expected],
  };
}
const forwardByDialplan = forward({
  name: 'forward-to-mobile',
  title: "The employee does not answer, the dialplan calls the employee's mobile.",
  did: '7000006',
  rings: '101',
  mobile: '79167770101',
  by302: false,
});
const forwardByPhone = forward({
  name: 'forward-by-redirect',
  title: "The employee's phone redirects the call to a mobile.",
  did: '7000016',
  rings: '102',
  mobile: '79167770102',
  by302: true,
});
const forwardByExtension = forward({
  name: 'forward-through-local',
  title: "All calls of the employee's extension go to a mobile; the employee's phone never rings.",
  did: '7000036',
  rings: '101',
  mobile: '79167770101',
  by302: false,
});

export const transferStories: readonly Story[] = [
  blindDtmf,
  blindRefer,
  blindNoAnswer,
  blindChain,
  blindOutbound,
  blindBusy,
  blindQueueAbandoned,
  attendedDtmf,
  attendedBlonde,
  attendedAborted,
  attendedNoAnswer,
  attendedBusy,
  attendedClientLeaves,
  attendedOutbound,
  attendedCalledBack,
  attendedReplaces,
  attendedThreeWay,
  attendedQueue,
  forwardByDialplan,
  forwardByPhone,
  forwardByExtension,
  forwardInVain,
  phoneAndMobile,
];
