/** The calls in memory, and the ways to find the one that an event belongs to. */
import type { Call } from '../call.ts';
import type { PbxEvent } from '../pbx-event.ts';
import type { NumberPlan } from '../ports.ts';
import { absorb, newCall, type CallState } from './call-machine.ts';
import { compareIds } from './call-view.ts';
import { firstName, rankOf } from './channel-facts.ts';
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

export class FollowedCalls {
  readonly #plan: NumberPlan;
  readonly #byLinkedId = new Map<string, Tracked>();
  readonly #byUniqueId = new Map<string, Tracked>();
  /** Where CDR rows, which know the dialled side by name only, find its channel. */
  readonly #byName = new Map<string, Tracked>();
  readonly #byBridge = new Map<string, Tracked>();

  constructor(plan: NumberPlan) {
    this.#plan = plan;
  }

  /** Each call once. */
  all(): Set<Tracked> {
    return new Set(this.#byLinkedId.values());
  }

  has(source: string, linkedId: string): boolean {
    return this.#byLinkedId.has(key(source, linkedId));
  }

  add(tracked: Tracked): void {
    const { source, linkedIds, channels } = tracked.state;
    for (const linkedId of linkedIds) this.#byLinkedId.set(key(source, linkedId), tracked);
    for (const channel of channels.values()) {
      if (!channel.id.includes('/')) this.#byUniqueId.set(key(source, channel.id), tracked);
      for (const { name } of channel.names) this.#byName.set(key(source, name), tracked);
      for (const mark of channel.marks)
        if (this.#byBridge.has(key(source, mark.bridgeId))) this.#byBridge.set(key(source, mark.bridgeId), tracked);
    }
  }

  /** A call from the store, made of these events: they tell in which bridges others may still meet it. */
  addStored(tracked: Tracked, events: readonly PbxEvent[]): void {
    this.add(tracked);
    for (const event of events) if (isMeeting(event)) this.#byBridge.set(key(event.source, event.bridgeId), tracked);
  }

  /**
   * The call that the event belongs to; a new one where none is known. Calls that turn out to be one are joined: the one
   * that goes on is added to `touched`, the other is taken out of it.
   */
  find(event: PbxEvent, touched: Set<Tracked>): Tracked {
    const linkedKey = key(event.source, event.linkedId);
    const uniqueKey = event.uniqueId === null || event.type === 'call-ended' ? null : key(event.source, event.uniqueId);
    // A CDR row that goes by its own uniqueid may lack the linkedid, or was written before its call was joined to another.
    const isNamedOnly = uniqueKey === null || (event.origin === 'cdr' && event.linkedId === event.uniqueId);
    const byChannel =
      (uniqueKey === null ? undefined : this.#byUniqueId.get(uniqueKey)) ??
      (isNamedOnly ? this.#holderOf(event) : undefined);
    const byLink = this.#byLinkedId.get(linkedKey);
    let tracked = byChannel ?? byLink;
    if (tracked === undefined) {
      tracked = track(newCall(event.source, event.linkedId));
      this.#byLinkedId.set(linkedKey, tracked);
    } else if (byChannel !== undefined && byLink !== undefined && byChannel !== byLink) {
      tracked = this.#join(byChannel, byLink, touched);
    } else if (byLink === undefined) {
      tracked.state = { ...tracked.state, linkedIds: [...tracked.state.linkedIds, event.linkedId] };
      this.#byLinkedId.set(linkedKey, tracked);
      touched.add(tracked);
    }
    if (uniqueKey !== null) this.#byUniqueId.set(uniqueKey, tracked);
    if (event.channel !== '' && event.type !== 'call-ended')
      this.#byName.set(key(event.source, event.channel), tracked);
    return isMeeting(event) ? this.#meet(tracked, event, touched) : tracked;
  }

  /**
   * The call with the channel that had this name at that time, or with its other half if it is one of a Local pair: names
   * come again after a restart of the PBX.
   */
  #holderOf(event: PbxEvent): Tracked | undefined {
    if (event.type === 'call-ended') return undefined;
    for (const name of [event.channel, otherHalf(event.channel)]) {
      const tracked = name === null ? undefined : this.#byName.get(key(event.source, name));
      if (tracked === undefined) continue;
      for (const channel of tracked.state.channels.values()) {
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
    const bridgeKey = key(event.source, event.bridgeId);
    const other = this.#byBridge.get(bridgeKey);
    if (other === undefined || other === tracked) {
      this.#byBridge.set(bridgeKey, tracked);
      return tracked;
    }
    return this.#join(tracked, other, touched);
  }

  /**
   * A channel of one call now goes by the linkedid of another. A call without an outside party is part of the other
   * (a consultation, a pickup, a retrieval from parking); two clients' calls stay two.
   */
  #join(own: Tracked, other: Tracked, touched: Set<Tracked>): Tracked {
    const ownHasClient = this.#hasOutside(own.state) && !isHalf(own.state);
    const otherHasClient = this.#hasOutside(other.state) && !isHalf(other.state);
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

  #hasOutside(state: CallState): boolean {
    for (const channel of state.channels.values()) {
      if (roleOf(firstName(channel), channel.callerNumber?.value ?? '', this.#plan) === 'outside') return true;
    }
    return false;
  }

  /** Nothing finds it any more; what is another call's by now (a name, a bridge) stays that one's. */
  remove(tracked: Tracked): void {
    const { source, linkedIds, channels } = tracked.state;
    const drop = (index: Map<string, Tracked>, id: string) => {
      if (index.get(key(source, id)) === tracked) index.delete(key(source, id));
    };
    for (const linkedId of linkedIds) drop(this.#byLinkedId, linkedId);
    for (const channel of channels.values()) {
      drop(this.#byUniqueId, channel.id);
      for (const { name } of channel.names) drop(this.#byName, name);
      for (const mark of channel.marks) drop(this.#byBridge, mark.bridgeId);
    }
  }
}

type BridgeEntered = PbxEvent & { type: 'bridge-entered' };
/** A parking lot or a queue's waiting room is one bridge for strangers; a CDR row's bridge is made up. */
const isMeeting = (event: PbxEvent): event is BridgeEntered =>
  event.type === 'bridge-entered' && event.origin !== 'cdr' && event.bridgeType !== 'holding_bridge';

/** A CDR row of the second half of a Local pair, that lacks the linkedid: never a call of its own. */
const isHalf = ({ channels, linkedId }: CallState): boolean => {
  const origin = channels.get(linkedId);
  return origin !== undefined && firstName(origin).startsWith('Local/') && firstName(origin).endsWith(';2');
};

const key = (source: string, id: string): string => `${source}\n${id}`;
