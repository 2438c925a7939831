import assert from 'node:assert/strict';
import type { CallChange } from '../../src/core/ports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { Database } from '../../src/storage/connection.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { numberedChange, sampleCall, sampleConversation, sampleEvent } from '../support/ledger-samples.ts';

const change = (fields: Partial<CallChange> = {}): CallChange => ({
  call: sampleCall(),
  newEvents: [],
  absorbed: [],
  owed: [],
  ...fields,
});

async function countRows(database: Database): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of ['calls', 'call_links', 'conversations', 'call_events', 'deliveries']) {
    counts[table] = (await database.knex(table).select('*')).length;
  }
  return counts;
}

describe('the call store', () => {
  forEachDatabase((makeDatabase) => {
    const clock = new FixedClock();
    const makeStore = async (crms: readonly string[] = ['local', 'kommo']) => {
      const { database } = await makeDatabase();
      return { database, store: createCallStore({ database, crms, settleMs: 3_000, clock }) };
    };

    it('gives back a call exactly as it was saved, to the millisecond', async () => {
      const { store } = await makeStore();
      const call = sampleCall({
        clientName: 'Йод "ё" 🙂\u0007',
        conversations: [
          sampleConversation({
            uniqueId: 'b',
            recording: '/monitor/1.wav',
            forwardedTo: '+79160000000',
            requestId: 'r1',
          }),
          sampleConversation({
            uniqueId: 'a',
            answeredAt: null,
            endedAt: null,
            registered: false,
            reason: 'rang_elsewhere',
          }),
        ],
      });
      await store.save([change({ call })]);
      assert.deepEqual(await store.conversation('office', 'a'), { call, conversation: call.conversations[1] });
      assert.equal(await store.conversation('office', 'nobody'), null);
      assert.equal(await store.conversation('other', 'a'), null);
    });

    it('changes nothing when the same changes are saved again', async () => {
      const { store, database } = await makeStore();
      const changes = [numberedChange(1, 2), numberedChange(2), change({ owed: ['1795246371.3'] })];
      await store.save(changes);
      const before = await countRows(database);
      await store.save(changes);
      await store.save([...changes].reverse());
      assert.deepEqual(await countRows(database), before);
      assert.deepEqual(before, { calls: 3, call_links: 3, conversations: 4, call_events: 2, deliveries: 8 });
    });

    it('owes each configured CRM one delivery per conversation, due when the call has settled', async () => {
      const { store, database } = await makeStore();
      await store.save([change({ owed: ['1795246371.3'] })]);
      const deliveries = createDeliveryStore({ database, clock });
      const claim = { crm: 'kommo', node: 'a', limit: 10, leaseMs: 60_000 };
      const savedAt = clock.now();
      assert.deepEqual(await deliveries.claim({ ...claim, now: savedAt }), []);
      clock.advance(3_000);
      const [delivery, ...others] = await deliveries.claim({ ...claim, now: clock.now() });
      assert.deepEqual(others, []);
      assert.equal(delivery?.uniqueId, '1795246371.3');
      assert.equal(delivery?.linkedId, '1795246371.2');
      assert.deepEqual(delivery?.createdAt, savedAt);
      assert.deepEqual(await deliveries.counts(), [
        { crm: 'kommo', state: 'leased', count: 1 },
        { crm: 'local', state: 'pending', count: 1 },
      ]);
    });

    it('announces new debts after the commit, and only those', async () => {
      const { database } = await makeDatabase();
      let announced = 0;
      const announce = () => void announced++;
      const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock, announce });
      await store.save([change()]);
      assert.equal(announced, 0);
      await store.save([change({ owed: ['1795246371.3'] })]);
      assert.equal(announced, 1);
    });

    it('takes the tracker at its word, but never loses a recording', async () => {
      const { store } = await makeStore();
      const recorded = sampleConversation({ recording: '/monitor/good.wav', duration: 3 });
      await store.save([change({ call: sampleCall({ conversations: [recorded] }) })]);
      for (const recording of [null, '']) {
        const later = sampleConversation({ recording, duration: 7, result: 'answered' });
        await store.save([change({ call: sampleCall({ client: null, conversations: [later] }) })]);
        const found = await store.conversation('office', later.uniqueId);
        assert.equal(found?.conversation.recording, '/monitor/good.wav');
        assert.equal(found?.conversation.duration, 7);
        assert.equal(found?.call.client, null);
      }
      const better = sampleConversation({ recording: '/monitor/better.wav' });
      await store.save([change({ call: sampleCall({ conversations: [better] }) })]);
      assert.equal(
        (await store.conversation('office', better.uniqueId))?.conversation.recording,
        '/monitor/better.wav',
      );
    });

    it('takes a recording from a phone that did not talk after all', async () => {
      const { store } = await makeStore();
      await store.save([
        change({ call: sampleCall({ conversations: [sampleConversation({ recording: '/a.wav' })] }) }),
      ]);
      const silent = { answeredAt: null, result: 'no_answer', registered: false, reason: 'rang_elsewhere' } as const;
      const later = sampleConversation({ recording: null, ...silent });
      await store.save([change({ call: sampleCall({ conversations: [later] }) })]);
      assert.equal((await store.conversation('office', later.uniqueId))?.conversation.recording, null);
    });

    it('drops a conversation that the call no longer has', async () => {
      const { store } = await makeStore();
      const client = sampleConversation({ uniqueId: '1795246371.2', extension: null, result: 'missed' });
      await store.save([change({ call: sampleCall({ conversations: [client] }) })]);
      await store.save([change()]);
      assert.equal(await store.conversation('office', '1795246371.2'), null);
      assert.equal((await store.conversation('office', '1795246371.3'))?.call.conversations.length, 1);
    });

    it('gives back the stored events in order, each once, for any linkedid of the call', async () => {
      const { store } = await makeStore();
      const events = [1, 2, 3, 4].map((at) => sampleEvent('L1', at));
      const call = sampleCall({ linkedId: 'L1', linkedIds: ['L1', 'L9'], endedAt: null });
      await store.save([change({ call, newEvents: events.slice(0, 2) })]);
      await store.save([change({ call, newEvents: events.slice(2, 3) })]);
      await store.save([change({ call, newEvents: events.slice(2, 4), owed: ['1795246371.3'] })]);
      const expected = { source: 'office', linkedId: 'L1', linkedIds: ['L1', 'L9'], events, owed: ['1795246371.3'] };
      assert.deepEqual(await store.load('office', ['L9']), [expected]);
      assert.deepEqual(await store.load('office', ['L1', 'L9', 'unknown']), [expected]);
      assert.deepEqual(await store.load('office', ['unknown']), []);
      assert.deepEqual(await store.load('other', ['L1']), []);
    });

    it('gives back for a start the calls that last, and those that ended last', async () => {
      const { store } = await makeStore();
      const startedAt = new Date('2026-11-21T07:00:00.000Z');
      const at = (seconds: number) => new Date(startedAt.getTime() + seconds * 1000);
      const calls = [
        { linkedId: 'L1', endedAt: null },
        { linkedId: 'L2', endedAt: at(79) },
        { linkedId: 'L3', endedAt: at(81) },
        { linkedId: 'L4', endedAt: at(100) },
      ].map(({ linkedId, endedAt }, index) =>
        sampleCall({ linkedId, linkedIds: [linkedId], startedAt: at(index), endedAt, conversations: [] }),
      );
      await store.save(calls.map((call) => change({ call })));
      const idsOf = async (source: string) =>
        (await store.loadFollowed(source, 20_000)).map(({ linkedId }) => linkedId);
      assert.deepEqual(await idsOf('office'), ['L1', 'L3', 'L4']);
      assert.deepEqual(await idsOf('other'), []);
    });

    it('takes over everything of the calls that turn out to be part of another', async () => {
      const { store, database } = await makeStore(['local']);
      const first = sampleCall({ linkedId: 'L1', conversations: [sampleConversation({ uniqueId: 'u1' })] });
      const second = sampleCall({ linkedId: 'L2', conversations: [sampleConversation({ uniqueId: 'u2' })] });
      const third = sampleCall({ linkedId: 'L3', linkedIds: ['L3', 'L4'], conversations: [] });
      const same = sampleEvent('shared', 9);
      await store.save([
        change({ call: first, newEvents: [same], owed: ['u1'] }),
        change({ call: second, newEvents: [sampleEvent('L2', 2)], owed: ['u2'] }),
        change({ call: third, newEvents: [same] }),
      ]);
      const whole = sampleCall({
        linkedId: 'L1',
        linkedIds: ['L1', 'L2', 'L3', 'L4'],
        conversations: [...first.conversations, ...second.conversations],
      });
      const merge = change({
        call: whole,
        newEvents: [sampleEvent('L1', 5)],
        absorbed: ['L2', 'L3'],
        owed: ['u1', 'u2'],
      });
      await store.save([merge]);
      await store.save([merge]);
      const [stored, ...others] = await store.load('office', ['L4', 'L2', 'L1', 'L3']);
      assert.deepEqual(others, []);
      assert.deepEqual(stored?.linkedIds, ['L1', 'L2', 'L3', 'L4']);
      assert.equal(stored?.events.length, 3);
      assert.deepEqual([...stored!.owed].sort(), ['u1', 'u2']);
      assert.deepEqual((await store.conversation('office', 'u2'))?.call, whole);
      assert.deepEqual(await countRows(database), {
        calls: 1,
        call_links: 4,
        conversations: 2,
        call_events: 3,
        deliveries: 2,
      });
      const deliveries = createDeliveryStore({ database, clock });
      clock.advance(10_000);
      const claim = { crm: 'local', node: 'a', limit: 10, leaseMs: 60_000, now: clock.now() };
      assert.deepEqual(
        (await deliveries.claim(claim)).map((delivery) => [delivery.linkedId, delivery.uniqueId]),
        [['L1', 'u1']],
        'both belong to one call now, so the second waits',
      );
    });

    it('saves a call twice in one batch as its last state with all of its events', async () => {
      const { store } = await makeStore(['local']);
      const open = sampleCall({ linkedId: 'L1', endedAt: null, conversations: [] });
      const other = sampleCall({ linkedId: 'L2', conversations: [sampleConversation({ uniqueId: 'u2' })] });
      const ended = sampleCall({ linkedId: 'L1', linkedIds: ['L1', 'L2'], conversations: other.conversations });
      await store.save([
        change({ call: open, newEvents: [sampleEvent('L1', 1)] }),
        change({ call: other, newEvents: [sampleEvent('L2', 2)], owed: ['u2'] }),
        change({ call: open, newEvents: [sampleEvent('L1', 3)] }),
        change({ call: ended, newEvents: [sampleEvent('L1', 4)], absorbed: ['L2'] }),
      ]);
      const stored = await store.load('office', ['L2']);
      assert.deepEqual(
        stored.map((call) => [call.linkedId, call.events.length, call.owed]),
        [['L1', 4, ['u2']]],
      );
      assert.deepEqual((await store.conversation('office', 'u2'))?.call, ended);
    });

    it('saves thousands of calls in one batch', async () => {
      const { store, database } = await makeStore(['local']);
      await store.save(Array.from({ length: 2_500 }, (_, n) => numberedChange(n)));
      assert.deepEqual(await countRows(database), {
        calls: 2_500,
        call_links: 2_500,
        conversations: 2_500,
        call_events: 2_500,
        deliveries: 2_500,
      });
      assert.equal((await store.load('office', ['1795250000.7', '1795250000.2499'])).length, 2);
    });

    it('keeps nothing of a batch that fails', async () => {
      const { store, database } = await makeStore(['local']);
      const broken = { ...sampleCall({ linkedId: 'L2' }), startedAt: new Date(Number.NaN) };
      await assert.rejects(store.save([change({ owed: ['1795246371.3'] }), change({ call: broken })]));
      assert.deepEqual(await countRows(database), {
        calls: 0,
        call_links: 0,
        conversations: 0,
        call_events: 0,
        deliveries: 0,
      });
    });
  });
});
