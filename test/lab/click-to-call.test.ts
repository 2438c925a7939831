/** Calls that people ask for with a click, on a real Asterisk: over the API and from a CRM, told to the CRM as they ring. */
import assert from 'node:assert/strict';
import type { RequestState } from '../../src/core/click-to-call.ts';
import { fakeKey, FakeRetailcrm } from '../support/fake-retailcrm.ts';
import { InstalledLab } from '../support/installed-lab.ts';
import { answer, busy, hangUp, neverAnswer, ring, stay, step, talk } from '../support/lab/script.ts';
import { isPaid, type ListedCall } from '../support/running-service.ts';
import { until as untilTrue } from '../support/until.ts';

const until = (what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000) =>
  untilTrue(condition, { what, timeoutMs });
const client = '79161110002';
const customer = '79161110005';
const clientToken = 'secret of the shop in the lab';
const tellNumber = step('UserEvent(calls ${CALLERID(num)})');

describe('a click on a telephone number', function () {
  this.timeout(60_000);
  let house: InstalledLab;
  let fake: FakeRetailcrm;
  let seen = new Set<string>();

  before(async function () {
    this.timeout(600_000);
    fake = await FakeRetailcrm.start({ clock: { now: () => new Date() }, timeZone: 'UTC' });
    fake.addUser({ id: 4, email: 'gleb@example.org' });
    fake.addUser({ id: 5, email: 'boris@example.org' });
    const settings = {
      account: fake.address,
      apiKey: fakeKey,
      clientToken,
      extensions: { '104': '4' },
      fallbackCode: '104',
    };
    house = await InstalledLab.start({
      config: {
        users: [
          { id: 'gleb', name: 'Gleb', extensions: ['104'], email: 'gleb@example.org', deputies: ['boris'] },
          { id: 'boris', name: 'Boris', extensions: ['102'], email: 'boris@example.org' },
          // Of whom the PBX knows nothing.
          { id: 'ghost', name: 'Ghost', extensions: ['109'] },
        ],
        crm: [
          { name: 'local', kind: 'local' },
          { name: 'shop', kind: 'retailcrm', settings },
        ],
        clickToCall: { repeatMs: 0 },
      },
    });
    const { exitCode, output } = await house.command('dialplan', 'apply');
    assert.equal(exitCode, 0, output);
    await until('the service follows the PBX and knows the users of the CRM', async () => {
      const status = await house.service.app.status();
      return status.every((part) => part.health !== 'error') && fake.requests.some((one) => one.endsWith('/users'));
    });
  });
  after(async function () {
    this.timeout(60_000);
    await house?.stop();
    await fake?.stop();
  });
  beforeEach(async () => {
    house.lab.witness.reset();
    fake.events.length = 0;
    seen = new Set((await house.service.calls()).map((call) => call.linkedId));
  });

  const click = (extension: string, number = `+${client}`) =>
    house.service.post<RequestState>('/api/v1/click-to-call', { extension, number });
  const stateOf = (requestId: string) => house.service.get<RequestState>(`/api/v1/click-to-call/${requestId}`);
  /** Follows a request to its end; resolves with every phase it was seen in. */
  async function follow(
    requestId: string,
  ): Promise<{ readonly phases: readonly string[]; readonly last: RequestState }> {
    const phases: string[] = [];
    let last = await stateOf(requestId);
    await until(`request ${requestId} is over`, async () => {
      last = await stateOf(requestId);
      if (phases.at(-1) !== last.phase) phases.push(last.phase);
      return last.phase === 'ended' || last.phase === 'failed';
    });
    return { phases, last };
  }
  async function callOf(requestId: string): Promise<ListedCall> {
    let found: ListedCall | undefined;
    await until('the call is in the ledger, delivered', async () => {
      const fresh = (await house.service.calls()).filter((call) => !seen.has(call.linkedId));
      found = fresh.find((call) => call.conversations.some((one) => one.requestId === requestId));
      const owed = found?.conversations.filter((one) => one.registered) ?? [];
      return found?.endedAt != null && owed.every((conversation) => isPaid(conversation, 2));
    });
    return found!;
  }

  it('rings the employee with the number of the client, then the client, and is one outgoing call', async () => {
    await house.lab.script({
      '104': [tellNumber, ring(1), answer(), stay()],
      [client]: [ring(1.5), answer(), talk(1.5), hangUp()],
    });
    const { requestId } = await click('104');
    const { phases, last } = await follow(requestId);
    assert.deepEqual(
      phases.filter((phase) => phase !== 'queued'),
      ['ringing_employee', 'ringing_client', 'talking', 'ended'],
    );
    assert.deepEqual([...house.lab.witness.told], [`calls +${client}`]);
    const call = await callOf(requestId);
    assert.deepEqual([call.direction, call.result, call.conversations.length], ['outbound', 'answered', 1]);
    assert.equal(last.call?.linkedId, call.linkedId);
    const [record] = fake.calls.filter(({ externalId }) => externalId === `lab:${call.conversations[0]!.uniqueId}`);
    assert.deepEqual(
      [record!.type, record!.result, record!.phone, record!.userId],
      ['out', 'answered', `+${client}`, 4],
    );
  });

  it('fails when the employee declines, and the client is never called', async () => {
    await house.lab.script({ '104': [busy()] });
    const { requestId } = await click('104');
    const { last } = await follow(requestId);
    assert.equal(last.reason, 'employee_did_not_answer');
    const call = await callOf(requestId);
    assert.equal(call.conversations[0]!.reason, 'rule:click_to_call_unanswered');
    assert.equal(house.lab.witness.of(client).length, 0);
  });

  it('tells that the client is busy', async () => {
    await house.lab.script({ '104': [answer(), stay()], [client]: [busy()] });
    const { requestId } = await click('104');
    const { last } = await follow(requestId);
    assert.deepEqual([last.phase, last.reason], ['failed', 'busy']);
    assert.equal((await callOf(requestId)).result, 'busy');
  });

  it('refuses an extension of nobody, and fails for one that the PBX does not have', async () => {
    await assert.rejects(click('199'), /404.*unknown_employee/);
    const { requestId } = await click('109');
    const { last } = await follow(requestId);
    assert.equal(last.phase, 'failed');
    assert.equal(house.lab.witness.of(client).length, 0);
  });

  it('is one call when it is sent three times', async () => {
    await house.lab.script({
      '104': [ring(1), answer(), stay()],
      [client]: [answer(), talk(1), hangUp()],
    });
    const outcomes = await Promise.allSettled([click('104'), click('104'), click('104', `8${client.slice(1)}`)]);
    const taken = outcomes.filter((one) => one.status === 'fulfilled');
    assert.equal(taken.length, 1);
    for (const one of outcomes) if (one.status === 'rejected') assert.match(String(one.reason), /409.*duplicate/);
    await follow(taken[0]!.value.requestId);
    await house.lab.quiet();
    assert.equal(house.lab.witness.of('104').length, 1);
    assert.equal(house.lab.witness.of(client).length, 1);
  });

  it('is cancelled when the employee hangs up before the client answers', async () => {
    await house.lab.script({ '104': [answer(), talk(1.5), hangUp()], [client]: [neverAnswer()] });
    const { requestId } = await click('104');
    const { phases, last } = await follow(requestId);
    assert.ok(phases.includes('ringing_client'), phases.join());
    assert.deepEqual([last.phase, last.reason], ['failed', 'cancelled']);
    assert.equal((await callOf(requestId)).result, 'cancelled');
  });

  it('comes from the CRM for its own user only, and who is at dinner there is on do-not-disturb here', async () => {
    const ask = (what: string, query: string) =>
      fetch(
        `http://127.0.0.1:${house.service.app.httpPort}/retailcrm/shop/${what}?clientId=${encodeURIComponent(clientToken)}&${query}`,
      );
    await house.lab.script({ '104': [ring(0.5), answer(), stay()], [client]: [answer(), talk(1), hangUp()] });
    const foreign = await ask('make-call', `code=102&userId=4&phone=+${client}`);
    assert.equal(foreign.status, 403);
    const placed = await ask('make-call', `code=104&userId=4&phone=+${client}`);
    assert.equal(placed.status, 200, await placed.clone().text());
    const { requestId } = (await placed.json()) as { requestId: string };
    assert.equal((await follow(requestId)).last.phase, 'ended');
    const call = await callOf(requestId);
    await until('the CRM was told of the ringing and of its end', () =>
      fake.events.some(({ type }) => type === 'hangup'),
    );
    assert.deepEqual(
      fake.events.map(({ type, codes, callExternalId }) => [type, codes, callExternalId]),
      ['out', 'hangup'].map((type) => [type, ['104'], `lab:${call.conversations[0]!.uniqueId}`]),
    );

    const state = () => house.service.app.sources.get('lab')!.deviceState!('102');
    const pausedMembers = async () => {
      const queues = await house.lab.pbx.command('queue show');
      return queues.split('\n').filter((line) => /\/102\b/.test(line) && line.includes('paused')).length;
    };
    assert.equal(await pausedMembers(), 0);
    for (let time = 0; time < 2; time++) {
      assert.equal((await ask('user-status', 'code=102&userId=5&status=dinner')).status, 200);
    }
    await until('102 is on do-not-disturb', () => state() === 'dnd');
    assert.equal(await pausedMembers(), 2, 'in both queues, once a phone and once a Local channel');
    assert.equal((await ask('user-status', 'code=102&userId=5&status=free')).status, 200);
    await until('102 is back', () => state() !== 'dnd');
    assert.equal(await pausedMembers(), 0);
    assert.equal((await ask('user-status', 'code=104&userId=5&status=busy')).status, 403);
  });

  it('rings the manager of a customer, then his deputy, and the card in the CRM moves with it', async () => {
    fake.addCustomer({ firstName: 'Пётр', phones: ['8 916 111-00-05'], managerId: 4 });
    fake.modules.set('ringledger', {
      code: 'ringledger',
      integrationCode: 'ringledger',
      active: true,
      name: 'Ringledger',
      integrations: {
        telephony: {
          additionalCodes: [
            { userId: '4', code: '104' },
            { userId: '5', code: '102' },
          ],
        },
      },
    });
    await house.lab.script({ '104': [neverAnswer()], '102': [ring(0.5), answer(), stay()] });
    const placed = await house.lab.call({ from: customer, to: '7000001', then: [talk(1), hangUp()] });
    await placed.ended;
    await until('the CRM has the call', () => fake.calls.some(({ phone }) => phone === `+${customer}`));
    await until('both cards are closed', () => fake.events.filter(({ type }) => type === 'hangup').length === 2);
    assert.deepEqual(
      fake.events.map(({ type, codes, hangupStatus }) => [type, codes!.join(), hangupStatus]),
      [
        ['in', '104', undefined],
        ['hangup', '104', 'no answered'],
        ['in', '102', undefined],
        ['hangup', '102', 'answered'],
      ],
    );
    const records = fake.calls.filter(({ phone }) => phone === `+${customer}`);
    assert.deepEqual(
      records.map(({ type, result, userId, code, externalPhone }) => [type, result, userId ?? code, externalPhone]),
      [['in', 'answered', 5, '7000001']],
    );
    assert.equal(records[0]!.externalId, fake.events[2]!.callExternalId, 'card and record are one call');
  });
});
