import assert from 'node:assert/strict';
import type { LackingState } from '../../src/core/ledger-queries.ts';
import { createApiTokenStore } from '../../src/storage/api-token-store.ts';
import { createCallReports } from '../../src/storage/call-reports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { Database } from '../../src/storage/connection.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { createLedgerQueries } from '../../src/storage/ledger-queries.ts';
import { forEachDatabase } from '../support/databases.ts';
import { numberedChange, sampleCall } from '../support/ledger-samples.ts';

const now = new Date('2026-11-22T12:00:00Z');
const clock = { now: () => now };
const span = { from: new Date('2026-11-21T00:00:00Z'), to: new Date('2026-11-22T00:00:00Z') };

/** Five calls of one conversation each, owed to `local` alone. */
async function seed(database: Database) {
  const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
  await store.save([1, 2, 3, 4, 5].map((n) => numberedChange(n)));
  const deliveries = createDeliveryStore({ database, clock });
  const claimed = await deliveries.claim({ crm: 'local', node: 'n', limit: 10, leaseMs: 60_000, now });
  const [first, second, third] = claimed;
  await deliveries.delivered(first!, '1', now);
  await deliveries.rejected(second!, 'locked');
  await deliveries.skipped(third!, 'hook');
  return { deliveries, claimed, ledger: createLedgerQueries(database) };
}

describe('repairing what CRMs lack', () => {
  forEachDatabase((makeDatabase) => {
    const lacking = async (database: Database, crm: string, states: readonly LackingState[]) => {
      const page = { sort: 'requestedAt', order: 'asc', limit: 2 } as const;
      const found: string[] = [];
      let after: string | null = null;
      do {
        const { items, nextCursor } = await createLedgerQueries(database).listLacking({
          ...page,
          ...span,
          crm,
          states,
          after,
        });
        found.push(...items.map(({ uniqueId, state }) => `${uniqueId.split('.')[1]} ${state}`));
        after = nextCursor;
      } while (after !== null);
      return found;
    };

    it('lists call by call, page by page, what one CRM lacks and why', async () => {
      const { database } = await makeDatabase();
      await seed(database);
      assert.deepEqual(await lacking(database, 'local', ['missing', 'rejected', 'skipped']), [
        '2-0 rejected',
        '3-0 skipped',
      ]);
      assert.deepEqual(await lacking(database, 'local', ['pending']), ['4-0 pending', '5-0 pending']);
      const all = ['1-0', '2-0', '3-0', '4-0', '5-0'].map((id) => `${id} missing`);
      assert.deepEqual(await lacking(database, 'kommo', ['missing', 'rejected']), all);
    });

    it('owes a CRM that was added later what it never was owed, once', async () => {
      const { database } = await makeDatabase();
      const { deliveries, ledger } = await seed(database);
      const missing = { crm: 'kommo', ...span, now };
      assert.equal(await deliveries.oweMissing({ ...missing, limit: 2 }), 2);
      assert.equal(await deliveries.oweMissing({ ...missing, limit: 100 }), 3);
      assert.equal(await deliveries.oweMissing({ ...missing, limit: 100 }), 0);
      assert.deepEqual(await lacking(database, 'kommo', ['missing']), []);
      const page = { sort: 'createdAt', order: 'asc', limit: 50, after: null } as const;
      const { items } = await ledger.listDeliveries({ ...page, crm: 'kommo', states: ['pending'] });
      assert.equal(items.length, 5);
      assert.equal((await deliveries.claim({ crm: 'kommo', node: 'n', limit: 9, leaseMs: 1, now })).length, 5);
    });

    it('owes nothing of a call that goes on', async () => {
      const { database } = await makeDatabase();
      const { deliveries } = await seed(database);
      await database.knex('calls').where('linked_id', '1795250000.3').update({ ended_at: null });
      assert.equal(await deliveries.oweMissing({ crm: 'kommo', ...span, now, limit: 100 }), 4);
    });

    it('sends again all that fit, and nothing that waits or is under way', async () => {
      const { database } = await makeDatabase();
      const { deliveries, claimed } = await seed(database);
      const requested = { requestedFrom: span.from, requestedTo: span.to };
      const all = { states: ['rejected', 'skipped', 'delivered'], limit: 100 } as const;
      assert.equal(await deliveries.resendMatching({ ...all, crm: 'kommo' }, now), 0);
      assert.equal(await deliveries.resendMatching({ ...all, from: new Date(now.getTime() + 1) }, now), 0);
      assert.equal(await deliveries.resendMatching({ ...all, ...requested, requestedTo: span.from }, now), 0);
      assert.equal(await deliveries.resendMatching({ ...all, states: ['rejected'], ...requested }, now), 1);
      assert.equal(await deliveries.resendMatching({ ...all, limit: 1 }, now), 1);
      assert.equal(await deliveries.resendMatching(all, now), 1);
      assert.equal(await deliveries.resendMatching(all, now), 0);
      const again = await deliveries.claim({ crm: 'local', node: 'n', limit: 10, leaseMs: 60_000, now });
      assert.deepEqual(
        again.map(({ id, attempts }) => [id, attempts]),
        claimed.slice(0, 3).map(({ id }) => [id, 0]),
      );
    });

    it('lets a person close one with a reason; it can be sent again', async () => {
      const { database } = await makeDatabase();
      const { deliveries, claimed, ledger } = await seed(database);
      const [done, refused, , leased] = claimed;
      assert.equal(await deliveries.close(done!.id, 'anna: no', now), false);
      assert.equal(await deliveries.close(leased!.id, 'anna: no', now), false);
      assert.equal(await deliveries.close(refused!.id, 'anna: a supplier', now), true);
      const closed = (await ledger.findDelivery(refused!.id))!;
      assert.deepEqual([closed.state, closed.lastError], ['skipped', 'anna: a supplier']);
      const { result, reason } = (await ledger.listAttempts(refused!.id)).at(-1)!;
      assert.deepEqual([result, reason], ['closed', 'anna: a supplier']);
      assert.equal(await deliveries.resend(refused!.id, now), true);
      assert.equal((await ledger.findDelivery(refused!.id))!.state, 'pending');
    });
  });
});

describe('tokens of programs', () => {
  forEachDatabase((makeDatabase) => {
    it('are found by their hash until they are revoked, and a name is one token', async () => {
      const { database } = await makeDatabase();
      const tokens = createApiTokenStore(database);
      const wallboard = { name: 'wallboard', access: 'read', madeBy: 'anna', tokenHash: 'aa' } as const;
      const made = (await tokens.add(wallboard, now))!;
      assert.equal(await tokens.add({ ...wallboard, tokenHash: 'bb' }, now), null);
      await tokens.noteUse(made.id, now);
      const { tokenHash: _, ...rest } = wallboard;
      assert.deepEqual(await tokens.find('aa'), { ...rest, id: made.id, madeAt: now, usedAt: now });
      assert.equal(await tokens.find('bb'), null);
      assert.equal(await tokens.revoke(made.id, now), true);
      assert.equal(await tokens.revoke(made.id, now), false);
      assert.equal(await tokens.revoke('x; drop', now), false);
      assert.deepEqual([await tokens.find('aa'), await tokens.list()], [null, []]);
      assert.equal((await tokens.add({ ...wallboard, tokenHash: 'cc' }, now))?.name, 'wallboard');
    });
  });
});

describe('figures of queues', () => {
  forEachDatabase((makeDatabase) => {
    it('count each call once, however many phones rang, with the time in the queue', async () => {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock });
      const stay = (seconds: number) => {
        const joinedAt = new Date('2026-11-21T07:32:52Z');
        return { name: 'sales', joinedAt, leftAt: new Date(joinedAt.getTime() + seconds * 1_000) };
      };
      const save = (n: number, fields: Partial<ReturnType<typeof sampleCall>>) => {
        const change = numberedChange(n, 3);
        return { ...change, call: { ...change.call, ...fields }, owed: [] };
      };
      await store.save([
        save(1, { queue: stay(10) }),
        save(2, { queue: stay(50), result: 'missed' }),
        save(3, {}),
        save(4, { queue: { ...stay(0), leftAt: null }, endedAt: null }),
      ]);
      const { queues, dids } = await createCallReports(database).overview({ ...span, extensions: null });
      assert.deepEqual(queues, [{ name: 'sales', answered: 1, unanswered: 1, talkSeconds: 18, waitingSeconds: 60 }]);
      assert.deepEqual([dids[0]!.answered, dids[0]!.unanswered], [2, 1]);
      const { items } = await createLedgerQueries(database).listCalls({
        sort: 'startedAt',
        order: 'asc',
        limit: 10,
        after: null,
        queue: 'sales',
      });
      assert.deepEqual(items[0]!.queue, stay(10));
      assert.equal(items.length, 3);
    });
  });
});
