import assert from 'node:assert/strict';
import { createDeliveryRunner, type DeliveryRunner } from '../../../src/core/delivery.ts';
import type { Call, Conversation } from '../../../src/core/call.ts';
import { StaffDirectory } from '../../../src/core/employees.ts';
import { coreBehaviour } from '../../../src/core/hooks.ts';
import type { CrmAdapter } from '../../../src/core/ports.ts';
import { createConversationHandler } from '../../../src/core/registration.ts';
import { callKindOf } from '../../../src/core/rules.ts';
import { CallTracker, defaultTrackerSettings } from '../../../src/core/tracking/call-tracker.ts';
import { buildRegistrationRules, registrationConfig } from '../../../src/crm/rules-config.ts';
import { createCallStore } from '../../../src/storage/call-store.ts';
import type { Database } from '../../../src/storage/connection.ts';
import { createDeliveryStore } from '../../../src/storage/delivery-store.ts';
import { forEachDatabase } from '../../support/databases.ts';
import { FakeKommo } from '../../support/fake-kommo.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { diceOfThisRun } from '../../support/random-seed.ts';
import { amiEvents, labNumbering, readRecordedStories, retell } from '../../support/recorded-traffic.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';
import { connectKommo } from './kommo-under-test.ts';

const rules = {
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

/** All recorded stories as calls of the ledger, each story with clients of its own. */
async function fillLedger(database: Database, clock: FixedClock) {
  const stories = readRecordedStories('asterisk-22').map((story, index) =>
    retell(story, { serial: index + 1, laterS: index * 600 }),
  );
  const plan = labNumbering(stories.flatMap((story) => story.mobiles));
  const calls = new Map<string, Call>();
  const store = createCallStore({ database, crms: ['amo'], settleMs: 0, clock });
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
  return { store, plan, calls: [...calls.values()] };
}

/** What must stand in the account, told from the calls alone. */
function expectAccount(calls: readonly Call[], isInternal: (number: string) => boolean) {
  const contacts = new Set<string>();
  const missed = new Set<string>();
  const registered: { call: Call; conversation: Conversation }[] = [];
  for (const call of calls) {
    const own = call.conversations.filter((one) => one.registered && callKindOf(call, one) !== null);
    if (own.length === 0 || (call.client !== null && isInternal(call.client))) continue;
    for (const conversation of own) {
      registered.push({ call, conversation });
      if (call.client !== null && callKindOf(call, conversation) !== 'outgoing_failed') contacts.add(call.client);
    }
    // Whoever is talked to later in the call, or is rung in vain after a transfer, is known by then.
    if (callKindOf(call, own[0]!) === 'missed') missed.add(call.client ?? call.linkedId);
  }
  return { contacts, missed, registered };
}

describe('the recorded calls in an amoCRM or Kommo account', () => {
  forEachDatabase((makeDatabase, kind) => {
    let clean: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const step of clean.reverse()) await step();
      clean = [];
    });

    async function deliver(options: {
      readonly prepare?: (fake: FakeKommo) => void;
      readonly settings?: (fake: FakeKommo) => Record<string, unknown>;
      /** After this many deliveries, once. */
      readonly inTheMiddle?: (fake: FakeKommo) => void;
      readonly withRestart?: boolean;
    }) {
      const { database } = await makeDatabase();
      const clock = new FixedClock(new Date('2026-11-22T00:00:00Z'));
      const fake = await FakeKommo.start({ clock });
      clean.push(() => fake.close());
      const settings = options.settings?.(fake) ?? {};
      options.prepare?.(fake);
      const { store: ledger, plan, calls } = await fillLedger(database, clock);
      const deliveries = createDeliveryStore({ database, clock });
      const log = createKeptLog();
      const build = async (): Promise<{ runner: DeliveryRunner; adapter: CrmAdapter }> => {
        const adapter = connectKommo(fake, { db: database.knex, clock, settings, firstBackOffMs: 3 });
        const handle = createConversationHandler({
          crm: adapter,
          ledger,
          hooks: coreBehaviour,
          installation: {
            crm: 'amo',
            rules: buildRegistrationRules(registrationConfig.parse(rules), {
              language: 'ru',
              toClientNumber: plan.toClientNumber,
            }),
            staff: new StaffDirectory({ employees: [], timeZone: 'UTC' }),
            numbers: plan,
            timeZone: 'UTC',
          },
          users: () => [{ id: '501', name: 'Иван', email: null, extensions: ['101'], isActive: true }],
        });
        const leaseMs = 60 * 24 * 3_600_000;
        const runner = createDeliveryRunner({
          store: deliveries,
          handle,
          crms: ['amo'],
          node: 'a',
          clock,
          log,
          pollMs: 1,
          leaseMs,
        });
        await runner.start();
        return { runner, adapter };
      };
      const countOf = async (state: string) =>
        (await deliveries.counts()).find((row) => row.state === state)?.count ?? 0;
      const expected = expectAccount(calls, (number) => plan.isExtension(number) || plan.isEmployeeNumber(number));
      const owed = calls.flatMap((call) => call.conversations.filter((one) => one.registered)).length;
      const between = () => clock.advance(5_000);

      let running = await build();
      clean.push(async () => {
        await running.runner.stop();
        await running.adapter.close?.();
      });
      const half = async () => (await countOf('delivered')) >= expected.registered.length / 2;
      await until(half, { between, timeoutMs: 30_000, what: 'half of it is delivered' });
      options.inTheMiddle?.(fake);
      if (options.withRestart === true) {
        await running.runner.stop();
        await running.adapter.close?.();
        running = await build();
      }
      const isDone = async () =>
        (await countOf('delivered')) + (await countOf('skipped')) + (await countOf('rejected')) >= owed;
      await until(isDone, { between, timeoutMs: 60_000, what: 'all is delivered' });
      const bugs = log.lines.filter((line) => line.level === 'error' || line.message.includes('refused'));
      assert.deepEqual(bugs.slice(0, 3), []);
      return { fake, expected, log };
    }

    function checkAccount(
      { fake, expected }: { fake: FakeKommo; expected: ReturnType<typeof expectAccount> },
      mayOvertake = false,
    ) {
      const callsOf = (client: string) =>
        new Set(expected.registered.filter(({ call }) => call.client === client).map(({ call }) => call));
      const numbersOf = fake.contacts.flatMap((card) => card.phones.map(({ value }) => value)).sort();
      assert.deepEqual(numbersOf, [...expected.contacts].sort(), 'one contact for each number');
      const leadClients = fake.leads.map(
        (lead) => fake.contacts.find(({ id }) => id === lead.contacts[0])!.phones[0]!.value,
      );
      assert.deepEqual(leadClients.sort(), [...expected.contacts].sort(), 'one lead for each contact');
      assert.equal(fake.tasks.length, expected.missed.size, 'one task for each client who was missed');

      const uniqs = fake.callNotes.map((note) => String(note.params['uniq']));
      const wanted = expected.registered.map(
        ({ call, conversation }) => `conversation:${call.source}:${conversation.uniqueId}`,
      );
      assert.deepEqual(uniqs.sort(), wanted.sort(), 'each conversation once');
      for (const { call, conversation } of expected.registered) {
        const uniq = `conversation:${call.source}:${conversation.uniqueId}`;
        const note = fake.callNotes.find(({ params }) => params['uniq'] === uniq)!;
        assert.equal(note.created_at, Math.floor(conversation.requestedAt.getTime() / 1_000), 'in its true time');
        assert.equal(note.params['duration'], conversation.duration);
        assert.equal(note.note_type, call.direction === 'inbound' ? 'call_in' : 'call_out');
        const isLead = call.client !== null && expected.contacts.has(call.client);
        if (!isLead || callKindOf(call, conversation) === 'outgoing_failed') continue;
        // A call that overtakes another of its client, which has to be tried again, finds the contact but no lead yet.
        if (mayOvertake && callsOf(call.client!).size > 1) assert.ok(['leads', 'contacts'].includes(note.kind));
        else assert.equal(note.kind, 'leads', `${call.linkedId} stands at the lead`);
      }
    }

    it('are exactly the contacts, leads, tasks and calls that they must be', async function () {
      this.timeout(60_000);
      const result = await deliver({});
      assert.ok(result.expected.registered.length > 70);
      assert.ok(result.expected.missed.size > 15);
      checkAccount(result);
    });

    if (kind === 'postgres') return;
    it('are the same when answers get lost, requests are limited, tokens run out and the service restarts', async function () {
      this.timeout(120_000);
      const dice = diceOfThisRun();
      let burst = 0;
      const burstDice = () => {
        if (burst > 0) {
          burst -= 1;
          return 0;
        }
        if (dice() < 0.01) burst = 6;
        return dice();
      };
      let rolls = 0;
      const result = await deliver({
        settings: (fake) => ({
          oauth: {
            clientId: fake.client.id,
            clientSecret: fake.client.secret,
            redirectUri: fake.client.redirectUri,
            authorizationCode: fake.issueCode(),
            encryptionSecret: 'k'.repeat(32),
          },
        }),
        prepare: (fake) => {
          // Bursts hit the limit; a lost answer is a draw of its own.
          fake.chaos = { limited: 0.05, down: 0.05, lost: 0.2, dice: () => (rolls++ % 3 === 0 ? burstDice() : dice()) };
        },
        inTheMiddle: (fake) => fake.expireAccessTokens(),
        withRestart: true,
      });
      checkAccount(result, true);
      assert.ok(result.fake.refreshes >= 1, 'the tokens were renewed');
      assert.ok(result.log.lines.some(({ fields }) => String(fields['reason']).includes('429')));
    });
  });
});
