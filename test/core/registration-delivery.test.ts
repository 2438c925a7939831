import assert from 'node:assert/strict';
import { createDeliveryRunner, type DeliveryRunner } from '../../src/core/delivery.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import { coreBehaviour } from '../../src/core/hooks.ts';
import type { CallChange, CrmAdapter } from '../../src/core/ports.ts';
import { createConversationHandler } from '../../src/core/registration.ts';
import { buildRegistrationRules, registrationConfig } from '../../src/crm/rules-config.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { makeLocalCrm, russianNumbers } from '../crm/local/local-crm-under-test.ts';
import { diceOfThisRun } from '../support/random-seed.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { numberedChange } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

const callCount = 30;
const clientCount = 6;

/** Of every ten requests one is refused and two are done without an answer. */
function makeUnreliable(adapter: CrmAdapter): CrmAdapter {
  const dice = diceOfThisRun();
  return new Proxy(adapter, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return async (...values: unknown[]) => {
        const fate = Math.floor(dice() * 10);
        if (fate === 0) throw new Retryable('503 Service Unavailable');
        const answer: unknown = await Reflect.apply(value, target, values);
        if (fate <= 2) throw new Retryable('the connection was cut before the answer');
        return answer;
      };
    },
  });
}

describe('what is owed to the built-in CRM', () => {
  forEachDatabase((makeDatabase) => {
    let runners: DeliveryRunner[] = [];
    afterEach(async () => {
      for (const runner of runners) await runner.stop();
      runners = [];
    });

    it('stands there once, in true time, though requests fail, answers get lost and the service restarts', async () => {
      const { database } = await makeDatabase();
      const crm = await makeLocalCrm(database.knex);
      const { clock } = crm;
      const calls = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
      const store = createDeliveryStore({ database, clock });
      const changes = Array.from({ length: callCount }, (_, n): CallChange => {
        const change = numberedChange(n, 2);
        return { ...change, call: { ...change.call, client: `+7916111000${n % clientCount}` } };
      });
      await calls.save(changes);

      const handle = () =>
        createConversationHandler({
          crm: makeUnreliable(crm.adapter),
          ledger: calls,
          hooks: coreBehaviour,
          installation: {
            crm: 'local',
            rules: buildRegistrationRules(
              registrationConfig.parse({ rules: [{ name: 'all', contact: {}, lead: {}, task: { text: 'Thank' } }] }),
              { language: 'en', toClientNumber: russianNumbers.toClientNumber },
            ),
            staff: new StaffDirectory({ employees: [], timeZone: 'UTC' }),
            numbers: russianNumbers,
            timeZone: 'UTC',
          },
          users: () => [],
        });
      const start = async () => {
        const log = createKeptLog();
        // The clock runs much faster than the real time in which leases are renewed.
        const leaseMs = 24 * 3_600_000;
        const settings = { store, handle: handle(), crms: ['local'], node: 'a', clock, log, pollMs: 1, leaseMs };
        const runner = createDeliveryRunner(settings);
        runners.push(runner);
        await runner.start();
        return { runner, log };
      };
      const deliveredCount = async () => (await store.counts()).find((row) => row.state === 'delivered')?.count ?? 0;
      const between = () => clock.advance(60_000);

      const first = await start();
      await until(async () => (await deliveredCount()) > callCount / 2, { between });
      await first.runner.stop();
      const second = await start();
      await until(async () => (await deliveredCount()) === callCount * 2, { between, timeoutMs: 18_000 });

      const bugs = [...first.log.lines, ...second.log.lines].filter((line) => line.message.includes('fault of ours'));
      assert.deepEqual(bugs, []);
      const { items: notes } = await crm.book.listCallNotes({
        sort: 'startedAt',
        order: 'asc',
        limit: 500,
        after: null,
      });
      const conversations = changes.flatMap(({ call }) => call.conversations);
      assert.deepEqual(
        new Map(notes.map((note) => [note.uniqueId, note.startedAt.getTime()])),
        new Map(conversations.map((one) => [one.uniqueId, one.requestedAt.getTime()])),
      );
      assert.equal(notes.length, callCount * 2);
      for (const entity of ['contact', 'lead', 'task'] as const) {
        assert.equal(await crm.count(entity), clientCount, `one ${entity} per client`);
      }
      for (const { call } of changes) {
        const [one, other] = call.conversations.map((part) => notes.find((note) => note.uniqueId === part.uniqueId)!);
        assert.ok(Number(one!.id) < Number(other!.id), 'the parts of a call stand in their order');
        assert.equal(one!.contactId, other!.contactId);
      }
    });
  });
});
