import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Rejected, Retryable } from '../../src/core/errors.ts';
import { BadCursor } from '../../src/core/ledger-queries.ts';
import {
  answeredCall,
  fullToken,
  openHouse,
  readToken,
  rejectedDelivery,
  type House,
  type HouseOptions,
} from './house.ts';

describe('the web server', () => {
  let house: House;
  const open = async (options?: HouseOptions) => (house = await openHouse(options));
  afterEach(() => house.stop(100));

  describe('admission', () => {
    it('asks every API request for a token, from this machine too', async () => {
      await open();
      const response = await house.request('/api/v1/calls', { token: null });
      assert.equal(response.status, 401);
      assert.match(response.headers.get('www-authenticate')!, /^Bearer/);
      assert.deepEqual(await response.json(), {
        error: { code: 'token_needed', message: 'Send a token: Authorization: Bearer <token>.' },
      });
    });

    it('refuses a wrong token, a token cut short and a forged Basic header', async () => {
      await open();
      for (const authorization of [
        `Bearer ${fullToken.slice(0, -1)}`,
        `Bearer ${fullToken}x`,
        `Basic ${btoa(`admin:${fullToken}`)}`,
        'Bearer',
      ]) {
        const response = await house.request('/api/v1/calls', { token: null, headers: { authorization } });
        assert.equal(response.status, 401, authorization);
      }
    });

    it('makes an address wait after ten wrong tokens, but never locks out a right one', async () => {
      let now = 0;
      await open({ parts: { clock: { now: () => new Date(now) } } });
      const statuses: number[] = [];
      for (let guess = 0; guess < 12; guess++)
        statuses.push((await house.request('/api/v1/calls', { token: `guess-${guess}` })).status);
      assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429, 429]);
      assert.equal((await house.request('/api/v1/calls')).status, 200);
      now = 60_000;
      assert.equal((await house.request('/api/v1/calls', { token: 'guess' })).status, 401);
    });

    it('lets a reading token look and not change', async () => {
      await open();
      assert.equal((await house.request('/api/v1/calls', { token: readToken })).status, 200);
      const response = await house.request('/api/v1/deliveries/7/resend', { token: readToken, method: 'POST' });
      assert.equal(response.status, 403);
      assert.deepEqual(house.asked.resent, []);
    });

    it('writes no token and no number into its log', async () => {
      await open();
      await house.request('/api/v1/calls?client=79161110002', { token: 'a-wrong-token' });
      await house.request('/api/v1/deliveries/7/resend', { method: 'POST' });
      const text = JSON.stringify(house.asked.logged);
      assert.equal(house.asked.logged.length, 2);
      assert.doesNotMatch(text, /a-wrong-token|79161110002|full-x/);
    });
  });

  describe('/status', () => {
    const failing = [
      { part: 'ami office', health: 'error', message: 'Login refused.' },
      { part: 'storage', health: 'warning', message: 'Disk nearly full.' },
    ] as const;

    it('shows every part and answers 503 while one is in error', async () => {
      await open({ status: failing });
      const response = await house.request('/status', { token: null });
      assert.equal(response.status, 503);
      assert.deepEqual(await response.json(), { status: 'error', parts: failing });
    });

    it('answers 200 while parts are well or only warn', async () => {
      await open({ status: [failing[1]] });
      const response = await house.request('/status');
      assert.deepEqual([response.status, ((await response.json()) as { status: string }).status], [200, 'warning']);
    });

    it('shows only the overall health to who comes through a proxy without a token', async () => {
      await open({ status: failing });
      const headers = { 'x-forwarded-for': '203.0.113.9' };
      assert.deepEqual(await (await house.request('/status', { token: null, headers })).json(), { status: 'error' });
      assert.deepEqual(await (await house.request('/status', { headers })).json(), { status: 'error', parts: failing });
      assert.equal((await house.request('/status', { token: 'wrong', headers })).status, 401);
    });

    it('turns a part that fails into an error line', async () => {
      await open({
        parts: { statusProviders: [() => Promise.reject(new Error('database gone')), () => [failing[1]]] },
      });
      const { parts } = (await (await house.request('/status')).json()) as { parts: { message: string }[] };
      assert.deepEqual(
        parts.map((line) => line.message),
        ['A part could not tell its status: database gone', 'Disk nearly full.'],
      );
    });

    it('has a bare sign of life beside it', async () => {
      await open({ status: failing });
      const response = await house.request('/healthz', { token: null });
      assert.deepEqual([response.status, await response.text()], [200, 'ok\n']);
    });
  });

  describe('the ledger', () => {
    it('lists calls newest first, with the query as the ledger understands it', async () => {
      await open();
      const query =
        'client=8%20916%20111-00-02&result=missed,busy&from=2026-11-21T00:00:00%2B03:00&open=false&extension=101&limit=5';
      const response = await house.request(`/api/v1/calls?${query}`);
      assert.deepEqual(await response.json(), {
        items: [JSON.parse(JSON.stringify(answeredCall))],
        nextCursor: 'next',
      });
      assert.deepEqual(JSON.parse(JSON.stringify(house.asked.calls)), [
        {
          sort: 'startedAt',
          order: 'desc',
          limit: 5,
          after: null,
          extension: '101',
          from: '2026-11-20T21:00:00.000Z',
          client: '+79161110002',
          results: ['missed', 'busy'],
          isOpen: false,
        },
      ]);
    });

    it('takes a + that the URL turned into a blank', async () => {
      await open();
      await house.request('/api/v1/calls?client=+79161110002&from=2026-11-21T00:00:00+03:00');
      assert.equal(house.asked.calls[0]!.client, '+79161110002');
      assert.equal(house.asked.calls[0]!.from!.toISOString(), '2026-11-20T21:00:00.000Z');
    });

    it('names every field that is wrong', async () => {
      await open();
      const response = await house.request(
        '/api/v1/calls?sort=client;drop&limit=0&from=yesterday&result=won&foo=1&open=maybe',
      );
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as {
        error: { code: string; fields: { field: string; message: string }[] };
      };
      assert.equal(error.code, 'invalid_input');
      assert.deepEqual(Object.fromEntries(error.fields.map(({ field, message }) => [field, message])), {
        sort: 'must be one of startedAt, -startedAt',
        limit: 'must be at least 1',
        'result.0':
          'must be of answered, missed, no_answer, busy, cancelled, rejected, failed, not_found, voicemail, joined by commas',
        from: 'must be a day such as 2026-11-21, or a time such as 2026-11-21T14:00 or 2026-11-21T08:00:00Z',
        open: 'must be true or false',
        foo: 'is not known here',
      });
      assert.deepEqual(house.asked.calls, []);
    });

    it('sorts by nothing but the columns that are offered', async () => {
      await open();
      for (const sort of [
        'startedAt,1',
        '(select 1)',
        'startedAt desc',
        "startedAt'--",
        'constructor',
        '__proto__',
        '--startedAt',
      ]) {
        const response = await house.request(`/api/v1/calls?sort=${encodeURIComponent(sort)}`);
        assert.equal(response.status, 400, sort);
      }
      await house.request('/api/v1/conversations?sort=-waiting');
      assert.deepEqual([house.asked.conversations[0]!.sort, house.asked.conversations[0]!.order], ['waiting', 'desc']);
    });

    it('answers 400 to a cursor that is not one', async () => {
      await open({ parts: { ledger: { listCalls: () => Promise.reject(new BadCursor('x')) } as never } });
      const response = await house.request('/api/v1/calls?after=rubbish');
      assert.equal(response.status, 400);
      assert.match(await response.text(), /"field":"after"/);
    });

    it('shows one call with the deliveries of each conversation', async () => {
      await open();
      const call = (await (await house.request('/api/v1/calls/office/1795246371.2')).json()) as {
        conversations: { uniqueId: string; deliveries: Record<string, unknown>[] }[];
      };
      const [delivery] = call.conversations[0]!.deliveries;
      assert.equal(delivery!['lastError'], rejectedDelivery.lastError);
      assert.equal('fence' in delivery!, false);
      assert.equal((await house.request('/api/v1/calls/office/unknown')).status, 404);
      assert.deepEqual(await (await house.request('/api/v1/calls/office/1795246371.2/events')).json(), { items: [] });
    });
  });

  describe('deliveries', () => {
    it('show their history', async () => {
      await open();
      const delivery = (await (await house.request('/api/v1/deliveries/7')).json()) as { history: unknown[] };
      assert.deepEqual(delivery.history, [
        { at: '2026-11-21T07:33:00.000Z', node: 'one', result: 'rejected', reason: 'the contact is locked' },
      ]);
    });

    it('are sent again by id, and an unknown id is 404', async () => {
      await open();
      assert.equal((await house.request('/api/v1/deliveries/7/resend', { method: 'POST' })).status, 200);
      assert.equal((await house.request('/api/v1/deliveries/8/resend', { method: 'POST' })).status, 404);
      assert.deepEqual(house.asked.resent, ['7']);
    });

    it('to one CRM are paused with a reason and resumed', async () => {
      await open();
      const pause = await house.request('/api/v1/crms/local/pause', { method: 'POST', json: { reason: 'migration' } });
      assert.equal(pause.status, 200);
      assert.deepEqual(await (await house.request('/api/v1/crms')).json(), {
        items: [
          {
            name: 'local',
            pausedReason: 'migration',
            deliveries: { pending: 0, leased: 0, delivered: 0, rejected: 1, skipped: 0 },
          },
        ],
      });
      await house.request('/api/v1/crms/local/resume', { method: 'POST' });
      assert.match(await (await house.request('/api/v1/crms')).text(), /"pausedReason":null/);
      const unknown = await house.request('/api/v1/crms/kommo/pause', { method: 'POST' });
      assert.equal(unknown.status, 404);
      assert.match(await unknown.text(), /configured: local/);
    });
  });

  it('says so when the built-in CRM is not configured', async () => {
    await open();
    const response = await house.request('/api/v1/contacts');
    assert.equal(response.status, 404);
    assert.match(await response.text(), /"no_contact_book"/);
  });

  it('traces a lookup', async () => {
    await open();
    const response = await house.request('/api/v1/lookup?number=+79161110002&trunk=provider');
    assert.deepEqual(await response.json(), { status: 'FOUND', extension: '101' });
    assert.deepEqual(house.asked.lookups, [{ number: '+79161110002', did: null, trunk: 'provider', at: null }]);
  });

  it('traces a lookup as of another time', async () => {
    await open();
    await house.request('/api/v1/lookup?number=101&at=2026-11-21T20:00:00%2B03:00');
    assert.deepEqual(house.asked.lookups[0]!.at, new Date('2026-11-21T17:00:00Z'));
    assert.equal((await house.request('/api/v1/lookup?number=101&at=tonight')).status, 400);
  });

  describe('GET /cid/<number>', () => {
    const ask = async (number: string, options: Parameters<House['request']>[1] = {}) => {
      const response = await house.request(`/cid/${number}`, { token: null, ...options });
      return { status: response.status, body: await response.text(), type: response.headers.get('content-type') };
    };

    it('answers with the name as plain text', async () => {
      await open();
      assert.deepEqual(await ask('+79161110002'), {
        status: 200,
        body: 'Иван Ёлкин',
        type: 'text/plain; charset=utf-8',
      });
    });

    it('answers nothing for unknown numbers and for rubbish', async () => {
      await open();
      for (const number of ['79990000000', 'abc', '%00', '..%2f..%2fetc', '%20']) {
        assert.deepEqual(await ask(number), { status: 200, body: '', type: 'text/plain; charset=utf-8' }, number);
      }
    });

    it('answers nothing when the lookup fails, and within the deadline when it hangs', async () => {
      await open({ parts: { callerNames: { callerName: () => Promise.reject(new Error('CRM down')) } } });
      assert.equal((await ask('1')).body, '');
      await house.stop();
      let isAborted = false;
      const callerName = (_number: string, { signal }: { signal: AbortSignal }) => {
        signal.addEventListener('abort', () => (isAborted = true));
        return new Promise<null>(() => {});
      };
      await open({ parts: { callerNames: { callerName } }, http: { cidDeadlineMs: 50 } });
      assert.deepEqual(await ask('1'), { status: 200, body: '', type: 'text/plain; charset=utf-8' });
      assert.ok(isAborted);
    });

    it('never shows more than 20 characters, nor anything but one harmless line', async () => {
      await open({ parts: { callerNames: { callerName: async () => 'A'.repeat(18) + '\r\nёй"\u0000,b' } } });
      assert.equal((await ask('1')).body, `${'A'.repeat(18)} ё`);
    });

    it('wants a token from other machines, in the query where no header can be set', async () => {
      await open();
      const headers = { 'x-forwarded-for': '192.0.2.1' };
      assert.deepEqual(await ask('+79161110002', { headers }), {
        status: 401,
        body: '',
        type: 'text/plain; charset=utf-8',
      });
      assert.equal((await ask(`+79161110002?token=${readToken}`, { headers })).body, 'Иван Ёлкин');
      assert.equal((await ask('+79161110002', { headers, token: fullToken })).body, 'Иван Ёлкин');
    });
  });

  describe('answers', () => {
    it('carry security headers and are never cached', async () => {
      await open();
      for (const path of ['/status', '/api/v1/calls', '/nowhere', '/cid/1']) {
        const { headers } = await house.request(path);
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.equal(headers.get('x-frame-options'), 'DENY');
        assert.equal(headers.get('cache-control'), 'no-store');
        assert.match(headers.get('content-security-policy')!, /default-src 'none'/);
      }
    });

    it('never carry a stack trace or the words of a bug', async () => {
      await open({ parts: { lookup: { trace: () => Promise.reject(new Error('secret internals')) } } });
      const response = await house.request('/api/v1/lookup?number=1');
      assert.equal(response.status, 500);
      assert.deepEqual(await response.json(), {
        error: { code: 'internal', message: 'Something went wrong on our side; the log tells more.' },
      });
      assert.match(JSON.stringify(house.asked.logged), /secret internals/);
    });

    it('say what is wrong when a part rejects, and to try again when it is busy', async () => {
      const faults = [
        new Rejected('numbers: is no number', { details: { numbers: 'is no number' } }),
        new Retryable('the database is busy'),
      ];
      await open({ parts: { lookup: { trace: () => Promise.reject(faults.shift()!) } } });
      const rejected = await house.request('/api/v1/lookup?number=1');
      assert.equal(rejected.status, 422);
      assert.deepEqual(((await rejected.json()) as { error: unknown }).error, {
        code: 'rejected',
        message: 'numbers: is no number',
        fields: [{ field: 'numbers', message: 'is no number' }],
      });
      assert.equal((await house.request('/api/v1/lookup?number=1')).status, 503);
    });

    it('to bodies that are too large, not JSON or of another kind are plain 4xx', async () => {
      await open({ http: { bodyLimitBytes: 1024 } });
      const post = (body: string, type = 'application/json') =>
        house.request('/api/v1/crms/local/pause', { method: 'POST', body, headers: { 'content-type': type } });
      assert.equal((await post(JSON.stringify({ reason: 'x'.repeat(2000) }))).status, 413);
      assert.equal((await post('{"reason":')).status, 400);
      assert.equal((await post('{"__proto__":{"x":1}}')).status, 400);
      assert.equal((await post('reason=x', 'application/x-www-form-urlencoded')).status, 415);
      assert.equal((await post('[]')).status, 400);
    });

    it('to paths that no route can have look like all others', async () => {
      await open();
      for (const [path, status] of [
        [`/cid/${'9'.repeat(300)}`, 414],
        ['/cid/%E0%A4%A', 400],
      ] as const) {
        const response = await house.request(path);
        assert.equal(response.status, status);
        assert.equal(response.headers.get('cache-control'), 'no-store');
        const { error } = (await response.json()) as { error: { code?: string } };
        assert.equal(error.code, 'bad_request');
      }
    });
  });

  describe('under pressure', () => {
    it('closes a connection that never finishes its request', async () => {
      await open({ http: { requestTimeoutMs: 100 } });
      const socket = connect(house.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
      socket.resume();
      await once(socket, 'close');
    });

    it('accepts no more connections than it is allowed', async () => {
      await open({ http: { maxConnections: 2 } });
      const sockets = Array.from({ length: 3 }, () => connect(house.port, '127.0.0.1'));
      for (const socket of sockets) socket.on('error', () => {});
      const closed = await Promise.race(sockets.map((socket) => once(socket.resume(), 'close').then(() => socket)));
      assert.ok(sockets.includes(closed));
      for (const socket of sockets) socket.destroy();
    });

    it('finishes what is under way when it stops, and cuts what hangs', async () => {
      let release = () => {};
      let entered = () => {};
      const isUnderWay = new Promise<void>((resolve) => (entered = resolve));
      const trace = () =>
        new Promise<object>((resolve) => {
          release = () => resolve({ status: 'FOUND' });
          entered();
        });
      await open({ parts: { lookup: { trace } } });
      const pending = house.request('/api/v1/lookup?number=1');
      await isUnderWay;
      const stopped = house.stop(5000);
      release();
      assert.equal((await pending).status, 200);
      await stopped;

      let hangs = () => {};
      const isHanging = new Promise<void>((resolve) => (hangs = resolve));
      await open({ parts: { lookup: { trace: () => (hangs(), new Promise<never>(() => {})) } } });
      const cut = assert.rejects(house.request('/api/v1/lookup?number=1'));
      await isHanging;
      await house.stop(50);
      await cut;
    });

    it('says in plain words that its port is taken', async () => {
      await open();
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      await assert.rejects(openHouse({ http: { port } }), { message: /another program listens there already/ });
      other.close();
    });
  });
});
