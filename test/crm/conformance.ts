import assert from 'node:assert/strict';
import type { Call, Conversation } from '../../src/core/call.ts';
import { AuthRequired, Rejected, Retryable } from '../../src/core/errors.ts';
import type { Contact, ConversationRegistration, CrmAdapter, NewContact, NewLead } from '../../src/core/ports.ts';

export type CrmEntity = 'contact' | 'lead' | 'incomingLead' | 'task' | 'registration';

/** One CRM with nothing in it but two active users, and the hands of a person who works in it. */
export interface CrmUnderTest {
  readonly adapter: CrmAdapter;
  /** Ids of two active users; the first has the extension 101. */
  readonly userIds: readonly [string, string];
  /** As a person would in the CRM's own screens: numbers are normalised ones. */
  addContact(contact: { name: string; numbers: readonly string[]; responsibleId: string | null }): Promise<Contact>;
  /** How many of these stand in the CRM. */
  count(entity: CrmEntity): Promise<number>;
  /** A lead of the contact in its pipeline's final status; absent where leads cannot be closed. */
  closeLead?(id: string): Promise<void>;
  completeTask?(id: string): Promise<void>;
  /** The CRM does the next writing request, and its answer gets lost. */
  loseNextAnswer(): void;
  /** The next request meets a CRM that is down, or one that no longer accepts our access. */
  failNext(fault: 'down' | 'access-refused'): void;
  /** Lets the CRM's clock run on. */
  advance(ms: number): void;
  close(): Promise<void>;
}

const never = () => ({ signal: new AbortController().signal });
const hourMs = 3_600_000;

export const aContact = (contact: Partial<NewContact> = {}): NewContact => ({
  name: 'Иван Ёлкин',
  number: '+79161110002',
  responsibleId: null,
  tags: ['телефон'],
  ...contact,
});
export const aLead = (lead: Partial<NewLead> = {}): NewLead => ({
  name: 'Звонок с сайта «Ёж & Ко» 😀',
  contactId: null,
  responsibleId: null,
  pipelineId: null,
  statusId: null,
  tags: [],
  ...lead,
});

export function aConversation(conversation: Partial<Conversation> = {}): Conversation {
  return {
    uniqueId: '1795246371.3',
    channel: 'PJSIP/101-00000001',
    extension: '101',
    result: 'answered',
    registered: true,
    reason: null,
    requestedAt: new Date('2026-11-21T07:32:51.000Z'),
    answeredAt: new Date('2026-11-21T07:32:52.000Z'),
    endedAt: new Date('2026-11-21T07:32:55.000Z'),
    duration: 3,
    waiting: 1,
    recording: null,
    forwardedTo: null,
    requestId: null,
    ...conversation,
  };
}

export function aCall(call: Partial<Call> = {}): Call {
  const conversations = call.conversations ?? [aConversation()];
  return {
    source: 'pbx',
    linkedId: '1795246371.2',
    linkedIds: ['1795246371.2'],
    direction: 'inbound',
    client: '+79161110002',
    clientName: null,
    did: '7000001',
    trunk: 'provider',
    result: conversations[0]?.result ?? 'missed',
    startedAt: new Date('2026-11-21T07:32:51.000Z'),
    endedAt: new Date('2026-11-21T07:32:55.000Z'),
    isIvr: false,
    queue: null,
    ...call,
    conversations,
  };
}

export function aRegistration(registration: Partial<ConversationRegistration> = {}): ConversationRegistration {
  const call = registration.call ?? aCall();
  return {
    idempotencyKey: 'pbx:1795246371.3',
    call,
    conversation: call.conversations[0]!,
    contactId: null,
    leadId: null,
    responsibleId: null,
    userId: null,
    ...registration,
  };
}

/** What every CRM must keep to. `capabilities` are the optional methods that it must have; it must lack the others. */
export function testCrmAdapter(suite: {
  readonly name: string;
  readonly make: () => Promise<CrmUnderTest>;
  readonly capabilities: readonly OptionalMethod[];
}): void {
  const has = (...methods: OptionalMethod[]) => methods.every((method) => suite.capabilities.includes(method));

  describe(`${suite.name} keeps the contract of a CRM`, () => {
    let crm: CrmUnderTest;
    let adapter: CrmAdapter & Required<Omit<CrmAdapter, 'close'>>;
    beforeEach(async () => {
      crm = await suite.make();
      adapter = crm.adapter as typeof adapter;
    });
    afterEach(() => crm.close());

    it('has exactly the optional methods that it says it has', () => {
      const found = optionalMethods.filter((method) => crm.adapter[method] !== undefined);
      assert.deepEqual(
        found,
        optionalMethods.filter((method) => has(method)),
      );
    });

    it('says how it does, and lists its users with their extensions', async () => {
      assert.ok((await adapter.check()).every((part) => part.message !== ''));
      const users = await adapter.listUsers();
      assert.deepEqual(
        crm.userIds.map((id) => users.find((user) => user.id === id)?.isActive),
        [true, true],
      );
      assert.ok(users.find((user) => user.id === crm.userIds[0])!.extensions.includes('101'));
    });

    describe('registering a conversation', () => {
      it('makes one record per key, however often it is asked', async () => {
        const first = await adapter.registerConversation(aRegistration());
        assert.deepEqual(await adapter.registerConversation(aRegistration()), first);
        const other = await adapter.registerConversation(aRegistration({ idempotencyKey: 'pbx:1795246371.9' }));
        assert.notEqual(other.id, first.id);
        assert.equal(await crm.count('registration'), 2);
      });

      it('makes one record when the answer to the first attempt was lost', async () => {
        crm.loseNextAnswer();
        await assert.rejects(adapter.registerConversation(aRegistration()), Retryable);
        await adapter.registerConversation(aRegistration());
        assert.equal(await crm.count('registration'), 1);
      });

      it('makes one record when it is asked eight times at once', async () => {
        const made = await Promise.all(Array.from({ length: 8 }, () => adapter.registerConversation(aRegistration())));
        assert.equal(new Set(made.map(({ id }) => id)).size, 1);
        assert.equal(await crm.count('registration'), 1);
      });

      it('takes every result, direction and an anonymous client', async () => {
        const results = [
          'answered',
          'missed',
          'no_answer',
          'busy',
          'cancelled',
          'rejected',
          'failed',
          'not_found',
          'voicemail',
        ] as const;
        for (const result of results) {
          for (const direction of ['inbound', 'outbound'] as const) {
            const conversation = aConversation({ result, answeredAt: null, extension: null });
            const call = aCall({ direction, result, client: null, did: null, conversations: [conversation] });
            await adapter.registerConversation(
              aRegistration({ call, conversation, idempotencyKey: `${direction}:${result}` }),
            );
          }
        }
        assert.equal(await crm.count('registration'), 18);
      });

      it('belongs to the contact and the users it names', async () => {
        const contact = await crm.addContact({
          name: 'Иван',
          numbers: ['+79161110002'],
          responsibleId: crm.userIds[1],
        });
        const [userId, responsibleId] = crm.userIds;
        await adapter.registerConversation(aRegistration({ contactId: contact.id, userId, responsibleId }));
        assert.equal(await crm.count('registration'), 1);
      });
    });

    describe('finding a contact', () => {
      const spellings = [
        '+79161110002',
        '89161110002',
        '9161110002',
        '+7 (916) 111-00-02',
        '8 916 111 00 02',
        '79161110002',
        '+79161110002#12',
      ];
      it('finds it by every way of writing its number', async () => {
        const contact = await crm.addContact({
          name: 'Иван Ёлкин',
          numbers: ['+79161110002'],
          responsibleId: crm.userIds[0],
        });
        for (const spelling of spellings) {
          const found = await adapter.findContact(spelling, never());
          assert.deepEqual(
            [found?.id, found?.name, found?.responsibleId],
            [contact.id, 'Иван Ёлкин', crm.userIds[0]],
            spelling,
          );
          assert.deepEqual(found?.numbers, ['+79161110002']);
        }
      });

      it('finds it by its second number', async () => {
        const contact = await crm.addContact({
          name: 'Two',
          numbers: ['+79161110002', '+79161110003'],
          responsibleId: null,
        });
        assert.equal((await adapter.findContact('+79161110003', never()))?.id, contact.id);
      });

      it('takes nobody of another country whose last nine digits are the same', async () => {
        await crm.addContact({ name: 'Русский', numbers: ['+79161110002'], responsibleId: null });
        assert.equal(await adapter.findContact('+33161110002', never()), null);
      });

      it('finds nobody for a withheld number', async () => {
        await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
        for (const number of ['', 'anonymous', 'unknown']) {
          assert.equal(await adapter.findContact(number, never()), null, number);
        }
      });

      it('chooses the same one of several every time: with a responsible, changed last', async () => {
        await crm.addContact({ name: 'old', numbers: ['+79161110002'], responsibleId: crm.userIds[0] });
        crm.advance(hourMs);
        const newer = await crm.addContact({ name: 'newer', numbers: ['+79161110002'], responsibleId: crm.userIds[1] });
        crm.advance(hourMs);
        await crm.addContact({ name: 'newest, nobody is responsible', numbers: ['+79161110002'], responsibleId: null });
        for (let time = 0; time < 5; time++) {
          assert.equal((await adapter.findContact('+79161110002', never()))?.id, newer.id);
        }
      });

      it('gives up at once when nobody waits any more', async () => {
        await assert.rejects(adapter.findContact('+79161110002', { signal: AbortSignal.abort() }), Retryable);
      });
    });

    describe('its faults', () => {
      it('are worth another try when it is down', async () => {
        crm.failNext('down');
        await assert.rejects(adapter.registerConversation(aRegistration()), Retryable);
        crm.failNext('down');
        await assert.rejects(adapter.findContact('+79161110002', never()), Retryable);
        crm.failNext('down');
        await assert.rejects(adapter.listUsers(), Retryable);
        await adapter.registerConversation(aRegistration());
        assert.equal(await crm.count('registration'), 1);
      });

      it('ask for a person when it refuses our access', async () => {
        crm.failNext('access-refused');
        await assert.rejects(adapter.registerConversation(aRegistration()), AuthRequired);
        crm.failNext('access-refused');
        await assert.rejects(adapter.findContact('+79161110002', never()), AuthRequired);
      });

      it('say what is wrong when it will never take this', async () => {
        const registration = aRegistration({ contactId: '99999999' });
        await assert.rejects(adapter.registerConversation(registration), (error: unknown) => {
          assert.ok(error instanceof Rejected);
          assert.notEqual(error.details, null);
          return true;
        });
        assert.equal(await crm.count('registration'), 0);
      });
    });

    if (has('createContact')) {
      describe('creating a contact', () => {
        it('makes one per key, and finds it by its number', async () => {
          const contact = await adapter.createContact(aContact({ responsibleId: crm.userIds[0] }), 'k1');
          assert.equal((await adapter.createContact(aContact({ responsibleId: crm.userIds[0] }), 'k1')).id, contact.id);
          assert.equal(await crm.count('contact'), 1);
          const found = await adapter.findContact('8 916 111-00-02', never());
          assert.deepEqual([found?.id, found?.name, found?.responsibleId], [contact.id, 'Иван Ёлкин', crm.userIds[0]]);
        });

        it('makes one when the answer to the first attempt was lost', async () => {
          crm.loseNextAnswer();
          await assert.rejects(adapter.createContact(aContact(), 'k1'), Retryable);
          await adapter.createContact(aContact(), 'k1');
          assert.equal(await crm.count('contact'), 1);
        });

        it('makes one for a number that many workers ask for at once', async () => {
          const made = await Promise.all(
            Array.from({ length: 12 }, (_, index) =>
              adapter.createContact(aContact({ number: index % 2 ? '+79161110002' : '89161110002' }), `k${index}`),
            ),
          );
          assert.equal(new Set(made.map(({ id }) => id)).size, 1);
          assert.equal(await crm.count('contact'), 1);
        });

        it('keeps names as they are written, in any script', async () => {
          const names = ['Ёлкин «Ёж»', '李小龍', '👩‍👩‍👧 семья', 'O\'Brien "the" <b>', 'Zoë\u0301', 'x'.repeat(200)];
          for (const [index, name] of names.entries()) {
            const number = `+7916111000${index}`;
            await adapter.createContact(aContact({ name, number }), number);
            assert.equal((await adapter.findContact(number, never()))?.name, name);
          }
        });

        it('rejects what is no number', async () => {
          await assert.rejects(adapter.createContact(aContact({ number: 'anonymous' }), 'k1'), Rejected);
          assert.equal(await crm.count('contact'), 0);
        });
      });
    }

    if (has('updateContact', 'createContact')) {
      it('changes of a contact only what is named', async () => {
        const { id } = await adapter.createContact(aContact(), 'k1');
        await adapter.updateContact(id, { responsibleId: crm.userIds[1] });
        const found = await adapter.findContact('+79161110002', never());
        assert.deepEqual([found?.name, found?.responsibleId], ['Иван Ёлкин', crm.userIds[1]]);
        await assert.rejects(adapter.updateContact('99999999', { name: 'nobody' }), Rejected);
      });
    }

    if (has('createLead')) {
      describe('creating a lead', () => {
        it('makes one per key', async () => {
          const contact = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
          const lead = aLead({ contactId: contact.id, responsibleId: crm.userIds[0] });
          const first = await adapter.createLead(lead, 'k1');
          assert.deepEqual(await adapter.createLead(lead, 'k1'), first);
          assert.equal(await crm.count('lead'), 1);
        });

        it('makes one when the answer was lost, and one when it is asked at once', async () => {
          crm.loseNextAnswer();
          await assert.rejects(adapter.createLead(aLead(), 'k1'), Retryable);
          await Promise.all(Array.from({ length: 6 }, () => adapter.createLead(aLead(), 'k1')));
          assert.equal(await crm.count('lead'), 1);
        });

        it('rejects a contact that does not exist', async () => {
          await assert.rejects(adapter.createLead(aLead({ contactId: '99999999' }), 'k1'), Rejected);
          assert.equal(await crm.count('lead'), 0);
        });
      });
    }

    if (has('createLead', 'findOpenLead')) {
      it('finds the open lead of a contact, and none once it is closed', async () => {
        const contact = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
        assert.equal(await adapter.findOpenLead(contact.id, null), null);
        const { id } = await adapter.createLead(aLead({ contactId: contact.id, responsibleId: crm.userIds[1] }), 'k1');
        const found = await adapter.findOpenLead(contact.id, null);
        assert.deepEqual([found?.id, found?.responsibleId], [id, crm.userIds[1]]);
        if (crm.closeLead === undefined) return;
        await crm.closeLead(id);
        assert.equal(await adapter.findOpenLead(contact.id, null), null);
      });
    }

    if (has('updateLead', 'createLead', 'findOpenLead')) {
      it('changes of a lead only what is named', async () => {
        const contact = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
        const { id } = await adapter.createLead(aLead({ contactId: contact.id }), 'k1');
        await adapter.updateLead(id, { responsibleId: crm.userIds[0] });
        const found = await adapter.findOpenLead(contact.id, null);
        assert.deepEqual([found?.id, found?.responsibleId], [id, crm.userIds[0]]);
      });
    }

    if (has('createIncomingLead')) {
      it('makes one incoming lead per key, also when the answer was lost', async () => {
        const lead = {
          name: 'Входящий звонок',
          number: '+79161110002',
          callKey: 'pbx:1795246371.2',
          startedAt: new Date('2026-11-21T07:32:51.000Z'),
          pipelineId: null,
          responsibleId: null,
        };
        crm.loseNextAnswer();
        await assert.rejects(adapter.createIncomingLead(lead, 'k1'), Retryable);
        const made = await Promise.all(Array.from({ length: 6 }, () => adapter.createIncomingLead(lead, 'k1')));
        assert.equal(new Set(made.map(({ id }) => id)).size, 1);
        assert.equal(await crm.count('incomingLead'), 1);
      });
    }

    if (has('createTask')) {
      const dueAt = new Date('2026-11-21T08:00:00.000Z');
      it('makes one task per key, also when the answer was lost', async () => {
        const task = { text: 'Перезвонить: ёлки', dueAt, responsibleId: crm.userIds[0], contactId: null, leadId: null };
        crm.loseNextAnswer();
        await assert.rejects(adapter.createTask(task, 'k1'), Retryable);
        const made = await Promise.all(Array.from({ length: 6 }, () => adapter.createTask(task, 'k1')));
        assert.equal(new Set(made.map(({ id }) => id)).size, 1);
        assert.equal(await crm.count('task'), 1);
      });

      if (has('findOpenTask')) {
        it('finds the task that is not yet done of a contact', async () => {
          const contact = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
          const about = { contactId: contact.id, leadId: null };
          assert.equal(await adapter.findOpenTask(about), null);
          const { id } = await adapter.createTask(
            { text: 'Call back', dueAt, responsibleId: crm.userIds[0], ...about },
            'k1',
          );
          assert.equal((await adapter.findOpenTask(about))?.id, id);
          assert.equal(await adapter.findOpenTask({ contactId: null, leadId: null }), null);
          if (crm.completeTask === undefined) return;
          await crm.completeTask(id);
          assert.equal(await adapter.findOpenTask(about), null);
        });
      }
    }

    if (has('attachRecording')) {
      it('attaches a recording to what was registered, as often as it is asked', async () => {
        const { id } = await adapter.registerConversation(aRegistration());
        await adapter.attachRecording(id, 'https://pbx.example/r/1', 'r1');
        await adapter.attachRecording(id, 'https://pbx.example/r/1', 'r1');
        await assert.rejects(adapter.attachRecording('99999999', 'https://pbx.example/r/1', 'r2'), Rejected);
      });
    }

    if (has('listContacts')) {
      it('lists all contacts, and later only those changed since, oldest change first', async () => {
        const first = await crm.addContact({ name: 'first', numbers: ['+79161110001'], responsibleId: null });
        crm.advance(hourMs);
        const second = await crm.addContact({ name: 'second', numbers: ['+79161110002'], responsibleId: null });
        assert.deepEqual(await namesOf(adapter.listContacts(null)), ['first', 'second']);
        crm.advance(hourMs);
        await crm.addContact({ name: 'third', numbers: ['+79161110003'], responsibleId: null });
        const since = new Date(second.updatedAt.getTime() + 1_000);
        assert.deepEqual(await namesOf(adapter.listContacts(since)), ['third']);
        if (!has('updateContact')) return;
        crm.advance(hourMs);
        await adapter.updateContact(first.id, { name: 'first, renamed' });
        assert.deepEqual(await namesOf(adapter.listContacts(since)), ['third', 'first, renamed']);
      });
    }
  });
}

async function namesOf(pages: AsyncIterable<readonly Contact[]>): Promise<string[]> {
  const names: string[] = [];
  for await (const page of pages) names.push(...page.map((contact) => contact.name));
  return names;
}

const optionalMethods = [
  'listContacts',
  'createContact',
  'findOpenLead',
  'createLead',
  'createIncomingLead',
  'findOpenTask',
  'createTask',
  'updateContact',
  'updateLead',
  'showIncomingCall',
  'hideIncomingCall',
  'setUserStatus',
  'attachRecording',
] as const;
export type OptionalMethod = (typeof optionalMethods)[number];
