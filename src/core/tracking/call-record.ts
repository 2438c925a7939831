/** From a call's state to its record: direction, client, result, conversations. Pure; the README's section "What is registered" tells the rules. */
import type { Call, Conversation } from '../call.ts';
import type { NumberPlan } from '../ports.ts';
import type { CallState } from './call-machine.ts';
import { compareIds, compareStarts, trunkOf, viewCall, type CallView } from './call-view.ts';
import { firstName, lastName, nameAt } from './channel-facts.ts';
import { inboundParts } from './inbound-parts.ts';
import { internalParts } from './internal-parts.ts';
import { outboundParts } from './outbound-parts.ts';
import { clientNumber, didOf } from './outside-number.ts';
import type { Part } from './part.ts';
import { queueOf } from './queue-stay.ts';

/** The record of a call as far as it is known; null while nothing of it is. */
export function recordCall(state: CallState, plan: NumberPlan): Call | null {
  const view = viewCall(state, plan);
  if (view === null) return null;
  const client = clientNumber(view, plan);
  // An employee's mobile is no client: a colleague calls, or is called.
  const isAmongUs = client !== null && plan.isEmployeeNumber(client);
  const parts = decideParts(view, plan).map((part) =>
    isAmongUs && part.reason === null ? { ...part, reason: 'internal' as const } : part,
  );
  const registered = parts.filter((part) => part.reason === null);
  const answered = registered.find((part) => part.result === 'answered');
  const result =
    answered?.result ??
    registered[0]?.result ??
    parts.find((part) => part.result === 'answered')?.result ??
    parts[0]?.result ??
    'failed';
  const conversations = parts
    .sort((a, b) => compareStarts(a.channel, b.channel))
    .map((part) => toConversation(part, view));
  return {
    source: state.source,
    linkedId: state.linkedId,
    linkedIds: [state.linkedId, ...state.linkedIds.filter((id) => id !== state.linkedId).sort(compareIds)],
    direction: isAmongUs ? 'internal' : view.direction,
    client: isAmongUs ? null : client,
    clientName: view.direction === 'inbound' && !isAmongUs ? (view.client?.callerName?.value ?? null) : null,
    did: didOf(view, plan),
    trunk: view.client === null ? null : trunkOf(view.client),
    result,
    startedAt: new Date(Math.floor(view.startedAt)),
    endedAt: view.endedAt === null ? null : new Date(Math.floor(view.endedAt)),
    isIvr: view.direction === 'inbound' && !isAmongUs && view.phones.length + view.outsideLegs.length === 0,
    queue: isAmongUs ? null : queueOf(view),
    conversations,
  };
}

function decideParts(view: CallView, plan: NumberPlan): Part[] {
  switch (view.direction) {
    case 'inbound':
      return inboundParts(view, plan);
    case 'outbound':
      return outboundParts(view, plan);
    case 'internal':
      return internalParts(view, plan);
  }
}

function toConversation(part: Part, view: CallView): Conversation {
  const requestedAt = Math.floor(part.requestedAt);
  const endedAt = part.endedAt === null ? null : Math.max(Math.floor(part.endedAt), requestedAt);
  const answeredAt = part.answeredAt === null ? null : Math.floor(part.answeredAt);
  const waitedUntil = answeredAt ?? endedAt ?? requestedAt;
  return {
    uniqueId: part.channel.id,
    channel: nameAt(part.channel, part.answeredAt ?? Infinity) || lastName(part.channel) || firstName(part.channel),
    extension: part.extension,
    result: part.result,
    registered: part.reason === null,
    reason: part.reason,
    requestedAt: new Date(requestedAt),
    answeredAt: answeredAt === null ? null : new Date(answeredAt),
    endedAt: endedAt === null ? null : new Date(endedAt),
    duration: answeredAt === null || endedAt === null ? 0 : Math.max(0, Math.round((endedAt - answeredAt) / 1000)),
    waiting: Math.max(0, Math.round((waitedUntil - requestedAt) / 1000)),
    recording: recordingOf(part, view),
    forwardedTo: part.forwardedTo,
    requestId: view.requestId,
  };
}

/** Its own file; else the client's that was being written while they talked; for voicemail the message. */
function recordingOf(part: Part, view: CallView): string | null {
  if (part.result === 'voicemail') {
    for (const channel of view.channels) {
      const message = channel.variables.VM_MESSAGEFILE;
      if (message !== undefined) return message.value;
    }
    return null;
  }
  if (part.answeredAt === null) return null;
  const own = part.channel.recordings[0];
  if (own !== undefined) return own.path;
  const end = part.endedAt ?? Infinity;
  const sources =
    view.direction === 'internal' ? view.channels : view.channels.filter((channel) => channel.id !== part.channel.id);
  const candidates = sources.flatMap((channel) => channel.recordings).filter((recording) => recording.at <= end);
  const started = candidates.filter((recording) => recording.at <= part.answeredAt! + 1000).at(-1);
  return (started ?? candidates.at(-1))?.path ?? null;
}
