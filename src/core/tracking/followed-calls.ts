/** The calls in memory, and the ways to find the one that an event belongs to. */
import type { Call } from '../call.ts';
import type { PbxEvent } from '../pbx-event.ts';
import type { NumberPlan } from '../ports.ts';
import { absorb, newCall, type CallState } from './call-machine.ts';
import { compareIds, compareStarts } from './call-view.ts';
import { firstName, rankOf, type ChannelFacts } from './channel-facts.ts';
import { otherHalf, roleOf } from './channel-role.ts';

/** A call in memory. */
export interface Tracked {
  state: CallState;
  call: Call | null;
  /** Folded but not yet saved. */
  newEvents: PbxEvent[];
  absorbed: string[];
  owed: Set<string>;
  /** Set when a resync did not find it; see `vanishedMs`. */
  vanished: { readonly noticedAt: number; readonly endedAt: number } | null;
  /** When a resync last found it alive; 0: never. */
  aliveAt: number;
  /** Part of another call by now. */
  isAbsorbed: boolean;
}

export function track(state: CallState): Tracked {
  return {
    state,
    call: null,
    newEvents: [],
    absorbed: [],
    owed: new Set(),
    vanished: null,
    aliveAt: 0,
    isAbsorbed: false,
  };
}

/** The ways to find the calls of one source. */
interface Index {
  readonly byLinkedId: Map<string, Tracked>;
  readonly byUniqueId: Map<string, Tracked>;
  /** Where CDR rows, which know the dialled side by name only, find its channel. */
  readonly byName: Map<string, Tracked>;
  readonly byBridge: Map<string, Tracked>;
}

export class FollowedCalls {
  readonly #plan: NumberPlan;
  readonly #indexes = new Map<string, Index>();

  constructor(plan: NumberPlan) {
    this.#plan = plan;
  }

  /** Each call once. */
  all(): Set<Tracked> {
    const calls = new Set<Tracked>();
    for (const { byLinkedId } of this.#indexes.values()) for (const tracked of byLinkedId.values()) calls.add(tracked);
    return calls;
  }

  has(source: string, linkedId: string): boolean {
    return this.#indexOf(source).byLinkedId.has(linkedId);
  }

  #indexOf(source: string): Index {
    const known = this.#indexes.get(source);
    if (known !== undefined) return known;
    const index = { byLinkedId: new Map(), byUniqueId: new Map(), byName: new Map(), byBridge: new Map() };
    this.#indexes.set(source, index);
    return index;
  }

  add(tracked: Tracked): void {
    const { source, linkedIds, channels } = tracked.state;
    const { byLinkedId, byUniqueId, byName, byBridge } = this.#indexOf(source);
    for (const linkedId of linkedIds) byLinkedId.set(linkedId, tracked);
    for (const channel of channels) {
      if (!channel.id.includes('/')) byUniqueId.set(channel.id, tracked);
      for (const { name } of channel.names) byName.set(name, tracked);
      for (const { bridgeId } of channel.marks) if (byBridge.has(bridgeId)) byBridge.set(bridgeId, tracked);
    }
  }

  /** A call from the store, made of these events: they tell in which bridges others may still meet it. */
  addStored(tracked: Tracked, events: readonly PbxEvent[]): void {
    this.add(tracked);
    for (const event of events) if (isMeeting(event)) this.#indexOf(event.source).byBridge.set(event.bridgeId, tracked);
  }

  /**
   * The call that the event belongs to; a new one where none is known. Calls that turn out to be one are joined: the one
   * that goes on is added to `touched`, the other is taken out of it.
   */
  find(event: PbxEvent, touched: Set<Tracked>): Tracked {
    const index = this.#indexOf(event.source);
    const { byLinkedId, byUniqueId, byName } = index;
    const { linkedId, channel } = event;
    const uniqueId = event.type === 'call-ended' ? null : event.uniqueId;
    // A CDR row that goes by its own uniqueid may lack the linkedid, or was written before its call was joined to another.
    const isNamedOnly = uniqueId === null || (event.origin === 'cdr' && linkedId === uniqueId);
    const byChannel =
      (uniqueId === null ? undefined : byUniqueId.get(uniqueId)) ??
      (isNamedOnly ? this.#holderOf(event, index) : undefined);
    const byLink = byLinkedId.get(linkedId);
    let tracked = byChannel ?? byLink;
    if (tracked === undefined) {
      tracked = track(newCall(event.source, linkedId));
      byLinkedId.set(linkedId, tracked);
    } else if (byChannel !== undefined && byLink !== undefined && byChannel !== byLink) {
      tracked = this.#join(byChannel, byLink, touched);
    } else if (byLink === undefined) {
      tracked.state = { ...tracked.state, linkedIds: [...tracked.state.linkedIds, linkedId] };
      byLinkedId.set(linkedId, tracked);
      touched.add(tracked);
    }
    if (uniqueId !== null) byUniqueId.set(uniqueId, tracked);
    if (channel !== '' && event.type !== 'call-ended') byName.set(channel, tracked);
    if (!isMeeting(event)) return tracked;
    const met = this.#meet(tracked, event, touched);
    // A channel that enters as its first act is not among those of the call yet.
    if (uniqueId !== null) byUniqueId.set(uniqueId, met);
    return met;
  }

  /**
   * The call with the channel that had this name at that time, or with its other half if it is one of a Local pair: names
   * come again after a restart of the PBX.
   */
  #holderOf(event: PbxEvent, { byName }: Index): Tracked | undefined {
    if (event.type === 'call-ended') return undefined;
    for (const name of [event.channel, otherHalf(event.channel)]) {
      const tracked = name === null ? undefined : byName.get(name);
      if (tracked === undefined) continue;
      for (const channel of tracked.state.channels) {
        if (!channel.names.some((entry) => entry.name === name)) continue;
        // A CDR row begins when its two parties meet, by which time the channel may have been there for long.
        const { started } = channel;
        const startedAt = started === null || started.rank === rankOf('cdr') ? -Infinity : started.at;
        const endedAt = channel.ended?.at ?? Infinity;
        // CDR has whole seconds.
        if (startedAt - 1_000 <= event.at && event.at <= endedAt + 1_000) return tracked;
      }
    }
    return undefined;
  }

  /** Who meets in a bridge (a conference) is in one call, even where the PBX does not join their linkedids. */
  #meet(tracked: Tracked, event: BridgeEntered, touched: Set<Tracked>): Tracked {
    const { byBridge } = this.#indexOf(event.source);
    const other = byBridge.get(event.bridgeId);
    if (other === undefined || other === tracked) {
      byBridge.set(event.bridgeId, tracked);
      return tracked;
    }
    return this.#join(tracked, other, touched);
  }

  /**
   * A channel of one call now goes by the linkedid of another. A call without an outside party is part of the other
   * (a consultation, a pickup, a retrieval from parking); two clients' calls stay two.
   */
  #join(own: Tracked, other: Tracked, touched: Set<Tracked>): Tracked {
    const ownHasClient = this.#hasOutside(own.state) && !isHalf(own.state, own.state.linkedId);
    const otherHasClient = this.#hasOutside(other.state) && !isHalf(other.state, other.state.linkedId);
    if (ownHasClient && otherHasClient) return own;
    const isOtherHost = otherHasClient || (!ownHasClient && compareIds(other.state.linkedId, own.state.linkedId) < 0);
    const [host, guest] = isOtherHost ? [other, own] : [own, other];
    host.state = absorb(host.state, guest.state);
    host.newEvents.push(...guest.newEvents);
    host.absorbed.push(guest.state.linkedId, ...guest.absorbed);
    for (const id of guest.owed) host.owed.add(id);
    touched.delete(guest);
    touched.add(host);
    guest.isAbsorbed = true;
    this.add(host);
    return host;
  }

  /**
   * Gives a call of several linkedids the name that it has whatever was told first: the linkedid that its first outside
   * party began with, else the lowest.
   */
  settleName(tracked: Tracked): void {
    const { state } = tracked;
    if (state.linkedIds.length === 1) return;
    const linkedId = this.#nameOf(state);
    if (linkedId === state.linkedId) return;
    tracked.state = { ...state, linkedId };
    tracked.absorbed = [...tracked.absorbed.filter((id) => id !== linkedId), state.linkedId];
  }

  #nameOf(state: CallState): string {
    let first: ChannelFacts | null = null;
    for (const channel of state.channels) {
      const home = channel.firstLinkedId?.value;
      if (home === undefined || !this.#isOutside(channel) || isHalf(state, home)) continue;
      if (first === null || compareStarts(channel, first) < 0) first = channel;
    }
    const home = first?.firstLinkedId?.value;
    if (home !== undefined) return home;
    const whole = state.linkedIds.filter((id) => !isHalf(state, id));
    return (whole.length > 0 ? whole : state.linkedIds).reduce((a, b) => (compareIds(b, a) < 0 ? b : a));
  }

  #hasOutside(state: CallState): boolean {
    return state.channels.some((channel) => this.#isOutside(channel));
  }

  #isOutside(channel: ChannelFacts): boolean {
    return roleOf(firstName(channel), channel.callerNumber?.value ?? '', this.#plan) === 'outside';
  }

  /** Nothing finds it any more; what is another call's by now (a name, a bridge) stays that one's. */
  remove(tracked: Tracked): void {
    const { source, linkedIds, channels } = tracked.state;
    const { byLinkedId, byUniqueId, byName, byBridge } = this.#indexOf(source);
    const drop = (index: Map<string, Tracked>, id: string) => {
      if (index.get(id) === tracked) index.delete(id);
    };
    for (const linkedId of linkedIds) drop(byLinkedId, linkedId);
    for (const channel of channels) {
      drop(byUniqueId, channel.id);
      for (const { name } of channel.names) drop(byName, name);
      for (const mark of channel.marks) drop(byBridge, mark.bridgeId);
    }
  }
}

type BridgeEntered = PbxEvent & { type: 'bridge-entered' };
/** A parking lot or a queue's waiting room is one bridge for strangers; a CDR row's bridge is made up. */
const isMeeting = (event: PbxEvent): event is BridgeEntered =>
  event.type === 'bridge-entered' && event.origin !== 'cdr' && event.bridgeType !== 'holding_bridge';

/** A CDR row of the second half of a Local pair, that lacks the linkedid: never a call of its own. */
const isHalf = ({ channels }: CallState, linkedId: string): boolean => {
  const origin = channels.find((channel) => channel.id === linkedId);
  return origin !== undefined && firstName(origin).startsWith('Local/') && firstName(origin).endsWith(';2');
};
