import assert from 'node:assert/strict';
import { CallRefused, type Click, type RequestState } from '../../src/core/click-to-call.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { RetailcrmDoor } from '../../src/web/ports.ts';
import { openHouse, type House } from './house.ts';

const clientToken = 'secret of the shop';
const at = new Date('2026-11-21T08:00:00.000Z');

describe('what a retailCRM asks of us', () => {
  let house: House;
  let clicks: Click[];
  let changes: Parameters<RetailcrmDoor['changeUserStatus']>[0][];
  let fault: Error | null;
  beforeEach(async () => {
    clicks = [];
    changes = [];
    fault = null;
    const clickToCall = {
      async start(click: Click): Promise<RequestState> {
        clicks.push(click);
        if (fault !== null) throw fault;
        const { requester, number, clientName } = click;
        const phase = 'queued' as const;
        const known = { requestId: 'r1', employeeId: 'anna', extension: '101', reason: null, call: null };
        return { ...known, phase, requester, number, clientName, requestedAt: at, changedAt: at };
      },
      state: async () => null,
      list: async () => [],
    };
    const changeUserStatus: RetailcrmDoor['changeUserStatus'] = async (change) => void changes.push(change);
    house = await openHouse({ parts: { clickToCall, retailcrms: [{ name: 'shop', clientToken, changeUserStatus }] } });
  });
  afterEach(() => house.stop(100));
  const ask = (what: string, query: string, crm = 'shop') =>
    house.request(`/retailcrm/${crm}/${what}?${query}`, { token: null });
  const client = `clientId=${encodeURIComponent(clientToken)}`;

  it('is a call: from the extension of the user, whichever way the plus is written', async () => {
    for (const phone of ['+79121234567', '%2B79121234567', '%2079121234567']) {
      clicks = [];
      const answer = await ask('make-call', `${client}&code=100&phone=${phone}&userId=1&externalPhone=+74951234567`);
      assert.equal(answer.status, 200);
      const [click] = clicks;
      assert.deepEqual([click!.crmUser, click!.extension], [{ crm: 'shop', userId: '1' }, '100']);
      assert.match(click!.number, /^\+?79121234567$/);
      assert.match(click!.did!, /^\+?74951234567$/);
      assert.deepEqual(Object.keys(click!.requestData).sort(), ['code', 'externalPhone', 'phone', 'userId']);
    }
  });

  it('tolerates parameters that it does not know, and a user without a code', async () => {
    assert.equal((await ask('make-call', `${client}&phone=79121234567&userId=1&orderId=5&site=main`)).status, 200);
    assert.equal(clicks[0]!.extension, null);
    assert.equal((await ask('make-call', `${client}&phone=79121234567&code=100`)).status, 200);
    assert.equal(clicks[1]!.crmUser, null);
  });

  it('answers 200 only when the phone system took the call, and else why it did not', async () => {
    const faults = [
      [new CallRefused('duplicate', 'twice'), 409],
      [new CallRefused('foreign_extension', 'not yours'), 403],
      [new CallRefused('number_not_allowed', 'no'), 403],
      [new CallRefused('pbx_refused', 'no'), 502],
      [new Retryable('down'), 503],
    ] as const;
    for (const [error, status] of faults) {
      fault = error;
      assert.equal((await ask('make-call', `${client}&code=100&phone=79121234567&userId=1`)).status, status);
    }
  });

  it('places no call for who does not prove to be the CRM, nor for what is not whole', async () => {
    const wrong = ['', 'clientId=', 'clientId=secret', `${client}x`, `${client}&${client}`, 'clientId[]=a'];
    for (const who of wrong) {
      assert.equal((await ask('make-call', `${who}&code=100&phone=79121234567&userId=1`)).status, 403, who);
    }
    for (const query of [
      'phone=79121234567',
      'code=100',
      `code=100&phone=${'1'.repeat(65)}`,
      'code=100&phone=1&phone=2',
    ]) {
      assert.equal((await ask('make-call', `${client}&${query}`)).status, 400, query);
    }
    assert.equal((await ask('make-call', `${client}&code=100&phone=79121234567`, 'other')).status, 404);
    assert.deepEqual(clicks, []);
  });

  it('locks out who guesses', async () => {
    for (let guess = 0; guess < 10; guess++) await ask('make-call', `clientId=${guess}&code=100&phone=79121234567`);
    assert.equal((await ask('make-call', `clientId=x&code=100&phone=79121234567`)).status, 429);
    assert.equal((await ask('make-call', `${client}&code=100&phone=79121234567`)).status, 200, 'but not the CRM');
  });

  it('is the state of a user', async () => {
    assert.equal((await ask('user-status', `${client}&code=100&userId=1&status=dinner`)).status, 200);
    assert.deepEqual(changes, [{ extension: '100', userId: '1', status: 'dinner' }]);
    assert.equal((await ask('user-status', `${client}&code=100&userId=1&status=asleep`)).status, 400);
    assert.equal((await ask('user-status', `clientId=x&code=100&userId=1&status=free`)).status, 403);
    assert.equal(changes.length, 1);
  });
});
