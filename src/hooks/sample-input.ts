import type { Call, Conversation } from '../core/call.ts';
import type { HookName } from '../core/hooks.ts';
import type { HookInput } from './contract/hook-contract.ts';

/** A call that could have been: for trying a hook before there is any. */
export function createSampleCall(now: Date): Call {
  const at = (ms: number) => new Date(Math.floor(now.getTime() / 1000) * 1000 - 60_000 + ms);
  const linkedId = `${Math.floor(at(0).getTime() / 1000)}.1`;
  return {
    source: 'asterisk',
    linkedId,
    linkedIds: [linkedId],
    direction: 'inbound',
    client: '+79161110002',
    clientName: null,
    did: '+74951234567',
    trunk: 'provider',
    result: 'answered',
    startedAt: at(0),
    endedAt: at(15_000),
    isIvr: false,
    queue: null,
    conversations: [
      {
        uniqueId: `${linkedId}1`,
        channel: 'PJSIP/101-00000001',
        extension: '101',
        result: 'answered',
        registered: true,
        reason: null,
        requestedAt: at(1_000),
        answeredAt: at(5_000),
        endedAt: at(15_000),
        duration: 10,
        waiting: 4,
        recording: '/var/spool/asterisk/monitor/sample.wav',
        forwardedTo: null,
        requestId: null,
      },
    ],
  };
}

type Inputs = { readonly [Name in HookName]: () => HookInput<Name> };

/** What a hook would be asked about this call, where the rules made of it what they make at first. */
export function createSampleInput(name: HookName, call: Call): HookInput<HookName> {
  const conversation: Conversation | null =
    call.conversations.find(({ registered }) => registered) ?? call.conversations[0] ?? null;
  const about = { call, conversation };
  const phone = call.client ?? '';
  const stage = 'conversation_ended' as const;
  const responsibleId = conversation?.extension ?? null;
  const params = {
    phone: call.client,
    result: conversation?.result ?? call.result,
    direction: call.direction,
    startedAt: conversation?.requestedAt ?? call.startedAt,
    duration: conversation?.duration ?? 0,
    link: conversation?.recording ?? null,
    userId: responsibleId,
    responsibleId,
  };
  const title = `${phone} - ${params.result === 'answered' ? '' : 'missed '}${call.direction === 'outbound' ? 'outgoing' : 'incoming'}`;
  const registration = {
    idempotencyKey: 'sample',
    ...about,
    conversation: conversation!,
    contactId: '9001',
    leadId: null,
    responsibleId,
    userId: responsibleId,
  };
  const inputs: Inputs = {
    need_registration: () => ({ ...about, stage }),
    process_call_params: () => ({ ...about, params }),
    process_client_phone: () => ({ ...about, stage, phone }),
    process_contact_creation_params: () => ({
      ...about,
      contact: { name: `Contact ${phone}`, number: phone, responsibleId, tags: ['PBX'] },
    }),
    process_lead_creation_params: () => ({
      ...about,
      lead: { name: title, contactId: '9001', responsibleId, pipelineId: '11', statusId: '21', tags: ['PBX'] },
    }),
    process_originate_params: () => ({
      request: {
        requestId: 'sample',
        extension: conversation?.extension ?? '101',
        clientNumber: phone || '+79161110002',
        clientName: null,
        timeoutMs: 30_000,
      },
      requestData: {},
    }),
    process_record_file_path: () => ({
      ...about,
      path: conversation?.recording ?? '/var/spool/asterisk/monitor/sample.wav',
    }),
    process_task_creation_params: () => ({
      ...about,
      task: {
        text: `Call back ${phone}`,
        dueAt: new Date((call.endedAt ?? call.startedAt).getTime() + 15 * 60_000),
        responsibleId,
        contactId: '9001',
        leadId: null,
      },
    }),
    customize_autodistribution: () => ({
      number: conversation?.extension ?? '',
      name: call.clientName ?? 'Acme',
      requestData: { did: call.did ?? '' },
      from: phone,
      ...(call.trunk === null ? {} : { trunk: call.trunk }),
      entity: {
        id: '9001',
        name: 'Acme',
        company: null,
        numbers: [phone],
        responsibleId,
        updatedAt: call.startedAt,
        tags: ['VIP'],
        url: null,
      },
    }),
    post_registration: () => ({ ...about, registration, crmId: '55' }),
    process_contact_update_params: () => ({ ...about, id: '9001', change: { name: 'Acme' } }),
    process_lead_update_params: () => ({ ...about, id: '31', change: { statusId: '22' } }),
    process_unsorted_creation_params: () => ({
      ...about,
      incomingLead: {
        name: title,
        number: phone,
        callKey: `call:${call.source}:${call.linkedId}`,
        startedAt: call.startedAt,
        pipelineId: '11',
        responsibleId,
      },
    }),
  };
  return inputs[name]();
}
