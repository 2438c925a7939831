/** The state of a call: its channels, and which linkedids it goes by. Pure: the same events give the same state. */
import type { PbxEvent } from '../pbx-event.ts';
import {
  emptyChannel,
  endOfChannel,
  firstName,
  foldChannel,
  joinChannels,
  nameAt,
  rankOf,
  type ChannelFacts,
  type Moment,
} from './channel-facts.ts';

export interface CallState {
  readonly source: string;
  readonly linkedId: string;
  /** Own linkedid first, then those of absorbed calls. */
  readonly linkedIds: readonly string[];
  readonly channels: ReadonlyMap<string, ChannelFacts>;
  /** When the source said that no channel of this linkedid is left. */
  readonly endOf: Readonly<Record<string, Moment>>;
}

export function newCall(source: string, linkedId: string): CallState {
  return { source, linkedId, linkedIds: [linkedId], channels: new Map(), endOf: {} };
}

/** The call after the event; the same object when the event says nothing new. */
export function nextState(call: CallState, event: PbxEvent): CallState {
  if (event.type === 'call-ended') {
    const known = call.endOf[event.linkedId];
    const rank = rankOf(event.origin);
    if (known !== undefined && (known.rank > rank || (known.rank === rank && known.at >= event.at))) return call;
    return { ...call, endOf: { ...call.endOf, [event.linkedId]: { at: event.at, rank } } };
  }
  // Known by name only, it is matched with its channel when the call is looked at, when all names are known.
  const id = event.uniqueId ?? event.channel;
  const known = call.channels.get(id);
  const next = foldChannel(known ?? emptyChannel(id), event);
  if (next === known) return call;
  return { ...call, channels: new Map(call.channels).set(id, next) };
}

/** The channels with those that are known by name alone (CDR rows) merged into the ones that had that name then. */
export function resolveNames(channels: ReadonlyMap<string, ChannelFacts>): ChannelFacts[] {
  const real = new Map<string, ChannelFacts>();
  const named: ChannelFacts[] = [];
  for (const channel of channels.values()) {
    if (channel.id.includes('/')) named.push(channel);
    else real.set(channel.id, channel);
  }
  for (const byName of named) {
    const name = firstName(byName);
    const holders = [...real.values()].filter((channel) => channel.names.some((entry) => entry.name === name));
    const at = byName.answered?.at ?? byName.started?.at ?? byName.dialed?.at ?? 0;
    const holder = holders.find((channel) => nameAt(channel, at + 1000) === name) ?? holders[0];
    if (holder === undefined) real.set(byName.id, byName);
    else real.set(holder.id, joinChannels(byName, holder));
  }
  return [...real.values()];
}

/** One call out of two that turned out to be the same: `other` becomes part of `call`. */
export function absorb(call: CallState, other: CallState): CallState {
  const channels = new Map(call.channels);
  for (const [id, channel] of other.channels) {
    const known = channels.get(id);
    channels.set(id, known === undefined ? channel : joinChannels(channel, known));
  }
  const linkedIds = [...call.linkedIds, ...other.linkedIds.filter((id) => !call.linkedIds.includes(id))];
  return { ...call, linkedIds, channels, endOf: { ...other.endOf, ...call.endOf } };
}

/**
 * When the call ended; null while it lasts. It has ended when each of its channels has, or when the source said so of all
 * of its linkedids (a lost hang-up event must not leave a call open for ever).
 */
export function endOfCall(call: CallState): number | null {
  let last = -Infinity;
  let isOpen = call.channels.size === 0;
  for (const channel of call.channels.values()) {
    if (endOfChannel(channel) === null) isOpen = true;
    if (channel.ended !== null && channel.ended.at > last) last = channel.ended.at;
  }
  if (!isOpen) return last;
  let saidAt = -Infinity;
  for (const linkedId of call.linkedIds) {
    const end = call.endOf[linkedId];
    if (end === undefined) return null;
    if (end.at > saidAt) saidAt = end.at;
  }
  return Math.max(saidAt, last);
}
