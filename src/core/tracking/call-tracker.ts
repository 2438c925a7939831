/**
 * Follows the calls of all sources: finds the call an event belongs to, folds it in, records the call, and makes the
 * outcome durable before anybody is told. Events that arrive while a step is being saved form the next step together,
 * so the store sees few large transactions under load and small prompt ones otherwise.
 */
import type { Call, Conversation, UnregisteredReason } from '../call.ts';
import type { PbxEvent } from '../pbx-event.ts';
import type { CallChange, CallStore, CallWatcher, Clock, Log, NumberPlan, PbxEventSink, StoredCall } from '../ports.ts';
import { channelOf, endOfCall, foldIntoCall, newCall, type CallState } from './call-machine.ts';
import { endOfChannel, firstName } from './channel-facts.ts';
import { recordCall } from './call-record.ts';
import { FollowedCalls, track, type Tracked } from './followed-calls.ts';
import { PersistentSaving } from './persistent-saving.ts';

export interface CallTrackerParts {
  readonly store: CallStore;
  readonly plan: NumberPlan;
  readonly clock: Clock;
  readonly log: Log;
  readonly watchers: readonly CallWatcher[];
  /** Black and white lists: why a conversation that would be registered is not; null lets it pass. */
  readonly screen: (call: Call, conversation: Conversation) => UnregisteredReason | null;
  readonly settings: TrackerSettings;
  /** Told when an ended call leaves memory: nothing more is expected of it. */
  readonly onForgotten?: (call: Call) => void;
}

export interface TrackerSettings {
  /** False: calls between employees are followed, in case a client joins, but never saved. */
  readonly keepsInternal: boolean;
  /** How long an ended call stays in memory for late events, by the PBX's clock. */
  readonly graceMs: number;
  /** How long CEL and CDR have to close a call that a resync no longer finds, before it is closed at the last known time. */
  readonly vanishedMs: number;
  /** A call of which nothing was heard for so long has lost its end: no source may leave a call open for ever. */
  readonly silentMs: number;
  /** Waits between attempts to save when the store fails; the last one repeats. */
  readonly saveRetryMs: readonly number[];
}

export const defaultTrackerSettings: TrackerSettings = {
  keepsInternal: true,
  graceMs: 20_000,
  vanishedMs: 20_000,
  silentMs: 12 * 3_600_000,
  saveRetryMs: [100, 500, 2_000, 5_000],
};

interface Waiting {
  readonly events: readonly PbxEvent[];
  readonly resolve: () => void;
}

export class CallTracker implements PbxEventSink {
  readonly #parts: CallTrackerParts;
  readonly #calls: FollowedCalls;
  readonly #saving: PersistentSaving;
  readonly #streamAt = new Map<string, number>();
  /** Ended calls in their time of grace, in the order of ending. */
  readonly #ended = new Set<Tracked>();
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(parts: CallTrackerParts) {
    this.#parts = parts;
    this.#calls = new FollowedCalls(parts.plan);
    this.#saving = new PersistentSaving({ store: parts.store, log: parts.log, retryMs: parts.settings.saveRetryMs });
  }

  /** Takes up the calls that were open when the service last stopped. */
  async restore(source: string): Promise<void> {
    // A call that just ended may still turn out to be a part of one that lasts (a consultation, a retrieval from parking).
    const { store, settings } = this.#parts;
    for (const stored of await store.loadFollowed(source, settings.graceMs)) this.#adopt(stored);
  }

  /** Another node follows this source from now on. */
  release(source: string): void {
    for (const tracked of this.#calls.all()) {
      if (tracked.state.source !== source) continue;
      this.#ended.delete(tracked);
      this.#forget(tracked);
    }
  }

  /** Resolves once everything these events changed is durable. Never rejects: a failing store is retried until it works. */
  accept(events: readonly PbxEvent[]): Promise<void> {
    if (events.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ events, resolve });
      this.#running ??= this.#run();
    });
  }

  async resynced(snapshot: {
    readonly source: string;
    readonly at: number;
    readonly uniqueIds: ReadonlySet<string>;
    /** The last moment before the break at which the source was heard. */
    readonly lastHeardAt?: number | null;
  }): Promise<void> {
    const now = this.#parts.clock.now().getTime();
    for (const tracked of this.#calls.all()) {
      const { state } = tracked;
      if (state.source !== snapshot.source || endOfCall(state) !== null) continue;
      const isAlive = state.channels.some(
        (channel) => endOfChannel(channel) === null && snapshot.uniqueIds.has(channel.id),
      );
      if (isAlive) {
        tracked.vanished = null;
        tracked.aliveAt = now;
        continue;
      }
      const lastAt = lastEventAt(state);
      // Younger than the snapshot: it began while the channels were being listed.
      if (lastAt >= snapshot.at) continue;
      tracked.vanished ??= {
        noticedAt: now,
        endedAt: Math.max(lastAt, Math.min(snapshot.lastHeardAt ?? lastAt, snapshot.at)),
      };
    }
  }

  /** To be called about once a second: closes what vanished and was closed by nobody. */
  async tick(): Promise<void> {
    const now = this.#parts.clock.now().getTime();
    const closing: PbxEvent[] = [];
    for (const tracked of this.#calls.all()) {
      const { state } = tracked;
      if (tracked.vanished === null && endOfCall(state) === null) {
        const endedAt = lastEventAt(state);
        const isSilent = now - Math.max(endedAt, tracked.aliveAt) > this.#parts.settings.silentMs;
        if (isSilent) tracked.vanished = { noticedAt: now, endedAt };
      }
      const { vanished } = tracked;
      if (vanished === null || now - vanished.noticedAt < this.#parts.settings.vanishedMs) continue;
      tracked.vanished = null;
      if (endOfCall(state) !== null) continue;
      this.#parts.log.warn(
        { call: state.linkedId, source: state.source },
        'call vanished while nobody listened; closed at the last known time',
      );
      for (const channel of state.channels) {
        if (endOfChannel(channel) !== null) continue;
        closing.push({
          type: 'hung-up',
          source: state.source,
          origin: 'resync',
          at: vanished.endedAt,
          linkedId: state.linkedId,
          uniqueId: channel.id,
          channel: firstName(channel),
          cause: null,
          dialStatus: null,
        });
      }
      for (const linkedId of state.linkedIds) {
        closing.push({
          type: 'call-ended',
          source: state.source,
          origin: 'resync',
          at: vanished.endedAt,
          linkedId,
          uniqueId: state.linkedId,
          channel: '',
        });
      }
    }
    await this.accept(closing);
  }

  /** Calls that last, for the live view. */
  openCalls(): Call[] {
    const calls: Call[] = [];
    for (const tracked of this.#calls.all()) {
      if (tracked.call !== null && tracked.call.endedAt === null) calls.push(tracked.call);
    }
    return calls;
  }

  /** Calls held in memory, open or in grace. */
  get size(): number {
    return this.#calls.all().size;
  }

  /** Everything still in memory, open calls included; for a replay that has reached its end. */
  remaining(): Call[] {
    return [...this.#calls.all()].map((tracked) => tracked.call).filter((call) => call !== null);
  }

  /** Why the last attempt to save failed; null when it worked. */
  get saveFailure(): string | null {
    return this.#saving.failure;
  }

  /** Lets the step in progress finish; what cannot be saved then is left to CEL and CDR after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#saving.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const step = this.#waiting;
        this.#waiting = [];
        await this.#step(step.flatMap((entry) => entry.events));
        for (const entry of step) entry.resolve();
        if (this.#stopped) return;
      }
    } finally {
      this.#running = null;
    }
  }

  async #step(events: readonly PbxEvent[]): Promise<void> {
    await this.#saving.untilItWorks(() => this.#loadUnknown(events));
    const touched = new Set<Tracked>();
    for (const event of events) {
      const tracked = this.#calls.find(event, touched);
      const streamAt = this.#streamAt.get(event.source) ?? 0;
      if (event.at > streamAt) this.#streamAt.set(event.source, event.at);
      if (!foldIntoCall(tracked.state, event)) continue;
      tracked.newEvents.push(event);
      tracked.vanished = null;
      touched.add(tracked);
    }
    const changes: { tracked: Tracked; before: Call | null; change: CallChange }[] = [];
    for (const tracked of touched) {
      this.#calls.settleName(tracked);
      const call = this.#record(tracked.state);
      if (call === null) continue;
      if (!this.#parts.settings.keepsInternal && call.direction === 'internal') {
        tracked.call = call;
        if (call.endedAt !== null) this.#ended.add(tracked);
        continue;
      }
      const owed = owedOf(call, tracked.state).filter((id) => !tracked.owed.has(id));
      changes.push({
        tracked,
        before: tracked.call,
        change: { call, newEvents: tracked.newEvents, absorbed: tracked.absorbed, owed },
      });
    }
    const saved = await this.#saving.save(changes);
    for (const { tracked, before, change } of saved) {
      tracked.call = change.call;
      tracked.newEvents = [];
      tracked.absorbed = [];
      for (const id of change.owed) tracked.owed.add(id);
      this.#tell(before, change.call, tracked.state);
      if (change.call.endedAt !== null) this.#ended.add(tracked);
    }
    this.#evict();
  }

  #record(state: CallState): Call | null {
    return recordScreened(state, this.#parts.plan, this.#parts.screen);
  }

  /** A call that was evicted, or saved before a restart, goes on where it stood. */
  async #loadUnknown(events: readonly PbxEvent[]): Promise<void> {
    const unknown = new Map<string, Set<string>>();
    let last: PbxEvent | null = null;
    for (const event of events) {
      if (last?.linkedId === event.linkedId && last.source === event.source) continue;
      last = event;
      if (this.#calls.has(event.source, event.linkedId)) continue;
      const ids = unknown.get(event.source);
      if (ids === undefined) unknown.set(event.source, new Set([event.linkedId]));
      else ids.add(event.linkedId);
    }
    for (const [source, ids] of unknown) {
      for (const stored of await this.#parts.store.load(source, [...ids])) {
        if (!this.#calls.has(source, stored.linkedId)) this.#adopt(stored);
      }
    }
  }

  #adopt(stored: StoredCall): void {
    const state = stateFromEvents(stored);
    const tracked = { ...track(state), call: this.#record(state), owed: new Set(stored.owed) };
    this.#calls.addStored(tracked, stored.events);
    if (tracked.call !== null && tracked.call.endedAt !== null) this.#ended.add(tracked);
  }

  #tell(before: Call | null, after: Call, state: CallState): void {
    const knownById = new Map(before?.conversations.map((conversation) => [conversation.uniqueId, conversation]));
    for (const conversation of after.conversations) {
      const known = knownById.get(conversation.uniqueId);
      if (known === undefined) this.#stage('conversation_requested', after, conversation);
      if (conversation.answeredAt !== null && (known?.answeredAt ?? null) === null)
        this.#stage('conversation_accepted', after, conversation);
      if (conversation.endedAt !== null && (known?.endedAt ?? null) === null)
        this.#stage('conversation_ended', after, conversation);
    }
    if (after.endedAt !== null && (before?.endedAt ?? null) === null) this.#stage('call_ended', after, null);
    if (this.#parts.watchers.length === 0) return;
    const hungUp = new Set(after.conversations.map(({ uniqueId }) => uniqueId).filter((id) => hasHungUp(state, id)));
    for (const watcher of this.#parts.watchers) watcher.onChange?.(after, hungUp);
  }

  #stage(...stage: Parameters<CallWatcher['onStage']>): void {
    for (const watcher of this.#parts.watchers) watcher.onStage(...stage);
  }

  #forget(tracked: Tracked): void {
    this.#calls.remove(tracked);
    if (tracked.call !== null) this.#parts.onForgotten?.(tracked.call);
  }

  #evict(): void {
    for (const tracked of this.#ended) {
      const endedAt = endOfCall(tracked.state);
      const streamAt = this.#streamAt.get(tracked.state.source) ?? 0;
      if (endedAt !== null && streamAt - endedAt < this.#parts.settings.graceMs) break;
      this.#ended.delete(tracked);
      // Taken up again meanwhile, or not saved yet: it comes back with its next end.
      const isKept = this.#parts.settings.keepsInternal || tracked.call?.direction !== 'internal';
      if (tracked.isAbsorbed || endedAt === null || (isKept && tracked.newEvents.length > 0)) continue;
      this.#forget(tracked);
    }
  }
}

/** The record of a call with what the lists hold back marked as such; null while nothing of it is known. */
export function recordScreened(state: CallState, plan: NumberPlan, screen: CallTrackerParts['screen']): Call | null {
  const call = recordCall(state, plan);
  if (call === null) return null;
  const conversations = call.conversations.map((conversation) => {
    if (!conversation.registered) return conversation;
    const reason = screen(call, conversation);
    return reason === null ? conversation : { ...conversation, registered: false, reason };
  });
  return { ...call, conversations };
}

/** The state of a stored call, made again from its events. */
export function stateFromEvents(stored: StoredCall): CallState {
  const state = { ...newCall(stored.source, stored.linkedId), linkedIds: stored.linkedIds };
  for (const event of stored.events) foldIntoCall(state, event);
  return state;
}

/**
 * What is final and to be sent: an answered conversation once its phone or the client is gone, anything else once the
 * call is over (until then another phone may answer).
 */
function owedOf(call: Call, state: CallState): string[] {
  return call.conversations
    .filter((conversation) => {
      if (!conversation.registered || conversation.endedAt === null) return false;
      if (call.endedAt !== null) return true;
      const channel = channelOf(state, conversation.uniqueId);
      return conversation.result === 'answered' && channel !== undefined && endOfChannel(channel) !== null;
    })
    .map((conversation) => conversation.uniqueId);
}

function hasHungUp(state: CallState, uniqueId: string): boolean {
  const channel = channelOf(state, uniqueId);
  return channel !== undefined && endOfChannel(channel) !== null;
}

function lastEventAt(state: CallState): number {
  let last = 0;
  for (const channel of state.channels) {
    const moments = [channel.started, channel.ringing, channel.answered, channel.dialed, channel.ended].map(
      (moment) => moment?.at ?? 0,
    );
    last = Math.max(last, ...moments, channel.marks.at(-1)?.at ?? 0);
  }
  return last;
}
