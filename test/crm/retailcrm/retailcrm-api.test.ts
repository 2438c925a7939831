import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Knex } from 'knex';
import { AuthRequired, Rejected, Retryable } from '../../../src/core/errors.ts';
import type { CrmAdapter } from '../../../src/core/ports.ts';
import { createRetailcrmCrm } from '../../../src/crm/retailcrm/adapter.ts';
import { retailcrmConfig } from '../../../src/crm/retailcrm/config.ts';
import { forEachDatabase } from '../../support/databases.ts';
import { FakeRetailcrm } from '../../support/fake-retailcrm.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { aRegistration } from '../conformance.ts';
import { clientToken, connectRetailcrm, makeRetailcrm, numbers } from './retailcrm-under-test.ts';

const noDatabase = { client: { driverName: 'none' } } as unknown as Knex;
const never = () => ({ signal: new AbortController().signal });

describe('answers of a retailCRM', () => {
  let server: Server;
  let answer: (path: string, response: ServerResponse) => void;
  let adapter: CrmAdapter;
  beforeEach(async () => {
    server = createServer((request, response) => answer(request.url!, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const account = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = { account, apiKey: 'k', clientToken, timeZone: 'UTC', fallbackCode: '1', timeoutMs: 1_000 };
    ({ adapter } = createRetailcrmCrm({
      name: 'shop',
      config: retailcrmConfig.parse(config),
      db: noDatabase,
      numbers,
      clock: new FixedClock(),
      firstBackOffMs: 1,
    }));
  });
  afterEach(async () => {
    await adapter.close!();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const says = (status: number, body: string | object, headers: Record<string, string> = {}) => {
    answer = (path, response) => {
      if (path === '/api/api-versions') return void response.end('{"success":true,"versions":["5.0"]}');
      response.writeHead(status, headers);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  };
  const register = () => adapter.registerConversation(aRegistration());

  it('are judged by what they say of their success before their status', async () => {
    says(460, { success: true, processedCallsCount: 1 });
    assert.equal((await register()).id, 'pbx:1795246371.3');
    says(500, { success: true, processedCallsCount: 0, duplicateCalls: ['pbx:1795246371.3'] });
    await register();
    says(200, { success: false, errorMsg: 'Validation error' });
    await assert.rejects(register(), Rejected);
    says(201, { success: false, errorMsg: 'Wrong "apiKey" value.' });
    await assert.rejects(register(), AuthRequired);
    says(200, { success: true, processedCallsCount: 0, duplicateCalls: [] });
    await assert.rejects(register(), Rejected, 'it has not taken the call');
  });

  it("keep the CRM's own words, field by field or as a list", async () => {
    says(400, { success: false, errorMsg: 'Errors in the entity format', errors: { '[0].phone': 'Is not valid' } });
    await assert.rejects(register(), (error: unknown) => {
      assert.ok(error instanceof Rejected);
      assert.deepEqual(error.details, { '[0].phone': 'Is not valid' });
      assert.match(error.message, /Errors in the entity format: \[0\]\.phone: Is not valid/);
      return true;
    });
    says(460, { success: false, errorMsg: 'Calls are loaded with errors', errors: ['one', 'two'] });
    await assert.rejects(register(), (error: unknown) => {
      assert.ok(error instanceof Rejected);
      assert.deepEqual(error.details, ['one', 'two']);
      return /one; two/.test(error.message);
    });
  });

  it('that are worth another try: broken, unreadable, late, above the limit', async () => {
    for (const [status, body] of [
      [500, { success: false, errorMsg: 'Internal error' }],
      [502, '<html>Bad gateway</html>'],
      [200, 'not json'],
      [200, ''],
      [200, '{"success":"yes"}'],
    ] as const) {
      says(status, body);
      await assert.rejects(register(), Retryable, `${status} ${JSON.stringify(body)}`);
    }
    answer = (path, response) =>
      path === '/api/api-versions' ? void response.end('{"success":true,"versions":["5.0"]}') : undefined;
    await assert.rejects(register(), /did not answer in time/);
    for (const body of [{ success: false, errorMsg: 'Rate limit exceeded' }, '<html>503</html>']) {
      says(503, body);
      await assert.rejects(register(), (error: unknown) => error instanceof Retryable && error.retryAfterMs !== null);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it('that need a person: no account, no key, no right, elsewhere', async () => {
    for (const [status, body] of [
      [200, '<html>Account does not exist</html>'],
      [404, '<!doctype html><title>404</title>'],
      [302, ''],
      [400, { success: false, errorMsg: '"apiKey" is missing.' }],
      [403, { success: false, errorMsg: 'Wrong "apiKey" value.' }],
      [403, { success: false, errorMsg: 'Access denied.' }],
      [404, { success: false, errorMsg: 'Account does not exist.' }],
    ] as const) {
      says(status, body, status === 302 ? { location: 'https://elsewhere.example.org/' } : {});
      await assert.rejects(register(), AuthRequired, `${status} ${JSON.stringify(body)}`);
    }
  });
});

describe('the pace of requests to a retailCRM', () => {
  forEachDatabase((makeDatabase, kind) => {
    it('keeps both limits over all workers of all nodes, without a single refusal', async function () {
      this.timeout(20_000);
      const { database } = await makeDatabase();
      const fake = await FakeRetailcrm.start({ clock: new FixedClock(), hasLimits: true });
      fake.addUser({ id: 1 });
      const parts = { db: database.knex, requestsPerSecond: undefined, settings: { timeZone: 'UTC' } };
      // Several processes share only a PostgreSQL database.
      const nodes = (kind === 'postgres' ? [1, 2] : [1]).map(() => connectRetailcrm(fake, parts));
      const [node] = nodes;
      try {
        const upload = (index: number) =>
          nodes[index % nodes.length]!.adapter.registerConversation(aRegistration({ idempotencyKey: `pbx:${index}` }));
        const find = (index: number) =>
          nodes[index % nodes.length]!.adapter.findContact(`+7916111${1000 + index}`, never());
        await Promise.all([
          ...Array.from({ length: 60 }, (_, index) => upload(index)),
          ...Array.from({ length: 8 }, (_, index) => find(index)),
        ]);
        assert.ok(fake.busiest.general <= 10, `${fake.busiest.general} requests in a second`);
        assert.ok(fake.busiest.telephony <= 40 && fake.busiest.telephony > 20, `${fake.busiest.telephony} in a second`);
        assert.equal(fake.calls.length, 60);

        // A caller does not wait for the queue.
        const patient = Array.from({ length: 12 }, (_, index) => find(100 + index));
        const startedAt = performance.now();
        await node!.adapter.listUsers().catch(() => undefined);
        await node!.adapter.findContact('+79161110002', { ...never(), isUrgent: true });
        assert.ok(performance.now() - startedAt < 2_500);
        await Promise.all(patient);
      } finally {
        for (const { adapter } of nodes) await adapter.close!();
        await fake.stop();
      }
    });
  });

  it('stops for a while when the CRM asks for fewer requests', async () => {
    const crm = await makeRetailcrm(noDatabase);
    try {
      crm.fake.faults.refusals = 1;
      await assert.rejects(crm.adapter.listUsers(), (error: unknown) => {
        assert.ok(error instanceof Retryable);
        assert.equal(error.retryAfterMs, 1_000);
        return true;
      });
      const asked = crm.fake.requests.length;
      await assert.rejects(crm.adapter.listUsers(), Retryable);
      assert.equal(crm.fake.requests.length, asked, 'nothing is sent meanwhile');
    } finally {
      await crm.close();
    }
  });
});
