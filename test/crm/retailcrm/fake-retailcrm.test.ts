import assert from 'node:assert/strict';
import { fakeKey, FakeRetailcrm, type FakeRetailcrmOptions } from '../../support/fake-retailcrm.ts';
import { FixedClock } from '../../support/fixed-clock.ts';

const call = {
  date: '2026-11-20 12:00:05',
  type: 'in',
  phone: '+79001234567',
  code: '101',
  result: 'answered',
  duration: 63,
  externalId: 'pbx:1',
};
const ringing = { phone: '+79001234567', type: 'in', codes: ['101'] };
const telephony = { clientId: 'c1', additionalCodes: [{ userId: '1', code: '101' }], allowEdit: false };
const module = { code: 'pbx', integrationCode: 'pbx', active: true, name: 'PBX', integrations: { telephony } };

describe('the retailCRM that is played', () => {
  let fake: FakeRetailcrm;
  const start = async (options: Partial<FakeRetailcrmOptions> = {}) => {
    fake = await FakeRetailcrm.start({ clock: new FixedClock(), ...options });
    fake.addUser({ id: 1 });
  };
  afterEach(() => fake.stop());
  async function ask(path: string, form?: Record<string, unknown>, headers: Record<string, string> = {}) {
    const fields = Object.entries(form ?? {}).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    const response = await fetch(`${fake.address}/api${path}`, {
      headers: { 'x-api-key': fakeKey, ...headers },
      ...(form && { method: 'POST', body: new URLSearchParams(fields) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
  const upload = (...calls: object[]) => ask('/v5/telephony/calls/upload', { calls });
  const event = (change: object) => ask('/v5/telephony/call/event', { event: { ...ringing, ...change } });
  const register = (change: object) =>
    ask('/v5/integration-modules/pbx/edit', { integrationModule: { ...module, ...change } });

  it('takes what its rules allow, and calls a repeat by its name', async () => {
    await start();
    assert.deepEqual(await register({}), { status: 201, body: { success: true } });
    assert.equal((await register({})).status, 200);
    assert.deepEqual(await upload(call), {
      status: 200,
      body: { success: true, processedCallsCount: 1, duplicateCalls: [] },
    });
    assert.deepEqual((await upload(call)).body['duplicateCalls'], ['pbx:1']);
    assert.deepEqual(await event({}), { status: 200, body: { success: true } });
    assert.deepEqual((await event({ codes: ['101', '109'] })).body['notExistCodes'], ['109']);
    for (const hangupStatus of ['answered', 'busy', 'cancel', 'cancelled', 'failed', 'no answered']) {
      assert.equal((await event({ type: 'hangup', hangupStatus })).status, 200, hangupStatus);
    }
  });

  it('refuses calls that are not as they must be', async () => {
    await start();
    for (const [field, value] of Object.entries({
      date: '2026-11-20T12:00:05Z',
      type: 'inbound',
      phone: undefined,
      code: 101,
      result: 'cancelled',
      duration: 1.5,
      durationWaiting: -1,
      externalId: 5,
      recordUrl: '/var/spool/1.wav',
      site: 'elsewhere',
      unheard: 'of',
    })) {
      const { status, body } = await upload({ ...call, [field]: value });
      assert.deepEqual([status, body['success']], [400, false], field);
    }
    assert.equal((await upload({ ...call, userId: 1 })).status, 400, 'code and userId');
    assert.equal((await upload({ ...call, code: undefined })).status, 400, 'neither');
    assert.equal((await upload({ ...call, code: undefined, userId: 9 })).status, 400, 'nobody');
    const many = Array.from({ length: 51 }, (_, index) => ({ ...call, externalId: `pbx:${index}` }));
    assert.equal((await upload(...many)).status, 400);
    assert.deepEqual(fake.calls, []);
  });

  it('refuses events and integrations that are not as they must be', async () => {
    await start();
    for (const change of [
      { type: 'ring' },
      { phone: undefined },
      { codes: undefined },
      { codes: [101] },
      { userIds: ['1'] },
      { type: 'hangup' },
      { type: 'hangup', hangupStatus: 'no answer' },
      { hangupStatus: 'busy' },
      { site: 'elsewhere' },
      { unheard: 'of' },
    ]) {
      assert.equal((await event(change)).status, 400, JSON.stringify(change));
    }
    for (const change of [
      { code: 'other' },
      { name: '' },
      { active: 'yes' },
      { logo: 'picture' },
      { integrations: { telephony: { ...telephony, additionalCodes: [{ userId: 1, code: '101' }] } } },
      { integrations: { telephony: { ...telephony, externalPhones: [{ externalPhone: '1' }] } } },
      { integrations: { telephony: { ...telephony, unheard: 'of' } } },
    ]) {
      assert.equal((await register(change)).status, 400, JSON.stringify(change));
    }
    assert.deepEqual([fake.events.length, fake.modules.size], [0, 0]);
  });

  it('knows methods, versions and parameters, and no others', async () => {
    await start();
    const unknown = [
      ['/v6/users', 404],
      ['/users', 404],
      ['/v5/telephony/setting/pbx', 404],
      ['/v4/integration-modules/pbx', 404],
      ['/v5/integration-modules/pbx', 404],
      ['/v5/telephony/calls/upload', 404],
      ['/v5/customers?limit=30', 400],
      ['/v5/customers?filter[phone]=79001234567', 400],
      ['/v5/customers/1?by=phone', 400],
      ['/v5/customers/1?by=id&site=elsewhere', 400],
      ['/v5/telephony/manager', 400],
      ['/v5/telephony/manager?phone=79001234567&details=yes', 200],
    ] as const;
    for (const [path, status] of unknown) assert.equal((await ask(path)).status, status, path);
    fake.addCustomer({ firstName: 'Ivan', phones: ['+79001234567'] });
    assert.equal((await ask('/v5/telephony/manager?phone=79001234567&details=yes')).status, 400);
    assert.equal((await ask('/v5/telephony/calls/upload?x=1', { calls: [call] })).status, 400);
    assert.equal((await ask('/v5/telephony/calls/upload', { calls: 'not json' })).status, 400);
    assert.equal((await ask('/v5/telephony/calls/upload', { call })).status, 400);
    const json = { 'content-type': 'application/json' };
    assert.equal((await ask('/v5/telephony/calls/upload', { calls: [call] }, json)).status, 400);
    for (const headers of [{ 'x-api-key': 'wrong' }, { 'x-api-key': '' }]) {
      const { status, body } = await ask('/v5/users', undefined, headers);
      assert.deepEqual([status, body['success']], [403, false]);
    }
  });

  it('answers 503 above ten requests a second, and above forty of telephony', async () => {
    await start({ hasLimits: true });
    const statusesOf = async (path: string, count: number) =>
      (await Promise.all(Array.from({ length: count }, () => ask(path)))).map(({ status }) => status);
    const general = await statusesOf('/v5/users', 12);
    assert.deepEqual(
      [general.filter((one) => one === 200).length, general.filter((one) => one === 503).length],
      [10, 2],
    );
    const ofTelephony = await statusesOf('/v5/telephony/manager?phone=1', 42);
    assert.equal(ofTelephony.filter((one) => one === 503).length, 2);
  });
});
