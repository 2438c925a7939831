import assert from 'node:assert/strict';
import { coreBehaviour, hookNames, type HookName, type Hooks } from '../../src/core/hooks.ts';
import { contracts } from '../../src/hooks/contract/contracts.ts';
import { dataOf } from '../../src/hooks/contract/envelope.ts';
import type { HookContract, HookSurroundings } from '../../src/hooks/contract/hook-contract.ts';
import { contactOf } from '../support/caller-lookup.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';
import { sampleHookCall } from './hooks-under-test.ts';

const surroundings: HookSurroundings = {
  timeZone: 'Europe/Moscow',
  userOf: (extension) => (extension === '101' ? { id: '7', name: 'Anna Petrova', email: null } : null),
  phoneFieldId: 4242,
};
const startedAt = new Date('2026-11-21T07:32:51.223Z');

/** One input for each hook, as the core gives it. */
const inputs: { readonly [Name in HookName]: Parameters<Hooks[Name]>[0] } = {
  need_registration: { ...sampleHookCall(), stage: 'conversation_ended' },
  process_call_params: {
    ...sampleHookCall(),
    params: {
      phone: '+79161110002',
      result: 'answered',
      direction: 'inbound',
      startedAt,
      duration: 3,
      link: null,
      userId: '7',
      responsibleId: 'anna',
    },
  },
  process_client_phone: { ...sampleHookCall(), stage: 'conversation_ended', phone: '+79161110002' },
  process_contact_creation_params: {
    ...sampleHookCall(),
    contact: { name: 'Contact +79161110002', number: '+79161110002', responsibleId: '3', tags: ['PBX'] },
  },
  process_lead_creation_params: {
    ...sampleHookCall(),
    lead: {
      name: '+79161110002 - incoming',
      contactId: '9001',
      responsibleId: '3',
      pipelineId: '11',
      statusId: '21',
      tags: ['PBX'],
    },
  },
  process_originate_params: {
    request: {
      requestId: 'r1',
      extension: '101',
      clientNumber: '+79161110002',
      clientName: 'Acme',
      timeoutMs: 30_000,
    },
    requestData: { user: 7 },
  },
  process_record_file_path: { ...sampleHookCall(), path: '/var/spool/asterisk/monitor/1.wav' },
  process_task_creation_params: {
    ...sampleHookCall(),
    task: { text: 'Call back', dueAt: startedAt, responsibleId: '3', contactId: '9001', leadId: null },
  },
  customize_autodistribution: {
    number: '101',
    name: 'Acme',
    requestData: { did: '7000001' },
    from: '+79161110002',
    trunk: 'provider',
    entity: contactOf({ id: '9001' }),
  },
  post_registration: {
    ...sampleHookCall(),
    crmId: '55',
    registration: {
      idempotencyKey: 'k',
      ...sampleHookCall(),
      conversation: sampleConversation(),
      contactId: '9001',
      leadId: null,
      responsibleId: '3',
      userId: '7',
    },
  },
  process_contact_update_params: { ...sampleHookCall(), id: '9001', change: { name: 'Acme' } },
  process_lead_update_params: { ...sampleHookCall(), id: '31', change: { statusId: '22', tags: ['PBX'] } },
  process_unsorted_creation_params: {
    ...sampleHookCall(),
    incomingLead: {
      name: 'Call from +79161110002',
      number: '+79161110002',
      callKey: 'call:office:1',
      startedAt,
      pipelineId: '11',
      responsibleId: '3',
    },
  },
};
const contractOf = (name: HookName) => contracts[name] as unknown as HookContract;
const wireOf = (name: HookName) =>
  JSON.parse(JSON.stringify(contractOf(name).toWire(inputs[name] as never, surroundings))) as Record<string, unknown>;
const read = (name: HookName, data: unknown) =>
  contractOf(name).fromWire(data, inputs[name] as never, surroundings) as unknown as Record<string, unknown>;

describe('the contract of hooks', () => {
  it('has the 13 hooks under the names that integrators know', () => {
    assert.deepEqual(Object.keys(contracts).sort(), [...hookNames].sort());
    assert.equal(hookNames.length, 13);
    for (const name of hookNames) assert.equal(contractOf(name).name, name);
  });

  for (const name of hookNames) {
    describe(name, () => {
      it('is given what its schema says', () => {
        contractOf(name).input.strict().parse(wireOf(name));
      });

      it('that gives back what it got is the core as it is', async () => {
        const wire = wireOf(name);
        const data =
          name === 'need_registration' ? { result: true } : name === 'process_originate_params' ? wire['params'] : wire;
        const expected = (await coreBehaviour[name](inputs[name] as never)) as unknown;
        assert.deepEqual(read(name, data), expected);
      });

      it('may leave out what it does not care for', async () => {
        if (name === 'need_registration') return assert.throws(() => read(name, {}), /data\.result/);
        assert.deepEqual(read(name, {}), await coreBehaviour[name](inputs[name] as never));
      });
    });
  }

  it('tells the call as call_full', () => {
    const call = sampleCall({
      conversations: [
        sampleConversation(),
        sampleConversation({ uniqueId: '1795246371.9', extension: '109', result: 'missed', answeredAt: null }),
      ],
    });
    const client = { id: '9001', name: 'Acme', company: null, responsibleId: '3' };
    const input = {
      call,
      conversation: call.conversations[0]!,
      stage: 'conversation_ended' as const,
      client,
      leadId: '31',
    };
    const { call_full: told } = contracts.need_registration.toWire(input, surroundings);
    assert.deepEqual(told, {
      active_conversation_id: '1795246371.3',
      channel: {
        id: '1795246371.2',
        name: '',
        is_primary: true,
        state: 'ended',
        start_time: '2026-11-21 10:32:51',
        answer_time: '2026-11-21 10:32:52',
        end_time: '2026-11-21 10:32:55',
        was_answered: true,
        extra: { dialstatus: 'ANSWER', hangupcause: 16 },
        type: 'incoming',
        from: { number: '+79161110002', name: '' },
        to: { number: '101', name: 'Anna Petrova' },
        trunk: { number: '7000001', name: 'provider' },
      },
      conversations: {
        '1795246371.3': {
          channel: {
            id: '1795246371.3',
            name: 'PJSIP/101-00000003',
            is_primary: false,
            state: 'ended',
            start_time: '2026-11-21 10:32:51',
            answer_time: '2026-11-21 10:32:52',
            end_time: '2026-11-21 10:32:55',
            was_answered: true,
            extra: { dialstatus: 'ANSWER', hangupcause: 16 },
            type: 'incoming',
            from: { number: '+79161110002', name: '' },
            to: { number: '101', name: 'Anna Petrova' },
            trunk: { number: '7000001', name: 'provider' },
          },
          is_parked: false,
          user: { id: 7, name: 'Anna Petrova', phone: '101', email: null },
        },
        '1795246371.9': {
          channel: {
            id: '1795246371.9',
            name: 'PJSIP/101-00000003',
            is_primary: false,
            state: 'ended',
            start_time: '2026-11-21 10:32:51',
            answer_time: '0001-01-01 00:00:00',
            end_time: '2026-11-21 10:32:55',
            was_answered: false,
            extra: { dialstatus: 'NOANSWER', hangupcause: 19 },
            type: 'incoming',
            from: { number: '+79161110002', name: '' },
            to: { number: '109', name: '' },
            trunk: { number: '7000001', name: 'provider' },
          },
          is_parked: false,
          user: null,
        },
      },
      deal: { id: 31 },
      entity: { id: 9001, type: 'contacts', name: 'Acme', company: null, responsible_user_id: 3 },
      is_ivr: false,
      record: '',
      registration: null,
      result: 200,
    });
  });

  it('never takes call_full back', () => {
    const data = { ...wireOf('process_contact_creation_params'), call_full: { evil: true }, call_stage: 'evil' };
    const result = read('process_contact_creation_params', data);
    assert.deepEqual(Object.keys(result).sort(), ['name', 'number', 'responsibleId', 'tags']);
  });

  it('speaks of a call to register in the words of amoCRM', () => {
    const { call_full: _full, ...wire } = wireOf('process_call_params');
    assert.deepEqual(wire, {
      call_result: 'answered',
      call_status: 4,
      created_at: 1795246371,
      created_by: 7,
      direction: 'inbound',
      duration: 3,
      link: '',
      phone: '+79161110002',
      responsible_user_id: 'anna',
      source: 'itgrix_amo',
    });
    const changed = read('process_call_params', {
      ...wire,
      call_status: 7,
      call_result: 'Engaged',
      created_at: 1795246000,
      duration: '12',
      link: 'https://rec/1',
      phone: '89161110002',
      responsible_user_id: 3,
      more: 1,
    });
    assert.deepEqual(changed, {
      call_result: 'Engaged',
      phone: '89161110002',
      result: 'busy',
      direction: 'inbound',
      startedAt: new Date(1795246000_000),
      duration: 12,
      link: 'https://rec/1',
      userId: '7',
      responsibleId: '3',
    });
  });

  it('keeps the milliseconds of a time that a hook did not change', () => {
    assert.deepEqual(read('process_call_params', wireOf('process_call_params'))['startedAt'], startedAt);
  });

  it('passes what a hook adds to what is created on to the CRM, and lets nothing take the place of our own fields', () => {
    const contact = read('process_contact_creation_params', {
      custom_fields_values: [
        { field_id: 4242, values: [{ enum_code: 'WORK', value: '89161110002' }] },
        { field_id: 5, values: [{ value: 'From the PBX' }] },
      ],
      name: 'VIP',
      tags: [{ name: 'PBX' }, 'VIP'],
      number: 'evil',
      responsibleId: 'evil',
      _embedded: { companies: [{ id: 1 }] },
    });
    assert.deepEqual(contact, {
      _embedded: { companies: [{ id: 1 }] },
      custom_fields_values: [
        { field_id: 4242, values: [{ enum_code: 'WORK', value: '89161110002' }] },
        { field_id: 5, values: [{ value: 'From the PBX' }] },
      ],
      name: 'VIP',
      number: '89161110002',
      responsibleId: '3',
      tags: ['PBX', 'VIP'],
    });

    const lead = read('process_lead_creation_params', {
      _embedded: { contacts: [{ id: 9001 }], tags: [{ name: 'Call' }], companies: [{ id: 5 }] },
      name: 'Call',
      pipeline_id: 12,
      status_id: null,
      price: 100,
    });
    assert.deepEqual(lead, {
      price: 100,
      _embedded: { companies: [{ id: 5 }] },
      name: 'Call',
      contactId: '9001',
      responsibleId: '3',
      pipelineId: '12',
      statusId: null,
      tags: ['Call'],
    });

    const task = read('process_task_creation_params', {
      entity_type: 'leads',
      entity_id: 31,
      task_type: 2,
      result: {},
    });
    assert.deepEqual(task, {
      result: {},
      task_type_id: 2,
      text: 'Call back',
      dueAt: startedAt,
      responsibleId: '3',
      contactId: null,
      leadId: '31',
    });

    const request = read('process_unsorted_creation_params', {
      ...wireOf('process_unsorted_creation_params'),
      _embedded: {
        leads: [{ name: 'Call', responsible_user_id: 4, price: 5 }],
        contacts: [
          {
            name: '+79161110002',
            custom_fields_values: [{ field_id: 4242, values: [{ enum_code: 'WORK', value: '8916' }] }],
          },
        ],
      },
      source_uid: 'evil',
    });
    assert.equal(request['name'], 'Call');
    assert.equal(request['responsibleId'], '4');
    assert.equal(request['number'], '8916');
    assert.equal(request['callKey'], 'call:office:1');
    assert.equal(request['source_uid'], undefined);
    assert.equal((request['_embedded'] as { leads: { price: number }[] }).leads[0]!.price, 5);
  });

  it('lets click-to-call go through another context with another number, and nothing else', () => {
    const changed = read('process_originate_params', {
      caller_id: '"Shop, the one" <12345>',
      channel: 'PJSIP/102',
      context: 'office-two',
      extension: '89161110002',
      priority: 9,
      request_data: { evil: true },
      timeoutMs: 1,
      requestId: 'evil',
    });
    assert.deepEqual(changed, {
      requestId: 'r1',
      extension: '102',
      clientNumber: '89161110002',
      clientName: 'Shop, the one',
      timeoutMs: 30_000,
      context: 'office-two',
    });
    for (const evil of [
      { context: 'a,s,1' },
      { extension: '1&SIP/evil/900' },
      { channel: 'Local/101@x&SIP/1' },
      { channel: 'System(rm)' },
    ])
      assert.throws(() => read('process_originate_params', evil), TypeError, JSON.stringify(evil));
  });

  it('takes click-to-call in its wrapping too, and what was changed on either side', () => {
    const { params } = wireOf('process_originate_params') as { params: Record<string, unknown> };
    const extensionOf = (data: object) => read('process_originate_params', data)['clientNumber'];
    assert.equal(extensionOf({ params: { ...params, extension: '89161110002' } }), '89161110002');
    assert.equal(extensionOf({ ...params, params: { ...params, extension: 89161110002 } }), '89161110002');
    assert.equal(extensionOf({ ...params, extension: '89161110003', params }), '89161110003');
    assert.throws(() => extensionOf({ params: { extension: '1&SIP/evil' } }), TypeError);
  });

  it('takes yes, no and numbers in the ways in which PHP and shell write them', () => {
    for (const [written, meant] of [
      [true, true],
      [1, true],
      ['1', true],
      ['true', true],
      [false, false],
      [0, false],
      ['', false],
      ['false', false],
    ])
      assert.equal(read('need_registration', { result: written }), meant);
    assert.throws(() => read('need_registration', { result: 'perhaps' }), TypeError);
    assert.deepEqual(dataOf({ state: 'success', data: false }, 'need_registration'), { result: false });
    assert.equal(read('process_client_phone', { phone: 89161110002 }), '89161110002');
    assert.equal(read('process_call_params', { phone: 89161110002 })['phone'], '89161110002');
  });

  it('writes ids as the CRM wants them', () => {
    const task = read('process_task_creation_params', { created_by: '7' });
    assert.equal(task['created_by'], 7);
    assert.equal(read('process_task_creation_params', { created_by: null })['created_by'], undefined);
    const wire = wireOf('process_unsorted_creation_params') as { _embedded: { leads: object[] } };
    const embeddedOf = (lead: object) =>
      (read('process_unsorted_creation_params', { _embedded: { leads: [lead] } })['_embedded'] as typeof wire._embedded)
        .leads[0];
    assert.deepEqual(embeddedOf({ name: 'Call', responsible_user_id: null, price: 5 }), { name: 'Call', price: 5 });
    assert.deepEqual(embeddedOf({ responsible_user_id: '4', price: 5 }), { responsible_user_id: 4, price: 5 });
  });

  it('keeps whatever else a hook makes of the number of a contact', () => {
    const fields = [{ field_id: 4242, values: [{ enum_code: 'MOB', value: '+79161110002' }] }];
    const contact = read('process_contact_creation_params', { custom_fields_values: fields });
    assert.deepEqual(contact['custom_fields_values'], fields);
    const mail = [{ field_id: 403, values: [{ enum_code: 'WORK', value: 'a@example.org' }] }];
    const change = read('process_contact_update_params', { custom_fields_values: mail });
    assert.deepEqual(change, { custom_fields_values: mail, name: 'Acme' });
  });

  it('strips what customize_autodistribution may only read', () => {
    const wire = wireOf('customize_autodistribution');
    assert.deepEqual(wire['request_data'], { did: '7000001' });
    assert.deepEqual(
      read('customize_autodistribution', { ...wire, number: 102, name: 'Acme VIP', from: 1, entity: [] }),
      {
        number: '102',
        name: 'Acme VIP',
      },
    );
    const bare = contracts.customize_autodistribution.toWire({ number: '', name: '', requestData: {} }, surroundings);
    assert.deepEqual(bare, { number: '', name: '', request_data: {} });
  });

  it('says what is wrong with an answer, field by field', () => {
    assert.throws(
      () => read('process_task_creation_params', { complete_till: 'soon', text: 5 }),
      /data\.complete_till: .*data\.text: /s,
    );
    assert.throws(() => read('process_record_file_path', { path: 'relative.mp3' }), /data\.path: must be a whole path/);
  });
});
