import assert from 'node:assert/strict';
import type { Call, CallResult, Conversation } from '../../../src/core/call.ts';
import { createDeliveryRunner } from '../../../src/core/delivery.ts';
import type { DeliveryHandler } from '../../../src/core/delivery/crm-loop.ts';
import { StaffDirectory } from '../../../src/core/employees.ts';
import { coreBehaviour } from '../../../src/core/hooks.ts';
import type { CrmAdapter, CrmUser, NumberPlan } from '../../../src/core/ports.ts';
import { createConversationHandler } from '../../../src/core/registration.ts';
import { callKindOf } from '../../../src/core/rules.ts';
import { CallTracker, defaultTrackerSettings } from '../../../src/core/tracking/call-tracker.ts';
import { createLocalCrm } from '../../../src/crm/local/adapter.ts';
import { localCrmConfig } from '../../../src/crm/local/config.ts';
import { buildRegistrationRules, registrationConfig } from '../../../src/crm/rules-config.ts';
import { createCallStore } from '../../../src/storage/call-store.ts';
import type { Database } from '../../../src/storage/connection.ts';
import { createDeliveryStore } from '../../../src/storage/delivery-store.ts';
import { forEachDatabase } from '../../support/databases.ts';
import { FakeRetailcrm } from '../../support/fake-retailcrm.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { amiEvents, labNumbering, readRecordedStories, retell } from '../../support/recorded-traffic.ts';
import { silentLog } from '../../support/silent-log.ts';
import { FakeKommo } from '../../support/fake-kommo.ts';
import { until } from '../../support/until.ts';
import { connectKommo } from '../kommo/kommo-under-test.ts';
import { connectRetailcrm } from './retailcrm-under-test.ts';

const rules = {
  defaultResponsible: 'user:1',
  rules: [
    { name: 'a missed call is called back', calls: ['missed'], task: { text: 'Перезвонить {{client}}' } },
    {
      name: 'who talked or tried',
      calls: ['incoming', 'missed', 'outgoing'],
      clients: ['unknown'],
      contact: {},
      lead: {},
    },
  ],
};
/** As the CRM's documentation has them. */
const results: Readonly<Record<CallResult, string>> = {
  answered: 'answered',
  missed: 'no answer',
  no_answer: 'no answer',
  busy: 'busy',
  cancelled: 'no answer',
  rejected: 'busy',
  failed: 'failed',
  not_found: 'failed',
  voicemail: 'no answer',
};
const users: readonly CrmUser[] = [{ id: '1', name: 'Anna', email: null, extensions: ['101'], isActive: true }];

/** All recorded stories as calls of the ledger, each story with clients of its own. */
async function fillLedger(database: Database, clock: FixedClock, crms: readonly string[]) {
  const stories = readRecordedStories('asterisk-22').map((story, index) =>
    retell(story, { serial: index + 1, laterS: index * 600 }),
  );
  const plan = labNumbering(stories.flatMap((story) => story.mobiles));
  const calls = new Map<string, Call>();
  const store = createCallStore({ database, crms: [...crms], settleMs: 0, clock });
  const tracker = new CallTracker({
    store: {
      ...store,
      async save(changes) {
        await store.save(changes);
        for (const { call, absorbed } of changes) {
          for (const linkedId of absorbed) calls.delete(linkedId);
          calls.set(call.linkedId, call);
        }
      },
    },
    plan,
    clock,
    log: silentLog,
    watchers: [],
    screen: () => null,
    settings: defaultTrackerSettings,
  });
  for (const story of stories) await tracker.accept(amiEvents(story.ami));
  await tracker.stop();
  return { store, plan, expected: expectAccount([...calls.values()], plan) };
}

/** What must stand in the account, told from the calls alone. */
function expectAccount(calls: readonly Call[], plan: NumberPlan) {
  const contacts = new Set<string>();
  const missed = new Set<string>();
  const registered: { call: Call; conversation: Conversation }[] = [];
  for (const call of calls) {
    const own = call.conversations.filter((one) => one.registered && callKindOf(call, one) !== null);
    const isOurs = call.client !== null && (plan.isExtension(call.client) || plan.isEmployeeNumber(call.client));
    if (own.length === 0 || isOurs) continue;
    for (const conversation of own) {
      registered.push({ call, conversation });
      if (call.client !== null && callKindOf(call, conversation) !== 'outgoing_failed') contacts.add(call.client);
    }
    // Whoever is talked to later in the call, or is rung in vain after a transfer, is known by then.
    if (callKindOf(call, own[0]!) === 'missed') missed.add(call.client ?? call.linkedId);
  }
  const owed = calls.flatMap((call) => call.conversations.filter((one) => one.registered)).length;
  return { contacts, missed, registered, owed };
}
type Expected = ReturnType<typeof expectAccount>;

function checkAccount(fake: FakeRetailcrm, expected: Expected): void {
  const phones = fake.customers.flatMap((customer) => customer.phones.map(({ number }) => number)).sort();
  assert.deepEqual(phones, [...expected.contacts].sort(), 'one customer for each number');
  const clients = fake.orders.map(
    (order) => fake.customers.find(({ id }) => id === order.customer!.id)!.phones[0]!.number,
  );
  assert.deepEqual(clients.sort(), [...expected.contacts].sort(), 'one order for each customer');
  assert.equal(fake.tasks.length, expected.missed.size, 'one task for each client who was missed');
  const idOf = ({ call, conversation }: Expected['registered'][number]) => `${call.source}:${conversation.uniqueId}`;
  const told = fake.calls.map(({ externalId }) => externalId!).sort();
  assert.deepEqual(told, expected.registered.map(idOf).sort(), 'each conversation once');
  for (const one of expected.registered) {
    const { call, conversation } = one;
    const record = fake.calls.find(({ externalId }) => externalId === idOf(one))!;
    const at = conversation.requestedAt.toLocaleString('sv-SE', { timeZone: fake.timeZone });
    assert.equal(record.date, at, 'in its true time, by the clocks of the account');
    assert.deepEqual(
      [record.type, record.phone, record.result, record.duration, record.durationWaiting],
      [
        call.direction === 'inbound' ? 'in' : 'out',
        call.client ?? 'anonymous',
        results[conversation.result],
        conversation.duration,
        conversation.waiting,
      ],
    );
    const { extension } = conversation;
    if (extension === '101') assert.deepEqual([record.userId, record.code], [1, undefined]);
    else if (extension !== null) assert.deepEqual([record.userId, record.code], [undefined, extension]);
  }
}

describe('the recorded calls in a retailCRM account', () => {
  forEachDatabase((makeDatabase, kind) => {
    let clean: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const step of clean.reverse()) await step();
      clean = [];
    });

    async function prepare(crms: readonly string[]) {
      const { database } = await makeDatabase();
      const clock = new FixedClock(new Date('2026-11-22T00:00:00Z'));
      const fake = await FakeRetailcrm.start({ clock });
      clean.push(() => fake.stop());
      fake.addUser({ id: 1, email: 'anna@example.org' });
      const ledger = await fillLedger(database, clock, crms);
      const deliveries = createDeliveryStore({ database, clock });
      const log = createKeptLog();
      const connect = (settings?: Readonly<Record<string, unknown>>) => {
        const shop = connectRetailcrm(fake, {
          db: database.knex,
          clock,
          numbers: ledger.plan,
          firstBackOffMs: 3,
          settings: { extensions: { '101': '1' }, ...settings },
        });
        clean.push(async () => shop.adapter.close!());
        return shop;
      };
      const handlerOf = (crm: CrmAdapter): DeliveryHandler =>
        createConversationHandler({
          crm,
          ledger: ledger.store,
          hooks: coreBehaviour,
          installation: {
            crm: crm.name,
            rules: buildRegistrationRules(registrationConfig.parse(rules), {
              language: 'ru',
              toClientNumber: ledger.plan.toClientNumber,
            }),
            staff: new StaffDirectory({ employees: [], timeZone: 'UTC' }),
            numbers: ledger.plan,
            timeZone: 'UTC',
          },
          // 501 is Anna's id in the other CRM's account.
          users: () => (crm.name === 'amo' ? users.map((user) => ({ ...user, id: '501' })) : users),
        });
      const run = async (adapters: readonly CrmAdapter[], concurrency = 4) => {
        const handlers = new Map(adapters.map((adapter) => [adapter.name, handlerOf(adapter)]));
        const runner = createDeliveryRunner({
          store: deliveries,
          handle: (delivery, context) => handlers.get(delivery.crm)!(delivery, context),
          crms: [...handlers.keys()],
          node: 'a',
          clock,
          log,
          concurrency,
          pollMs: 1,
          leaseMs: 60 * 24 * 3_600_000,
        });
        await runner.start();
        clean.push(() => runner.stop());
        return runner;
      };
      const doneOf = async (crm: string) =>
        (await deliveries.counts())
          .filter((row) => row.crm === crm && ['delivered', 'skipped', 'rejected'].includes(row.state))
          .reduce((sum, { count }) => sum + count, 0);
      const bugs = () =>
        log.lines.filter((line) => line.level === 'error' || line.message.includes('refused')).slice(0, 3);
      return { ...ledger, database, clock, fake, deliveries, log, connect, run, doneOf, bugs };
    }

    it('are exactly the customers, orders, tasks and calls that they must be', async function () {
      this.timeout(60_000);
      const { fake, clock, expected, connect, run, doneOf, bugs } = await prepare(['shop']);
      await run([connect().adapter]);
      const between = () => clock.advance(5_000);
      await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 50_000 });
      assert.deepEqual(bugs(), []);
      assert.ok(expected.registered.length > 70);
      checkAccount(fake, expected);
      assert.equal(fake.repeats, 0);
    });

    if (kind === 'postgres') return;

    it('are the same when answers get lost, requests are limited, the CRM breaks and the service restarts', async function () {
      this.timeout(120_000);
      const { fake, clock, expected, connect, run, doneOf, bugs, log } = await prepare(['shop']);
      Object.assign(fake.faults, { lostAnswers: 0.2, brokenAnswers: 0.05 });
      let rounds = 0;
      const between = () => {
        clock.advance(5_000);
        if (fake.requests.length % 40 === 0) fake.faults.refusals = 3;
        // Now and then the proxy before it answers, with a page for people.
        if (rounds++ % 60 === 0) fake.faults.page = { status: 502 };
        else delete fake.faults.page;
      };
      const first = await run([connect().adapter]);
      const isHalf = async () => (await doneOf('shop')) >= expected.owed / 2;
      await until(isHalf, { between, timeoutMs: 50_000 });
      await first.stop();
      await run([connect().adapter]);
      await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 60_000 });
      assert.deepEqual(bugs(), []);
      checkAccount(fake, expected);
      assert.ok(fake.repeats > 0, 'calls were sent again whose answer was lost');
      for (const reason of ['fewer requests', 'answers 502']) {
        assert.ok(
          log.lines.some(({ fields }) => String(fields['reason']).includes(reason)),
          reason,
        );
      }
    });

    it('are all but the one that the CRM will not have when it takes parts of uploads (460) and answers get lost', async function () {
      this.timeout(90_000);
      const { fake, clock, expected, connect, run, doneOf, deliveries } = await prepare(['shop']);
      fake.ways.takesPartsOfUploads = true;
      Object.assign(fake.faults, { lostAnswers: 0.1 });
      const [refused] = expected.registered.filter(({ call }) => call.client !== null);
      fake.unwelcome.add(refused!.call.client!);
      const shop = connect({ upload: { strategy: 'periodic', everyMs: 1_000 } });
      await run([shop.adapter], shop.concurrency!);
      const between = () => clock.advance(5_000);
      await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 70_000 });
      const isTaken = ({ call }: Expected['registered'][number]) => call.client !== refused!.call.client;
      const idOf = ({ call, conversation }: Expected['registered'][number]) =>
        `${call.source}:${conversation.uniqueId}`;
      assert.deepEqual(
        fake.calls.map(({ externalId }) => externalId).sort(),
        expected.registered.filter(isTaken).map(idOf).sort(),
      );
      const rejected = (await deliveries.counts()).filter(({ state }) => state === 'rejected');
      const wanted = expected.registered.length - expected.registered.filter(isTaken).length;
      assert.equal(
        rejected.reduce((sum, { count }) => sum + count, 0),
        wanted,
      );
    });

    it('are the same when they are uploaded together, and few requests are made', async function () {
      this.timeout(60_000);
      const { fake, clock, expected, connect, run, doneOf, bugs } = await prepare(['shop']);
      const shop = connect({ upload: { strategy: 'periodic', everyMs: 1_000 } });
      const runner = await run([shop.adapter], shop.concurrency!);
      const between = () => clock.advance(5_000);
      await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 50_000 });
      assert.deepEqual(bugs(), []);
      checkAccount(fake, expected);
      assert.ok(fake.uploads.length < expected.registered.length / 4, `${fake.uploads.length} uploads`);
      assert.ok(fake.uploads.every((size) => size <= 50));
      await runner.stop();
    });

    it('stand in the built-in CRM at once while this one is down for ten minutes, and here afterwards', async function () {
      this.timeout(60_000);
      const { fake, clock, database, plan, expected, connect, run, doneOf, bugs } = await prepare(['local', 'shop']);
      const parts = { name: 'local', config: localCrmConfig.parse({}), db: database.knex, numbers: plan, clock };
      const local = createLocalCrm(parts);
      const anna = { id: '1', name: 'Anna', extensions: ['101'], email: null, mobile: null, workingHours: null };
      await local.book.takeConfiguredEmployees([{ ...anna, deputies: [], isActive: true }]);
      fake.faults.isDown = true;
      const startedAt = clock.now().getTime();
      const passedMs = () => clock.now().getTime() - startedAt;
      await run([local.adapter, connect().adapter]);
      await until(async () => (await doneOf('local')) >= expected.owed, { timeoutMs: 30_000 });
      assert.equal(passedMs(), 0, 'the built-in CRM has not waited');
      assert.deepEqual([fake.calls.length, await doneOf('shop')], [0, 0]);
      const notes = await database.knex('local_call_notes').count({ count: '*' }).first();
      assert.equal(Number(notes!['count']), expected.registered.length);

      const between = () => clock.advance(2_000);
      await until(() => passedMs() >= 600_000, { between });
      assert.equal(fake.calls.length, 0);
      fake.faults.isDown = false;
      await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 30_000 });
      assert.deepEqual(bugs(), []);
      checkAccount(fake, expected);
    });

    it('stand in an amoCRM account while this one is down for ten minutes, and here afterwards', async function () {
      this.timeout(120_000);
      const { fake, clock, database, expected, connect, run, doneOf, bugs } = await prepare(['amo', 'shop']);
      const amo = await FakeKommo.start({ clock });
      try {
        fake.faults.isDown = true;
        const startedAt = clock.now().getTime();
        const passedMs = () => clock.now().getTime() - startedAt;
        await run([connectKommo(amo, { db: database.knex, clock }), connect().adapter]);
        // Its own pace of seven requests a second is all that the other one waits for.
        await until(async () => (await doneOf('amo')) >= expected.owed, {
          between: () => clock.advance(150),
          timeoutMs: 60_000,
        });
        assert.ok(passedMs() < 600_000, `the other CRM took ${passedMs()} ms`);
        assert.deepEqual([fake.calls.length, await doneOf('shop')], [0, 0]);

        const between = () => clock.advance(2_000);
        await until(() => passedMs() >= 600_000, { between });
        assert.equal(fake.calls.length, 0);
        fake.faults.isDown = false;
        await until(async () => (await doneOf('shop')) >= expected.owed, { between, timeoutMs: 30_000 });
        assert.deepEqual(bugs(), []);
        checkAccount(fake, expected);
      } finally {
        await amo.close();
      }
    });
  });
});
