/** The state of a call: its channels, and which linkedids it goes by. Pure: the same events give the same state. */
import type { PbxEvent } from '../pbx-event.ts';
import { emptyChannel, firstName, foldChannel, joinChannels, lastName, rankOf, type ChannelFacts, type Moment } from './channel-facts.ts';

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
  const id = event.uniqueId ?? idOfName(call, event.channel) ?? event.channel;
  let channels = call.channels;
  let known = channels.get(id);
  if (known === undefined && event.uniqueId !== null) {
    // A CDR row may have told of this channel by name before its uniqueid was seen.
    const byName = channels.get(event.channel);
    if (byName !== undefined) {
      known = joinChannels(byName, emptyChannel(id));
      const rest = new Map(channels);
      rest.delete(event.channel);
      channels = rest;
    }
  }
  const next = foldChannel(known ?? emptyChannel(id), event);
  if (next === known && channels === call.channels) return call;
  const copy = new Map(channels);
  copy.set(id, next);
  return { ...call, channels: copy };
}

function idOfName(call: CallState, name: string): string | null {
  for (const channel of call.channels.values()) {
    if (lastName(channel) === name || firstName(channel) === name) return channel.id;
  }
  return null;
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
    if (channel.ended === null) isOpen = true;
    else if (channel.ended.at > last) last = channel.ended.at;
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
