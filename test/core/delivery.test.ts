import assert from 'node:assert/strict';
import { createDeliveryRunner } from '../../src/core/delivery.ts';
import type { DeliveryRunner, DeliveryRunnerOptions } from '../../src/core/delivery.ts';
import { LeaseLost } from '../../src/core/delivery/crm-loop.ts';
import type { DeliveryHandler } from '../../src/core/delivery/crm-loop.ts';
import { AuthRequired, Rejected, Retryable } from '../../src/core/errors.ts';
import type { Delivery, DeliveryStore } from '../../src/core/ports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { createLedgerQueries } from '../../src/storage/ledger-queries.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { numberedChange } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

const hour = 3_600_000;

describe('the delivery runner', () => {
  forEachDatabase((makeDatabase) => {
    let runners: DeliveryRunner[] = [];
    afterEach(async () => {
      for (const runner of runners) await runner.stop();
      runners = [];
    });

    /** A ledger that owes `calls` calls of `conversations` conversations to each CRM, all due now. */
    async function owe(owed: { calls: number; conversations?: number; crms?: readonly string[] }) {
      const { calls, conversations = 1, crms = ['kommo'] } = owed;
      const { database } = await makeDatabase();
      const clock = new FixedClock();
      const callStore = createCallStore({ database, crms, settleMs: 0, clock });
      await callStore.save(Array.from({ length: calls }, (_, n) => numberedChange(n, conversations)));
      const store = createDeliveryStore({ database, clock });
      const log = createKeptLog();
      const queries = createLedgerQueries(database);
      const start = async (handle: DeliveryHandler, options: Partial<DeliveryRunnerOptions> = {}) => {
        const settings = { store, handle, crms, node: 'a', clock, log, pollMs: 1, leaseMs: 24 * hour, drainMs: 2_000 };
        const runner = createDeliveryRunner({ ...settings, ...options });
        runners.push(runner);
        await runner.start();
        return runner;
      };
      const list = async (): Promise<readonly Delivery[]> =>
        (await queries.listDeliveries({ sort: 'createdAt', order: 'asc', limit: 500, after: null })).items;
      const allAre = (state: string) => async () => (await list()).every((delivery) => delivery.state === state);
      return { clock, store, log, queries, start, list, allAre };
    }

    it('delivers what is owed and keeps the id that the CRM gave', async () => {
      const { start, list, allAre } = await owe({ calls: 3 });
      await start(async (delivery) => ({ crmId: `crm-${delivery.uniqueId}` }));
      await until(allAre('delivered'));
      for (const delivery of await list()) {
        assert.equal(delivery.crmId, `crm-${delivery.uniqueId}`);
        assert.equal(delivery.attempts, 1);
        assert.notEqual(delivery.deliveredAt, null);
      }
    });

    it('keeps the reason of what there is no need to deliver', async () => {
      const { start, list, allAre } = await owe({ calls: 1 });
      await start(async () => ({ skip: 'the hook said no' }));
      await until(allAre('skipped'));
      assert.equal((await list())[0]?.lastError, 'the hook said no');
    });

    it('sends each conversation once and in the order of its call after a CRM was down for ten minutes', async () => {
      const { start, list, allAre, clock, queries } = await owe({ calls: 30, conversations: 2 });
      const upAt = clock.now().getTime() + 600_000;
      const registered: string[] = [];
      let refused = 0;
      const runner = await start(async (delivery) => {
        if (clock.now().getTime() < upAt) {
          refused++;
          throw new Retryable('503 Service Unavailable');
        }
        registered.push(delivery.uniqueId);
        return { crmId: delivery.uniqueId };
      });
      await until(() => clock.now().getTime() >= upAt, { between: () => clock.advance(1_000) });
      assert.deepEqual(runner.status()[0]?.health, 'error');
      assert.ok(refused > 8 && refused < 120, `a CRM that is down is asked now and then, not ${refused} times`);
      await until(allAre('delivered'), { between: () => clock.advance(1_000) });
      assert.ok(clock.now().getTime() - upAt < 180_000, 'the backlog begins soon after the CRM is back');
      assert.equal(registered.length, 60);
      assert.equal(new Set(registered).size, 60);
      for (let n = 0; n < 30; n++) {
        const own = registered.filter((uniqueId) => uniqueId.startsWith(`1795250000.${n}-`));
        assert.deepEqual(own, [`1795250000.${n}-0`, `1795250000.${n}-1`]);
      }
      assert.equal(runner.status()[0]?.health, 'ok');
      const [first] = await list();
      const attempts = await queries.listAttempts(first!.id);
      assert.deepEqual(attempts.at(0)?.reason, '503 Service Unavailable');
      assert.deepEqual(attempts.at(-1)?.result, 'delivered');
    });

    it('lets no CRM wait for a slow one', async () => {
      const { start, store } = await owe({ calls: 20, crms: ['slow', 'fast'] });
      const release: (() => void)[] = [];
      await start(async (delivery) => {
        if (delivery.crm === 'slow') await new Promise<void>((resolve) => release.push(resolve));
        return { crmId: '1' };
      });
      const countOf = async (crm: string, state: string) =>
        (await store.counts()).find((row) => row.crm === crm && row.state === state)?.count ?? 0;
      await until(async () => (await countOf('fast', 'delivered')) === 20);
      assert.equal(await countOf('slow', 'delivered'), 0);
      assert.equal(await countOf('slow', 'leased'), 4);
      await until(async () => (await countOf('slow', 'delivered')) === 20, {
        between: () => release.splice(0).forEach((resolve) => resolve()),
      });
    });

    it('never works on two deliveries of one call at once', async () => {
      const { start, allAre } = await owe({ calls: 5, conversations: 4 });
      const busy = new Set<string>();
      let overlaps = 0;
      let most = 0;
      await start(async (delivery) => {
        if (busy.has(delivery.linkedId)) overlaps++;
        busy.add(delivery.linkedId);
        most = Math.max(most, busy.size);
        await new Promise((resolve) => setTimeout(resolve, 2));
        busy.delete(delivery.linkedId);
        return { crmId: '1' };
      });
      await until(allAre('delivered'));
      assert.equal(overlaps, 0);
      assert.ok(most > 1, 'different calls go side by side');
    });

    it('asks nothing of a CRM before the time it asked for is over, and goes on right after', async () => {
      const { start, allAre, clock } = await owe({ calls: 6 });
      const startedAt = clock.now().getTime();
      const times: number[] = [];
      await start(
        async () => {
          times.push(clock.now().getTime() - startedAt);
          if (times.length === 1) throw new Retryable('429', { retryAfterMs: 90_000 });
          return { crmId: '1' };
        },
        { concurrency: 1 },
      );
      await until(allAre('delivered'), { between: () => clock.advance(500) });
      assert.deepEqual(
        times.slice(1).filter((at) => at < 90_000),
        [],
      );
      assert.ok(times[1]! <= 95_000, `the next attempt was at ${times[1]}`);
    });

    it('shows what the CRM refused with its own words and does not repeat it', async () => {
      const { start, list, allAre, clock } = await owe({ calls: 1 });
      let attempts = 0;
      await start(async () => {
        attempts++;
        throw new Rejected('The CRM refused the call', { details: { phone: 'NotSupportedChoice' } });
      });
      await until(allAre('rejected'));
      clock.advance(24 * hour);
      assert.equal((await list())[0]?.lastError, 'The CRM refused the call: {"phone":"NotSupportedChoice"}');
      assert.equal(attempts, 1);
    });

    it('pauses a CRM that lets us in no longer, counts no attempt, and goes on when it is resumed', async () => {
      const { start, list, allAre, store, clock, log } = await owe({ calls: 8, crms: ['kommo', 'local'] });
      let isLocked = true;
      let asked = 0;
      const runner = await start(async ({ crm }) => {
        if (crm === 'local') return { crmId: '1' };
        asked++;
        if (isLocked) throw new AuthRequired('token revoked');
        return { crmId: '2' };
      });
      await until(async () => (await store.paused()).get('kommo') === 'token revoked');
      await until(async () =>
        (await store.counts()).every(({ crm, state }) => crm === 'kommo' || state === 'delivered'),
      );
      await until(() => runner.status()[0]?.['inWork'] === 0);
      const askedBefore = asked;
      assert.ok(askedBefore <= 4);
      assert.match(runner.status()[0]!.message, /token revoked/);
      assert.equal(runner.status()[0]!.health, 'error');
      assert.equal(runner.status()[1]!.health, 'ok');
      assert.ok(log.lines.some((line) => line.level === 'error' && line.fields['reason'] === 'token revoked'));
      for (const delivery of await list()) {
        if (delivery.crm === 'kommo') assert.deepEqual([delivery.state, delivery.attempts], ['pending', 0]);
      }
      clock.advance(hour);
      isLocked = false;
      await store.resume('kommo');
      runner.wake();
      await until(allAre('delivered'));
      assert.equal(asked, askedBefore + 8);
      assert.equal(runner.status()[0]!.health, 'ok');
    });

    it('keeps what fails by a fault of ours, tells where, and goes on with the others', async () => {
      const { start, list, store, log } = await owe({ calls: 9 });
      await start((delivery) => {
        if (delivery.linkedId === '1795250000.0') throw new TypeError('x is not a function');
        return Promise.resolve({ crmId: '1' });
      });
      await until(async () => (await store.counts()).some(({ state, count }) => state === 'delivered' && count === 8));
      await until(async () => (await list())[0]?.state === 'pending');
      assert.equal((await list())[0]?.lastError, 'Internal fault: x is not a function');
      assert.match(String(log.lines.find((line) => line.level === 'error')?.fields['stack']), /delivery\.test\.ts/);
    });

    it('never gives up on what may still succeed', async () => {
      const { start, list, clock } = await owe({ calls: 1 });
      let attempts = 0;
      const runner = await start(async () => {
        attempts++;
        if (attempts <= 40) throw new Retryable('timeout');
        return { crmId: '1' };
      });
      await until(async () => (await list())[0]?.state === 'delivered', {
        between: () => {
          clock.advance(600_000);
          runner.wake();
        },
      });
      assert.equal((await list())[0]?.attempts, 41);
      assert.equal((await list())[0]?.lastError, null);
    });

    it('hands each attempt what the ones before had done', async () => {
      const { start, list, clock, allAre } = await owe({ calls: 1 });
      const seen: unknown[] = [];
      await start(async (delivery, context) => {
        seen.push(delivery.progress);
        if (seen.length === 3) return { crmId: '1' };
        await context.saveProgress({ ...delivery.progress, [`step${seen.length}`]: String(seen.length) });
        throw new Retryable('connection reset');
      });
      await until(allAre('delivered'), { between: () => clock.advance(1_000) });
      assert.deepEqual(seen, [{}, { step1: '1' }, { step1: '1', step2: '2' }]);
      assert.deepEqual((await list())[0]?.progress, { step1: '1', step2: '2' });
    });

    it('keeps the lease of a handler that takes long', async () => {
      const { start, allAre, store, clock } = await owe({ calls: 1 });
      let renewals = 0;
      const counting: DeliveryStore = {
        ...store,
        async renew(delivery, leaseMs, now) {
          const isRenewed = await store.renew(delivery, leaseMs, now);
          clock.advance(leaseMs * 0.9);
          renewals++;
          return isRenewed;
        },
      };
      const handledBy: string[] = [];
      await start(
        async () => {
          handledBy.push('a');
          await until(() => renewals >= 5);
          return { crmId: '1' };
        },
        { store: counting, leaseMs: 60 },
      );
      await until(() => handledBy.length === 1);
      await start(
        async () => {
          handledBy.push('b');
          return { crmId: '2' };
        },
        { node: 'b' },
      );
      await until(allAre('delivered'));
      assert.deepEqual(handledBy, ['a']);
    });

    it('stops a handler whose delivery another node has taken over, and drops its outcome', async () => {
      const { start, list, allAre, store, clock } = await owe({ calls: 1 });
      const story: string[] = [];
      let isCutOff = true;
      const cutOff: DeliveryStore = {
        ...store,
        claim: (claim) => (story.length > 0 && isCutOff ? Promise.reject(new Error('no network')) : store.claim(claim)),
        renew: (...lease) => (isCutOff ? Promise.reject(new Error('no network')) : store.renew(...lease)),
      };
      const never = new Promise<void>(() => undefined);
      await start(
        async (_, context) => {
          story.push('a begins');
          const isAborted = new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
          await Promise.race([isAborted, never]);
          await context.saveProgress({ late: 'write' }).catch((error: unknown) => {
            story.push(error instanceof LeaseLost ? 'a may not write' : String(error));
          });
          return { crmId: 'a' };
        },
        { leaseMs: 300, store: cutOff },
      );
      await until(() => story.length === 1);
      clock.advance(400);
      await start(async () => ({ crmId: 'b' }), { node: 'b' });
      await until(allAre('delivered'));
      isCutOff = false;
      await until(() => story.length === 2);
      assert.deepEqual(story, ['a begins', 'a may not write']);
      assert.equal((await list())[0]?.crmId, 'b');
      assert.deepEqual((await list())[0]?.progress, {});
    });

    it('lets running handlers end when it is stopped, and begins no others', async () => {
      const { start, list } = await owe({ calls: 10 });
      const begun: (() => void)[] = [];
      const runner = await start(async () => {
        await new Promise<void>((resolve) => begun.push(resolve));
        return { crmId: '1' };
      });
      await until(() => begun.length === 4);
      const stopped = runner.stop();
      begun.splice(0).forEach((resolve) => resolve());
      await stopped;
      assert.equal(begun.length, 0);
      assert.deepEqual((await list()).map((delivery) => delivery.state).sort(), [
        ...Array<string>(4).fill('delivered'),
        ...Array<string>(6).fill('pending'),
      ]);
    });

    it('tells handlers to end when they take longer than the stop may', async () => {
      const { start, list } = await owe({ calls: 1 });
      let hasBegun = false;
      const runner = await start(
        (_, context) =>
          new Promise((_resolve, reject) => {
            hasBegun = true;
            context.signal.addEventListener('abort', () => reject(new Error('aborted')));
          }),
        { drainMs: 20 },
      );
      await until(() => hasBegun);
      await runner.stop();
      const [delivery] = await list();
      assert.deepEqual([delivery?.state, delivery?.attempts], ['pending', 0]);
    });

    it('takes back at once what the same node had in work when it was killed', async () => {
      const { start, allAre, store, clock } = await owe({ calls: 3 });
      const claim = { crm: 'kommo', node: 'a', limit: 3, leaseMs: hour, now: clock.now() };
      assert.equal((await store.claim(claim)).length, 3);
      await start(async () => ({ crmId: '1' }));
      await until(allAre('delivered'));
    });

    it('says so while the database does not answer, and goes on when it does', async () => {
      const { start, allAre, store, log } = await owe({ calls: 2 });
      let isDown = true;
      const failing: DeliveryStore = {
        ...store,
        claim: (claim) => (isDown ? Promise.reject(new Error('connection refused')) : store.claim(claim)),
      };
      const runner = await start(async () => ({ crmId: '1' }), { store: failing });
      await until(() => runner.status()[0]?.health === 'error');
      assert.match(runner.status()[0]!.message, /connection refused/);
      isDown = false;
      await until(allAre('delivered'));
      assert.equal(runner.status()[0]?.health, 'ok');
      assert.equal(log.lines.filter((line) => line.level === 'error').length, 1, 'one line, not one per look');
    });
  });
});
