import assert from 'node:assert/strict';
import type { Call } from '../../src/core/call.ts';
import type { Hooks } from '../../src/core/hooks.ts';
import { Retryable } from '../../src/core/errors.ts';
import { aCall, aConversation } from '../crm/conformance.ts';
import {
  anEmployee,
  connectLocalCrm,
  makeLocalCrm,
  type LocalCrmUnderTest,
} from '../crm/local/local-crm-under-test.ts';
import { forEachDatabase, type TestDatabase } from '../support/databases.ts';
import { RegistrationBench } from './registration-bench.ts';

const page = { order: 'asc', limit: 100, after: null } as const;

/** The n-th missed call of a client, in a minute of its own. */
function missedCall(index: number, call: Partial<Call> = {}): Call {
  const requestedAt = new Date(Date.UTC(2026, 10, 21, 7, index));
  const endedAt = new Date(requestedAt.getTime() + 20_000);
  return aCall({
    linkedId: `179524${index}.1`,
    linkedIds: [`179524${index}.1`],
    startedAt: requestedAt,
    endedAt,
    conversations: [
      aConversation({
        uniqueId: `179524${index}.2`,
        result: 'missed',
        requestedAt,
        answeredAt: null,
        endedAt,
        duration: 0,
        waiting: 20,
      }),
    ],
    ...call,
  });
}

/** 101 answers and hands over to 102, who talks on. */
function transferredCall(): Call {
  const first = aConversation({ uniqueId: '1.1', extension: '101' });
  const second = aConversation({
    uniqueId: '1.2',
    extension: '102',
    requestedAt: new Date('2026-11-21T07:32:54.000Z'),
    answeredAt: new Date('2026-11-21T07:32:55.000Z'),
    endedAt: new Date('2026-11-21T07:33:55.000Z'),
  });
  return aCall({ endedAt: second.endedAt, conversations: [first, second] });
}

const everything = {
  rules: [
    {
      name: 'all',
      contact: { responsible: 'first_answered' },
      lead: {},
      task: { text: 'Call back {{name}} at {{startedAt}}, asked for {{employee}}' },
    },
  ],
};

/** As `everything`, but only for clients that the CRM did not know before the call. */
const everythingForNewClients = { rules: everything.rules.map((rule) => ({ ...rule, clients: ['unknown'] })) };

describe('registering a conversation', () => {
  forEachDatabase((makeDatabase, kind) => {
    let test: TestDatabase;
    let crm: LocalCrmUnderTest;
    beforeEach(async () => {
      test = await makeDatabase();
      crm = await makeLocalCrm(test.database.knex);
    });

    const notes = async () => (await crm.book.listCallNotes({ ...page, sort: 'startedAt' })).items;
    const tasks = async () => (await crm.book.listTasks({ ...page, sort: 'dueAt' })).items;
    const leads = async () => (await crm.book.listLeads({ ...page, sort: 'createdAt' })).items;
    const contacts = async () => (await crm.book.listContacts({ ...page, sort: 'updatedAt', text: '' })).items;

    describe('of a missed call', () => {
      it('makes one contact, one task for the responsible, and one note with the true times', async () => {
        const bench = await RegistrationBench.open(crm, { written: { defaultResponsible: 'extension:102' } });
        const call = missedCall(5, { clientName: 'Ёлкин' });
        const outcome = await bench.register(call);
        const [contact] = await contacts();
        const [task] = await tasks();
        const [note] = await notes();
        assert.deepEqual(outcome, { crmId: note!.id });
        assert.deepEqual([contact!.name, contact!.numbers], ['Ёлкин', ['+79161110002']]);
        assert.equal(task!.text, 'Call back Ёлкин +79161110002: missed call to 7000001');
        assert.deepEqual([task!.contactId, task!.responsibleId], [contact!.id, crm.userIds[1]]);
        assert.equal(task!.dueAt.getTime(), call.endedAt!.getTime() + 15 * 60_000);
        assert.deepEqual(
          [note!.contactId, note!.startedAt, note!.endedAt, note!.result],
          [contact!.id, call.startedAt, call.endedAt, 'missed'],
        );
        assert.deepEqual(await bench.counts(), { contact: 1, task: 1, registration: 1 });
      });

      it('makes nothing twice when it is delivered again', async () => {
        const bench = await RegistrationBench.open(crm, { written: everything });
        const call = missedCall(1);
        const first = await bench.register(call);
        assert.deepEqual(await bench.attempt(call), first);
        assert.deepEqual(await bench.counts(), { contact: 1, lead: 1, task: 1, registration: 1 });
      });

      it('that comes again and again leaves one task while it is not done', async () => {
        const bench = await RegistrationBench.open(crm);
        for (const index of [1, 2, 3]) await bench.register(missedCall(index));
        assert.deepEqual(await bench.counts(), { contact: 1, task: 1, registration: 3 });
        await crm.book.completeTask((await tasks())[0]!.id);
        await bench.register(missedCall(4));
        assert.deepEqual(await bench.counts(), { contact: 1, task: 2, registration: 4 });
      });

      it('leaves one contact, lead and task when a backlog of one client is worked off at once', async () => {
        const bench = await RegistrationBench.open(crm, { written: everything });
        await Promise.all(Array.from({ length: 12 }, (_, index) => bench.register(missedCall(index))));
        assert.deepEqual(await bench.counts(), { contact: 1, lead: 1, task: 1, registration: 12 });
        assert.deepEqual(
          (await notes()).map((note) => note.startedAt.getUTCMinutes()),
          Array.from({ length: 12 }, (_, minute) => minute),
        );
      });

      if (kind === 'postgres') {
        it('leaves one contact, lead and task when two nodes work off the backlog', async () => {
          const other = { ...crm, ...connectLocalCrm((await test.reopen()).knex, crm.clock) };
          const benches = await Promise.all(
            [crm, other].map((node) => RegistrationBench.open(node, { written: everything })),
          );
          await Promise.all(Array.from({ length: 16 }, (_, index) => benches[index % 2]!.register(missedCall(index))));
          assert.deepEqual(await benches[0]!.counts(), { contact: 1, lead: 1, task: 1, registration: 16 });
        });
      }

      it('does not take a task that a person wrote for the one to call back', async () => {
        const bench = await RegistrationBench.open(crm);
        const contact = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: null });
        const dueAt = new Date('2026-12-01T00:00:00.000Z');
        await crm.book.addTask({
          text: 'Send the contract',
          dueAt,
          responsibleId: null,
          contactId: contact.id,
          leadId: null,
        });
        await bench.register(missedCall(1));
        assert.equal((await tasks()).length, 2);
      });

      it('is due when the responsible is next at work, if the rule says so', async () => {
        const workingHours = { days: { 1: [{ from: 540, to: 1080 }] }, holidays: [] };
        await crm.book.editEmployee(crm.userIds[0], { workingHours });
        await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: crm.userIds[0] });
        const task = { text: 'Call back', due: 'next_working_time' };
        const bench = await RegistrationBench.open(crm, { written: { rules: [{ name: 'task', task }] } });
        await bench.register(missedCall(1));
        // Saturday; Monday 9:00 in Moscow.
        assert.equal((await tasks())[0]!.dueAt.toISOString(), '2026-11-23T06:00:00.000Z');
      });
    });

    describe('broken off anywhere', () => {
      for (const when of ['before', 'after'] as const) {
        it(`${when} any step, is completed by the next attempt with nothing lost or doubled`, async () => {
          const bench = await RegistrationBench.open(crm, { written: everythingForNewClients });
          await bench.register(missedCall(59, { client: '+79165550000' }));
          const stepCount = bench.steps.length;
          assert.ok(stepCount >= 8, bench.steps.join());
          const before = await bench.counts();
          for (let step = 0; step < stepCount; step++) {
            const call = missedCall(step, { client: `+791655500${10 + step}` });
            bench.know(call);
            await assert.rejects(bench.attempt(call, call.conversations[0], { step, when }), Retryable);
            assert.ok('crmId' in (await bench.attempt(call)));
          }
          const expected = Object.fromEntries(Object.keys(before).map((entity) => [entity, stepCount + 1]));
          assert.deepEqual(await bench.counts(), expected);
          assert.ok((await leads()).every((lead) => lead.contactId !== null));
          assert.ok((await notes()).every((note) => note.contactId !== null && note.leadId !== null));
        });
      }

      it('by a CRM that is down for long, every call is registered once and in its true time', async () => {
        const bench = await RegistrationBench.open(crm);
        const calls = Array.from({ length: 30 }, (_, index) =>
          missedCall(index, { client: `+791666600${10 + index}` }),
        );
        for (const call of calls) {
          bench.know(call);
          crm.failNext('down');
          await assert.rejects(bench.attempt(call), Retryable);
        }
        assert.deepEqual(await bench.counts(), {});
        for (const call of calls) await bench.attempt(call);
        assert.deepEqual(await bench.counts(), { contact: 30, task: 30, registration: 30 });
        assert.deepEqual(
          (await notes()).map((note) => note.startedAt),
          calls.map((call) => call.startedAt),
        );
      });
    });

    describe('of a client who is known', () => {
      it('goes to his open lead and makes no second one', async () => {
        const contact = await crm.addContact({
          name: 'Иван',
          numbers: ['+79161110002'],
          responsibleId: crm.userIds[1],
        });
        const { id: leadId } = await crm.adapter.createLead!(
          { name: 'open', contactId: contact.id, responsibleId: null, pipelineId: null, statusId: null, tags: [] },
          'k',
        );
        const bench = await RegistrationBench.open(crm, { written: everything });
        await bench.register(missedCall(1));
        assert.deepEqual(await bench.counts(), { contact: 1, lead: 1, task: 1, registration: 1 });
        assert.equal((await notes())[0]!.leadId, leadId);
        await crm.closeLead!(leadId);
        await bench.register(missedCall(2));
        assert.equal((await leads()).length, 2);
      });

      it('belongs to the same one of two contacts with his number every time', async () => {
        await crm.addContact({ name: 'no responsible', numbers: ['+79161110002'], responsibleId: null });
        const right = await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: crm.userIds[1] });
        const bench = await RegistrationBench.open(crm);
        for (const index of [1, 2, 3]) await bench.register(missedCall(index));
        assert.deepEqual([...new Set((await notes()).map((note) => note.contactId))], [right.id]);
      });

      it('whose responsible was dismissed, is given to the deputy', async () => {
        const [ivan, olga] = crm.userIds;
        await crm.book.editEmployee(ivan, { isActive: false, deputies: [olga] });
        await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: ivan });
        const bench = await RegistrationBench.open(crm);
        await bench.register(missedCall(1));
        assert.equal((await tasks())[0]!.responsibleId, olga);
        assert.equal((await notes())[0]!.responsibleId, olga);
      });

      it('whose responsible was dismissed without a deputy, is given to the default one', async () => {
        const [ivan, olga] = crm.userIds;
        await crm.book.editEmployee(ivan, { isActive: false });
        await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: ivan });
        const bench = await RegistrationBench.open(crm, { written: { defaultResponsible: `user:${olga}` } });
        await bench.register(missedCall(1));
        assert.equal((await tasks())[0]!.responsibleId, olga);
      });
    });

    it('leaves everything with its responsible while the CRM’s users are not known', async () => {
      await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: crm.userIds[1] });
      const bench = await RegistrationBench.open(crm, { users: [] });
      await bench.register(missedCall(1));
      assert.equal((await tasks())[0]!.responsibleId, crm.userIds[1]);
    });

    describe('of a call that was handed over', () => {
      it('makes a note for each employee, and one contact and lead for the first who talked', async () => {
        const bench = await RegistrationBench.open(crm, {
          written: { rules: [{ name: 'all', contact: {}, lead: {}, task: { text: 'thank' } }] },
        });
        const call = transferredCall();
        bench.know(call);
        for (const conversation of call.conversations) await bench.attempt(call, conversation);
        assert.deepEqual(await bench.counts(), { contact: 1, lead: 1, task: 1, registration: 2 });
        const [ivan, olga] = crm.userIds;
        assert.deepEqual(
          (await notes()).map((note) => note.userId),
          [ivan, olga],
        );
        assert.equal((await contacts())[0]!.responsibleId, ivan);
        assert.equal(new Set((await notes()).map((note) => note.leadId)).size, 1);
      });

      it('belongs to the last who talked, if the rule says so', async () => {
        const contact = { responsible: 'last_answered' };
        const bench = await RegistrationBench.open(crm, { written: { rules: [{ name: 'last', contact }] } });
        const call = transferredCall();
        bench.know(call);
        for (const conversation of call.conversations) await bench.attempt(call, conversation);
        assert.equal((await contacts())[0]!.responsibleId, crm.userIds[1]);
      });

      it('is a known client’s for no rule once its first part has made the contact', async () => {
        const rules = [
          { name: 'new', clients: ['unknown'], contact: {} },
          { name: 'old', clients: ['known'], task: { text: 'thank for the loyalty' } },
        ];
        const bench = await RegistrationBench.open(crm, { written: { rules } });
        const call = transferredCall();
        bench.know(call);
        for (const conversation of call.conversations) await bench.attempt(call, conversation);
        assert.deepEqual(await bench.counts(), { contact: 1, registration: 2 });
      });
    });

    describe('an incoming lead', () => {
      const rules = [{ name: 'request', clients: ['unknown'], incomingLead: { name: 'Call of {{client}}' }, lead: {} }];
      it('is made instead of a lead, once for a client who calls again before anybody sorted it', async () => {
        const bench = await RegistrationBench.open(crm, { written: { rules } });
        for (const index of [1, 2]) await bench.register(missedCall(index));
        assert.deepEqual(await bench.counts(), { incomingLead: 1, registration: 2 });
        const { items } = await crm.book.listIncomingLeads({ ...page, sort: 'createdAt', state: 'unsorted' });
        assert.deepEqual([items[0]!.name, items[0]!.number], ['Call of +79161110002', '+79161110002']);
      });

      it('is a lead where the CRM knows no incoming leads', async () => {
        const bench = await RegistrationBench.open(crm, { written: { rules }, without: ['createIncomingLead'] });
        await bench.register(missedCall(1));
        assert.deepEqual(await bench.counts(), { lead: 1, registration: 1 });
      });
    });

    describe('goes to no CRM', () => {
      const cases: readonly [string, Call, string][] = [
        [
          'when the call was understood otherwise meanwhile',
          aCall({ conversations: [aConversation({ registered: false, reason: 'consultation' })] }),
          'consultation',
        ],
        ['between employees', aCall({ direction: 'internal', client: null }), 'internal'],
        ['with an extension as the client', aCall({ client: '105' }), 'internal'],
        ['when a black list names the caller', aCall({ client: '+74950000001' }), 'rule:spam'],
      ];
      for (const [title, call, skip] of cases) {
        it(title, async () => {
          const lists = [{ name: 'spam', kind: 'black', numbers: '7495*' }];
          const bench = await RegistrationBench.open(crm, { written: { ...everything, lists } });
          assert.deepEqual(await bench.register(call), { skip });
          assert.deepEqual(await bench.counts(), {});
        });
      }

      it('when an employee calls from his mobile', async () => {
        await crm.book.addEmployee({ ...anEmployee, name: 'Пётр', extensions: ['103'], mobile: '8 916 111-00-02' });
        const bench = await RegistrationBench.open(crm, { written: everything });
        assert.deepEqual(await bench.register(missedCall(1)), { skip: 'internal' });
        assert.deepEqual(await bench.counts(), {});
      });

      it('when the ledger no longer has it', async () => {
        const bench = await RegistrationBench.open(crm);
        assert.deepEqual(await bench.attempt(missedCall(1)), { skip: 'the ledger no longer has this conversation' });
      });

      it('when the hook says no', async () => {
        const bench = await RegistrationBench.open(crm, { hooks: { need_registration: async () => false } });
        assert.deepEqual(await bench.register(missedCall(1)), { skip: 'hook' });
        assert.deepEqual(await bench.counts(), {});
      });
    });

    describe('of a caller without a number', () => {
      it('makes a note, and what the rules for such callers say', async () => {
        const rules = [{ name: 'all', contact: {}, incomingLead: {}, task: { text: 'Somebody called {{did}}' } }];
        const bench = await RegistrationBench.open(crm, { written: { rules } });
        await bench.register(missedCall(1, { client: null }));
        await bench.register(missedCall(2, { client: null }));
        assert.deepEqual(await bench.counts(), { task: 2, registration: 2 });
        assert.equal((await notes())[0]!.contactId, null);
      });
    });

    it('asks a CRM that can do nothing else for the registration only', async () => {
      const without = [
        'createContact',
        'createLead',
        'createIncomingLead',
        'createTask',
        'findOpenLead',
        'findOpenTask',
      ] as const;
      const bench = await RegistrationBench.open(crm, { written: everything, without });
      assert.ok('crmId' in (await bench.register(missedCall(1))));
      assert.deepEqual(await bench.counts(), { registration: 1 });
    });

    describe('with hooks', () => {
      it('gives each of them its part and takes what they change', async () => {
        const seen: string[] = [];
        const hooks: Partial<Hooks> = {
          async process_client_phone({ phone, stage }) {
            seen.push(stage);
            return phone.replace('0002', '0003');
          },
          process_contact_creation_params: async ({ contact }) => ({ ...contact, name: 'by hook', tags: ['PBX'] }),
          process_lead_creation_params: async ({ lead }) => ({ ...lead, name: 'lead by hook' }),
          process_task_creation_params: async ({ task }) => ({ ...task, text: 'task by hook' }),
          process_call_params: async ({ params }) => ({ ...params, duration: 77, link: 'https://pbx.example/r/1' }),
          async post_registration({ crmId, registration }) {
            seen.push(crmId, registration.idempotencyKey);
          },
        };
        const bench = await RegistrationBench.open(crm, { written: everything, hooks });
        const outcome = await bench.register(missedCall(1));
        const [contact] = await contacts();
        assert.deepEqual([contact!.name, contact!.numbers, contact!.tags], ['by hook', ['+79161110003'], ['PBX']]);
        assert.equal((await leads())[0]!.name, 'lead by hook');
        assert.equal((await tasks())[0]!.text, 'task by hook');
        const [note] = await notes();
        assert.deepEqual(
          [note!.duration, note!.recording, note!.client],
          [77, 'https://pbx.example/r/1', '+79161110003'],
        );
        assert.deepEqual(outcome, { crmId: note!.id });
        assert.deepEqual(seen, ['conversation_ended', note!.id, 'conversation:pbx:1795241.2']);
      });
    });
  });
});
