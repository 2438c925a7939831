import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Call } from '../../src/core/call.ts';
import { BadCursor } from '../../src/core/ledger-queries.ts';
import type { CallQuery, Page, PageRequest } from '../../src/core/ledger-queries.ts';
import type { CallChange } from '../../src/core/ports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { createLedgerQueries } from '../../src/storage/ledger-queries.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { numberedChange, sampleCall, sampleConversation, sampleEvent } from '../support/ledger-samples.ts';

const firstPage = { sort: 'startedAt', order: 'desc', limit: 50, after: null } as const;

/** Without NUL, and with broken characters marked. */
const toStorable = (text: string) => Buffer.from(text.replaceAll('\0', '')).toString();

async function readAll<Row, Sort extends string>(
  list: (page: PageRequest<Sort>) => Promise<Page<Row>>,
  page: PageRequest<Sort>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let after: string | null = null;
  do {
    const { items, nextCursor }: Page<Row> = await list({ ...page, after });
    assert.ok(items.length <= page.limit);
    rows.push(...items);
    after = nextCursor;
  } while (after !== null);
  return rows;
}

describe('the ledger queries', () => {
  forEachDatabase((makeDatabase) => {
    async function fill(changes: readonly CallChange[], crms: readonly string[] = ['kommo']) {
      const { database } = await makeDatabase();
      const clock = new FixedClock();
      const store = createCallStore({ database, crms, settleMs: 0, clock });
      await store.save(changes);
      const queries = createLedgerQueries(database);
      const find = async (query: Partial<Parameters<typeof queries.listCalls>[0]>) =>
        (await queries.listCalls({ ...firstPage, ...query })).items.map((call) => call.linkedId);
      return { database, clock, store, queries, find };
    }
    const change = (call: Call, fields: Partial<CallChange> = {}): CallChange => ({
      call,
      newEvents: [],
      absorbed: [],
      owed: [],
      ...fields,
    });
    /** A few calls with telling names, newest last. */
    const variety = (): CallChange[] => {
      const at = (hour: number) => new Date(Date.UTC(2026, 10, 21, hour));
      const talk = (uniqueId: string, extension: string, fields = {}) =>
        sampleConversation({ uniqueId, extension, requestedAt: at(8), ...fields });
      return [
        change(
          sampleCall({
            linkedId: 'mobile',
            startedAt: at(8),
            client: '+79161110002',
            conversations: [talk('m', '101')],
          }),
          { owed: ['m'] },
        ),
        change(
          sampleCall({
            linkedId: 'transferred',
            startedAt: at(9),
            client: '+74951110002',
            conversations: [
              talk('t1', '101'),
              talk('t2', '102', { registered: false, reason: 'rang_elsewhere' }),
              talk('t3', '101', { duration: 99 }),
            ],
          }),
          { owed: ['t1', 't3'] },
        ),
        change(
          sampleCall({
            linkedId: 'internal',
            startedAt: at(10),
            direction: 'internal',
            client: null,
            did: null,
            trunk: null,
            conversations: [talk('i', '103', { registered: false, reason: 'internal' })],
          }),
        ),
        change(
          sampleCall({
            linkedId: 'missed',
            startedAt: at(11),
            result: 'missed',
            did: '7000002',
            client: null,
            conversations: [talk('x', '104', { result: 'missed', answeredAt: null })],
          }),
          { owed: ['x'] },
        ),
        change(
          sampleCall({
            linkedId: 'open',
            source: 'branch',
            startedAt: at(12),
            endedAt: null,
            direction: 'outbound',
            client: '+358401234567',
            trunk: 'elisa',
            conversations: [],
          }),
        ),
      ];
    };

    it('gives every call exactly once, page by page, in both directions', async () => {
      const changes = Array.from({ length: 103 }, (_, n) => numberedChange(n));
      // Many at the same instant: the row's identity decides.
      const crowd = Array.from({ length: 40 }, (_, n) =>
        change(sampleCall({ linkedId: `same-${n}`, conversations: [], startedAt: new Date(1_000) })),
      );
      const { queries } = await fill([...changes, ...crowd]);
      const newest = await readAll((page) => queries.listCalls(page), { ...firstPage, limit: 10 });
      const oldest = await readAll((page) => queries.listCalls(page), { ...firstPage, limit: 7, order: 'asc' });
      assert.equal(new Set(newest.map((call) => call.linkedId)).size, 143);
      assert.deepEqual(newest.length, 143);
      assert.deepEqual(oldest, [...newest].reverse());
      assert.deepEqual(
        newest.map((call) => call.startedAt.getTime()),
        newest.map((call) => call.startedAt.getTime()).sort((a, b) => b - a),
      );
    });

    it('does not repeat or skip a call when others arrive between two pages', async () => {
      const { queries, store } = await fill(Array.from({ length: 20 }, (_, n) => numberedChange(n)));
      const first = await queries.listCalls({ ...firstPage, limit: 10 });
      await store.save([numberedChange(50), numberedChange(51)]);
      const second = await queries.listCalls({ ...firstPage, limit: 10, after: first.nextCursor });
      const numbers = [...first.items, ...second.items].map((call) => Number(call.linkedId.split('.')[1]));
      assert.deepEqual(
        numbers,
        Array.from({ length: 20 }, (_, n) => 19 - n),
      );
      assert.equal(second.nextCursor, null);
    });

    it('finds calls by everything that people look for', async () => {
      const { find } = await fill(variety());
      assert.deepEqual(await find({}), ['open', 'missed', 'internal', 'transferred', 'mobile']);
      assert.deepEqual(await find({ number: '1110002' }), ['transferred', 'mobile']);
      assert.deepEqual(await find({ number: '+7 (916) 111-00-02' }), ['mobile']);
      assert.deepEqual(await find({ number: '916111' }), []);
      assert.deepEqual(await find({ client: '+74951110002' }), ['transferred']);
      assert.deepEqual(await find({ extension: '101' }), ['transferred', 'mobile']);
      assert.deepEqual(await find({ extension: '101', limit: 1 }), ['transferred']);
      assert.deepEqual(await find({ extensions: ['101'] }), ['transferred', 'mobile']);
      assert.deepEqual(await find({ extensions: ['101', '102'] }), ['transferred', 'mobile']);
      assert.deepEqual(await find({ extensions: [] }), []);
      assert.deepEqual(await find({ extensions: ['102'], extension: '101' }), []);
      assert.deepEqual(await find({ clients: ['+74951110002', '+70000000000'] }), ['transferred']);
      assert.deepEqual(await find({ clients: [] }), []);
      assert.deepEqual(await find({ did: '7000002' }), ['missed']);
      assert.deepEqual(await find({ trunk: 'elisa' }), ['open']);
      assert.deepEqual(await find({ source: 'branch' }), ['open']);
      assert.deepEqual(await find({ direction: 'internal' }), ['internal']);
      assert.deepEqual(await find({ results: ['missed', 'busy'] }), ['missed']);
      assert.deepEqual(await find({ results: [] }), []);
      assert.deepEqual(await find({ isOpen: true }), ['open']);
      assert.deepEqual((await find({ isOpen: false })).length, 4);
      assert.deepEqual(await find({ reason: 'rang_elsewhere' }), ['transferred']);
      assert.deepEqual(await find({ isRegistered: false }), ['internal', 'transferred']);
      assert.deepEqual(await find({ isRegistered: true, extension: '102' }), ['transferred']);
      const from = new Date(Date.UTC(2026, 10, 21, 9));
      const to = new Date(Date.UTC(2026, 10, 21, 11));
      assert.deepEqual(await find({ from, to }), ['internal', 'transferred']);
      assert.deepEqual(await find({ from, to, extension: '101' }), ['transferred']);
    });

    it('finds calls by what became of them in a CRM', async () => {
      const { find, database, clock } = await fill(variety(), ['kommo', 'local']);
      const deliveries = createDeliveryStore({ database, clock });
      const claim = { crm: 'kommo', node: 'a', limit: 1, leaseMs: 1_000, now: clock.now() };
      const [mobile] = await deliveries.claim(claim);
      await deliveries.rejected(mobile!, 'no such user');
      assert.deepEqual(await find({ crm: 'kommo', deliveryState: 'rejected' }), ['mobile']);
      assert.deepEqual(await find({ crm: 'local', deliveryState: 'rejected' }), []);
      assert.deepEqual(await find({ deliveryState: 'pending' }), ['missed', 'transferred', 'mobile']);
      assert.deepEqual(await find({ deliveryState: 'pending', crm: 'kommo' }), ['missed', 'transferred']);
    });

    it('finds one call by any of its linkedids, with its events', async () => {
      const call = sampleCall({ linkedId: 'L1', linkedIds: ['L1', 'L2'] });
      const events = [sampleEvent('L1', 1), sampleEvent('L2', 2)];
      const { queries } = await fill([change(call, { newEvents: events })]);
      assert.deepEqual(await queries.findCall('office', 'L2'), call);
      assert.equal(await queries.findCall('branch', 'L2'), null);
      assert.deepEqual(await queries.listEvents('office', 'L2'), events);
      assert.deepEqual(await queries.listEvents('office', 'L3'), []);
    });

    it('lists conversations with the head of their call, by start, talk time or waiting', async () => {
      const { queries } = await fill(variety());
      const page = { sort: 'duration', order: 'desc', limit: 2, after: null } as const;
      const all = await readAll((request) => queries.listConversations(request), page);
      assert.deepEqual(all.map((row) => row.conversation.uniqueId).sort(), ['i', 'm', 't1', 't2', 't3', 'x']);
      assert.equal(all[0]?.conversation.uniqueId, 't3');
      assert.equal(all[0]?.call.client, '+74951110002');
      assert.ok(!('conversations' in all[0]!.call));
      const of101 = await queries.listConversations({
        ...page,
        limit: 50,
        sort: 'requestedAt',
        extension: '101',
        isRegistered: true,
        direction: 'inbound',
        results: ['answered'],
        client: '+79161110002',
        source: 'office',
        from: new Date(Date.UTC(2026, 10, 21, 8)),
        to: new Date(Date.UTC(2026, 10, 21, 9)),
      });
      assert.deepEqual(
        of101.items.map((row) => row.conversation.uniqueId),
        ['m'],
      );
    });

    it('finds the conversation of a click', async () => {
      const clicked = sampleConversation({ uniqueId: 'clicked', requestId: 'r1' });
      const { queries } = await fill([
        ...variety(),
        change(sampleCall({ linkedId: 'click', conversations: [clicked] })),
      ]);
      const page = { sort: 'requestedAt', order: 'asc', limit: 5, after: null } as const;
      const of = async (requestId: string) =>
        (await queries.listConversations({ ...page, requestId })).items.map(({ call }) => call.linkedId);
      assert.deepEqual([await of('r1'), await of('r2')], [['click'], []]);
    });

    it('lists deliveries with their state and attempts', async () => {
      const { queries, database, clock } = await fill(variety(), ['kommo', 'local']);
      const store = createDeliveryStore({ database, clock });
      const [first] = await store.claim({ crm: 'kommo', node: 'a', limit: 1, leaseMs: 1_000, now: clock.now() });
      await store.retryLater(first!, new Date(clock.now().getTime() + 5_000), '503');
      const page = { sort: 'attempts', order: 'desc', limit: 3, after: null } as const;
      const all = await readAll((request) => queries.listDeliveries(request), page);
      assert.equal(all.length, 8);
      assert.deepEqual([all[0]?.attempts, all[0]?.lastError, all[0]?.linkedId], [1, '503', 'mobile']);
      const list = async (query: object) =>
        (await queries.listDeliveries({ ...page, limit: 50, sort: 'createdAt', ...query })).items.length;
      assert.equal(await list({ crm: 'local' }), 4);
      assert.equal(await list({ linkedId: 'transferred', source: 'office' }), 4);
      assert.equal(await list({ linkedId: 'transferred', source: 'branch' }), 0);
      assert.equal(await list({ uniqueId: 't3', crm: 'kommo' }), 1);
      assert.equal(await list({ states: ['delivered', 'rejected'] }), 0);
      assert.equal(await list({ kind: 'recording' }), 0);
      assert.equal(await list({ from: clock.now() }), 8);
      assert.equal(await list({ to: clock.now() }), 0);
      assert.deepEqual(await queries.findDelivery(all[0]!.id), all[0]);
      assert.equal(await queries.findDelivery('1 or 1=1'), null);
      assert.deepEqual(await queries.listAttempts(all[0]!.id), [
        { at: clock.now(), node: 'a', result: 'retry', reason: '503' },
      ]);
      assert.deepEqual(await queries.listAttempts('x'), []);
    });

    it('refuses cursors of other lists and orders, and pages without end', async () => {
      const { queries } = await fill(Array.from({ length: 3 }, (_, n) => numberedChange(n)));
      const { nextCursor } = await queries.listCalls({ ...firstPage, limit: 1 });
      await assert.rejects(queries.listCalls({ ...firstPage, order: 'asc', after: nextCursor }), BadCursor);
      const byTalk = { sort: 'duration', order: 'desc', limit: 1 } as const;
      await assert.rejects(queries.listConversations({ ...byTalk, after: nextCursor }), BadCursor);
      for (const limit of [0, -1, 501, 1.5, Number.NaN]) {
        await assert.rejects(queries.listCalls({ ...firstPage, limit }), RangeError);
      }
    });

    it('takes nothing from outside for SQL', async () => {
      const { queries, database } = await fill(variety());
      const hostile = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom(
          "'",
          '"',
          "' or 1=1 --",
          'started_at; drop table calls',
          'constructor',
          '__proto__',
          '??',
          '?',
          '\\?',
        ),
      );
      await fc.assert(
        fc.asyncProperty(hostile, hostile, hostile, async (a, b, c) => {
          const wild = { ...firstPage, sort: a, order: b } as unknown as CallQuery;
          await assert.rejects(queries.listCalls(wild), RangeError);
          await assert.rejects(queries.listCalls({ ...firstPage, after: c === '' ? 'x' : c }), BadCursor);

          const found = await queries.listCalls({
            ...firstPage,
            extension: toStorable(a),
            client: toStorable(b),
            did: toStorable(c),
            reason: toStorable(a),
            number: c,
          });
          assert.deepEqual(found.items, []);
        }),
        { numRuns: 300 },
      );
      assert.equal((await database.knex('calls').select('id')).length, 5);
    });

    it('keeps and gives back whatever text callers and CRMs come up with', async () => {
      const { store } = await fill([]);
      let n = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: 'binary', maxLength: 40 }),
          fc.string({ unit: 'grapheme' }),
          async (a, b) => {
            const linkedId = `L${n++}`;
            const broken = `${a}\0\ud800"'\n${b}`;
            const call = sampleCall({
              linkedId,
              clientName: broken,
              conversations: [sampleConversation({ uniqueId: linkedId, forwardedTo: broken })],
            });
            await store.save([
              change(call, { newEvents: [{ ...sampleEvent(linkedId, 1), channel: broken }], owed: [linkedId] }),
            ]);
            const [stored] = await store.load('office', [linkedId]);
            assert.equal(stored?.events[0]?.channel, broken);
            const kept = (await store.conversation('office', linkedId))?.call.clientName;
            assert.equal(kept, toStorable(broken));
          },
        ),
        { numRuns: 100 },
      );
    });
  });
});
