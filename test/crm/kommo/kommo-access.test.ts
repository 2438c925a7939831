import assert from 'node:assert/strict';
import { AuthRequired, Rejected, Retryable } from '../../../src/core/errors.ts';
import type { CrmAdapter } from '../../../src/core/ports.ts';
import { NotDone, RequestPace } from '../../../src/crm/kommo/access/pace.ts';
import type { Database } from '../../../src/storage/connection.ts';
import { forEachDatabase } from '../../support/databases.ts';
import { FakeKommo, type FakeKommoOptions } from '../../support/fake-kommo.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { until } from '../../support/until.ts';
import { aContact, aRegistration } from '../conformance.ts';
import { connectKommo } from './kommo-under-test.ts';

const never = () => ({ signal: new AbortController().signal });
const dayMs = 86_400_000;

describe('access to an amoCRM or Kommo account', () => {
  forEachDatabase((makeDatabase, kind) => {
    let clock: FixedClock;
    let fake: FakeKommo;
    let database: Database;
    let adapters: CrmAdapter[];
    const start = async (options: Partial<FakeKommoOptions> = {}) => {
      clock = new FixedClock();
      fake = await FakeKommo.start({ clock, ...options });
      database = (await makeDatabase()).database;
      adapters = [];
    };
    afterEach(async () => {
      for (const adapter of adapters) await adapter.close?.();
      await fake.close();
    });
    const connect = (
      settings: Record<string, unknown> = {},
      more: { requestsPerSecond?: number; firstBackOffMs?: number } = {},
    ) => {
      const adapter = connectKommo(fake, { db: database.knex, clock, settings, ...more });
      adapters.push(adapter);
      return adapter;
    };
    const oauth = (code: string | null, secret = 's'.repeat(32)) => ({
      oauth: {
        clientId: fake.client.id,
        clientSecret: fake.client.secret,
        redirectUri: fake.client.redirectUri,
        authorizationCode: code,
        encryptionSecret: secret,
      },
    });
    const exchanges = () => fake.asked.filter((name) => name.endsWith('/oauth2/access_token')).length;

    describe('by OAuth', () => {
      it('comes from the code once, and is kept encrypted for the next start', async () => {
        await start();
        const settings = oauth(fake.issueCode());
        assert.equal((await connect(settings).listUsers()).length, 3);
        assert.equal((await connect(settings).listUsers()).length, 3);
        assert.equal(exchanges(), 1);
        const [row] = (await database.knex('crm_tokens')) as { sealed: string }[];
        const bytes = Buffer.from(row!.sealed, 'base64').toString('latin1');
        assert.ok(!bytes.includes('accessToken') && !bytes.includes('def502'));
      });

      it('is renewed once by all workers of all nodes, though a refresh token works only once', async () => {
        await start();
        const settings = oauth(fake.issueCode());
        const nodes = kind === 'postgres' ? [connect(settings), connect(settings)] : [connect(settings)];
        await Promise.all(nodes.map((node) => node.findContact('+79161110002', never())));
        fake.expireAccessTokens();
        const asks = Array.from({ length: 12 }, (_, index) =>
          nodes[index % nodes.length]!.findContact(`+7916111000${index % 10}`, never()),
        );
        await Promise.all(asks);
        assert.equal(fake.refreshes, 1);
        clock.advance(dayMs);
        await Promise.all(nodes.map((node) => node.findContact('+79161110002', never())));
        assert.equal(fake.refreshes, 2, 'before the end, without a refused request');
      });

      it('asks for a person when it was revoked, and goes on with a new code', async () => {
        await start();
        const used = fake.issueCode();
        await connect(oauth(used)).listUsers();
        fake.revokeAll();
        await assert.rejects(connect(oauth(used)).listUsers(), (error: Error) => {
          assert.ok(error instanceof AuthRequired);
          assert.match(error.message, /revoked.*authorizationCode/s);
          return true;
        });
        assert.equal((await connect(oauth(fake.issueCode())).listUsers()).length, 3);
      });

      it('says what is wrong with a code that is too old, a wrong client and a wrong encryption secret', async () => {
        await start();
        const code = fake.issueCode();
        clock.advance(21 * 60_000);
        await assert.rejects(connect(oauth(code)).listUsers(), /Authorization code has expired/);
        await assert.rejects(connect(oauth(null)).listUsers(), /not connected yet/);
        const wrong = oauth(fake.issueCode());
        await assert.rejects(
          connect({ oauth: { ...wrong.oauth, clientSecret: 'x' } }).listUsers(),
          /Некорректный клиент/,
        );
        const fresh = fake.issueCode();
        await connect(oauth(fresh)).listUsers();
        const other = connect(oauth(fresh, 'o'.repeat(32)));
        await assert.rejects(
          other.listUsers(),
          (error: Error) => error instanceof AuthRequired && /encryptionSecret/.test(error.message),
        );
      });

      it('keeps an access that works although the code in the configuration is used up', async () => {
        await start();
        await connect(oauth(fake.issueCode())).listUsers();
        assert.equal((await connect(oauth('used-up-long-ago')).listUsers()).length, 3);
      });
    });

    if (kind === 'postgres') return;

    it('with a long-lived token that ran out asks for a new one', async () => {
      await start();
      const exp = Math.floor(Date.UTC(2027, 0, 1) / 1_000);
      const token = `x.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.y`;
      const adapter = connect({ longLivedToken: token });
      await assert.rejects(adapter.listUsers(), (error: Error) => {
        assert.ok(error instanceof AuthRequired);
        assert.match(error.message, /longLivedToken/);
        assert.match(error.message, /2027-01-01/);
        return true;
      });
      const [status] = await adapter.check();
      assert.equal(status!.health, 'error');
    });

    it('stops at a ban: not one request more is sent, and check() says so in plain words', async () => {
      await start();
      const adapter = connect();
      fake.ban(true);
      await assert.rejects(adapter.listUsers(), AuthRequired);
      const before = fake.asked.length;
      await assert.rejects(adapter.registerConversation(aRegistration()), AuthRequired);
      await assert.rejects(adapter.findContact('+79161110002', never()), AuthRequired);
      const [status] = await adapter.check();
      assert.match(status!.message, /banned/);
      assert.equal(fake.asked.length, before);
    });

    it('tells an unpaid account, a page that is no answer, and a refused right apart', async () => {
      await start();
      fake.failNext('unpaid');
      await assert.rejects(
        connect().listUsers(),
        (error: Error) => error instanceof AuthRequired && /not paid/.test(error.message),
      );
      fake.failNext('garbage');
      await assert.rejects(connect().listUsers(), Retryable);
      await assert.rejects(connect().createContact!(aContact({ responsibleId: '999' }), 'k'), (error: unknown) => {
        assert.ok(error instanceof Rejected);
        assert.deepEqual(Object.keys(error.details as object), ['responsible_user_id']);
        return true;
      });
      assert.equal(fake.contacts.length, 0);
    });

    it('waits after a 429, longer each time, and everybody with it', async () => {
      await start();
      const adapter = connect({}, { firstBackOffMs: 400 });
      fake.failNext('limited');
      await assert.rejects(
        adapter.listUsers(),
        (error: unknown) => error instanceof Retryable && error.retryAfterMs === 400,
      );
      const before = fake.asked.length;
      await assert.rejects(adapter.findContact('+79161110002', never()), (error: unknown) => {
        assert.ok(error instanceof Retryable && error.retryAfterMs !== null && error.retryAfterMs <= 400);
        return true;
      });
      assert.equal(fake.asked.length, before, 'nothing was sent meanwhile');
      const now = performance.now();
      await until(() => performance.now() - now > 400);
      fake.failNext('limited');
      await assert.rejects(
        adapter.listUsers(),
        (error: unknown) => error instanceof Retryable && error.retryAfterMs === 800,
      );
    });

    it('never goes beyond seven requests a second, live questions first', async () => {
      await start({ requestsPerSecond: 7, banAfter: 1 });
      const adapter = connect({}, { requestsPerSecond: 7 });
      await adapter.findContact('+79161110009', never());
      const order: string[] = [];
      const owed = Array.from({ length: 8 }, (_, index) =>
        adapter.findContact(`+7916111000${index}`, never()).then(() => order.push('owed')),
      );
      const live = adapter.findContact('+79161110008', { ...never(), isUrgent: true }).then(() => order.push('live'));
      await Promise.all([...owed, live]);
      // Each question is two requests: contacts, then companies.
      assert.ok(order.indexOf('live') <= 2, order.join());
    });

    it('gives up in time when the account does not answer', async () => {
      await start();
      const adapter = connect();
      const signal = AbortSignal.timeout(50);
      fake.failNext('silent');
      await assert.rejects(adapter.findContact('+79161110002', { signal, isUrgent: true }), Retryable);
    });
  });

  it('lets who no longer waits leave the queue unsent', async () => {
    const pace = new RequestPace({ requestsPerSecond: 1, shared: null });
    await pace.take('sync', new AbortController().signal);
    const abort = new AbortController();
    const waiting = pace.take('live', abort.signal);
    abort.abort();
    await assert.rejects(waiting, NotDone);
  });

  it('lets urgent requests go first, without starving the others', async () => {
    const pace = new RequestPace({ requestsPerSecond: 200, shared: null });
    const order: string[] = [];
    const take = (urgency: 'live' | 'sync') =>
      pace.take(urgency, new AbortController().signal).then(() => order.push(urgency));
    await Promise.all([take('sync'), take('sync'), ...Array.from({ length: 12 }, () => take('live'))]);
    assert.deepEqual([order.slice(0, 4).includes('sync'), order.slice(-1)], [true, ['live']], order.join());
  });

  forEachDatabase((makeDatabase, kind) => {
    if (kind === 'sqlite') return;
    it('keeps to one pace on several nodes', async () => {
      const clock = new FixedClock();
      const fake = await FakeKommo.start({ clock, requestsPerSecond: 7, banAfter: 1 });
      const { database } = await makeDatabase();
      const nodes = [1, 2, 3].map(() =>
        connectKommo(fake, { db: database.knex, clock, requestsPerSecond: 7, settings: { companies: false } }),
      );
      await Promise.all(
        Array.from({ length: 18 }, (_, index) => nodes[index % 3]!.findContact(`+791611100${10 + index}`, never())),
      );
      for (const node of nodes) await node.close?.();
      await fake.close();
    });
  });
});
