import type { Call, Conversation } from '../../src/core/call.ts';
import type { CallChange } from '../../src/core/ports.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';

const startedAt = Date.UTC(2026, 10, 21, 7, 32, 51, 123);

/** An answered conversation of extension 101; fields given replace the sample's. */
export function sampleConversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    uniqueId: '1795246371.3',
    channel: 'PJSIP/101-00000003',
    extension: '101',
    result: 'answered',
    registered: true,
    reason: null,
    requestedAt: new Date(startedAt + 100),
    answeredAt: new Date(startedAt + 1_100),
    endedAt: new Date(startedAt + 4_100),
    duration: 3,
    waiting: 1,
    recording: null,
    forwardedTo: null,
    requestId: null,
    ...fields,
  };
}

/** An inbound, answered, ended call with one conversation. */
export function sampleCall(fields: Partial<Call> = {}): Call {
  const linkedId = fields.linkedId ?? '1795246371.2';
  return {
    source: 'office',
    linkedId,
    linkedIds: [linkedId],
    direction: 'inbound',
    client: '+79161110002',
    clientName: null,
    did: '7000001',
    trunk: 'provider',
    result: 'answered',
    startedAt: new Date(startedAt),
    endedAt: new Date(startedAt + 4_200),
    isIvr: false,
    queue: null,
    conversations: [sampleConversation()],
    ...fields,
  };
}

/** One event of a call; `at` in milliseconds after the sample's start. */
export function sampleEvent(linkedId: string, at: number): PbxEvent {
  return {
    type: 'ringing',
    source: 'office',
    origin: 'ami',
    at: startedAt + at + 0.25,
    linkedId,
    uniqueId: linkedId,
    channel: 'PJSIP/provider-00000002',
  };
}

/** The n-th of many different calls, each with `conversations` conversations, all of them owed, and 15 events. */
export function numberedChange(n: number, conversations = 1): CallChange {
  const linkedId = `1795250000.${n}`;
  const call = sampleCall({
    linkedId,
    client: `+7916${String(n).padStart(7, '0')}`,
    startedAt: new Date(startedAt + n * 1_000),
    endedAt: new Date(startedAt + n * 1_000 + 5_000),
    conversations: Array.from({ length: conversations }, (_, position) =>
      sampleConversation({
        uniqueId: `1795250000.${n}-${position}`,
        extension: String(100 + ((n + position) % 50)),
        requestedAt: new Date(startedAt + n * 1_000 + position * 100),
      }),
    ),
  });
  return {
    call,
    newEvents: Array.from({ length: 15 }, (_, index) => sampleEvent(linkedId, n * 1_000 + index)),
    absorbed: [],
    owed: call.conversations.map((conversation) => conversation.uniqueId),
  };
}
