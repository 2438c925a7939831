import assert from 'node:assert/strict';
import { Rejected, Retryable } from '../../../src/core/errors.ts';
import type { CrmAdapter } from '../../../src/core/ports.ts';
import { forEachDatabase } from '../../support/databases.ts';
import type { FakeKommo } from '../../support/fake-kommo.ts';
import { aCall, aContact, aConversation, aLead, aRegistration } from '../conformance.ts';
import { connectKommo, makeKommo, type KommoUnderTest } from './kommo-under-test.ts';

const never = () => ({ signal: new AbortController().signal });
const number = '+79161110002';
const anIncomingLead = {
  name: 'Входящий звонок',
  number,
  callKey: 'call:pbx:1795246371.2',
  startedAt: new Date('2026-11-21T07:32:51.000Z'),
  pipelineId: null,
  responsibleId: '502',
};

describe('records in an amoCRM or Kommo account', () => {
  forEachDatabase((makeDatabase, kind) => {
    if (kind === 'postgres') return;
    let crm: KommoUnderTest;
    let fake: FakeKommo;
    let adapter: CrmAdapter;
    let connectNode: (settings?: Record<string, unknown>) => CrmAdapter;
    beforeEach(async () => {
      const { knex } = (await makeDatabase()).database;
      crm = await makeKommo(knex);
      ({ fake, adapter } = crm);
      connectNode = (settings = {}) => connectKommo(fake, { db: knex, clock: crm.clock, settings });
    });
    afterEach(() => crm.close());
    const register = (changes: Parameters<typeof aRegistration>[0] = {}) =>
      adapter.registerConversation(aRegistration(changes));
    const onlyNote = () => {
      assert.equal(fake.callNotes.length, 1);
      return fake.callNotes[0]!;
    };

    describe('a call', () => {
      it('carries every fact under its own name', async () => {
        const card = fake.addCard('contacts', { name: 'Иван', phones: ['8 (916) 111-00-02'], responsibleId: 502 });
        const conversation = aConversation({ duration: 65, recording: 'https://pbx.example.org/r/1.mp3' });
        const id = await register({
          call: aCall({ conversations: [conversation] }),
          contactId: String(card.id),
          userId: '501',
          responsibleId: '502',
        });
        const note = onlyNote();
        assert.match(id.id, new RegExp(`^contacts/${card.id}/\\d+$`));
        assert.deepEqual(note.params, {
          uniq: 'pbx:1795246371.3',
          duration: 65,
          source: 'ringledger',
          link: 'https://pbx.example.org/r/1.mp3',
          phone: number,
          call_result: 'Talked',
          call_status: 4,
          call_responsible: 501,
        });
        assert.deepEqual([note.kind, note.entity_id, note.note_type], ['contacts', card.id, 'call_in']);
        assert.deepEqual([note.created_by, note.responsible_user_id, note.created_at], [501, 502, 1795246371]);
      });

      it('has the status of its result', async () => {
        fake.addCard('contacts', { name: 'Иван', phones: [number] });
        const statuses: Record<string, number> = {};
        for (const result of [
          'answered',
          'missed',
          'no_answer',
          'busy',
          'cancelled',
          'rejected',
          'failed',
          'not_found',
          'voicemail',
        ] as const) {
          await register({ idempotencyKey: result, call: aCall({ conversations: [aConversation({ result })] }) });
          statuses[result] = Number(fake.callNotes.at(-1)!.params['call_status']);
        }
        assert.deepEqual(statuses, {
          answered: 4,
          missed: 6,
          no_answer: 6,
          busy: 7,
          cancelled: 6,
          rejected: 7,
          failed: 3,
          not_found: 5,
          voicemail: 1,
        });
      });

      it('sends no path of a file as a link', async () => {
        fake.addCard('contacts', { name: 'Иван', phones: [number] });
        const conversation = aConversation({ recording: '/var/spool/asterisk/monitor/a.wav' });
        await register({ call: aCall({ conversations: [conversation] }) });
        assert.equal('link' in onlyNote().params, false);
      });

      it('stands at the chosen one of several contacts with the number, not at the oldest', async () => {
        fake.addCard('contacts', { name: 'old', phones: [number], responsibleId: 501 });
        crm.advance(60_000);
        const newer = fake.addCard('contacts', { name: 'newer', phones: [number], responsibleId: 502 });
        const found = await adapter.findContact(number, never());
        assert.equal(found!.id, String(newer.id));
        await register({ contactId: found!.id });
        assert.deepEqual([onlyNote().kind, onlyNote().entity_id], ['contacts', newer.id]);
      });

      it('stands at the only open lead of its contact', async () => {
        const card = fake.addCard('contacts', { name: 'Иван', phones: [number] });
        const lead = fake.addLead({ contacts: [card.id] });
        await register({ contactId: String(card.id), leadId: String(lead.id) });
        assert.deepEqual([onlyNote().kind, onlyNote().entity_id], ['leads', lead.id]);
      });

      it('of a number that nobody has stands at one collecting contact, as does one without a number', async () => {
        await register();
        await register({ idempotencyKey: 'b', call: aCall({ client: null }) });
        crm.advance(3_600_000);
        await register({ idempotencyKey: 'c', call: aCall({ client: '+79161110003', direction: 'outbound' }) });
        assert.deepEqual(
          fake.contacts.map((card) => card.name),
          ['Calls without a contact'],
        );
        assert.deepEqual(
          fake.callNotes.map((note) => [note.entity_id, note.note_type, note.params['phone']]),
          [
            [fake.contacts[0]!.id, 'call_in', number],
            [fake.contacts[0]!.id, 'call_in', '-'],
            [fake.contacts[0]!.id, 'call_out', '+79161110003'],
          ],
        );
      });

      it('makes one collecting contact when its answer is lost, and another when a person deletes it', async () => {
        fake.loseNextAnswer();
        // The call itself is refused for its unknown number first; that answer gets lost, then the contact's.
        await assert.rejects(register(), Retryable);
        fake.loseNextAnswer();
        await assert.rejects(register({ idempotencyKey: 'note' }), Retryable);
        await register();
        await register({ idempotencyKey: 'note' });
        assert.equal(fake.contacts.length, 1);
        assert.equal(fake.callNotes.length, 2);
        fake.contacts[0]!.is_deleted = true;
        const node = connectNode();
        await node.registerConversation(aRegistration({ idempotencyKey: 'b' }));
        await node.close?.();
        assert.equal(fake.contacts.filter((card) => !card.is_deleted).length, 1);
      });

      it('gets its recording later, at its own note and without losing what was there', async () => {
        const card = fake.addCard('contacts', { name: 'Иван', phones: [number] });
        const { id } = await register({ contactId: String(card.id) });
        await register({ idempotencyKey: 'another', contactId: String(card.id) });
        await adapter.attachRecording!(id, 'https://pbx.example.org/r/1', 'r1');
        const [first, second] = fake.callNotes;
        assert.deepEqual(
          [first!.params['link'], first!.params['call_status'], second!.params['link']],
          ['https://pbx.example.org/r/1', 4, undefined],
        );
      });
    });

    describe('a contact', () => {
      it('is found in whatever way its number is written', async () => {
        for (const [index, written] of [
          '8 (916) 111-00-02',
          '+7 916 111 00 02',
          '79161110002',
          '8-916-111-00-02',
          '9161110002',
          '+79161110002 доб. 5',
        ].entries()) {
          const card = fake.addCard('contacts', { name: written, phones: ['+74951112233', written] });
          const found = await adapter.findContact(number, never());
          assert.equal(found?.name, written);
          assert.ok(found.numbers.includes(number));
          assert.ok(index >= 0);
          card.is_deleted = true;
        }
      });

      it('is found behind hundreds that only have its number in their names', async () => {
        for (let index = 0; index < 260; index++)
          fake.addCard('contacts', { name: `Сделка 9161110002 №${index}`, phones: [] });
        const card = fake.addCard('contacts', { name: 'Иван', phones: [number] });
        assert.equal((await adapter.findContact(number, never()))?.id, String(card.id));
      });

      it('keeps what a hook wrote beside its number, and its tags', async () => {
        const fields = [
          { field_id: 401, values: [{ enum_code: 'WORK', value: '8 (916) 111-00-02' }] },
          { field_id: 405, values: [{ value: 'From the PBX' }] },
        ];
        const written = aContact();
        const { id } = await adapter.createContact!(Object.assign({}, written, { custom_fields_values: fields }), 'k1');
        const [card] = fake.contacts;
        assert.deepEqual(
          [card!.phones, card!.fields, card!.tags],
          [
            [{ value: '8 (916) 111-00-02', enum_code: 'WORK' }],
            [{ field_id: 405, values: [{ value: 'From the PBX', enum_code: undefined }] }],
            written.tags,
          ],
        );
        const mail = [{ field_id: 403, values: [{ enum_code: 'WORK', value: 'a@example.org' }] }];
        await adapter.updateContact!(
          id,
          Object.assign({ number: '+79161110003' }, { custom_fields_values: [...mail, fields[0]] }),
        );
        assert.deepEqual(
          card!.phones.map(({ value }) => value),
          ['8 (916) 111-00-02', '+79161110003'],
        );
        assert.deepEqual(
          card!.fields.map(({ field_id }) => field_id),
          [405, 403],
        );
      });

      it('comes before a company, and a company before nobody', async () => {
        const company = fake.addCard('companies', { name: 'Ромашка', phones: ['8 495 111-22-33'], responsibleId: 502 });
        const found = await adapter.findContact('+74951112233', never());
        assert.deepEqual(
          [found?.id, found?.company, found?.responsibleId],
          [`company:${company.id}`, 'Ромашка', '502'],
        );
        const lead = await adapter.createLead!(aLead({ contactId: found!.id }), 'k1');
        assert.deepEqual(fake.leads[0]!.companies, [company.id]);
        assert.equal((await adapter.findOpenLead!(found!.id, null))?.id, lead.id);
        await adapter.createTask!(
          { text: 'Call', dueAt: new Date(), responsibleId: null, contactId: found!.id, leadId: null },
          't1',
        );
        assert.deepEqual([fake.tasks[0]!.entity_type, fake.tasks[0]!.entity_id], ['companies', company.id]);
        const { id } = await register({ call: aCall({ client: '+74951112233' }), contactId: found!.id });
        assert.match(id, /^leads\//);
        const person = fake.addCard('contacts', { name: 'Пётр', phones: ['+74951112233'], companies: [company.id] });
        assert.equal((await adapter.findContact('+74951112233', never()))?.id, String(person.id));
      });

      it('is made once although the search does not show it yet', async () => {
        fake.searchLagMs = 300_000;
        const first = await adapter.createContact!(aContact(), 'k1');
        const again = await adapter.createContact!(aContact(), 'k2');
        assert.equal(again.id, first.id);
        fake.loseNextAnswer();
        const other = aContact({ number: '+79161110003' });
        await assert.rejects(adapter.createContact!(other, 'k3'), Retryable);
        await adapter.createContact!(other, 'k3');
        assert.equal(fake.contacts.length, 2);
      });

      it('takes fields that a hook added', async () => {
        const contact = { ...aContact(), first_name: 'Иван', last_name: 'Ёлкин' };
        await adapter.createContact!(contact, 'k1');
        assert.deepEqual(fake.violations, []);
        assert.equal(fake.contacts[0]!.tags[0], 'телефон');
      });

      it('keeps its numbers when one is added, and is left alone when it has it', async () => {
        const card = fake.addCard('contacts', { name: 'Иван', phones: ['8 916 111-00-02'] });
        await adapter.updateContact!(String(card.id), { number: '+79161110003' });
        await adapter.updateContact!(String(card.id), { number });
        assert.deepEqual(
          card.phones.map(({ value }) => value),
          ['8 916 111-00-02', '+79161110003'],
        );
      });

      it('is told as gone where the list of changes still has it', async () => {
        const [gone, kept] = ['+79161110002', '+79161110003'].map((phone) =>
          fake.addCard('contacts', { name: phone, phones: [phone] }),
        );
        gone!.is_deleted = true;
        fake.listsDeleted = true;
        const told: string[] = [];
        const listed: string[] = [];
        for await (const page of adapter.listContacts!(null, (id) => told.push(id)))
          listed.push(...page.map(({ id }) => id));
        assert.deepEqual([told, listed], [[String(gone!.id)], [String(kept!.id)]]);
      });

      it('is listed with hundreds of others, also of the same second, each once, with the names of companies', async () => {
        const company = fake.addCard('companies', { name: 'Ромашка', phones: [] });
        for (let index = 0; index < 620; index++) {
          if (index === 5) crm.advance(1_000);
          if (index === 600) crm.advance(1_000);
          fake.addCard('contacts', {
            name: `n${index}`,
            phones: [`+7916${1_000_000 + index}`],
            companies: index === 3 ? [company.id] : [],
          });
        }
        const names: string[] = [];
        const companies: (string | null)[] = [];
        for await (const page of adapter.listContacts!(null)) {
          names.push(...page.filter((one) => !one.id.startsWith('company')).map((one) => one.name));
          companies.push(...page.map((one) => one.company));
        }
        assert.equal(names.length, 620);
        assert.equal(new Set(names).size, 620);
        assert.ok(companies.includes('Ромашка'));
      });
    });

    describe('an unsorted request', () => {
      it('holds the contact and the lead it would become, and the calls until it is sorted', async () => {
        const { id } = await adapter.createIncomingLead!(anIncomingLead, 'k1');
        const [request] = fake.requests;
        assert.equal(id, request!.uid);
        assert.deepEqual([request!.metadata['from'], request!.metadata['called_at']], [number, 1795246371]);
        assert.equal(fake.contacts[0]!.phones[0]!.value, number);
        await register();
        assert.deepEqual([onlyNote().kind, onlyNote().entity_id], ['leads', request!.leadId]);
        assert.equal(await adapter.findContact(number, never()), null, 'nobody has sorted it yet');
        fake.sortRequest(id, 'accept');
        assert.equal((await adapter.findContact(number, never()))!.name, number);
      });

      it('is not made a second time for a number whose first one waits, but again after it was declined', async () => {
        const first = await adapter.createIncomingLead!(anIncomingLead, 'k1');
        crm.advance(24 * 3_600_000);
        assert.deepEqual(await adapter.createIncomingLead!(anIncomingLead, 'k2'), first);
        fake.sortRequest(first.id, 'decline');
        const second = await adapter.createIncomingLead!(anIncomingLead, 'k3');
        assert.notEqual(second.id, first.id);
      });

      it('is given up where no pipeline takes any', async () => {
        fake.isUnsortedOn = false;
        await adapter.listUsers();
        assert.equal(adapter.createIncomingLead, undefined);
        const statuses = await adapter.check();
        assert.ok(statuses.some(({ health, message }) => health === 'warning' && /unsorted/.test(message)));
      });
    });

    describe('without a field for numbers', () => {
      for (const lack of ['hasPhoneField', 'hasWorkValue'] as const) {
        it(`(${lack}) says so, registers calls and makes no contacts`, async () => {
          fake[lack] = false;
          await adapter.listUsers();
          assert.equal(adapter.createContact, undefined);
          const statuses = await adapter.check();
          const [fault] = statuses.filter(({ health }) => health === 'error');
          assert.match(fault!.message, /PHONE/);
          assert.match(fault!.message, /calls are registered/);
          await register();
          assert.equal(fake.callNotes.length, 1);
        });
      }
    });

    it('check() names extensions whose users are not in the account', async () => {
      const stranger = connectNode({ extensions: { '109': 'nobody@example.org' } });
      const statuses = await stranger.check();
      await stranger.close?.();
      assert.ok(statuses.some(({ message }) => message.includes('109: nobody@example.org')));
    });

    it('goes on without users where only administrators are shown them, and says so', async () => {
      fake.isAdministrator = false;
      assert.deepEqual(await adapter.listUsers(), []);
      assert.ok(
        (await adapter.check()).some(({ health, message }) => health === 'error' && /administrator/.test(message)),
      );
      await register();
      assert.equal(fake.callNotes.length, 1);
    });

    it('a missed call of an unknown client costs few requests', async () => {
      await adapter.listUsers();
      const before = fake.asked.length;
      await adapter.findContact(number, never());
      const contact = await adapter.createContact!(aContact(), 'k1');
      assert.equal(await adapter.findOpenLead!(contact.id, null), null);
      const lead = await adapter.createLead!(aLead({ contactId: contact.id }), 'k2');
      await adapter.findOpenTask!({ contactId: contact.id, leadId: lead.id });
      await adapter.createTask!(
        { text: 'Call', dueAt: new Date(), responsibleId: null, contactId: contact.id, leadId: lead.id },
        'k3',
      );
      await register({ contactId: contact.id, leadId: lead.id });
      assert.ok(fake.asked.length - before <= 9, fake.asked.slice(before).join('\n'));
    });

    it('a lead goes where it is told, and says which field is wrong', async () => {
      const lead = aLead({ pipelineId: '11', statusId: '22', responsibleId: '502', tags: ['звонок'] });
      await adapter.createLead!(lead, 'k1');
      const [made] = fake.leads;
      assert.deepEqual(
        [made!.pipeline_id, made!.status_id, made!.responsible_user_id, made!.tags],
        [11, 22, 502, ['звонок']],
      );
      await assert.rejects(adapter.createLead!(aLead({ pipelineId: '99' }), 'k2'), (error: unknown) => {
        assert.ok(error instanceof Rejected);
        assert.deepEqual(Object.keys(error.details as object), ['pipeline_id']);
        return true;
      });
    });

    it('two workers who each see no lead of a contact yet make one', async () => {
      const card = fake.addCard('contacts', { name: 'Иван', phones: [number] });
      const lead = aLead({ contactId: String(card.id) });
      const made = await Promise.all(['a', 'b', 'c'].map((key) => adapter.createLead!(lead, key)));
      assert.equal(new Set(made.map(({ id }) => id)).size, 1);
      fake.closeLead(fake.leads[0]!.id);
      await adapter.createLead!(lead, 'd');
      assert.equal(fake.leads.length, 2, 'a closed one is not taken for it');
    });

    describe('the card of a ringing call', () => {
      const show = (userIds: string[], client: string | null = number) =>
        adapter.showIncomingCall!({ call: aCall({ client }), conversation: aConversation(), contact: null, userIds });
      it('is shown to exactly the users whose phones ring', async () => {
        await show(['501', '502']);
        assert.deepEqual(fake.shownCards, [{ phone: number, users: [501, 502] }]);
      });
      it('is never shown to all, nor for a withheld number', async () => {
        await show([]);
        await show(['somebody']);
        await show(['501'], null);
        assert.deepEqual(fake.shownCards, []);
      });
    });
  });
});
