import type { Call, CallResult, Conversation, Direction, UnregisteredReason } from '../core/call.ts';
import type { ColumnType } from './insert-rows.ts';

/** Columns as SQLite and PostgreSQL return them: booleans are 0/1 on the former. */
export interface CallRow {
  readonly id: number;
  readonly source: string;
  readonly linked_id: string;
  readonly direction: string;
  readonly client: string | null;
  readonly client_reversed: string | null;
  readonly client_name: string | null;
  readonly did: string | null;
  readonly trunk: string | null;
  readonly result: string;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly is_ivr: boolean | number;
  readonly queue: string | null;
  readonly queue_joined_at: number | null;
  readonly queue_left_at: number | null;
}
export interface ConversationRow {
  readonly id: number;
  readonly call_id: number;
  readonly call_started_at: number;
  readonly position: number;
  readonly source: string;
  readonly unique_id: string;
  readonly channel: string;
  readonly extension: string | null;
  readonly result: string;
  readonly registered: boolean | number;
  readonly reason: string | null;
  readonly requested_at: number;
  readonly answered_at: number | null;
  readonly ended_at: number | null;
  readonly duration: number;
  readonly waiting: number;
  readonly recording: string | null;
  readonly forwarded_to: string | null;
  readonly request_id: string | null;
}

/** What is written of each, with the types of the columns. */
export const callColumns = {
  source: 'text',
  linked_id: 'text',
  direction: 'text',
  client: 'text',
  client_reversed: 'text',
  client_name: 'text',
  did: 'text',
  trunk: 'text',
  result: 'text',
  started_at: 'bigint',
  ended_at: 'bigint',
  is_ivr: 'boolean',
  queue: 'text',
  queue_joined_at: 'bigint',
  queue_left_at: 'bigint',
} as const satisfies Record<keyof Omit<CallRow, 'id'>, ColumnType>;

export const conversationColumns = {
  call_id: 'bigint',
  call_started_at: 'bigint',
  position: 'integer',
  source: 'text',
  unique_id: 'text',
  channel: 'text',
  extension: 'text',
  result: 'text',
  registered: 'boolean',
  reason: 'text',
  requested_at: 'bigint',
  answered_at: 'bigint',
  ended_at: 'bigint',
  duration: 'integer',
  waiting: 'integer',
  recording: 'text',
  forwarded_to: 'text',
  request_id: 'text',
} as const satisfies Record<keyof Omit<ConversationRow, 'id'>, ColumnType>;

const toTime = (date: Date | null): number | null => date?.getTime() ?? null;
const toDate = (time: number | null): Date | null => (time === null ? null : new Date(time));

/** The digits of a number from its end, so that "ends with" is a range of an index. */
export function reverseDigits(number: string): string {
  return [...number.replace(/\D/g, '')].reverse().join('');
}

export function toCallRow(call: Call): Omit<CallRow, 'id'> {
  return {
    source: call.source,
    linked_id: call.linkedId,
    direction: call.direction,
    client: call.client,
    client_reversed: call.client === null ? null : reverseDigits(call.client),
    client_name: call.clientName,
    did: call.did,
    trunk: call.trunk,
    result: call.result,
    started_at: call.startedAt.getTime(),
    ended_at: toTime(call.endedAt),
    is_ivr: call.isIvr,
    queue: call.queue?.name ?? null,
    queue_joined_at: toTime(call.queue?.joinedAt ?? null),
    queue_left_at: toTime(call.queue?.leftAt ?? null),
  };
}

export function toConversationRow(
  call: Call,
  callId: number,
  conversation: Conversation,
  position: number,
): Omit<ConversationRow, 'id'> {
  return {
    call_id: callId,
    call_started_at: call.startedAt.getTime(),
    position,
    source: call.source,
    unique_id: conversation.uniqueId,
    channel: conversation.channel,
    extension: conversation.extension,
    result: conversation.result,
    registered: conversation.registered,
    reason: conversation.reason,
    requested_at: conversation.requestedAt.getTime(),
    answered_at: toTime(conversation.answeredAt),
    ended_at: toTime(conversation.endedAt),
    duration: conversation.duration,
    waiting: conversation.waiting,
    recording: conversation.recording === '' ? null : conversation.recording,
    forwarded_to: conversation.forwardedTo,
    request_id: conversation.requestId,
  };
}

export function toConversation(row: ConversationRow): Conversation {
  return {
    uniqueId: row.unique_id,
    channel: row.channel,
    extension: row.extension,
    result: row.result as CallResult,
    registered: Boolean(row.registered),
    reason: row.reason as UnregisteredReason | null,
    requestedAt: new Date(row.requested_at),
    answeredAt: toDate(row.answered_at),
    endedAt: toDate(row.ended_at),
    duration: row.duration,
    waiting: row.waiting,
    recording: row.recording,
    forwardedTo: row.forwarded_to,
    requestId: row.request_id,
  };
}

/** `linkedIds` in any order, `conversations` in the order of their position. */
export function toCall(row: CallRow, linkedIds: readonly string[], conversations: readonly ConversationRow[]): Call {
  return {
    source: row.source,
    linkedId: row.linked_id,
    linkedIds: [row.linked_id, ...linkedIds.filter((linkedId) => linkedId !== row.linked_id)],
    direction: row.direction as Direction,
    client: row.client,
    clientName: row.client_name,
    did: row.did,
    trunk: row.trunk,
    result: row.result as CallResult,
    startedAt: new Date(row.started_at),
    endedAt: toDate(row.ended_at),
    isIvr: Boolean(row.is_ivr),
    queue:
      row.queue === null || row.queue_joined_at === null
        ? null
        : { name: row.queue, joinedAt: new Date(row.queue_joined_at), leftAt: toDate(row.queue_left_at) },
    conversations: conversations.map(toConversation),
  };
}
