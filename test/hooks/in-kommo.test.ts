import assert from 'node:assert/strict';
import { StaffDirectory } from '../../src/core/employees.ts';
import type { Call } from '../../src/core/call.ts';
import type { CrmUser, Delivery } from '../../src/core/ports.ts';
import { createConversationHandler } from '../../src/core/registration.ts';
import { buildRegistrationRules, registrationConfig } from '../../src/crm/rules-config.ts';
import { makeKommo, numbers, type KommoUnderTest } from '../crm/kommo/kommo-under-test.ts';
import { forEachDatabase } from '../support/databases.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';
import { HooksUnderTest } from './hooks-under-test.ts';

const rules = {
  rules: [
    {
      name: 'all',
      calls: ['incoming', 'missed'],
      clients: ['unknown', 'known'],
      contact: {},
      lead: {},
      task: { text: 'Call back {{client}}' },
    },
  ],
};

describe('hooks between the ledger and an amoCRM account', () => {
  forEachDatabase((makeDatabase, kind) => {
    if (kind === 'postgres') return;
    let crm: KommoUnderTest;
    let under: HooksUnderTest;
    let users: readonly CrmUser[];
    beforeEach(async () => {
      crm = await makeKommo((await makeDatabase()).database.knex);
      users = await crm.adapter.listUsers();
      under = new HooksUnderTest(
        { deadlineMs: 10_000 },
        { crms: ['amo'], phoneFieldOf: () => crm.adapter.phoneFieldId ?? null },
      );
    });
    afterEach(async () => {
      await under.stop();
      await crm.close();
    });

    function register(call: Call, written: Parameters<typeof registrationConfig.parse>[0] = rules) {
      const staff = new StaffDirectory({ employees: [], timeZone: 'Europe/Moscow' });
      staff.setCrmUsers('amo', users);
      const conversation = call.conversations[0]!;
      const handle = createConversationHandler({
        crm: crm.adapter,
        ledger: { conversation: async () => ({ call, conversation }) },
        hooks: under.hooks.forCrm('amo'),
        installation: {
          crm: 'amo',
          rules: buildRegistrationRules(registrationConfig.parse(written), {
            language: 'en',
            toClientNumber: numbers.toClientNumber,
          }),
          staff,
          numbers,
          timeZone: 'Europe/Moscow',
        },
        users: () => users,
      });
      const delivery: Delivery = {
        id: '1',
        crm: 'amo',
        kind: 'conversation',
        source: call.source,
        linkedId: call.linkedId,
        uniqueId: conversation.uniqueId,
        state: 'leased',
        attempts: 0,
        dueAt: call.startedAt,
        fence: 1,
        progress: {},
        lastError: null,
        crmId: null,
        createdAt: call.startedAt,
        deliveredAt: null,
      };
      return handle(delivery, { signal: new AbortController().signal, saveProgress: async () => undefined });
    }

    it('write into the account what they say', async () => {
      under.save(
        'process_contact_creation_params.js',
        `export default ({ custom_fields_values: [phone] }) => ({ state: 'success', data: {
        name: 'By hook ' + phone.field_id, tags: ['PBX'],
        custom_fields_values: [{ ...phone, values: [...phone.values, { enum_code: 'WORK', value: '+79161110003' }] }] } });`,
      );
      under.save(
        'process_lead_creation_params.js',
        `export default ({ call_full }) => ({ state: 'success', data: {
        name: 'Lead of ' + call_full.entity.name, price: 500, _embedded: { tags: [{ name: 'PBX' }] } } });`,
      );
      under.save(
        'process_task_creation_params.js',
        `export default ({ call_full, entity_type }) => ({ state: 'success', data: {
        text: entity_type + ' ' + (call_full.deal !== null), task_type: 2 } });`,
      );
      under.save(
        'process_call_params.js',
        `export default () => ({ state: 'success', data: { call_result: 'Hooked' } });`,
      );
      await under.hooks.refresh();
      const outcome = await register(sampleCall({ conversations: [sampleConversation({ extension: '101' })] }));
      assert.deepEqual(
        under.hooks.status().filter((part) => (part['errors'] as unknown[]).length > 0),
        [],
      );
      assert.ok('crmId' in outcome);
      const { fake } = crm;
      assert.deepEqual(
        fake.contacts.map(({ name, phones }) => [name, phones.map(({ value }) => value)]),
        [[`By hook ${crm.adapter.phoneFieldId}`, ['+79161110002', '+79161110003']]],
      );
      assert.deepEqual(
        fake.leads.map(({ name, tags }) => [name, tags]),
        [[`Lead of By hook ${crm.adapter.phoneFieldId}`, ['PBX']]],
      );
      assert.deepEqual(
        fake.tasks.map(({ text, task_type_id }) => [text, task_type_id]),
        [['leads true', 2]],
      );
      assert.equal(fake.callNotes[0]!.params['call_result'], 'Hooked');
      assert.deepEqual(fake.violations, []);
    });

    it('change a contact and an open lead that stood in the account before, and only then', async () => {
      under.save(
        'process_contact_update_params.js',
        `export default ({ call_full, id }) => ({ state: 'success', data: {
        name: call_full.entity.name + ' ' + id, tags: ['called'],
        custom_fields_values: [{ field_id: 403, values: [{ enum_code: 'WORK', value: 'ivan@example.org' }] }] } });`,
      );
      under.save(
        'process_lead_update_params.js',
        `export default ({ call_full, id }) => ({ state: 'success', data: {
        status_id: '23', name: call_full.deal.id === id ? 'Called' : 'wrong' } });`,
      );
      await under.hooks.refresh();
      await register(sampleCall({ client: '+79161110005' }));
      assert.deepEqual(
        crm.fake.leads.map(({ name }) => name === 'Called'),
        [false],
      );

      const card = crm.fake.addCard('contacts', { name: 'Иван', phones: ['8 916 111-00-02'] });
      const lead = crm.fake.addLead({ contacts: [card.id] });
      assert.ok('crmId' in (await register(sampleCall())));
      assert.deepEqual([card.name, card.tags], [`Иван ${card.id}`, ['called']]);
      assert.deepEqual(
        [card.phones.map(({ value }) => value), card.fields],
        [['8 916 111-00-02'], [{ field_id: 403, values: [{ value: 'ivan@example.org', enum_code: 'WORK' }] }]],
      );
      assert.deepEqual([lead.name, lead.status_id], ['Called', 23]);
      assert.deepEqual(
        under.hooks.status().filter((part) => (part['errors'] as unknown[]).length > 0),
        [],
      );
    });

    it('write numbers as the account has them', async () => {
      const eight = `export default ({ phone }) => ({ state: 'success', data: { phone: Number(phone.replace('+7', '8')) } });`;
      await under.install('process_client_phone.js', eight);
      await register(sampleCall());
      assert.deepEqual(
        crm.fake.contacts.map(({ phones }) => phones.map(({ value }) => value)),
        [['89161110002']],
      );
      assert.equal(crm.fake.callNotes[0]!.params['phone'], '89161110002');
      await register(sampleCall({ linkedId: '2.1', conversations: [sampleConversation({ uniqueId: '2.2' })] }));
      assert.equal(crm.fake.contacts.length, 1);
    });

    it('may say who is to write, and what an unsorted request becomes, in whatever way they write ids', async () => {
      under.save(
        'process_task_creation_params.js',
        `export default () => ({ state: 'success', data: { created_by: '502', entity_type: null, entity_id: null } });`,
      );
      under.save(
        'process_unsorted_creation_params.js',
        `export default ({ _embedded }) => ({ state: 'success', data: {
        _embedded: { ..._embedded, leads: [{ ..._embedded.leads[0], price: 700 }] } } });`,
      );
      await under.hooks.refresh();
      const withRequests = {
        rules: [{ name: 'all', incomingLead: { responsible: ['client'] }, task: { text: 'Call' } }],
      };
      assert.ok('crmId' in (await register(sampleCall(), withRequests)));
      assert.deepEqual(
        crm.fake.leads.map(({ price, responsible_user_id }) => [price, responsible_user_id]),
        [[700, 501]],
      );
      assert.equal(crm.fake.tasks.length, 1);
      assert.equal(crm.fake.callNotes[0]!.entity_id, crm.fake.leads[0]!.id);
      // The number written as the account has it still leads to the request that waits.
      await under.install(
        'process_client_phone.js',
        `export default () => ({ state: 'success', data: { phone: '8 (916) 111-00-02' } });`,
      );
      await register(
        sampleCall({ linkedId: '2.1', conversations: [sampleConversation({ uniqueId: '2.2' })] }),
        withRequests,
      );
      assert.equal(crm.fake.callNotes[1]!.entity_id, crm.fake.leads[0]!.id);
    });

    it('that decide at the end of the whole call are heard', async () => {
      await under.install(
        'need_registration.js',
        "export default ({ call_stage }) => ({ state: 'success', data: { result: call_stage !== 'call_ended' } });",
      );
      assert.deepEqual(await register(sampleCall()), { skip: 'hook' });
      assert.ok('crmId' in (await register(sampleCall({ endedAt: null }))));
    });

    it('keep a call out of the account', async () => {
      await under.install(
        'amo/need_registration.js',
        "export default () => ({ state: 'success', data: { result: false } });",
      );
      assert.deepEqual(await register(sampleCall()), { skip: 'hook' });
      assert.deepEqual([crm.fake.contacts.length, crm.fake.callNotes.length], [0, 0]);
    });

    it('that fail leave everything as the rules want it', async () => {
      for (const name of [
        'need_registration',
        'process_client_phone',
        'process_contact_creation_params',
        'process_call_params',
      ])
        under.save(`${name}.js`, "export default () => { throw new Error('evil'); };");
      await under.hooks.refresh();
      assert.ok('crmId' in (await register(sampleCall())));
      assert.deepEqual([crm.fake.contacts.length, crm.fake.leads.length, crm.fake.callNotes.length], [1, 1, 1]);
    });
  });
});
