/** The state of a call: its channels, and which linkedids it goes by. The same events give the same state. */
import type { PbxEvent } from '../pbx-event.ts';
import {
  emptyChannel,
  endOfChannel,
  firstName,
  foldIntoChannel,
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
  /** In the order in which they were first told of. */
  readonly channels: ChannelFacts[];
  /** When the source said that no channel of this linkedid is left. */
  readonly endOf: Record<string, Moment>;
}

export function newCall(source: string, linkedId: string): CallState {
  return { source, linkedId, linkedIds: [linkedId], channels: [], endOf: {} };
}

/**
 * Folds the event into the call, which is changed, since a copy for each event would cost more than all else; false when
 * it says nothing new.
 */
export function foldIntoCall(call: CallState, event: PbxEvent): boolean {
  if (event.type === 'call-ended') {
    const known = call.endOf[event.linkedId];
    const rank = rankOf(event.origin);
    if (known !== undefined && (known.rank > rank || (known.rank === rank && known.at >= event.at))) return false;
    call.endOf[event.linkedId] = { at: event.at, rank };
    return true;
  }
  // Known by name only, it is matched with its channel when the call is looked at, when all names are known.
  const id = event.uniqueId ?? event.channel;
  const known = channelOf(call, id);
  if (known !== undefined) return foldIntoChannel(known, event);
  const channel = emptyChannel(id);
  foldIntoChannel(channel, event);
  call.channels.push(channel);
  return true;
}

/** By its uniqueid, or by its name where only that is known. */
export function channelOf(call: CallState, id: string): ChannelFacts | undefined {
  return call.channels.find((channel) => channel.id === id);
}

/** The channels with those that are known by name alone (CDR rows) merged into the ones that had that name then. */
export function resolveNames(channels: readonly ChannelFacts[]): ChannelFacts[] {
  const named = channels.filter((channel) => channel.id.includes('/'));
  if (named.length === 0) return [...channels];
  const real = new Map(channels.filter((channel) => !named.includes(channel)).map((channel) => [channel.id, channel]));
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
  const channels = new Map(call.channels.map((channel) => [channel.id, channel]));
  for (const channel of other.channels) {
    const known = channels.get(channel.id);
    channels.set(channel.id, known === undefined ? channel : joinChannels(channel, known));
  }
  const linkedIds = [...call.linkedIds, ...other.linkedIds.filter((id) => !call.linkedIds.includes(id))];
  return { ...call, linkedIds, channels: [...channels.values()], endOf: { ...other.endOf, ...call.endOf } };
}

/**
 * When the call ended; null while it lasts. It has ended when each of its channels has, or when the source said so of all
 * of its linkedids (a lost hang-up event must not leave a call open for ever).
 */
export function endOfCall(call: CallState): number | null {
  let last = -Infinity;
  let isOpen = call.channels.length === 0;
  for (const channel of call.channels) {
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
