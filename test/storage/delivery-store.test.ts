import assert from 'node:assert/strict';
import type { Delivery } from '../../src/core/ports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { createLedgerQueries } from '../../src/storage/ledger-queries.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { numberedChange } from '../support/ledger-samples.ts';

const leaseMs = 60_000;

describe('the delivery store', () => {
  forEachDatabase((makeDatabase, kind) => {
    async function owe({ calls = 1, conversations = 1, crms = ['kommo'] as readonly string[] } = {}) {
      const { database, reopen } = await makeDatabase();
      const clock = new FixedClock();
      const callStore = createCallStore({ database, crms, settleMs: 0, clock });
      await callStore.save(Array.from({ length: calls }, (_, n) => numberedChange(n, conversations)));
      const store = createDeliveryStore({ database, clock });
      const queries = createLedgerQueries(database);
      const claim = (options: { node?: string; limit?: number; crm?: string } = {}) =>
        store.claim({ crm: 'kommo', node: 'a', limit: 10, leaseMs, now: clock.now(), ...options });
      const find = async (delivery: Delivery | undefined) => (await queries.findDelivery(delivery!.id))!;
      return { database, reopen, clock, store, queries, claim, find };
    }
    const names = (deliveries: readonly Delivery[]) => deliveries.map((delivery) => delivery.uniqueId.slice(11));

    it('gives out due deliveries in the order they were owed, each once', async () => {
      const { claim, clock } = await owe({ calls: 5 });
      assert.deepEqual(names(await claim({ limit: 3 })), ['0-0', '1-0', '2-0']);
      assert.deepEqual(names(await claim({ limit: 3, node: 'b' })), ['3-0', '4-0']);
      assert.deepEqual(await claim({ node: 'c' }), []);
      clock.advance(leaseMs - 1);
      assert.deepEqual(await claim({ node: 'c' }), []);
    });

    it('keeps the CRMs apart', async () => {
      const { claim } = await owe({ crms: ['kommo', 'local'] });
      assert.equal((await claim()).length, 1);
      assert.equal((await claim({ crm: 'local' })).length, 1);
      assert.equal((await claim({ crm: 'unknown' })).length, 0);
    });

    it('holds back later deliveries of a call until the earlier one is done, whatever became of it', async () => {
      const { claim, store, clock } = await owe({ conversations: 5 });
      const finish: ((delivery: Delivery) => Promise<boolean>)[] = [
        (delivery) => store.delivered(delivery, '1', clock.now()),
        (delivery) => store.rejected(delivery, 'no'),
        (delivery) => store.skipped(delivery, 'no need'),
      ];
      for (const [n, end] of finish.entries()) {
        const [delivery, ...others] = await claim();
        assert.deepEqual([names([delivery!]), others], [[`0-${n}`], []]);
        assert.deepEqual(await claim(), []);
        assert.equal(await end(delivery!), true);
      }
      const [delivery] = await claim();
      assert.equal(await store.retryLater(delivery!, new Date(clock.now().getTime() + 5_000), '503'), true);
      assert.deepEqual(await claim(), [], 'the next one waits for the one that is tried again');
      clock.advance(5_000);
      assert.deepEqual(names(await claim()), ['0-3']);
    });

    it('never gives out two of one call, even when an earlier one is sent again meanwhile', async () => {
      const { claim, store, clock } = await owe({ conversations: 2 });
      const [first] = await claim();
      await store.delivered(first!, '1', clock.now());
      const [second] = await claim();
      assert.equal(await store.resend(first!.id, clock.now()), true);
      assert.deepEqual(await claim(), []);
      await store.delivered(second!, '2', clock.now());
      assert.deepEqual(names(await claim()), ['0-0']);
    });

    it('hands a delivery whose lease ran out to the next, and refuses every write of the first', async () => {
      const { claim, store, clock, find, queries } = await owe();
      const [old] = await claim({ node: 'a' });
      clock.advance(leaseMs);
      const [current] = await claim({ node: 'b' });
      assert.equal(current?.id, old?.id);
      assert.equal(current?.fence, old!.fence + 1);
      assert.equal(await store.renew(old!, leaseMs, clock.now()), false);
      assert.equal(await store.saveProgress(old!, { contact: '1' }), false);
      assert.equal(await store.delivered(old!, '1', clock.now()), false);
      assert.equal(await store.retryLater(old!, clock.now(), 'x'), false);
      assert.equal(await store.putBack(old!, clock.now(), 'x'), false);
      assert.equal(await store.rejected(old!, 'x'), false);
      assert.equal(await store.skipped(old!, 'x'), false);
      assert.equal(await store.saveProgress(current!, { contact: '2' }), true);
      assert.equal(await store.delivered(current!, 'crm-7', clock.now()), true);
      const done = await find(current);
      assert.deepEqual([done.state, done.crmId, done.progress], ['delivered', 'crm-7', { contact: '2' }]);
      assert.deepEqual(
        (await queries.listAttempts(done.id)).map(({ node, result }) => [node, result]),
        [
          ['a', 'lost'],
          ['b', 'delivered'],
        ],
      );
    });

    it('lets the first finish when its lease ran out but nobody else has begun', async () => {
      const { claim, store, clock, find } = await owe();
      const [delivery] = await claim();
      clock.advance(leaseMs * 10);
      assert.equal(await store.delivered(delivery!, '1', clock.now()), true);
      assert.equal((await find(delivery)).state, 'delivered');
      assert.equal(await store.delivered(delivery!, '2', clock.now()), false, 'only once');
    });

    it('gives a renewed lease its full time again', async () => {
      const { claim, store, clock } = await owe();
      const [delivery] = await claim();
      clock.advance(leaseMs - 1);
      assert.equal(await store.renew(delivery!, leaseMs, clock.now()), true);
      clock.advance(leaseMs - 1);
      assert.deepEqual(await claim({ node: 'b' }), []);
      clock.advance(1);
      assert.equal((await claim({ node: 'b' })).length, 1);
    });

    it('counts attempts, but not what was put back', async () => {
      const { claim, store, clock, find } = await owe();
      const [first] = await claim();
      await store.putBack(first!, clock.now(), 'paused');
      const [second] = await claim();
      await store.retryLater(second!, clock.now(), '503');
      const [third] = await claim();
      assert.deepEqual([first!.attempts, second!.attempts, third!.attempts], [0, 0, 1]);
      assert.equal((await find(third)).lastError, '503');
    });

    it('sends again what is done, under the same key and with its progress', async () => {
      const { claim, store, clock, find } = await owe();
      const [delivery] = await claim();
      assert.equal(await store.resend(delivery!.id, clock.now()), false, 'it is in work');
      await store.saveProgress(delivery!, { contact: '5' });
      await store.rejected(delivery!, 'no such user');
      assert.equal(await store.resend(delivery!.id, clock.now()), true);
      const again = await find(delivery);
      assert.deepEqual(
        [again.state, again.attempts, again.progress, again.lastError],
        ['pending', 0, { contact: '5' }, null],
      );
      assert.equal(await store.saveProgress(delivery!, {}), false, 'the old claim is over');
      assert.equal((await claim())[0]?.uniqueId, delivery!.uniqueId);
      for (const nonsense of ['', '0', '-1', '1e3', '999999', "1' or '1'='1", '9'.repeat(40)]) {
        assert.equal(await store.resend(nonsense, clock.now()), false);
      }
    });

    it('gives nothing out for a paused CRM, on any node, until it is resumed', async () => {
      const { store, claim } = await owe({ crms: ['kommo', 'local'] });
      await store.pause('kommo', 'token revoked');
      await store.pause('kommo', 'account unpaid');
      assert.deepEqual([...(await store.paused())], [['kommo', 'account unpaid']]);
      assert.deepEqual(await claim(), []);
      assert.equal((await claim({ crm: 'local' })).length, 1);
      await store.resume('kommo');
      assert.equal((await claim()).length, 1);
    });

    it('makes all that waits for a later attempt due when the CRM answers again', async () => {
      const { store, claim, clock } = await owe({ calls: 3, crms: ['kommo', 'local'] });
      const later = new Date(clock.now().getTime() + 3_600_000);
      for (const crm of ['kommo', 'local']) {
        for (const delivery of await claim({ crm })) await store.retryLater(delivery, later, '503');
      }
      assert.deepEqual(await claim(), []);
      await store.retryNow('kommo', clock.now());
      assert.equal((await claim()).length, 3);
      assert.deepEqual(await claim({ crm: 'local' }), []);
    });

    it('makes what a node had in work before its restart claimable at once', async () => {
      const { store, claim, clock } = await owe({ calls: 4 });
      await claim({ limit: 2, node: 'a' });
      await claim({ limit: 2, node: 'b' });
      await store.releaseLeases('a', clock.now());
      assert.deepEqual(names(await claim({ node: 'c' })), ['0-0', '1-0']);
    });

    it('shares the work of many claims at once without giving anything out twice', async () => {
      const { reopen, claim, clock } = await owe({ calls: 120, conversations: 2 });
      const nodes = ['a', 'b', 'c', 'd'];
      // On SQLite one process has the file; its claims still arrive side by side.
      const stores = await Promise.all(
        nodes.map(async () => (kind === 'postgres' ? createDeliveryStore({ database: await reopen(), clock }) : null)),
      );
      const claims = nodes.flatMap((node, n) =>
        Array.from({ length: 15 }, () =>
          (stores[n]?.claim ?? ((options) => claim(options)))({
            crm: 'kommo',
            node,
            limit: 2,
            leaseMs,
            now: clock.now(),
          }),
        ),
      );
      const given = (await Promise.all(claims)).flat();
      assert.equal(given.length, 120);
      assert.equal(new Set(given.map((delivery) => delivery.linkedId)).size, 120, 'one of each call');
    });
  });
});
