import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '../../../src/core/call.ts';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import type { CallChange, CallStore, Log, StoredCall } from '../../../src/core/ports.ts';
import { CallTracker, defaultTrackerSettings, type TrackerSettings } from '../../../src/core/tracking/call-tracker.ts';
import { createCallStore } from '../../../src/storage/call-store.ts';
import { openDatabase, type Database } from '../../../src/storage/connection.ts';
import { migrateDatabase } from '../../../src/storage/migrate.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { diceOfThisRun, shuffled } from '../../support/random-seed.ts';
import {
  amiEvents,
  celEvents,
  labNumbering,
  readRecordedStories,
  type RecordedStory,
} from '../../support/recorded-traffic.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';

const stories = readRecordedStories('asterisk-22');
const storyNamed = (name: string) => stories.find((story) => story.name === name)!;

/** What is told, in the order in which it is told, as of a phone system of this name. */
function eventsOf(
  story: RecordedStory,
  source = 'pbx',
  told = [amiEvents(story.ami), celEvents(story.cel)],
): PbxEvent[] {
  return told
    .flatMap((events) => {
      // The CDR of a call is told at its end and reaches back to its start.
      let toldAt = 0;
      return events.map((event) => ({ event, toldAt: (toldAt = Math.max(toldAt, event.at)) }));
    })
    .sort((a, b) => a.toldAt - b.toldAt)
    .map(({ event }) => ({ ...event, source }));
}

/** A ledger in memory that keeps what a store must keep, and fails as it is told to. */
class MemoryStore implements CallStore {
  readonly saved: CallChange[] = [];
  attempts = 0;
  fails: (changes: readonly CallChange[]) => boolean = () => false;
  readonly #events = new Map<string, StoredCall>();

  async save(changes: readonly CallChange[]): Promise<void> {
    this.attempts++;
    if (this.fails(changes)) throw new Error('the disk is full');
    for (const change of changes) {
      this.saved.push(change);
      const { source, linkedId, linkedIds } = change.call;
      const known = this.#events.get(linkedId);
      this.#events.set(linkedId, {
        source,
        linkedId,
        linkedIds,
        events: [...(known?.events ?? []), ...change.newEvents],
        owed: [...(known?.owed ?? []), ...change.owed],
      });
    }
  }
  async load(source: string, linkedIds: readonly string[]): Promise<readonly StoredCall[]> {
    return [...this.#events.values()].filter(
      (stored) => stored.source === source && stored.linkedIds.some((id) => linkedIds.includes(id)),
    );
  }
  async loadFollowed(): Promise<readonly StoredCall[]> {
    return [];
  }
  /** The last word on each call. */
  get calls(): Call[] {
    return [...new Map(this.saved.map(({ call }) => [call.linkedId, call])).values()];
  }
}

function createTracker(options: {
  readonly store: CallStore;
  readonly clock?: FixedClock;
  readonly mobiles?: readonly string[];
  readonly log?: Log;
  readonly settings?: Partial<TrackerSettings>;
}): CallTracker {
  return new CallTracker({
    store: options.store,
    plan: labNumbering(options.mobiles ?? []),
    clock: options.clock ?? new FixedClock(),
    log: options.log ?? silentLog,
    watchers: [],
    screen: () => null,
    settings: { ...defaultTrackerSettings, saveRetryMs: [1, 1, 1], ...options.settings },
  });
}

const shufflesOfEach = 3;

describe('the call tracker', () => {
  describe('that is ended at any moment and begins again', function () {
    this.timeout(120_000);
    let folder: string;
    let database: Database;
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'ringledger-tracker-'));
      database = await openDatabase({ kind: 'sqlite', path: join(folder, 'ledger.sqlite') });
      await migrateDatabase(database);
    });
    after(async () => {
      await database.close();
      rmSync(folder, { recursive: true });
    });

    const storeOf = () => createCallStore({ database, crms: ['local'], settleMs: 0, clock: new FixedClock() });

    /** What stands in the ledger of this phone system, without its name. */
    async function ledgerOf(source: string) {
      const of = (table: string, columns: string[]) =>
        database
          .knex(table)
          .where({ source })
          .orderBy(columns)
          .select(...columns);
      const calls = ['linked_id', 'direction', 'client', 'did', 'result', 'started_at', 'ended_at', 'is_ivr'];
      const conversations = ['unique_id', 'extension', 'result', 'registered', 'reason', 'requested_at'];
      const times = ['answered_at', 'ended_at', 'duration', 'waiting', 'recording', 'forwarded_to', 'request_id'];
      return {
        calls: await of('calls', calls),
        conversations: await of('conversations', [...conversations, ...times]),
        deliveries: await of('deliveries', ['unique_id', 'crm', 'kind']),
      };
    }

    /** Follows the events in steps; at each cut the tracker is dropped and a new one goes on, told the last few again. */
    async function follow(
      story: RecordedStory,
      source: string,
      cuts: readonly number[],
      { told, toldAgain = 7 }: { readonly told?: PbxEvent[][]; readonly toldAgain?: number } = {},
    ): Promise<object> {
      const store = storeOf();
      const events = eventsOf(story, source, told);
      let tracker = createTracker({ store, mobiles: story.mobiles });
      let at = 0;
      for (const cut of [...cuts, events.length]) {
        const step = Math.max(1, Math.ceil((cut - at) / 3));
        for (let from = at; from < cut; from += step)
          await tracker.accept(events.slice(from, Math.min(cut, from + step)));
        await tracker.stop();
        at = Math.max(0, cut - toldAgain);
        tracker = createTracker({ store, mobiles: story.mobiles });
        await tracker.restore(source);
      }
      return ledgerOf(source);
    }

    it('leaves the ledger and the debts of an unbroken run, for every story', async () => {
      const dice = diceOfThisRun();
      for (const [index, story] of stories.entries()) {
        const unbroken = await follow(story, `${story.name} unbroken`, []);
        const { length } = eventsOf(story);
        for (const run of [1, 2, 3]) {
          const cuts = Array.from({ length: 1 + ((index + run) % 4) }, () => Math.floor(dice() * length));
          cuts.sort((a, b) => a - b);
          const broken = await follow(story, `${story.name} ${run}`, cuts);
          assert.deepEqual(broken, unbroken, `${story.name}, cut at ${cuts.join(', ')} of ${length}`);
        }
      }
    });

    // Nothing but the bridge says that these belong together, and it may be told just before the end and just after the beginning.
    for (const [name, tell] of Object.entries({
      AMI: (story: RecordedStory) => [amiEvents(story.ami)],
      CEL: (story: RecordedStory) => [celEvents(story.cel)],
    })) {
      it(`joins who meet in a bridge, told by ${name}, wherever it is ended`, async () => {
        const story = storyNamed('park-and-retrieve');
        const told = tell(story);
        const unbroken = await follow(story, `park ${name}`, [], { told });
        for (let cut = 1; cut < told.flat().length; cut++) {
          const broken = await follow(story, `park ${name} ${cut}`, [cut], { told, toldAgain: 0 });
          assert.deepEqual(broken, unbroken, `cut at ${cut}`);
        }
      });
    }

    it('leaves the same calls in the ledger whatever the order, cut anywhere and begun again between', async () => {
      const dice = diceOfThisRun();
      const callsOf = async (source: string) => {
        const { calls, conversations } = await ledgerOf(source);
        // The ledger takes no recording from somebody who talked, and one may have been given to a consultation at the time.
        const known = conversations.map((one) =>
          Boolean(one.registered) || one.answered_at === null ? one : { ...one, recording: null },
        );
        return { calls, conversations: known };
      };
      for (const story of stories) {
        const inOrder = `shuffled ${story.name}, in order`;
        const tracker = createTracker({ store: storeOf(), mobiles: story.mobiles });
        await tracker.accept(eventsOf(story, inOrder));
        await tracker.stop();
        for (let round = 1; round <= shufflesOfEach; round++) {
          const source = `shuffled ${story.name}, ${round}`;
          const events = eventsOf(story, source);
          const told = shuffled([...events, ...events.filter(() => dice() < 0.1)], dice);
          const store = storeOf();
          let tracker = createTracker({ store, mobiles: story.mobiles });
          for (let from = 0; from < told.length;) {
            const to = from + 1 + Math.floor(dice() ** 2 * told.length);
            await tracker.accept(told.slice(from, to));
            from = to;
            if (dice() < 0.5) continue;
            await tracker.stop();
            tracker = createTracker({ store, mobiles: story.mobiles });
            await tracker.restore(source);
          }
          await tracker.stop();
          assert.deepEqual(await callsOf(source), await callsOf(inOrder), source);
          const { conversations, deliveries } = await ledgerOf(source);
          const owed = new Set(deliveries.map((debt) => debt.unique_id));
          const unpaid = conversations.filter((one) => Boolean(one.registered) && !owed.has(one.unique_id));
          assert.deepEqual(unpaid, [], source);
        }
      }
      // What seemed over and was not is owed too, and is not sent when its turn comes.
      await database.knex('deliveries').whereLike('source', 'shuffled %').delete();
      await database.knex('conversations').whereLike('source', 'shuffled %').delete();
    });

    it('owes exactly what is registered at the end, for every story', async () => {
      const owed = await database.knex('deliveries').select('source', 'unique_id').orderBy(['source', 'unique_id']);
      const registered = await database
        .knex('conversations')
        .where({ registered: true })
        .select('source', 'unique_id')
        .orderBy(['source', 'unique_id']);
      assert.deepEqual(owed, registered);
      assert.ok(owed.length > stories.length);
    });
  });

  describe('told one event at a time', () => {
    const tellers = {
      'AMI with CDR': (story: RecordedStory) => [amiEvents(story.ami)],
      CEL: (story: RecordedStory) => [celEvents(story.cel)],
      'AMI with CDR, and CEL': (story: RecordedStory) => [amiEvents(story.ami), celEvents(story.cel)],
    };
    for (const [name, told] of Object.entries(tellers)) {
      it(`owes a conversation only when nothing of it changes any more, for every story told by ${name}`, async () => {
        for (const story of stories) {
          const store = new MemoryStore();
          const tracker = createTracker({ store, mobiles: story.mobiles });
          for (const event of eventsOf(story, 'pbx', told(story))) await tracker.accept([event]);
          const last = store.calls.flatMap((call) => call.conversations).filter((one) => one.registered);
          const owed = store.saved.flatMap(({ call, owed }) =>
            call.conversations.filter((conversation) => owed.includes(conversation.uniqueId)),
          );
          const facts = (conversations: typeof owed) =>
            conversations
              .map(({ uniqueId, extension, result, duration, forwardedTo }) =>
                [uniqueId, extension, result, duration, forwardedTo].join(' '),
              )
              .sort();
          assert.deepEqual(facts(owed), facts(last), story.name);
          await tracker.stop();
        }
      }).timeout(30_000);
    }
  });

  describe('with a store that fails', () => {
    it('acknowledges events only once they are durable, and loses none', async () => {
      const store = new MemoryStore();
      store.fails = () => true;
      const tracker = createTracker({ store });
      const events = eventsOf(storyNamed('inbound-answered'));
      let isAcknowledged = false;
      const accepted = tracker.accept(events.slice(0, 20)).then(() => (isAcknowledged = true));
      await until(() => store.attempts >= 8);
      assert.equal(isAcknowledged, false);
      assert.equal(tracker.saveFailure, 'the disk is full');
      const later = tracker.accept(events.slice(20));
      store.fails = () => false;
      await Promise.all([accepted, later]);
      assert.equal(tracker.saveFailure, null);
      const clean = new MemoryStore();
      await createTracker({ store: clean }).accept(events);
      assert.deepEqual(store.calls, clean.calls);
      assert.deepEqual(
        store.saved.flatMap((change) => change.owed),
        clean.saved.flatMap((change) => change.owed),
      );
      await tracker.stop();
    });

    it('saves the others when it always refuses one call, and tries that one again with its next event', async () => {
      const store = new MemoryStore();
      const log = createKeptLog();
      const refused = eventsOf(storyNamed('inbound-answered'));
      const others = eventsOf(storyNamed('caller-gives-up'));
      const refusedId = refused[0]!.linkedId;
      store.fails = (changes) => changes.some((change) => change.call.linkedId === refusedId);
      const tracker = createTracker({ store, log });
      await tracker.accept([...refused.slice(0, -5), ...others]);
      assert.deepEqual(
        store.calls.map((call) => [call.linkedId, call.result]),
        [[others[0]!.linkedId, 'missed']],
      );
      assert.ok(log.lines.some(({ level, fields }) => level === 'error' && fields.call === refusedId));
      store.fails = () => false;
      await tracker.accept(refused.slice(-5));
      const clean = new MemoryStore();
      await createTracker({ store: clean }).accept(refused);
      assert.deepEqual(
        store.calls.find((call) => call.linkedId === refusedId),
        clean.calls[0],
      );
      const storedEvents = store.saved
        .filter(({ call }) => call.linkedId === refusedId)
        .flatMap((one) => one.newEvents);
      assert.deepEqual(
        storedEvents,
        clean.saved.flatMap((one) => one.newEvents),
      );
      await tracker.stop();
    });

    it('can be stopped while the store fails', async () => {
      const store = new MemoryStore();
      store.fails = () => true;
      const tracker = createTracker({ store, settings: { saveRetryMs: [60_000] } });
      void tracker.accept(eventsOf(storyNamed('inbound-answered')));
      await until(() => store.attempts > 0);
      await tracker.stop();
    });
  });

  describe('after a break of the connection', () => {
    const story = storyNamed('inbound-answered');
    const live = amiEvents(story.ami);
    const answeredAt = live.filter((event) => event.type === 'bridge-entered').at(-1)!.at;
    const seen = live.filter((event) => event.at <= answeredAt);

    async function breakDuringTalk(settings: Partial<TrackerSettings> = {}) {
      const store = new MemoryStore();
      const clock = new FixedClock(new Date(answeredAt + 60_000));
      const tracker = createTracker({ store, clock, settings });
      await tracker.accept(seen);
      return { store, clock, tracker };
    }
    const snapshot = (fields: { uniqueIds?: ReadonlySet<string>; lastHeardAt?: number }) => ({
      source: 'pbx',
      at: answeredAt + 60_000,
      uniqueIds: new Set<string>(),
      ...fields,
    });

    it('closes a call that is gone at the time the source was last heard, once CEL had its time', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced(snapshot({ lastHeardAt: Math.floor(answeredAt) + 2_500 }));
      clock.advance(defaultTrackerSettings.vanishedMs - 1);
      await tracker.tick();
      assert.equal(store.calls[0]!.endedAt, null);
      clock.advance(1);
      await tracker.tick();
      const [call] = store.calls;
      assert.equal(call?.endedAt?.getTime(), Math.floor(answeredAt) + 2_500);
      assert.deepEqual(
        call.conversations.map((one) => [one.result, one.duration]),
        [['answered', 3]],
      );
      assert.equal(store.saved.flatMap((change) => change.owed).length, 1);
      await tracker.stop();
    });

    it('closes a call of which nothing was heard for half a day, unless a resync found it alive', async () => {
      for (const isAlive of [false, true]) {
        const { store, clock, tracker } = await breakDuringTalk();
        clock.advance(defaultTrackerSettings.silentMs - 120_000);
        if (isAlive) {
          const [uniqueId] = store.calls[0]!.conversations.map((conversation) => conversation.uniqueId);
          await tracker.resynced({ ...snapshot({ uniqueIds: new Set([uniqueId!]) }), at: clock.now().getTime() });
        }
        clock.advance(120_000);
        await tracker.tick();
        clock.advance(defaultTrackerSettings.vanishedMs);
        await tracker.tick();
        assert.equal(store.calls[0]!.endedAt !== null, !isAlive);
        await tracker.stop();
      }
    });

    it('never closes it before the last thing that was told of it', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced(snapshot({ lastHeardAt: answeredAt - 5_000 }));
      clock.advance(defaultTrackerSettings.vanishedMs);
      await tracker.tick();
      assert.ok(store.calls[0]!.endedAt!.getTime() >= Math.floor(answeredAt));
      await tracker.stop();
    });

    it('puts the end right when CEL tells it after all, and owes nothing twice', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced(snapshot({ lastHeardAt: answeredAt + 500 }));
      clock.advance(defaultTrackerSettings.vanishedMs);
      await tracker.tick();
      await tracker.accept(celEvents(story.cel));
      const clean = new MemoryStore();
      await createTracker({ store: clean }).accept(celEvents(story.cel));
      const [call] = store.calls;
      assert.deepEqual(call!.endedAt, clean.calls[0]!.endedAt);
      assert.equal(call!.conversations[0]!.duration, clean.calls[0]!.conversations[0]!.duration);
      assert.equal(store.saved.flatMap((change) => change.owed).length, 1);
      await tracker.stop();
    });

    it('leaves it to CEL when that comes in time', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced(snapshot({ lastHeardAt: answeredAt }));
      await tracker.accept(celEvents(story.cel));
      const ended = store.calls[0]!.endedAt;
      const saves = store.saved.length;
      clock.advance(defaultTrackerSettings.vanishedMs * 2);
      await tracker.tick();
      assert.notEqual(ended, null);
      assert.equal(store.saved.length, saves);
      await tracker.stop();
    });

    it('goes on with a call of which a channel is still there', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced(snapshot({ uniqueIds: new Set([live[0]!.uniqueId!]), lastHeardAt: answeredAt }));
      clock.advance(3_600_000);
      await tracker.tick();
      assert.equal(store.calls[0]!.endedAt, null);
      assert.equal(tracker.openCalls().length, 1);
      await tracker.stop();
    });

    it('lets calls alone that began after the channels were listed', async () => {
      const { store, clock, tracker } = await breakDuringTalk();
      await tracker.resynced({ ...snapshot({}), at: answeredAt - 1 });
      clock.advance(3_600_000);
      await tracker.tick();
      assert.equal(store.calls[0]!.endedAt, null);
      await tracker.stop();
    });
  });

  it('keeps calls between employees out of the ledger when so configured, and those with a client in', async () => {
    const store = new MemoryStore();
    const tracker = createTracker({ store, settings: { keepsInternal: false } });
    await tracker.accept(eventsOf(storyNamed('internal-answered')));
    assert.deepEqual(store.saved, []);
    await tracker.accept(eventsOf(storyNamed('attended-transfer-dtmf')));
    assert.deepEqual(
      store.calls.map((call) => call.direction),
      ['inbound'],
    );
    await tracker.stop();
  });

  it('forgets internal calls that it does not keep', async () => {
    const store = new MemoryStore();
    const tracker = createTracker({ store, settings: { keepsInternal: false, graceMs: 0 } });
    await tracker.accept(eventsOf(storyNamed('internal-answered')));
    await tracker.accept(eventsOf(storyNamed('inbound-answered')));
    assert.equal(tracker.size, 0);
    await tracker.stop();
  });

  it('forgets a source that another node follows from now on, and no other', async () => {
    const store = new MemoryStore();
    const tracker = createTracker({ store });
    const open = eventsOf(storyNamed('inbound-answered')).slice(0, 20);
    await tracker.accept(open);
    await tracker.accept(open.map((event) => ({ ...event, source: 'branch' })));
    assert.equal(tracker.size, 2);
    tracker.release('pbx');
    assert.deepEqual(
      tracker.openCalls().map((call) => call.source),
      ['branch'],
    );
    assert.equal(tracker.size, 1);
    await tracker.stop();
  });
});
