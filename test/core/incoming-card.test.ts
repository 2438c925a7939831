import assert from 'node:assert/strict';
import type { Call, CallStage, Conversation } from '../../src/core/call.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import { coreBehaviour } from '../../src/core/hooks.ts';
import { createIncomingCards, type CardCrm, type IncomingCards } from '../../src/core/incoming-card.ts';
import type { CrmUser, IncomingCallCard } from '../../src/core/ports.ts';
import { aCall, aConversation } from '../crm/conformance.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';

const users: CrmUser[] = ['101', '102', '103'].map((extension) => ({
  id: `u${extension}`,
  name: extension,
  email: null,
  extensions: [extension],
  isActive: true,
}));

describe('the card of an incoming call', () => {
  let cards: IncomingCards;
  let clock: FixedClock;
  let log: ReturnType<typeof createKeptLog>;
  /** `show 102 +7…`, in order. */
  let done: string[];
  const note = (verb: string) => async (card: IncomingCallCard) => {
    done.push(`${verb} ${[...card.userIds].sort().join(',')} ${card.call.client ?? 'nobody'}`);
  };

  function build(changes: Omit<Partial<CardCrm>, 'crm'> & { crm?: Partial<CardCrm['crm']> } = {}): void {
    cards = createIncomingCards({
      crms: [
        {
          installation: {
            crm: 'crm',
            rules: { rules: [], lists: [], defaultResponsible: null },
            staff: new StaffDirectory({ employees: [], timeZone: 'UTC' }),
            numbers: { isExtension: (number) => number.length === 3 },
            timeZone: 'UTC',
          },
          hooks: coreBehaviour,
          users: () => users,
          knownContact: () => null,
          ...changes,
          crm: { name: 'crm', showIncomingCall: note('show'), hideIncomingCall: note('hide'), ...changes.crm },
        },
      ],
      clock,
      log,
    });
  }
  beforeEach(() => {
    clock = new FixedClock(new Date('2026-11-21T07:32:51.500Z'));
    log = createKeptLog();
    done = [];
    build();
  });
  afterEach(() => cards.stop());

  const ringing = (extension: string, more: Partial<Conversation> = {}) =>
    aConversation({
      uniqueId: `id-${extension}`,
      extension,
      result: 'missed',
      answeredAt: null,
      endedAt: null,
      ...more,
    });
  const callOf = (conversations: Conversation[], more: Partial<Call> = {}) =>
    aCall({ endedAt: null, conversations, ...more });
  const tell = (stage: CallStage, call: Call, conversation: Conversation | null) =>
    cards.callWatcher.onStage(stage, call, conversation);
  const ring = (...extensions: string[]) => {
    const conversations = extensions.map((extension) => ringing(extension));
    const call = callOf(conversations);
    for (const conversation of conversations) tell('conversation_requested', call, conversation);
    return { call, conversations };
  };
  const isDone = (...wanted: string[]) =>
    until(() => done.length >= wanted.length).then(() => assert.deepEqual(done, wanted));

  it('opens before exactly those whose phones ring, in one request for a group', async () => {
    ring('101', '103');
    await isDone('show u101,u103 +79161110002');
  });

  it('closes before the others when one picks up, and before him when he hangs up', async () => {
    const { call, conversations } = ring('101', '102');
    await isDone('show u101,u102 +79161110002');
    tell('conversation_accepted', call, conversations[1]!);
    await until(() => done.length === 2);
    tell('conversation_ended', call, conversations[1]!);
    await isDone('show u101,u102 +79161110002', 'hide u101 +79161110002', 'hide u102 +79161110002');
  });

  it('moves on when the next phone is rung', async () => {
    const { call, conversations } = ring('101');
    await until(() => done.length === 1);
    const next = ringing('102');
    tell('conversation_ended', call, conversations[0]!);
    tell('conversation_requested', callOf([...conversations, next]), next);
    await isDone('show u101 +79161110002', 'hide u101 +79161110002', 'show u102 +79161110002');
  });

  it('closes when a phone has rung out, though the call goes on to the next', async () => {
    const { call, conversations } = ring('101');
    await until(() => done.length === 1);
    cards.callWatcher.onChange!(call, new Set(['id-101']));
    await isDone('show u101 +79161110002', 'hide u101 +79161110002');
    const next = ringing('102');
    const later = callOf([...conversations, next]);
    tell('conversation_requested', later, next);
    cards.callWatcher.onChange!(later, new Set(['id-101']));
    await isDone('show u101 +79161110002', 'hide u101 +79161110002', 'show u102 +79161110002');
  });

  it('closes everywhere at the end of the call', async () => {
    const { call } = ring('101', '102');
    await until(() => done.length === 1);
    tell('call_ended', { ...call, endedAt: new Date() }, null);
    await isDone('show u101,u102 +79161110002', 'hide u101,u102 +79161110002');
  });

  it('does not come again with each round of a queue where it could not be closed', async () => {
    build({ crm: { hideIncomingCall: undefined } });
    const { call, conversations } = ring('101');
    await until(() => done.length === 1);
    tell('conversation_ended', call, conversations[0]!);
    const again = ringing('101', { uniqueId: 'second round' });
    tell('conversation_requested', call, again);
    const other = ringing('102');
    tell('conversation_requested', call, other);
    await isDone('show u101 +79161110002', 'show u102 +79161110002');
  });

  it('stays away from outbound and internal calls, hidden numbers, lists and what rang long ago', async () => {
    const conversation = ringing('101');
    tell('conversation_requested', callOf([conversation], { direction: 'outbound' }), conversation);
    tell('conversation_requested', callOf([conversation], { linkedId: 'b', direction: 'internal' }), conversation);
    tell('conversation_requested', callOf([conversation], { linkedId: 'c', client: null }), conversation);
    tell('conversation_requested', callOf([conversation], { linkedId: 'd', client: '104' }), conversation);
    const listed = ringing('101', { registered: false, reason: 'rule:couriers' });
    tell('conversation_requested', callOf([listed], { linkedId: 'e' }), listed);
    const old = ringing('101', { requestedAt: new Date('2026-11-21T07:00:00Z') });
    tell('conversation_requested', callOf([old], { linkedId: 'f' }), old);
    const strange = ringing('999');
    tell('conversation_requested', callOf([strange], { linkedId: 'g' }), strange);
    const { conversations } = ring('103');
    assert.equal(conversations.length, 1);
    await isDone('show u103 +79161110002');
  });

  it('does not open when a hook keeps the call from the CRM, and shows the number that a hook made', async () => {
    build({
      hooks: {
        ...coreBehaviour,
        need_registration: async ({ call }) => call.linkedId === 'b',
        process_client_phone: async () => '8916',
      },
    });
    ring('101');
    const conversation = ringing('102');
    tell('conversation_requested', callOf([conversation], { linkedId: 'b' }), conversation);
    await isDone('show u102 8916');
  });

  it('costs nothing but a line in the log when the CRM fails', async () => {
    build({
      crm: {
        showIncomingCall: async () => {
          throw new Retryable('down');
        },
      },
    });
    ring('101');
    await until(() => log.lines.length === 1);
    assert.equal(log.lines[0]!.level, 'warn');
  });
});
