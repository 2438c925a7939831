/** A call's channels with their parts assigned: the ground on which conversations are told apart. Derived, never stored. */
import type { Direction } from '../call.ts';
import type { NumberPlan } from '../ports.ts';
import { endOfCall, resolveNames, type CallState } from './call-machine.ts';
import {
  endOfChannel,
  firstName,
  lastName,
  nameAt,
  rankOf,
  type AppRun,
  type ChannelFacts,
  type Said,
} from './channel-facts.ts';
import { extensionOf, isPlumbing, localContext, localExten, localPair, parseChannelName } from './channel-role.ts';
import { bridgeAt, talksOf, type Talk } from './talk.ts';

export interface CallView {
  readonly channels: readonly ChannelFacts[];
  readonly direction: Direction;
  /** The channel that began the call. */
  readonly origin: ChannelFacts;
  /** The outside party's own channel; null when no outside channel exists (yet). */
  readonly client: ChannelFacts | null;
  /** Outside channels that the PBX dialled, in order. */
  readonly outsideLegs: readonly ChannelFacts[];
  /** Employees' channels, and Local pairs that stand for an extension without a phone behind them. */
  readonly phones: readonly ChannelFacts[];
  readonly talks: readonly Talk[];
  /** Asked for by click-to-call. */
  readonly isRequested: boolean;
  readonly requestId: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** The last moment anything was reported of. */
  readonly lastAt: number;
  extension(channel: ChannelFacts, at?: number): string | null;
  /** True when it called in or was originated; inferred where the source does not say. */
  isCalling(channel: ChannelFacts): boolean;
  /** The channel on whose behalf this one was dialled, through any Local channels; null where nobody says. */
  dialer(channel: ChannelFacts): ChannelFacts | null;
  byId(id: string): ChannelFacts | null;
}

export const startOf = (channel: ChannelFacts): number =>
  channel.started?.at ?? channel.dialed?.at ?? channel.names[0]?.at ?? channel.marks[0]?.at ?? 0;

/**
 * Which channel began first. Ids are given in that order, where the times of phones that begin to ring together differ
 * between AMI and CEL by fractions of a millisecond; who is told to be the first must not hang on that.
 */
export function compareStarts(a: ChannelFacts, b: ChannelFacts): number {
  const haveIds = !a.id.includes('/') && !b.id.includes('/');
  return (haveIds ? 0 : startOf(a) - startOf(b) || countOfName(a) - countOfName(b)) || compareIds(a.id, b.id);
}
/** Names end in a count of the channels of their technology, in hexadecimal digits; 0 where they do not. */
const countOfName = (channel: ChannelFacts) =>
  parseInt(/-([0-9a-f]{8})(?:;[12])?$/.exec(firstName(channel))?.[1] ?? '0', 16);

/** What was dialled; null where nothing was (`s`: the start of a context). */
export const extenOf = (channel: ChannelFacts): string | null =>
  channel.exten === null || channel.exten.value === 's' ? null : channel.exten.value;

/** Calling in or originated, where the source does not say: the channel that a linkedid is named after, or one with something dialled. */
function isCalling(channel: ChannelFacts, call: CallState): boolean {
  if (channel.isCalling !== null) return channel.isCalling.value;
  if (channel.dialed !== null) return false;
  return call.linkedIds.includes(channel.id) || extenOf(channel) !== null;
}

export function viewCall(call: CallState, plan: NumberPlan): CallView | null {
  const endedAt = endOfCall(call);
  const channels = resolveNames(call.channels)
    // Of a call that is over, the poorest word on its end is good enough.
    .map((channel) => {
      const ended = endedAt === null ? endOfChannel(channel) : channel.ended;
      return ended === channel.ended ? channel : { ...channel, ended };
    })
    .sort(compareStarts);
  const first = channels[0];
  if (first === undefined) return null;
  const extensionBy = (name: string, channel: ChannelFacts) =>
    extensionOf(name, channel.callerNumber?.value ?? '', plan);
  const own = new Map(channels.map((channel) => [channel, extensionBy(firstName(channel), channel)]));
  const extension = (channel: ChannelFacts, at?: number) => {
    const name = at === undefined ? firstName(channel) : nameAt(channel, at);
    const known = name === firstName(channel) ? own.get(channel) : undefined;
    return known === undefined ? extensionBy(name, channel) : known;
  };
  const outside = channels.filter((channel) => own.get(channel) === null && !isPlumbing(firstName(channel)));
  const callers = outside.filter((channel) => isCalling(channel, call));
  const outsideLegs = outside.filter((channel) => !callers.includes(channel));
  const origin = callers[0] ?? channels.find((channel) => isCalling(channel, call)) ?? first;
  const requestId =
    channels.find((channel) => channel.variables.RL_REQUEST_ID !== undefined)?.variables.RL_REQUEST_ID?.value ?? null;
  const isRequested = requestId !== null || channels.some(isClickToCall);
  const direction = directionOf(origin, { callers, outsideLegs, isRequested, plan });
  const lastAt = lastMoment(channels);

  const byId = new Map(channels.map((channel) => [channel.id, channel]));
  const pairs = new Map<string, ChannelFacts[]>();
  for (const channel of channels) {
    const pair = localPair(firstName(channel));
    if (pair !== null) pairs.set(pair, [...(pairs.get(pair) ?? []), channel]);
  }
  const dialer = (channel: ChannelFacts): ChannelFacts | null => {
    let current: ChannelFacts | undefined = channel;
    for (let hops = 0; current !== undefined && hops < 16; hops++) {
      const by: ChannelFacts | undefined = isDialerKnown(current) ? byId.get(current.dialedBy.value) : undefined;
      // Made by Asterisk to transfer a call: for whoever is on its near end when it dials on.
      if (by === undefined) return current === channel ? null : partnerAt(current, startOf(channel), channels);
      if (!isPlumbing(firstName(by))) return by;
      const pair = localPair(firstName(by));
      current = pair === null ? undefined : pairs.get(pair)?.find((half) => half !== by);
    }
    return null;
  };
  return {
    channels,
    direction,
    origin,
    client: callers[0] ?? (direction === 'outbound' ? pickClientLeg(outsideLegs) : null),
    outsideLegs,
    phones: phonesOf(channels, extension, plan),
    talks: channels.some((channel) => channel.marks.length > 0)
      ? talksOf(channels, endedAt ?? lastAt)
      : guessTalks(channels, endedAt, origin),
    isRequested,
    requestId,
    startedAt: Math.min(startOf(origin), startOf(first)),
    endedAt,
    lastAt,
    extension,
    isCalling: (channel) => isCalling(channel, call),
    dialer,
    byId: (id) => byId.get(id) ?? null,
  };
}

/** A CDR row names whoever a channel met last; of a Local channel, which anybody may meet, that does not say who dialled it. */
function isDialerKnown(channel: ChannelFacts): channel is ChannelFacts & { readonly dialedBy: Said<string> } {
  const { dialedBy, started } = channel;
  if (dialedBy === null) return false;
  const isFromCdr = dialedBy.rank === rankOf('cdr') && started !== null && started.rank > rankOf('cdr');
  return !isFromCdr || !isPlumbing(firstName(channel));
}

/** Who was in one bridge with the channel at that moment; null where nobody was. */
function partnerAt(channel: ChannelFacts, at: number, channels: readonly ChannelFacts[]): ChannelFacts | null {
  const bridgeId = bridgeAt(channel, at);
  if (bridgeId === null) return null;
  const isPartner = (other: ChannelFacts) =>
    other !== channel && !isPlumbing(firstName(other)) && bridgeAt(other, at) === bridgeId;
  return channels.find(isPartner) ?? null;
}

function phonesOf(
  channels: readonly ChannelFacts[],
  extension: CallView['extension'],
  plan: NumberPlan,
): ChannelFacts[] {
  const known = new Set<string | null>();
  const phones = channels.filter((channel) => {
    const own = extension(channel);
    if (own !== null) known.add(own);
    return own !== null || extension(channel, Infinity) !== null;
  });
  const lonely = channels.filter((channel) => {
    const own = extensionOfLocal(channel, plan);
    if (own === null || known.has(own)) return false;
    known.add(own);
    return true;
  });
  return [...phones, ...lonely];
}

function directionOf(
  origin: ChannelFacts,
  known: { callers: ChannelFacts[]; outsideLegs: ChannelFacts[]; isRequested: boolean; plan: NumberPlan },
): Direction {
  if (known.callers.length > 0) return 'inbound';
  if (known.outsideLegs.length > 0 || known.isRequested) return 'outbound';
  // No outside channel came into being: an outbound call that failed at once, or an internal one.
  const isToOutside =
    dialledNumbers(origin).some((number) => known.plan.isOutsideNumber(number)) ||
    numbersOverTrunks(origin, known.plan).length > 0;
  return isToOutside ? 'outbound' : 'internal';
}

/** A number of any form, over a trunk: `PJSIP/2223344@provider`, `SIP/provider/2223344`. */
function leadsOutside(target: string, plan: NumberPlan): boolean {
  if (isPlumbing(target)) return false;
  const [, first, second] = target.split('/');
  if (first === undefined) return false;
  const [number, trunk] = second === undefined ? first.split('@') : [second, first];
  return /^\+?\d{3,}$/.test(number!) && !plan.isExtension(number!) && trunk !== undefined && plan.isTrunk(trunk);
}

/** The Local channel that click-to-call begins with; all that CEL shows of a request. */
const isClickToCall = (channel: ChannelFacts) => localContext(firstName(channel)) === 'ringledger-click-to-call';

/** The numbers a channel tried to reach: what it dialled, and what its Dial applications name. */
export function dialledNumbers(channel: ChannelFacts): string[] {
  const exten = extenOf(channel);
  const numbers = exten === null ? [] : [exten];
  for (const run of channel.apps) {
    if (run.exten !== '' && run.exten !== 's') numbers.push(run.exten);
    for (const target of targetsOf(run)) numbers.push(numberOfDialString(target));
  }
  return numbers;
}
const targetsOf = ({ app, args }: AppRun) => (app.toLowerCase() === 'dial' ? args.split(',')[0]!.split('&') : []);

/** Of these, the ones that its Dial applications give to a trunk. */
export const numbersOverTrunks = (channel: ChannelFacts, plan: NumberPlan): string[] =>
  channel.apps
    .flatMap(targetsOf)
    .filter((target) => leadsOutside(target, plan))
    .map(numberOfDialString);

/** `PJSIP/79161110002@provider`, `provider/79161110002`, `79161110002@provider` → `79161110002`. */
export function numberOfDialString(dialString: string): string {
  const bare = dialString.replace(/^(?:PJSIP|SIP|IAX2|DAHDI|Local|Motif|SCCP)\//, '');
  const at = bare.indexOf('@');
  const target = at >= 0 ? bare.slice(0, at) : bare;
  const part = target.slice(target.lastIndexOf('/') + 1);
  return part.replace(/^sip:/, '');
}

/** The leg that was answered; else the last one tried. */
function pickClientLeg(legs: readonly ChannelFacts[]): ChannelFacts | null {
  return legs.find((leg) => leg.answered !== null || leg.marks.length > 0) ?? legs[legs.length - 1] ?? null;
}

/**
 * An installation may log no bridges at all in its CEL; AMI tells of each. Then two answered channels of a call talked
 * from the later answer to the earlier end. Nothing is guessed while the call lasts: a bridge may be told yet.
 */
function guessTalks(channels: readonly ChannelFacts[], endedAt: number | null, origin: ChannelFacts): Talk[] {
  const talks: Talk[] = [];
  if (endedAt === null) return talks;
  for (const channel of channels) {
    if (channel === origin || channel.answered === null || isPlumbing(firstName(channel))) continue;
    if (channel.answered.rank === rankOf('ami')) continue;
    const from = Math.max(channel.answered.at, origin.answered?.at ?? channel.answered.at);
    const to = Math.min(channel.ended?.at ?? endedAt, origin.ended?.at ?? endedAt);
    if (to > from) talks.push({ from, to, members: [origin.id, channel.id].sort() });
  }
  return talks;
}

function lastMoment(channels: readonly ChannelFacts[]): number {
  let last = 0;
  for (const channel of channels) {
    for (const at of [
      startOf(channel),
      channel.answered?.at,
      channel.ended?.at,
      channel.dialed?.at,
      channel.marks.at(-1)?.at,
    ]) {
      if (at !== undefined && at > last) last = at;
    }
  }
  return last;
}

/** `1795246371.10` after `1795246371.9`, also with the `systemname-` of asterisk.conf before them. */
export function compareIds(a: string, b: string): number {
  // Nearly all of them are `1795246371.10`, of the same length.
  const areAlike = a.length === b.length && a.indexOf('.') === b.indexOf('.') && !a.includes('-') && !b.includes('-');
  if (areAlike) return a < b ? -1 : a > b ? 1 : 0;
  return secondsOf(a) - secondsOf(b) || countOf(a) - countOf(b) || (a < b ? -1 : a > b ? 1 : 0);
}
const countOf = (id: string) => Number(id.slice(id.lastIndexOf('.') + 1));
const secondsOf = (id: string) => Number(id.slice(id.lastIndexOf('-') + 1, id.lastIndexOf('.')));

/** The endpoint name of an outside channel: the trunk. */
export const trunkOf = (channel: ChannelFacts): string | null => parseChannelName(firstName(channel)).endpoint || null;

/** A Local pair that stands for an extension, by its `;1` half. */
export function extensionOfLocal(channel: ChannelFacts, plan: NumberPlan): string | null {
  const name = lastName(channel);
  if (!name.endsWith(';1')) return null;
  const exten = localExten(name);
  return plan.isExtension(exten) ? exten : null;
}
