import { z } from 'zod';
import type { Call, CallResult, Conversation } from '../../core/call.ts';
import type { HookCall } from '../../core/hooks.ts';
import { toEnding, toSipStatus } from './call-status.ts';
import { entityId, toEntityId, toLocalTime } from './wire-values.ts';

/** What is known beside the call and is told along with it. */
export interface CallSurroundings {
  /** IANA name: times are told by the clocks of the installation. */
  readonly timeZone: string;
  readonly userOf: (extension: string) => CallUser | null;
}
export interface CallUser {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
}

/** A number and who it belongs to. */
export const party = z.object({
  number: z.string().describe('Empty when unknown or withheld'),
  name: z.string(),
});

/** One channel, or the call as a whole. */
export const channel = z.object({
  id: z.string().describe('uniqueid'),
  name: z.string().describe("Asterisk's name of the channel, such as PJSIP/101-0000001a; empty when not known"),
  is_primary: z.boolean().describe('uniqueid equals linkedid'),
  state: z.enum(['ringing', 'talking', 'ended', 'processed']),
  type: z.enum(['local', 'incoming', 'outgoing', 'unknown']),
  start_time: z.string().describe('YYYY-MM-DD HH:MM:SS in the time zone of the installation'),
  answer_time: z.string().describe('0001-01-01 00:00:00: not answered'),
  end_time: z.string().describe('0001-01-01 00:00:00: it lasts'),
  was_answered: z.boolean(),
  extra: z.record(z.string(), z.unknown()).describe('hangupcause and dialstatus, once it has ended'),
  from: party.describe('Who called'),
  to: party.describe('Who was called'),
  trunk: party.describe('The line: its number and the name of the trunk'),
});

/** The call as every hook with `call_full` sees it. Read only: it is never taken back. */
export const callFull = z
  .object({
    active_conversation_id: z.string().describe('uniqueid of the conversation that this is about, or empty'),
    channel: channel.describe('The call as a whole: its main channel (linkedid)'),
    conversations: z
      .record(
        z.string(),
        z.object({
          channel: channel.describe("The employee's channel"),
          is_parked: z.boolean(),
          user: z
            .object({ id: entityId, name: z.string(), phone: z.string(), email: z.string().nullable() })
            .nullable()
            .describe('The employee; null: nobody has this extension'),
        }),
      )
      .describe('By uniqueid; more than one after transfers and in groups'),
    deal: z.object({ id: entityId }).nullable().describe('The lead that the call belongs to, once it is known'),
    entity: z
      .object({
        id: entityId,
        type: z.literal('contacts'),
        name: z.string().nullable(),
        company: z.string().nullable(),
        responsible_user_id: entityId,
      })
      .nullable()
      .describe('The contact that was found, once it was looked for'),
    is_ivr: z.boolean().describe("Missed before any employee's phone rang"),
    record: z.string().describe('The recording, or empty'),
    registration: z.null().describe('Bitrix24 only'),
    result: z
      .int()
      .describe(
        '200 answered, 304 missed, 404 no such number, 480 no answer, 486 busy, 487 given up, 503 failed, 603 refused',
      ),
  })
  .describe('The call; read only');
export type CallFull = z.output<typeof callFull>;

const typeOf = { inbound: 'incoming', outbound: 'outgoing', internal: 'local' } as const;

/** The call in the contract's words. */
export function toCallFull({ call, conversation, client, leadId }: HookCall, surroundings: CallSurroundings): CallFull {
  const { timeZone, userOf } = surroundings;
  const result = conversation?.result ?? call.result;
  const recording = conversation?.recording ?? call.conversations.find((one) => one.recording !== null)?.recording;
  const answeredAt = call.conversations
    .flatMap((one) => (one.answeredAt === null ? [] : [one.answeredAt]))
    .reduce<Date | null>((first, at) => (first === null || at < first ? at : first), null);
  const main = call.conversations.find((one) => one.uniqueId === call.linkedId);
  const lasting = { startedAt: call.startedAt, answeredAt, endedAt: call.endedAt, result: call.result };
  return {
    active_conversation_id: conversation?.uniqueId ?? '',
    channel: {
      id: call.linkedId,
      name: main?.channel ?? '',
      is_primary: true,
      ...toCourse(lasting, timeZone),
      ...toParties(call, (conversation ?? call.conversations[0])?.extension ?? null, userOf),
    },
    conversations: Object.fromEntries(
      call.conversations.map((one) => [one.uniqueId, toConversation(call, one, surroundings)]),
    ),
    deal: leadId == null ? null : { id: toEntityId(leadId) },
    entity:
      client == null
        ? null
        : {
            id: toEntityId(client.id),
            type: 'contacts',
            name: client.name,
            company: client.company,
            responsible_user_id: toEntityId(client.responsibleId),
          },
    is_ivr: call.isIvr,
    record: recording ?? '',
    registration: null,
    result: toSipStatus(result),
  };
}

function toConversation(call: Call, one: Conversation, { timeZone, userOf }: CallSurroundings) {
  const user = one.extension === null ? null : userOf(one.extension);
  return {
    channel: {
      id: one.uniqueId,
      name: one.channel,
      is_primary: one.uniqueId === call.linkedId,
      ...toCourse({ ...one, startedAt: one.requestedAt }, timeZone),
      ...toParties(call, one.extension, userOf),
    },
    is_parked: false,
    user: user && { id: toEntityId(user.id), name: user.name, phone: one.extension!, email: user.email },
  };
}

interface Course {
  readonly startedAt: Date;
  readonly answeredAt: Date | null;
  readonly endedAt: Date | null;
  readonly result: CallResult;
}

function toCourse({ startedAt, answeredAt, endedAt, result }: Course, timeZone: string) {
  const state: 'ringing' | 'talking' | 'ended' =
    endedAt !== null ? 'ended' : answeredAt !== null ? 'talking' : 'ringing';
  return {
    state,
    start_time: toLocalTime(startedAt, timeZone),
    answer_time: toLocalTime(answeredAt, timeZone),
    end_time: toLocalTime(endedAt, timeZone),
    was_answered: answeredAt !== null,
    extra: endedAt === null ? {} : { ...toEnding(result) },
  };
}

function toParties(call: Call, extension: string | null, userOf: CallSurroundings['userOf']) {
  const client = { number: call.client ?? '', name: call.clientName ?? '' };
  const employee = { number: extension ?? '', name: extension === null ? '' : (userOf(extension)?.name ?? '') };
  const line = { number: call.did ?? '', name: call.trunk ?? '' };
  const isOutbound = call.direction === 'outbound';
  return {
    type: typeOf[call.direction],
    from: isOutbound ? employee : client,
    to: isOutbound ? client : extension === null ? line : employee,
    trunk: line,
  };
}
