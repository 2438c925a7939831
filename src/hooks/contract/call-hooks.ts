/** The hooks around a call and its registration. */
import { z } from 'zod';
import { callFull, toCallFull } from './call-full.ts';
import { fromCallStatus, toCallStatus } from './call-status.ts';
import { defineHook } from './hook-contract.ts';
import {
  changed,
  dialledText,
  entityId,
  fromEntityId,
  fromUnixTime,
  toEntityId,
  toUnixTime,
  wholeNumber,
} from './wire-values.ts';

const callStage = z
  .enum(['conversation_requested', 'conversation_accepted', 'conversation_ended', 'call_ended'])
  .describe('It rings, was answered, the conversation ended, the call ended');

const truth = z.union([
  z.boolean(),
  z
    .literal([0, 1, '0', '1', '', 'true', 'false'])
    .transform((word) => ![0, '0', '', 'false'].includes(word))
    .pipe(z.boolean()),
]);

const needInput = z.object({ call_full: callFull, call_stage: callStage });
const needAnswer = z.object({ result: truth.describe('false keeps it from the CRM; the ledger has it anyway') });

const phoneInput = z.object({
  call_full: callFull,
  call_stage: callStage,
  phone: z.string().describe("The client's number, E.164 where it could be derived"),
});
const phoneAnswer = z.object({ phone: dialledText.pipe(z.string().max(64)).optional() });

const callParams = {
  call_result: z.string().describe('Free text in the note; at first our word for the result'),
  call_status: wholeNumber.describe(
    '1 voicemail, 2 call back later, 3 not available, 4 answered, 5 wrong number, 6 not reached, 7 busy',
  ),
  created_at: wholeNumber.describe('When it began to ring, unix time'),
  created_by: entityId.describe('The user whose call it is'),
  direction: z.enum(['inbound', 'outbound']),
  duration: wholeNumber.describe('Talk time in seconds'),
  link: z.string().nullable().describe('Where the recording is heard; empty: nowhere'),
  phone: dialledText.describe('As process_client_phone left it; empty: withheld'),
  responsible_user_id: entityId,
  source: z.string(),
};
const callParamsInput = z.object({ call_full: callFull, ...callParams });
const callParamsAnswer = z.object(callParams).partial();

const pathInput = z.object({ call_full: callFull, path: z.string().describe('The file that the PBX wrote') });
const pathAnswer = z.object({
  path: z
    .string()
    .startsWith('/', 'must be a whole path')
    .refine((path) => !path.includes('\0'), 'must not hold NUL')
    .optional()
    .describe('The file to serve in its place'),
});

const registeredInput = z.object({
  call_full: callFull,
  id: entityId.describe("The CRM's id of the registered call"),
  contact_id: entityId,
  lead_id: entityId,
  ...callParams,
});

const source = 'itgrix_amo';

export const callHooks = {
  need_registration: defineHook<'need_registration', typeof needInput, typeof needAnswer>({
    name: 'need_registration',
    purpose:
      'May the call be sent to the CRM? Asked with conversation_requested before a card is shown, with conversation_ended and, once the call is over, call_ended before it is registered; each no counts. White and black lists by trunk, number, extension or anything else.',
    input: needInput,
    answer: needAnswer,
    toWire: (input, surroundings) => ({ call_full: toCallFull(input, surroundings), call_stage: input.stage }),
    fromWire: ({ data }) => data.result,
  }),

  process_call_params: defineHook<'process_call_params', typeof callParamsInput, typeof callParamsAnswer>({
    name: 'process_call_params',
    purpose: 'Changes what is registered of a conversation. Runs last before the registration.',
    input: callParamsInput,
    answer: callParamsAnswer,
    toWire: (input, surroundings) => {
      const { params } = input;
      return {
        call_full: toCallFull(input, surroundings),
        call_result: params.result,
        call_status: toCallStatus(params.result),
        created_at: toUnixTime(params.startedAt),
        created_by: toEntityId(params.userId),
        direction: params.direction === 'outbound' ? 'outbound' : 'inbound',
        duration: params.duration,
        link: params.link ?? '',
        phone: params.phone ?? '',
        responsible_user_id: toEntityId(params.responsibleId),
        source,
      };
    },
    fromWire: ({ data, sent, input: { params } }) => ({
      ...(data.call_result === undefined || data.call_result === sent.call_result
        ? {}
        : { call_result: data.call_result }),
      ...(data.source === undefined || data.source === sent.source ? {} : { source: data.source }),
      ...(data.call_status === 2 ? { call_status: 2 } : {}),
      phone: changed({ sent: sent.phone, returned: data.phone, own: params.phone, convert: (phone) => phone || null }),
      result: changed({
        sent: sent.call_status,
        returned: data.call_status,
        own: params.result,
        convert: (status) => fromCallStatus(status, data.direction ?? params.direction),
      }),
      direction: changed({
        sent: sent.direction,
        returned: data.direction,
        own: params.direction,
        convert: (direction) => direction,
      }),
      startedAt: changed({
        sent: sent.created_at,
        returned: data.created_at,
        own: params.startedAt,
        convert: fromUnixTime,
      }),
      duration: Math.max(0, data.duration ?? params.duration),
      link: changed({ sent: sent.link, returned: data.link, own: params.link, convert: (link) => link || null }),
      userId: changed({
        sent: sent.created_by,
        returned: data.created_by,
        own: params.userId,
        convert: fromEntityId,
      }),
      responsibleId: changed({
        sent: sent.responsible_user_id,
        returned: data.responsible_user_id,
        own: params.responsibleId,
        convert: fromEntityId,
      }),
    }),
  }),

  process_client_phone: defineHook<'process_client_phone', typeof phoneInput, typeof phoneAnswer>({
    name: 'process_client_phone',
    purpose:
      "The client's number as the CRM should see it and be asked for it, whenever a call is shown or registered there. The dialplan's question comes before there is a call: it is asked with the number as it came.",
    input: phoneInput,
    answer: phoneAnswer,
    toWire: (input, surroundings) => ({
      call_full: toCallFull(input, surroundings),
      call_stage: input.stage,
      phone: input.phone,
    }),
    fromWire: ({ data, input }) => data.phone ?? input.phone,
  }),

  process_record_file_path: defineHook<'process_record_file_path', typeof pathInput, typeof pathAnswer>({
    name: 'process_record_file_path',
    purpose:
      'The file that is converted and served in place of the one that the PBX wrote. Has a longer deadline of its own (10 s).',
    input: pathInput,
    answer: pathAnswer,
    toWire: (input, surroundings) => ({ call_full: toCallFull(input, surroundings), path: input.path }),
    fromWire: ({ data, input }) => data.path ?? input.path,
  }),

  post_registration: defineHook<'post_registration', typeof registeredInput, z.ZodObject>({
    name: 'post_registration',
    purpose: 'After the conversation stands in the CRM, for actions of your own. The answer does not matter.',
    input: registeredInput,
    answer: z.looseObject({}),
    toWire: (input, surroundings) => {
      const { call, conversation, contactId, leadId, responsibleId, userId } = input.registration;
      return {
        call_full: toCallFull(input, surroundings),
        id: toEntityId(input.crmId),
        contact_id: toEntityId(contactId),
        lead_id: toEntityId(leadId),
        call_result: conversation.result,
        call_status: toCallStatus(conversation.result),
        created_at: toUnixTime(conversation.requestedAt),
        created_by: toEntityId(userId),
        direction: call.direction === 'outbound' ? 'outbound' : 'inbound',
        duration: conversation.duration,
        link: conversation.recording ?? '',
        phone: call.client ?? '',
        responsible_user_id: toEntityId(responsibleId),
        source,
      };
    },
    fromWire: () => undefined,
  }),
};
