/** An employee's part of a call: the steps that inbound, outbound and internal calls share. */
import type { CallResult, UnregisteredReason } from '../call.ts';
import type { NumberPlan } from '../ports.ts';
import { extensionOfLocal, startOf, type CallView } from './call-view.ts';
import type { ChannelFacts } from './channel-facts.ts';
import { outcomeOf } from './outcome.ts';
import { countedMarks, leavesBridgesAt } from './talk.ts';

/** One employee's part, as it was, before it is written down. */
export interface Part {
  readonly channel: ChannelFacts;
  readonly extension: string | null;
  readonly requestedAt: number;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  readonly result: CallResult;
  readonly reason: UnregisteredReason | null;
  readonly forwardedTo: string | null;
}

export function talkSpan(view: CallView, a: ChannelFacts, b: ChannelFacts): { from: number; to: number } | null {
  const spans = view.talks.filter((span) => span.members.includes(a.id) && span.members.includes(b.id));
  const first = spans[0];
  if (first === undefined) return null;
  return { from: first.from, to: spans.reduce((to, span) => Math.max(to, span.to), first.to) };
}
export const hasTalk = (view: CallView, a: ChannelFacts, b: ChannelFacts) => talkSpan(view, a, b) !== null;

export function answeredPart(leg: ChannelFacts, client: ChannelFacts, view: CallView): Part | null {
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
export function endOfTalk(
  leg: ChannelFacts,
  client: ChannelFacts,
  talk: { to: number },
  view: CallView,
): number | null {
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

export function variableAlong(channel: ChannelFacts, name: string, view: CallView): string | null {
  let current: ChannelFacts | null = channel;
  for (let hops = 0; current !== null && hops < 16; hops++) {
    const value = current.variables[name];
    if (value !== undefined) return value.value;
    current = current.dialedBy === null ? null : view.byId(current.dialedBy.value);
  }
  return null;
}

/** A phone that rang and did not talk to the client. */
export function silentPart(leg: ChannelFacts, view: CallView, plan: NumberPlan): Part {
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
  for (const mark of countedMarks(client)) {
    if (mark.at >= startOf(leg)) break;
    isInBridge = mark.isEntry;
  }
  return isInBridge;
}
