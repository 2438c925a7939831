import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ContactQuery } from '../../../src/core/contact-book.ts';
import { Rejected } from '../../../src/core/errors.ts';
import { BadCursor } from '../../../src/core/ledger-queries.ts';
import { forEachDatabase, type TestDatabase } from '../../support/databases.ts';
import { aContact, aLead, aRegistration } from '../conformance.ts';
import { anEmployee, connectLocalCrm, makeLocalCrm, type LocalCrmUnderTest } from './local-crm-under-test.ts';

const page = { order: 'asc', limit: 100, after: null } as const;
const search = (text: string, query: Partial<ContactQuery> = {}): ContactQuery => ({
  ...page,
  sort: 'name',
  text,
  ...query,
});
const fields = { company: null, numbers: [], responsibleId: null, tags: [] };
const hasDetails = (field: string) => (error: unknown) =>
  error instanceof Rejected && field in (error.details as object);

describe('the contact book', () => {
  forEachDatabase((makeDatabase, kind) => {
    let test: TestDatabase;
    let crm: LocalCrmUnderTest;
    beforeEach(async () => {
      test = await makeDatabase();
      crm = await makeLocalCrm(test.database.knex);
    });

    const namesOf = async (query: ContactQuery) => (await crm.book.listContacts(query)).items.map(({ name }) => name);

    describe('finds contacts', () => {
      beforeEach(async () => {
        await crm.book.addContact({
          ...fields,
          name: 'Семён Ёлкин',
          company: 'ООО «Ромашка»',
          numbers: ['8 916 111-00-02'],
        });
        await crm.book.addContact({
          ...fields,
          name: 'Ann 100%_sure!',
          numbers: ['+442079460000'],
          responsibleId: crm.userIds[0],
        });
      });
      const hits: readonly [string, readonly string[]][] = [
        ['', ['Ann 100%_sure!', 'Семён Ёлкин']],
        ['семен елкин', ['Семён Ёлкин']],
        ['ЁЛКИН ромашка', ['Семён Ёлкин']],
        ['елкин ann', []],
        ['89161110002', ['Семён Ёлкин']],
        ['8 (916) 111-00-02', ['Семён Ёлкин']],
        ['111-00-02', ['Семён Ёлкин']],
        ['%', ['Ann 100%_sure!']],
        ['_', ['Ann 100%_sure!']],
        ['!', ['Ann 100%_sure!']],
        ["'; drop table local_contacts; --", []],
      ];
      for (const [text, names] of hits) {
        it(`by “${text}”`, async () => assert.deepEqual(await namesOf(search(text)), names));
      }
      it('of one responsible', async () => {
        assert.deepEqual(await namesOf(search('', { responsibleId: crm.userIds[0] })), ['Ann 100%_sure!']);
      });
    });

    it('gives pages that neither repeat nor leave out, also when contacts come in between', async () => {
      for (let index = 0; index < 25; index++) {
        await crm.book.addContact({ ...fields, name: `same name ${index % 3}`, numbers: [`+791611100${10 + index}`] });
      }
      for (const sort of ['name', 'updatedAt'] as const) {
        for (const order of ['asc', 'desc'] as const) {
          const ids: string[] = [];
          let after: string | null = null;
          do {
            const { items, nextCursor } = await crm.book.listContacts(
              search('same', { sort, order, limit: 10, after }),
            );
            ids.push(...items.map(({ id }) => id));
            after = nextCursor;
          } while (after !== null);
          assert.equal(ids.length, 25);
          assert.equal(new Set(ids).size, 25);
        }
      }
      const { nextCursor } = await crm.book.listContacts(search('', { limit: 1 }));
      for (const query of [
        { after: 'x' },
        { after: nextCursor, order: 'desc' },
        { after: nextCursor, sort: 'updatedAt' },
      ] as const) {
        await assert.rejects(crm.book.listContacts(search('', query)), BadCursor);
      }
    });

    it('keeps numbers normalised, once each, the main one first', async () => {
      const contact = await crm.book.addContact({
        ...fields,
        name: 'Иван',
        numbers: ['8 495 000-00-01', '89161110002', '+79161110002'],
      });
      assert.deepEqual(contact.numbers, ['+74950000001', '+79161110002']);
      const edited = await crm.book.editContact(contact.id, { numbers: ['+79161110002'] });
      assert.deepEqual(edited!.numbers, ['+79161110002']);
      assert.equal(await crm.adapter.findContact('+74950000001', { signal: new AbortController().signal }), null);
    });

    it('finds a number that was noted without its country only where one contact can be meant', async () => {
      const find = (number: string) => crm.adapter.findContact(number, { signal: new AbortController().signal });
      // No valid number of any country, so it stays as it was written.
      const { numbers, id } = await crm.book.addContact({ ...fields, name: 'old list', numbers: ['0009161110002'] });
      assert.deepEqual(numbers, ['0009161110002']);
      assert.equal((await find('+79161110002'))?.id, id);
      await crm.book.addContact({ ...fields, name: 'another', numbers: ['0019161110002'] });
      assert.equal(await find('+79161110002'), null);
    });

    it('refuses wrong fields by name, and keeps nothing of them', async () => {
      const bad: readonly [Parameters<typeof crm.book.addContact>[0], string][] = [
        [{ ...fields, name: ' ' }, 'name'],
        [{ ...fields, name: 'a', numbers: ['anonymous'] }, 'number'],
        [{ ...fields, name: 'a', responsibleId: 'nobody' }, 'responsibleId'],
      ];
      for (const [contact, field] of bad) await assert.rejects(crm.book.addContact(contact), hasDetails(field));
      assert.equal(await crm.count('contact'), 0);
      assert.equal((await crm.book.addContact({ ...fields, name: '', numbers: ['89161110002'] })).name, '+79161110002');
    });

    it('keeps out what a database cannot hold', async () => {
      const { name } = await crm.book.addContact({ ...fields, name: 'a\u0000b\u0007\ud800c', numbers: [] });
      assert.equal(name, 'a b \ufffdc');
      assert.equal((await crm.book.addContact({ ...fields, name: '😀'.repeat(5_000) })).name, '😀'.repeat(500));
    });

    it('takes or refuses whatever text it is given, and finds what it took', async () => {
      const text = fc.string({ unit: 'binary', maxLength: 60 });
      await fc.assert(
        fc.asyncProperty(text, text, fc.array(text, { maxLength: 3 }), async (name, company, tags) => {
          try {
            const contact = await crm.book.addContact({ ...fields, name, company, tags });
            assert.deepEqual(await crm.book.contact(contact.id), contact);
            const { items } = await crm.book.listContacts(search(contact.name, { limit: 500 }));
            assert.ok(
              contact.name === '' || /^[\d\s()+.-]*$/.test(contact.name) || items.some(({ id }) => id === contact.id),
            );
          } catch (error) {
            assert.ok(error instanceof Rejected, String(error));
          }
        }),
        { numRuns: 150 },
      );
    });

    it('never replaces a recording with nothing', async () => {
      const { id } = await crm.adapter.registerConversation(aRegistration());
      await crm.adapter.attachRecording(id, 'https://pbx.example/r/1', 'r1');
      await crm.adapter.attachRecording(id, '', 'r2');
      const { items } = await crm.book.listCallNotes({ ...page, sort: 'startedAt' });
      assert.equal(items[0]!.recording, 'https://pbx.example/r/1');
    });

    it('deletes a contact and keeps its history', async () => {
      const contact = await crm.adapter.createContact(aContact(), 'k1');
      await crm.adapter.registerConversation(aRegistration({ contactId: contact.id }));
      await crm.adapter.createLead(aLead({ contactId: contact.id }), 'k1');
      assert.equal(await crm.book.deleteContact(contact.id), true);
      assert.equal(await crm.book.deleteContact(contact.id), false);
      assert.equal(await crm.book.contact(contact.id), null);
      const { items } = await crm.book.listCallNotes({ ...page, sort: 'startedAt' });
      assert.deepEqual(
        items.map((note) => note.contactId),
        [null],
      );
      // The same call delivered again makes a contact anew rather than naming one that is gone.
      assert.notEqual((await crm.adapter.createContact(aContact(), 'k1')).id, contact.id);
    });

    it('answers null for what does not exist', async () => {
      for (const id of ['99999999', '0', '-1', 'x', '1e3', '']) {
        assert.equal(await crm.book.contact(id), null);
        assert.equal(await crm.book.editContact(id, { name: 'x' }), null);
        assert.equal(await crm.book.editLead(id, { name: 'x' }), null);
        assert.equal(await crm.book.completeTask(id), null);
        assert.equal(await crm.book.acceptIncomingLead(id, { contactName: null }), null);
        assert.equal(await crm.book.editEmployee(id, { name: 'x' }), null);
      }
    });

    it('opens and closes leads with their status, within their pipeline', async () => {
      const lead = await crm.book.addLead({ ...aLead(), pipelineId: 'sales', statusId: 'in_progress' });
      assert.equal(lead.isOpen, true);
      assert.equal((await crm.book.editLead(lead.id, { statusId: 'lost' }))!.isOpen, false);
      const open = await crm.book.listLeads({ ...page, sort: 'createdAt', isOpen: true });
      assert.deepEqual(open.items, []);
      await assert.rejects(crm.book.editLead(lead.id, { statusId: 'nowhere' }), hasDetails('statusId'));
      await assert.rejects(crm.book.editLead(lead.id, { pipelineId: 'nowhere' }), hasDetails('pipelineId'));
    });

    it('turns an incoming lead into a contact and a lead, once', async () => {
      const incoming = {
        name: 'Звонок',
        number: '89161110002',
        callKey: 'c',
        startedAt: new Date(0),
        pipelineId: null,
        responsibleId: null,
      };
      const { id } = await crm.adapter.createIncomingLead(incoming, 'k1');
      const sorted = await Promise.all([1, 2, 3].map(() => crm.book.acceptIncomingLead(id, { contactName: 'Иван' })));
      assert.deepEqual(new Set(sorted.map((one) => one!.state)), new Set(['accepted']));
      assert.deepEqual([await crm.count('contact'), await crm.count('lead')], [1, 1]);
      assert.equal((await crm.book.declineIncomingLead(id))!.state, 'accepted');
      // The next call of that number asks anew.
      await crm.adapter.createIncomingLead(incoming, 'k2');
      assert.equal(await crm.count('incomingLead'), 2);
    });

    it('completes a task once and keeps when', async () => {
      const dueAt = new Date('2026-11-22T09:00:00.000Z');
      const task = await crm.book.addTask({
        text: 'Call',
        dueAt,
        responsibleId: crm.userIds[0],
        contactId: null,
        leadId: null,
      });
      const done = await crm.book.completeTask(task.id);
      assert.deepEqual(done!.doneAt, crm.clock.now());
      crm.advance(60_000);
      assert.deepEqual((await crm.book.completeTask(task.id))!.doneAt, done!.doneAt);
      const query = { ...page, sort: 'dueAt', responsibleId: crm.userIds[0] } as const;
      assert.equal((await crm.book.listTasks({ ...query, isDone: true })).items.length, 1);
      assert.equal((await crm.book.listTasks({ ...query, isDone: false })).items.length, 0);
    });

    describe('of employees', () => {
      it('keeps hours, deputies, mobile and e-mail', async () => {
        const workingHours = { days: { 1: [{ from: 540, to: 1080 }] }, holidays: ['2026-12-31'] };
        const added = await crm.book.addEmployee({
          name: 'Пётр',
          extensions: ['103', '203'],
          email: 'p@example.com',
          deputies: [crm.userIds[1], crm.userIds[0]],
          mobile: '8 916 111-00-02',
          isActive: true,
          workingHours,
        });
        assert.deepEqual(
          (await crm.book.listEmployees()).find(({ id }) => id === added.id),
          { ...added, mobile: '+79161110002', workingHours },
        );
        assert.deepEqual(added.deputies, [crm.userIds[1], crm.userIds[0]]);
        const edited = await crm.book.editEmployee(added.id, { isActive: false });
        assert.deepEqual(edited, { ...added, isActive: false });
      });

      it('gives an extension to one at a time', async () => {
        await assert.rejects(
          crm.book.addEmployee({ ...anEmployee, name: 'Пётр', extensions: ['101'] }),
          hasDetails('extensions'),
        );
        await assert.rejects(crm.book.editEmployee(crm.userIds[1], { extensions: ['101'] }), hasDetails('extensions'));
        await crm.book.editEmployee(crm.userIds[0], { extensions: ['111'] });
        await crm.book.editEmployee(crm.userIds[1], { extensions: ['101'] });
        assert.equal((await crm.book.listEmployees()).length, 2);
      });

      it('takes those of the configuration, and switches off who is no longer in it', async () => {
        const configured = (id: string, extension: string) => ({
          ...anEmployee,
          id,
          name: id,
          extensions: [extension],
        });
        await crm.book.takeConfiguredEmployees([configured('anna', '301'), configured('boris', '101')]);
        await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: 'anna' });
        await crm.book.takeConfiguredEmployees([configured('boris', '301')]);
        await crm.book.takeConfiguredEmployees([]);
        const employees = await crm.book.listEmployees();
        const shown = employees.map(({ name, extensions, isActive }) => [name, extensions.join(), isActive]);
        assert.deepEqual(shown.sort(), [
          ['anna', '', false],
          ['boris', '301', true],
          ['Иван', '', true],
          ['Ольга', '102', true],
        ]);
        const found = await crm.adapter.findContact('+79161110002', { signal: new AbortController().signal });
        assert.equal(found?.responsibleId, 'anna');
      });
    });

    if (kind === 'postgres') {
      it('makes one contact, incoming lead and note when two nodes do so at once', async () => {
        const other = await test.reopen();
        const nodes = [crm.adapter, connectLocalCrm(other.knex, crm.clock).adapter];
        const incoming = {
          name: 'c',
          number: '89161110002',
          callKey: 'c',
          startedAt: new Date(0),
          pipelineId: null,
          responsibleId: null,
        };
        await Promise.all(
          Array.from({ length: 20 }, async (_, index) => {
            const node = nodes[index % 2]!;
            await node.createContact(aContact(), `k${index}`);
            await node.createIncomingLead(incoming, `k${index}`);
            await node.registerConversation(aRegistration());
          }),
        );
        assert.deepEqual(
          [await crm.count('contact'), await crm.count('incomingLead'), await crm.count('registration')],
          [1, 1, 1],
        );
      });
    }

    it('lists thousands of contacts in pages for the mirror', async () => {
      const now = crm.clock.now().getTime();
      const rows = Array.from({ length: 1_234 }, (_, index) => ({
        name: `c${index}`,
        tags: '[]',
        search_text: '',
        created_at: now,
        updated_at: now - (index % 7),
      }));
      await test.database.knex.batchInsert('local_contacts', rows, 100);
      const ids = new Set<string>();
      const changes: number[] = [];
      for await (const contacts of crm.adapter.listContacts(null)) {
        assert.ok(contacts.length <= 500);
        for (const contact of contacts) ids.add(contact.id);
        changes.push(...contacts.map((contact) => contact.updatedAt.getTime()));
      }
      assert.equal(ids.size, 1_234);
      assert.deepEqual(
        changes,
        [...changes].sort((a, b) => a - b),
      );
    });
  });
});
