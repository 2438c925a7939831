/** From a call's state to its record: direction, client, result, conversations. Pure; the rules are those of the README's call table. */
import type { Call, CallResult, Conversation, UnregisteredReason } from '../call.ts';
import type { NumberPlan } from '../ports.ts';
import type { CallState } from './call-machine.ts';
import { firstName, lastName, nameAt, type ChannelFacts } from './channel-facts.ts';
import { localExten } from './channel-role.ts';
import { leavesBridgesAt } from './talk.ts';
import {
  compareIds,
  compareStarts,
  dialledNumbers,
  extenOf,
  extensionOfLocal,
  numberOfDialString,
  startOf,
  trunkOf,
  viewCall,
  type CallView,
} from './call-view.ts';

/** One employee's part, before it is decided whether it is registered. */
interface Part {
  readonly channel: ChannelFacts;
  readonly extension: string | null;
  readonly requestedAt: number;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  readonly result: CallResult;
  readonly reason: UnregisteredReason | null;
  readonly forwardedTo: string | null;
}

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
    did: didOf(view),
    trunk: view.client === null ? null : trunkOf(view.client),
    result,
    startedAt: new Date(Math.floor(view.startedAt)),
    endedAt: view.endedAt === null ? null : new Date(Math.floor(view.endedAt)),
    isIvr: view.direction === 'inbound' && !isAmongUs && view.phones.length + view.outsideLegs.length === 0,
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

// ---------------------------------------------------------------- inbound

function inboundParts(view: CallView, plan: NumberPlan): Part[] {
  const client = view.client!;
  const legs = view.phones;
  const talking = legs.map((leg) => answeredPart(leg, client, view)).filter((part) => part !== null);
  const forwarded = forwardedParts(view, talking, plan);
  const taken = new Set([...talking, ...forwarded].map((part) => part.channel));
  const answered = [...talking, ...forwarded.filter((part) => part.answeredAt !== null)];
  const silent = legs.filter((leg) => !taken.has(leg)).map((leg) => silentPart(leg, view, plan));

  if (answered.length > 0) return [...answered, ...forwarded.filter((part) => part.answeredAt === null), ...silent];
  // Nobody answered: exactly one missed call, on the first phone that rang.
  const rang = silent
    .filter((part) => part.reason !== 'consultation')
    .sort((a, b) => compareStarts(a.channel, b.channel));
  const first = forwarded[0] ?? rang[0];
  const missed: Part = {
    channel: first?.channel ?? client,
    extension: first?.extension ?? null,
    requestedAt: first?.requestedAt ?? view.startedAt,
    answeredAt: null,
    endedAt: view.endedAt,
    result: reachedVoicemail(view) ? 'voicemail' : 'missed',
    reason: null,
    forwardedTo: first?.forwardedTo ?? null,
  };
  return [missed, ...silent.filter((part) => part !== first), ...forwarded.slice(1)];
}

/** Outside legs dialled on behalf of an employee whose calls are forwarded to a mobile. */
function forwardedParts(view: CallView, talking: readonly Part[], plan: NumberPlan): Part[] {
  const client = view.client!;
  const parts: Part[] = [];
  const usedLegs = new Set<ChannelFacts>();
  for (const leg of view.outsideLegs) {
    // A party that an employee called while the client waited is that employee's consultation.
    const dialer = view.dialer(leg);
    if (dialer !== null && view.extension(dialer) !== null && !hasTalk(view, leg, client)) continue;
    const marked = variableAlong(leg, 'RL_EMPLOYEE', view);
    const candidates = view.phones.filter(
      (other) => startOf(other) <= startOf(leg) && !talking.some((part) => part.channel === other),
    );
    const own =
      candidates.findLast((other) => marked === null && other.forward !== null && !usedLegs.has(other)) ??
      candidates.findLast((other) => !usedLegs.has(other) && (marked === null || view.extension(other) === marked));
    const lastTalker = talking.filter((part) => part.requestedAt <= startOf(leg)).at(-1);
    const extension = marked ?? (own === undefined ? null : view.extension(own)) ?? lastTalker?.extension ?? null;
    if (own !== undefined) usedLegs.add(own);
    const talk = talkSpan(view, leg, client);
    const part: Part = {
      channel: own ?? leg,
      extension,
      requestedAt: own === undefined ? startOf(leg) : startOf(own),
      answeredAt: talk?.from ?? null,
      endedAt: talk === null ? (leg.ended?.at ?? view.endedAt) : endOfTalk(leg, client, talk, view),
      result: talk === null ? outcomeOf(leg) : 'answered',
      reason: talk === null ? 'rang_elsewhere' : null,
      forwardedTo: outsideNumberOf(leg, view, plan),
    };
    parts.push(part);
  }
  return parts;
}

/** A phone that rang and did not talk to the client. */
function silentPart(leg: ChannelFacts, view: CallView, plan: NumberPlan): Part {
  const isConsulted = isConsultation(leg, view);
  const talk = view.talks.find((span) => span.members.includes(leg.id)) ?? null;
  return {
    channel: leg,
    extension: view.extension(leg) ?? extensionOfLocal(leg, plan),
    requestedAt: startOf(leg),
    answeredAt: isConsulted ? (talk?.from ?? null) : null,
    endedAt: leg.ended?.at ?? view.endedAt,
    result: isConsulted && talk !== null ? 'answered' : outcomeOf(leg),
    reason: isConsulted ? 'consultation' : 'rang_elsewhere',
    forwardedTo: null,
  };
}

/**
 * True when an employee asked for this channel, not the client: dialled by an employee's channel, calling itself (the
 * second line of a phone), or, where nobody says who dialled, begun while the client stood in a bridge.
 */
function isConsultation(leg: ChannelFacts, view: CallView): boolean {
  const client = view.client;
  if (client === null || leg === client) return false;
  const dialer = view.dialer(leg);
  if (dialer !== null) return view.extension(dialer) !== null;
  if (view.isCalling(leg)) return true;
  let isInBridge = false;
  for (const mark of client.marks) {
    if (mark.at >= startOf(leg)) break;
    isInBridge = mark.isEntry;
  }
  return isInBridge;
}

// ---------------------------------------------------------------- outbound

function outboundParts(view: CallView, plan: NumberPlan): Part[] {
  const legs = view.phones;
  const client = view.client;
  const talking =
    client === null ? [] : legs.map((leg) => answeredPart(leg, client, view)).filter((part) => part !== null);
  const others = legs.filter((leg) => !talking.some((part) => part.channel === leg));
  if (talking.length > 0) return [...talking, ...others.map((leg) => silentPart(leg, view, plan))];

  const caller = legs.find((leg) => leg.answered !== null || view.isCalling(leg)) ?? legs[0] ?? view.origin;
  // The client was never called: there is nothing to tell a CRM, the request has failed.
  const wasNeverAnswered = view.isRequested && client === null && caller.answered === null;
  const part: Part = {
    channel: caller,
    extension: view.extension(caller) ?? extensionOfLocal(caller, plan) ?? variableAlong(caller, 'RL_EMPLOYEE', view),
    requestedAt: startOf(caller),
    answeredAt: null,
    endedAt: caller.ended?.at ?? view.endedAt,
    result: wasNeverAnswered ? 'failed' : outboundResult(view, caller),
    reason: wasNeverAnswered ? 'rule:click_to_call_unanswered' : null,
    forwardedTo: null,
  };
  return [part, ...others.filter((leg) => leg !== caller).map((leg) => silentPart(leg, view, plan))];
}

function outboundResult(view: CallView, caller: ChannelFacts): CallResult {
  const leg = view.outsideLegs[view.outsideLegs.length - 1];
  return outcome({
    cause: leg?.cause?.value ?? caller.cause?.value ?? null,
    status: leg?.outcome?.value ?? caller.dialStatus?.value ?? null,
  });
}

// ---------------------------------------------------------------- internal

function internalParts(view: CallView, plan: NumberPlan): Part[] {
  const legs = view.phones;
  const called = legs.filter((leg) => leg !== view.origin);
  return (called.length > 0 ? called : legs).map((leg) => {
    const talk = view.talks.filter((span) => span.members.includes(leg.id));
    const isTalking = talk.length > 0;
    return {
      channel: leg,
      extension: view.extension(leg) ?? extensionOfLocal(leg, plan),
      requestedAt: startOf(leg),
      answeredAt: talk[0]?.from ?? null,
      endedAt: leg.ended?.at ?? view.endedAt,
      result: isTalking ? 'answered' : outcomeOf(leg),
      reason: 'internal',
      forwardedTo: null,
    };
  });
}

// ---------------------------------------------------------------- parts of parts

function talkSpan(view: CallView, a: ChannelFacts, b: ChannelFacts): { from: number; to: number } | null {
  const spans = view.talks.filter((span) => span.members.includes(a.id) && span.members.includes(b.id));
  const first = spans[0];
  if (first === undefined) return null;
  return { from: first.from, to: spans.reduce((to, span) => Math.max(to, span.to), first.to) };
}
const hasTalk = (view: CallView, a: ChannelFacts, b: ChannelFacts) => talkSpan(view, a, b) !== null;

function answeredPart(leg: ChannelFacts, client: ChannelFacts, view: CallView): Part | null {
  const talk = talkSpan(view, leg, client);
  if (talk === null) return null;
  // The phone of another employee may have taken this channel over (pickup): who talked counts.
  const extension = view.extension(leg, talk.to) ?? view.extension(leg, talk.from) ?? view.extension(leg);
  return {
    channel: leg,
    extension,
    requestedAt: startOf(leg),
    answeredAt: talk.from,
    endedAt: endOfTalk(leg, client, talk, view),
    result: 'answered',
    reason: null,
    forwardedTo: null,
  };
}

/**
 * A conversation lasts until its phone or the client hangs up, hold and consultation included; until the client is taken
 * out of the bridge for good (parked, sent on), or talks to somebody else without coming back; or until the phone is in
 * no bridge any more.
 */
function endOfTalk(leg: ChannelFacts, client: ChannelFacts, talk: { to: number }, view: CallView): number | null {
  const handover = view.talks.find(
    (span) => span.from >= talk.to && span.members.includes(client.id) && !span.members.includes(leg.id),
  );
  const ends = [
    leg.ended?.at,
    client.ended?.at,
    handover?.from,
    leavesBridgesAt(client, talk.to, 'next'),
    leavesBridgesAt(leg, talk.to, 'last'),
    view.endedAt,
  ].filter((at) => at !== undefined && at !== null);
  return ends.length === 0 ? null : Math.max(Math.min(...ends), Math.min(talk.to, view.endedAt ?? Infinity));
}

function variableAlong(channel: ChannelFacts, name: string, view: CallView): string | null {
  let current: ChannelFacts | null = channel;
  for (let hops = 0; current !== null && hops < 16; hops++) {
    const value = current.variables[name];
    if (value !== undefined) return value.value;
    current = current.dialedBy === null ? null : view.byId(current.dialedBy.value);
  }
  return null;
}

/** The number that an outside leg was dialled with. CEL knows it only from the Dial before. */
function outsideNumberOf(leg: ChannelFacts, view: CallView, plan: NumberPlan): string | null {
  const dialled = leg.dialString === null ? null : numberOfDialString(leg.dialString.value);
  const trunk = trunkOf(leg);
  const runs = view.channels
    .flatMap((channel) => channel.apps)
    .filter((run) => run.app.toLowerCase() === 'dial' && run.at <= (leg.answered?.at ?? startOf(leg)) + 100)
    .sort((a, b) => b.at - a.at);
  const target = runs
    .flatMap((run) => run.args.split(',')[0]!.split('&'))
    .find((candidate) => trunk !== null && (candidate.includes(`@${trunk}`) || candidate.includes(`/${trunk}/`)));
  const local = view.channels.findLast(
    (channel) => startOf(channel) <= startOf(leg) && plan.isOutsideNumber(localExten(firstName(channel))),
  );
  for (const number of [
    dialled,
    target === undefined ? null : numberOfDialString(target),
    local === undefined ? null : localExten(firstName(local)),
  ]) {
    const read = number === null ? null : plan.toClientNumber(number);
    if (read !== null) return read;
  }
  const exten = extenOf(leg);
  return exten === null ? null : plan.toClientNumber(exten);
}

/** AMI tells of each message left; where only CEL or CDR speak, whoever reached the mailbox is taken to have left one. */
function reachedVoicemail(view: CallView): boolean {
  const runs = view.channels.flatMap((channel) => channel.apps);
  if (runs.some((run) => run.app === 'MessageWaiting')) return true;
  const mailboxes = runs.filter((run) => run.app.toLowerCase() === 'voicemail');
  return mailboxes.length > 0 && !mailboxes.some((run) => run.isLive);
}

const outcomeOf = (leg: ChannelFacts): CallResult =>
  outcome({ cause: leg.cause?.value ?? null, status: (leg.outcome ?? leg.dialStatus)?.value ?? null });

/** From dial status and Q.850 cause. The cause decides where the status lumps different ends together. */
function outcome(end: { cause: number | null; status: string | null }): CallResult {
  const status = (end.status ?? '').toUpperCase().replace(/[ _]/g, '');
  if (status === 'CANCEL') return 'cancelled';
  switch (end.cause) {
    case 1:
    case 28:
      return 'not_found';
    case 17:
      return 'busy';
    case 21:
      return 'rejected';
  }
  switch (status) {
    case 'BUSY':
      return 'busy';
    case 'NOANSWER':
      return 'no_answer';
    case 'ANSWER':
    case 'ANSWERED':
      return 'no_answer';
    case 'CHANUNAVAIL':
    case 'CONGESTION':
    case 'FAILED':
    case 'INVALIDARGS':
      return 'failed';
  }
  switch (end.cause) {
    case 16:
    case 26:
      return 'cancelled';
    case 18:
    case 19:
      return 'no_answer';
    case null:
    case 0:
      return 'no_answer';
    default:
      return 'failed';
  }
}

function clientNumber(view: CallView, plan: NumberPlan): string | null {
  if (view.direction === 'internal') return null;
  if (view.direction === 'inbound') return plan.toClientNumber(view.client?.callerNumber?.value ?? '');
  const dialled = view.client === null ? null : outsideNumberOf(view.client, view, plan);
  if (dialled !== null) return dialled;
  for (const channel of [view.origin, ...view.channels]) {
    const number = dialledNumbers(channel).find((candidate) => plan.isOutsideNumber(candidate));
    if (number !== undefined) return plan.toClientNumber(number);
  }
  // Requested, and never dialled: the employee's phone showed whom it was about.
  const shown = view.channels
    .map((channel) => channel.connectedNumber?.value)
    .find((number) => number !== undefined && plan.isOutsideNumber(number));
  return shown === undefined ? null : plan.toClientNumber(shown);
}

function didOf(view: CallView): string | null {
  const marked = view.origin.variables.RL_DID;
  if (marked !== undefined) return marked.value;
  if (view.direction !== 'inbound' || view.client === null) return null;
  return extenOf(view.client);
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
