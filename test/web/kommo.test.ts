import assert from 'node:assert/strict';
import { CallRefused, type Click, type RequestState } from '../../src/core/click-to-call.ts';
import type { KommoWidgetDoor } from '../../src/web/ports.ts';
import { aCall, aConversation } from '../crm/conformance.ts';
import { makeKommoToken } from '../support/kommo-token.ts';
import { answeredCall, openHouse, type House } from './house.ts';

const at = new Date('2026-11-21T08:00:00.000Z');
const state: RequestState = {
  requestId: 'r1',
  phase: 'queued',
  reason: null,
  requester: 'amo',
  employeeId: 'anna',
  extension: '101',
  number: '+79161110002',
  clientName: null,
  requestedAt: at,
  changedAt: at,
  call: null,
};
const ringing = aConversation({ result: 'missed', answeredAt: null, endedAt: null });
const widget: KommoWidgetDoor = {
  name: 'amo',
  account: 'https://romashka.amocrm.ru',
  clientSecret: 'client-secret',
  clientId: 'client-1',
  audience: 'https://pbx.example.org/oauth',
  stock: { login: 'amo', password: 'password-of-12', givesCalls: true },
  openCalls: () => [
    aCall({ conversations: [ringing], endedAt: null, clientName: '</script>Иван' }),
    aCall({ conversations: [aConversation({ endedAt: null })], endedAt: null }),
  ],
};

describe('click-to-call from an amoCRM or Kommo account', () => {
  let house: House;
  let clicks: Click[];
  let fault: Error | null;
  beforeEach(async () => {
    clicks = [];
    fault = null;
    const clickToCall = {
      async start(click: Click) {
        clicks.push(click);
        if (fault !== null) throw fault;
        return state;
      },
      state: async () => null,
      list: async () => [],
    };
    const deaf = { ...widget, name: 'deaf', clientSecret: null, stock: null };
    house = await openHouse({
      parts: {
        clickToCall,
        kommoWidgets: [widget, { ...widget, name: 'quiet', stock: { ...widget.stock!, givesCalls: false } }, deaf],
      },
    });
  });
  afterEach(() => house.stop(100));

  describe('by a widget of the integration', () => {
    const click = async (token: string, json: unknown = { phone: '8 (916) 111-00-02' }, crm = 'amo') => {
      const response = await house.request(`/kommo/${crm}/call`, {
        method: 'POST',
        token: null,
        headers: { 'x-auth-token': token },
        json,
      });
      return {
        status: response.status,
        body: (await response.json()) as Record<string, unknown>,
        headers: response.headers,
      };
    };

    it('rings the phone of the user whom the token names', async () => {
      const { status, body, headers } = await click(makeKommoToken());
      assert.deepEqual([status, body], [202, { call_id: 'r1' }]);
      assert.equal(headers.get('access-control-allow-origin'), 'https://romashka.amocrm.ru');
      assert.deepEqual(clicks, [
        {
          requester: 'amo',
          crmUser: { crm: 'amo', userId: '501' },
          employeeId: null,
          extension: null,
          number: '8 (916) 111-00-02',
          clientName: null,
          did: null,
          requestData: { phone: '8 (916) 111-00-02', userId: '501' },
        },
      ]);
    });

    it('lets the account’s pages alone send the token', async () => {
      const response = await house.request('/kommo/amo/call', { method: 'OPTIONS', token: null });
      assert.equal(response.status, 204);
      assert.equal(response.headers.get('access-control-allow-origin'), 'https://romashka.amocrm.ru');
      assert.match(response.headers.get('access-control-allow-headers')!, /X-Auth-Token/);
      assert.equal(response.headers.get('access-control-allow-methods'), 'POST');
    });

    it('takes each token once', async () => {
      const token = makeKommoToken();
      assert.equal((await click(token)).status, 202);
      assert.equal((await click(token)).status, 401);
      assert.equal(clicks.length, 1);
    });

    const now = Math.floor(Date.now() / 1_000);
    const wrong: Record<string, string> = {
      'no token': '',
      garbage: 'a.b.c',
      'another signature': makeKommoToken({}, { secret: 'guess' }),
      'no signature': makeKommoToken({}, { alg: 'none' }),
      'a token of yesterday': makeKommoToken({ iat: now - 90_000, nbf: now - 90_000, exp: now - 88_000 }),
      'a token of tomorrow': makeKommoToken({ nbf: now + 3_600, exp: now + 7_200 }),
      'a token for ever': makeKommoToken({ exp: now + 999_999_999 }),
      'another account': makeKommoToken({ iss: 'https://other.amocrm.ru' }),
      'another address': makeKommoToken({ aud: 'https://evil.example.org' }),
      'another integration': makeKommoToken({ client_uuid: 'client-2' }),
      'no user': makeKommoToken({ user_id: undefined }),
    };
    for (const [what, token] of Object.entries(wrong)) {
      it(`refuses ${what}`, async () => {
        assert.equal((await click(token)).status, 401);
        assert.equal(clicks.length, 0);
      });
    }

    it('takes nothing where no secret is configured, nor for a CRM that is not there', async () => {
      assert.equal((await click(makeKommoToken(), undefined, 'deaf')).status, 401);
      assert.equal((await click(makeKommoToken(), undefined, 'nobody')).status, 404);
    });

    it('tells a second click and a foreign number apart', async () => {
      fault = new CallRefused('duplicate', 'twice');
      assert.equal((await click(makeKommoToken())).status, 409);
      fault = new CallRefused('number_not_allowed', 'no');
      assert.equal((await click(makeKommoToken())).status, 403);
      assert.equal((await click(makeKommoToken(), { number: '1' })).status, 400);
    });

    it('makes guessing slow', async () => {
      for (let index = 0; index < 10; index++) await click('x.y.z');
      assert.equal((await click(makeKommoToken())).status, 429);
    });
  });

  describe('by the stock widget', () => {
    const ask = async (query: Record<string, string>, crm = 'amo') => {
      const parameters = new URLSearchParams({ _login: 'amo', _secret: 'password-of-12', rand: '1', ...query });
      const response = await house.request(`/kommo/${crm}/asterisk?${parameters}`, { token: null });
      const text = await response.text();
      const json = /^asterisk_cb\((.*)\);$/s.exec(text)?.[1];
      return {
        type: response.headers.get('content-type') ?? '',
        text,
        answer: json === undefined ? null : (JSON.parse(json) as Record<string, unknown>),
      };
    };

    it('rings the extension, then the number', async () => {
      const { answer, type } = await ask({ _action: 'call', from: '101', to: '+79161110002', as: 'Иван' });
      assert.match(type, /^text\/javascript/);
      assert.deepEqual(answer, { status: 'ok', action: 'call', data: { requestId: 'r1' } });
      assert.deepEqual([clicks[0]!.extension, clicks[0]!.number, clicks[0]!.crmUser], ['101', '+79161110002', null]);
    });

    it('says in its own words why there is no call', async () => {
      fault = new CallRefused('duplicate', 'This call is under way already.');
      const { answer } = await ask({ _action: 'call', from: '101', to: '+79161110002' });
      assert.deepEqual(answer, { status: 'error', action: 'call', data: 'This call is under way already.' });
      assert.equal((await ask({ _action: 'call', from: '101' })).text, 'NO_PARAMS');
      assert.equal((await ask({ _action: 'dance' })).answer!['status'], 'error');
    });

    it('tells whose phones ring, and breaks out of no script', async () => {
      const { answer, text } = await ask({ _action: 'status' });
      assert.ok(!text.includes('</script>'));
      assert.deepEqual(answer!['data'], [
        {
          channel: 'PJSIP/101-00000001',
          channelstatedesc: 'Ringing',
          calleridnum: '101',
          connectedlinenum: '+79161110002',
          connectedlinename: '</script>Иван',
          uniqueid: ringing.uniqueId,
        },
      ]);
    });

    it('gives the calls as JSON where it may, and none where they would stand in the CRM twice', async () => {
      const span = { _action: 'cdr', date_from: '1795240000', date_to: '1795250000' };
      const { text, type } = await ask(span);
      assert.match(type, /^application\/json/);
      const { data } = JSON.parse(text) as { data: Record<string, unknown>[] };
      const [conversation] = answeredCall.conversations;
      assert.deepEqual(data, [
        {
          calldate: '2026-11-21 07:32:51',
          src: '+79161110002',
          dst: '101',
          duration: 4,
          billsec: 3,
          uniqueid: conversation!.uniqueId,
          recordingfile: '',
        },
      ]);
      assert.deepEqual(house.asked.conversations.at(-1)!.from, new Date(1_795_240_000_000));
      assert.deepEqual(JSON.parse((await ask(span, 'quiet')).text), { status: 'ok', data: [] });
    });

    it('lets nobody in with another secret, nor where it is switched off', async () => {
      const refused = { status: 'error', action: 'call', data: 'AUTH_FAILED' };
      const call = { _action: 'call', from: '101', to: '+79161110002' };
      assert.deepEqual((await ask({ ...call, _secret: 'wrong' })).answer, refused);
      assert.deepEqual((await ask({ ...call, _login: '', _secret: '' }, 'deaf')).answer, refused);
      assert.equal((await ask({ _login: '' })).text, 'NO_PARAMS');
      assert.equal(clicks.length, 0);
    });
  });
});
