/** Calls from phones: outside, inside, and by click. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab.ts';
import {
  answer,
  busy,
  congested,
  decline,
  hangUp,
  neverAnswer,
  noSuchNumber,
  ring,
  stay,
  talk,
  transferTo,
  type Script,
} from '../script.ts';
import {
  about,
  answered,
  assertCause,
  assertNeverTalked,
  assertRangInVain,
  assertTalked,
  unanswered,
  unregistered,
  type ExpectedConversation,
  type Story,
} from '../story.ts';

const client = '79161110002';

function outbound(story: {
  name: string;
  title: string;
  dials?: string;
  clientDoes: Script;
  employeeDoes?: Script;
  givesUpAfterSeconds?: number;
  check: (lab: Lab) => void;
  conversation: ExpectedConversation;
  client?: string;
}): Story {
  const dials = story.dials ?? client;
  return {
    name: story.name,
    title: story.title,
    async run(lab) {
      await lab.script({ [dials]: story.clientDoes });
      const call = await lab.call({
        from: '101',
        to: dials,
        ...(story.employeeDoes && { then: story.employeeDoes }),
        ...(story.givesUpAfterSeconds && { givesUpAfterSeconds: story.givesUpAfterSeconds }),
      });
      await call.ended;
      await lab.quiet();
      story.check(lab);
    },
    expect: [
      {
        direction: 'outbound',
        client: story.client ?? '+79161110002',
        result: story.conversation.result!,
        conversations: [story.conversation],
      },
    ],
  };
}

const plainOutbound: readonly Story[] = [
  outbound({
    name: 'outbound-answered',
    title: 'An employee calls a client, who answers; the employee hangs up.',
    dials: '89161110002',
    clientDoes: [ring(1), answer(), stay()],
    employeeDoes: [talk(2), hangUp()],
    check: (lab) => assertTalked(lab, '101', '89161110002', 2),
    conversation: answered('101', 2, { waiting: about(1), hasRecording: true }),
  }),
  outbound({
    name: 'outbound-client-hangs-up',
    title: 'An employee calls a client, who answers and hangs up.',
    clientDoes: [ring(1), answer(), talk(2), hangUp()],
    check: (lab) => assertTalked(lab, '101', client, 2),
    conversation: answered('101', 2, { hasRecording: true }),
  }),
  outbound({
    name: 'outbound-busy',
    title: 'An employee calls a client whose line is busy.',
    clientDoes: [busy()],
    check: (lab) => assertCause(lab, '101', 17),
    conversation: unanswered('101', 'busy'),
  }),
  outbound({
    name: 'outbound-no-answer',
    title: 'An employee calls a client, who does not answer until the PBX gives up.',
    clientDoes: [neverAnswer()],
    check: (lab) => assertRangInVain(lab, client),
    conversation: unanswered('101', 'no_answer', { waiting: about(10) }),
  }),
  outbound({
    name: 'outbound-cancelled',
    title: 'An employee calls a client and hangs up while it rings.',
    clientDoes: [neverAnswer()],
    givesUpAfterSeconds: 2,
    check: (lab) => assertRangInVain(lab, client),
    conversation: unanswered('101', 'cancelled', { waiting: about(2) }),
  }),
  outbound({
    name: 'outbound-congestion',
    title: 'The provider has no way through.',
    clientDoes: [congested()],
    check: (lab) => assertCause(lab, '101', 34),
    conversation: unanswered('101', 'failed'),
  }),
  outbound({
    name: 'outbound-rejected',
    title: 'The client declines the call of an employee.',
    clientDoes: [ring(1), decline()],
    check: (lab) => assertCause(lab, '101', 21),
    conversation: unanswered('101', 'rejected'),
  }),
  outbound({
    name: 'outbound-not-found',
    title: 'An employee dials a number that does not exist.',
    dials: '79990000000',
    client: '+79990000000',
    clientDoes: [noSuchNumber()],
    check: (lab) => assertCause(lab, '101', 1),
    conversation: unanswered('101', 'not_found'),
  }),
];

const internalAnswered: Story = {
  name: 'internal-answered',
  title: 'An employee calls another, who answers.',
  async run(lab) {
    await lab.script({ '102': [ring(1), answer(), stay()] });
    const call = await lab.call({ from: '101', to: '102', then: [talk(2), hangUp()] });
    await call.ended;
    await lab.quiet();
    assertTalked(lab, '101', '102', 2);
  },
  expect: [{ direction: 'internal', client: null, result: 'answered', conversations: [] }],
};
const internalNoAnswer: Story = {
  name: 'internal-no-answer',
  title: 'An employee calls another, who does not answer.',
  async run(lab) {
    await lab.script({ '102': [neverAnswer()] });
    const call = await lab.call({ from: '101', to: '102' });
    await call.ended;
    await lab.quiet();
    assertRangInVain(lab, '102');
  },
  expect: [{ direction: 'internal', client: null, conversations: [] }],
};

async function click(lab: Lab, requestId: string, context = 'ringledger-click-to-call-client'): Promise<void> {
  const control = await lab.openControl();
  await control.send({
    Action: 'Originate',
    Async: 'true',
    Channel: 'Local/101@ringledger-click-to-call/n',
    Context: context,
    Exten: client,
    Priority: '1',
    Timeout: '10000',
    CallerID: `"${client}" <${client}>`,
    Variable: `__RL_REQUEST_ID=${requestId}`,
  });
  await lab.witness.until('101 is called', () => lab.witness.of('101').length > 0);
  await lab.quiet();
  control.close();
}
const clickAnswered: Story = {
  name: 'click-to-call-answered',
  title: 'A click rings the employee, then the client, who answers.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()], [client]: [ring(1), answer(), talk(2), hangUp()] });
    await click(lab, 'request-answered');
    assertTalked(lab, '101', client, 2);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'answered',
      conversations: [answered('101', 2, { hasRecording: true, requestId: 'request-answered' })],
    },
  ],
};
const clickNoEmployee: Story = {
  name: 'click-to-call-employee-does-not-answer',
  title: 'A click rings the employee, who does not pick up: the client is never called.',
  async run(lab) {
    await lab.script({ '101': [neverAnswer()] });
    await click(lab, 'request-no-employee');
    assertRangInVain(lab, '101');
    assert.equal(lab.witness.of(client).length, 0);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'failed',
      conversations: [
        // The client was never called, so a CRM is told nothing; the ledger keeps the failed request.
        unregistered('101', 'rule:click_to_call_unanswered', { result: 'failed', requestId: 'request-no-employee' }),
      ],
    },
  ],
};
const clickDeclined: Story = {
  name: 'click-to-call-employee-declines',
  title: "A click rings the employee's phone, which declines: the client is never called.",
  async run(lab) {
    await lab.script({ '101': [ring(0.5), decline()] });
    await click(lab, 'request-declined');
    assertRangInVain(lab, '101');
    assert.equal(lab.witness.of(client).length, 0);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'failed',
      conversations: [
        unregistered('101', 'rule:click_to_call_unanswered', { result: 'failed', requestId: 'request-declined' }),
      ],
    },
  ],
};
const clickTransferred: Story = {
  name: 'click-to-call-transferred',
  title: 'A call by click is answered, then transferred blindly to a colleague.',
  async run(lab) {
    await lab.script({
      '101': [ring(0.5), answer(), talk(3), transferTo(lab.pbxUri('103')), hangUp()],
      [client]: [ring(1), answer(), stay()],
      '103': [ring(0.5), answer(), talk(2), hangUp()],
    });
    await click(lab, 'request-transferred');
    assertTalked(lab, '101', client, 2);
    assertTalked(lab, '103', client, 2);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'answered',
      conversations: [answered('101', 2, { hasRecording: true, requestId: 'request-transferred' }), answered('103', 2)],
    },
  ],
};
const clickClientBusy: Story = {
  name: 'click-to-call-client-busy',
  title: 'A click rings the employee, who answers, but the client is busy.',
  async run(lab) {
    await lab.script({ '101': [ring(1), answer(), stay()], [client]: [busy()] });
    await click(lab, 'request-busy');
    assertNeverTalked(lab, '101', client);
    assert.equal(lab.witness.of(client).length, 1);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'busy',
      conversations: [unanswered('101', 'busy', { requestId: 'request-busy' })],
    },
  ],
};
const clickTrunkGone: Story = {
  name: 'click-to-call-trunk-gone',
  title: 'A click rings the employee, who answers, but the trunk to the client is not there.',
  async run(lab) {
    await lab.script({ '101': [ring(0.5), answer(), stay()] });
    await click(lab, 'request-trunk-gone', 'lab-trunk-gone');
    assert.equal(lab.witness.of(client).length, 0);
  },
  expect: [
    {
      direction: 'outbound',
      client: '+79161110002',
      result: 'failed',
      conversations: [unanswered('101', 'failed', { requestId: 'request-trunk-gone' })],
    },
  ],
};

export const outboundStories: readonly Story[] = [
  ...plainOutbound,
  internalAnswered,
  internalNoAnswer,
  clickAnswered,
  clickNoEmployee,
  clickClientBusy,
  clickDeclined,
  clickTransferred,
  clickTrunkGone,
];
