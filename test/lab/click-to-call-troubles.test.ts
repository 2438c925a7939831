/** Calls by a click that do not go as they should, on a real Asterisk: phones away, trunks gone, restarts in between. */
import assert from 'node:assert/strict';
import type { RequestState } from '../../src/core/click-to-call.ts';
import { InstalledLab } from '../support/installed-lab.ts';
import {
  answer,
  busy,
  decline,
  hangUp,
  neverAnswer,
  noSuchNumber,
  ring,
  stay,
  step,
  talk,
} from '../support/lab/script.ts';
import type { ListedCall } from '../support/running-service.ts';
import { until as untilTrue } from '../support/until.ts';

const until = (what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 25_000) =>
  untilTrue(condition, { what, timeoutMs });
const client = '79161110002';
const tell = (what: string, expression: string) => step(`UserEvent(${what} ${expression})`);

/** Of the owner: another trunk, and one that is not there. */
const ownContexts = `
[shop-trunk]
exten => _+X.,1,Set(CALLERID(num)=74957770000)
 same => n,Dial(PJSIP/\${EXTEN:1}@provider,20)
 same => n,Hangup(\${HANGUPCAUSE})
[gone-trunk]
exten => _+X.,1,Dial(PJSIP/\${EXTEN:1}@gone,20)
 same => n,Hangup(\${HANGUPCAUSE})
`;

describe('a click that does not go as it should', function () {
  this.timeout(90_000);
  let house: InstalledLab;

  before(async function () {
    this.timeout(600_000);
    house = await InstalledLab.start({
      dialplan: { clickToCall: { autoAnswer: {}, ringSeconds: 5 } },
      config: {
        users: [
          { id: 'gleb', name: 'Gleb', extensions: ['104'] },
          { id: 'boris', name: 'Boris', extensions: ['102'] },
          { id: 'anna', name: 'Anna', extensions: ['101', '103'] },
        ],
        crm: [{ name: 'local', kind: 'local' }],
        clickToCall: {
          repeatMs: 0,
          perMinute: 100,
          contexts: [
            { dids: ['+74957770000'], context: 'shop-trunk' },
            { users: ['boris'], context: 'gone-trunk' },
          ],
        },
      },
    });
    house.lab.pbx.writeConfig('extensions_click_to_call.conf', ownContexts);
    const { exitCode, output } = await house.command('dialplan', 'apply');
    assert.equal(exitCode, 0, output);
    await untilReady();
  });
  after(async function () {
    this.timeout(60_000);
    await house?.stop();
  });
  beforeEach(() => house.lab.witness.reset());
  afterEach(async () => {
    await house.lab.hangUpAll();
    await house.lab.quiet();
  });

  const untilReady = () =>
    until('the service follows the PBX', async () =>
      (await house.service.app.status()).every((part) => part.health !== 'error'),
    );
  const click = (whom: object, change: object = {}) =>
    house.service.post<RequestState>('/api/v1/click-to-call', { number: `+${client}`, ...whom, ...change });
  const stateOf = (requestId: string) => house.service.get<RequestState>(`/api/v1/click-to-call/${requestId}`);
  /** How a request ended: its phase, with the reason where it failed. */
  async function endOf({ requestId }: RequestState): Promise<string> {
    let last: RequestState | null = null;
    await until(`request ${requestId} is over`, async () => {
      last = await stateOf(requestId);
      return last.phase === 'ended' || last.phase === 'failed';
    });
    return [last!.phase, last!.reason].filter((one) => one !== null).join(': ');
  }
  /** All that the ledger has of a request, once its call is over. */
  async function conversationsOf({ requestId }: RequestState) {
    let call: ListedCall | undefined;
    await until('the call is over in the ledger', async () => {
      call = (await house.service.calls()).find(({ conversations }) =>
        conversations.some((one) => one.requestId === requestId),
      );
      return call?.endedAt != null;
    });
    return call!.conversations.map(({ extension, result, registered }) => [extension, result, registered]);
  }
  const timesCalled = (party: string) => house.lab.witness.of(party).length;
  const rings = (party: string) => house.lab.witness.until(`${party} is called`, () => timesCalled(party) > 0);

  it('shows name and number of the client, lets the phone pick up by itself, and the client sees the company', async () => {
    await house.lab.script({
      '104': [
        tell('number', '${CALLERID(num)}'),
        tell('name', '${CALLERID(name)}'),
        tell('header', '${PJSIP_HEADER(read,Call-Info)}'),
        answer(),
        stay(),
      ],
      [client]: [tell('seen', '${CALLERID(num)}'), answer(), talk(1), hangUp()],
    });
    assert.equal(await endOf(await click({ extension: '104' }, { clientName: 'Пётр Великий' })), 'ended');
    assert.deepEqual([...house.lab.witness.told].sort(), [
      'header <sip:127.0.0.1>;answer-after=0',
      'name Пётр Великий',
      `number +${client}`,
      'seen 74950000000',
    ]);
  });

  it('fails without a phone: not registered, declining, busy with another call, not picked up', async () => {
    await house.lab.unregister('104');
    const away = await click({ extension: '104' });
    assert.equal(await endOf(away), 'failed: employee_did_not_answer');
    await house.lab.register('104');

    await house.lab.script({ '104': [ring(0.5), decline()] });
    assert.equal(await endOf(await click({ extension: '104' })), 'failed: employee_did_not_answer');

    await house.lab.script({ '104': [[answer(), stay()], [busy()]] });
    await house.lab.call({ from: '102', to: '104', then: [talk(8), hangUp()] });
    await house.lab.witness.until('104 talks', () =>
      house.lab.witness.of('104').some((one) => one.answeredAt !== null),
    );
    assert.equal(await endOf(await click({ extension: '104' })), 'failed: employee_did_not_answer');
    await house.lab.hangUpAll();

    await house.lab.script({ '104': [neverAnswer()] });
    const unheard = await click({ extension: '104' });
    await until('the phone rings', async () => (await stateOf(unheard.requestId)).phase === 'ringing_employee');
    assert.equal(await endOf(unheard), 'failed: employee_did_not_answer');
    assert.equal(timesCalled(client), 0, 'the client never hears of it');
    assert.deepEqual(await conversationsOf(away), [['104', 'failed', false]]);
  });

  it('tells what is the matter with the number or the trunk, which is not that somebody hung up', async () => {
    await house.lab.script({ '104': [answer(), stay()], '102': [answer(), stay()], [client]: [noSuchNumber()] });
    assert.equal(await endOf(await click({ extension: '104' })), 'failed: not_found');
    const gone = await click({ extension: '102' });
    assert.equal(await endOf(gone), 'failed: failed');
    assert.deepEqual(await conversationsOf(gone), [['102', 'failed', true]]);
  });

  it('takes the trunk of the line that is named, with its own number', async () => {
    await house.lab.script({
      '104': [answer(), stay()],
      [client]: [tell('seen', '${CALLERID(num)}'), answer(), talk(1), hangUp()],
    });
    assert.equal(await endOf(await click({ extension: '104' }, { did: '8 (495) 777-00-00' })), 'ended');
    assert.ok(house.lab.witness.told.has('seen 74957770000'), [...house.lab.witness.told].join());
  });

  it('rings the other phone of an employee whose first one is away', async () => {
    await house.lab.unregister('101');
    await house.lab.script({ '103': [answer(), stay()], [client]: [answer(), talk(1), hangUp()] });
    const { requestId, extension } = await click({ employeeId: 'anna' });
    assert.equal(extension, '103');
    assert.equal(await endOf(await stateOf(requestId)), 'ended');
    assert.equal(timesCalled('101'), 0);
    await house.lab.register('101');
  });

  it('is ended by either side, also in the first moment', async () => {
    await house.lab.script({ '104': [answer(), stay()], [client]: [answer(), hangUp()] });
    const short = await click({ extension: '104' });
    assert.equal(await endOf(short), 'ended');
    assert.deepEqual(await conversationsOf(short), [['104', 'answered', true]]);
    await house.lab.script({ '104': [answer(), talk(1.5), hangUp()], [client]: [answer(), stay()] });
    assert.equal(await endOf(await click({ extension: '104' })), 'ended');
  });

  it('is a call of its own while the same client is calling in', async () => {
    const caller = '79161110033';
    await house.lab.script({
      '101': [neverAnswer()],
      '103': [neverAnswer()],
      '104': [answer(), stay()],
      [caller]: [busy()],
    });
    await house.lab.call({ from: caller, to: '7000001', then: [talk(1), hangUp()] });
    await rings('101');
    const request = await click({ extension: '104' }, { number: `+${caller}` });
    assert.equal(await endOf(request), 'failed: busy');
    assert.deepEqual(await conversationsOf(request), [['104', 'busy', true]]);
    const calls = (await house.service.calls()).filter((call) => call.client === `+${caller}`);
    assert.deepEqual(
      calls.map(({ direction, endedAt }) => [direction, endedAt === null]),
      [
        ['inbound', true],
        ['outbound', false],
      ],
    );
  });

  it('goes on, and is told to its end, when AMI is lost between click and answer', async () => {
    await house.lab.script({
      '104': [ring(2), answer(), stay()],
      [client]: [ring(1), answer(), talk(2), hangUp()],
    });
    const request = await click({ extension: '104' });
    await rings('104');
    const sessions = await sessionsOfService();
    assert.equal(sessions.length, 2, 'one follows, one commands');
    for (const session of sessions) await house.lab.pbx.command(`manager kick session ${session}`);
    assert.equal(await endOf(request), 'ended');
    assert.deepEqual(await conversationsOf(request), [['104', 'answered', true]]);
    await untilReady();
  });
  /** File descriptors by which the PBX knows the service's AMI sessions. */
  async function sessionsOfService(): Promise<readonly string[]> {
    const lines = (await house.lab.pbx.command('manager show connected')).split('\n');
    return lines.filter((line) => line.startsWith('ringledger')).map((line) => line.trim().split(/\s+/)[4]!);
  }

  it('goes on, and is told to its end, when the service restarts in the middle', async () => {
    await house.lab.script({
      '104': [ring(3), answer(), stay()],
      [client]: [ring(1), answer(), talk(4), hangUp()],
    });
    const request = await click({ extension: '104' });
    await rings('104');
    await house.service.stop();
    await house.restartService();
    await untilReady();
    assert.equal(await endOf(request), 'ended');
    const { call, number, extension } = await stateOf(request.requestId);
    assert.deepEqual([number, extension, call?.source], [`+${client}`, '104', 'lab']);
    assert.deepEqual(await conversationsOf(request), [['104', 'answered', true]]);
    assert.equal(timesCalled('104'), 1);
    assert.equal(timesCalled(client), 1);
  });
});
