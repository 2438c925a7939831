import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { until } from '../support/until.ts';
import { ensureBuilt } from './browser.ts';
import {
  adminPassword,
  makeUsers,
  startSeededService,
  supervisorPassword,
  type SeededService,
} from './seeded-service.ts';

interface Person {
  readonly cookie: string;
  readonly csrfToken: string;
  readonly setCookie: string;
}

describe('people of the web interface', function () {
  this.timeout(60_000);
  let service: SeededService;

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${service.url}/api/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const signIn = async (name: string, password: string): Promise<Person> => {
    const answer = await post('session', { name, password });
    assert.equal(answer.status, 200, await answer.clone().text());
    const setCookie = answer.headers.get('set-cookie')!;
    const { csrfToken } = (await answer.json()) as { csrfToken: string };
    return { cookie: setCookie.split(';')[0]!, csrfToken, setCookie };
  };
  const get = (path: string, { cookie }: Pick<Person, 'cookie'>) =>
    fetch(`${service.url}/api/v1/${path}`, { headers: { cookie } });

  before(async () => {
    await ensureBuilt();
    service = await startSeededService();
  });
  after(() => service.stop());

  it('are made, the first one, only by whoever can read the token on the server, and once', async () => {
    const first = (await (await fetch(`${service.url}/api/v1/session`)).json()) as Record<string, unknown>;
    assert.equal(first.isFirstRun, true);
    assert.equal(first.tokenFile, join(service.folder, 'first-run-token'));
    const body = { name: 'thief', password: 'long enough here' };
    assert.equal((await post('session/first-user', { ...body, token: 'guessed' })).status, 401);
    const token = readFileSync(join(service.folder, 'first-run-token'), 'utf8');
    assert.equal((await post('session/first-user', { ...body, password: 'short', token })).status, 400);
    await makeUsers(service);
    assert.equal((await post('session/first-user', { ...body, token })).status, 409);
    assert.equal(existsSync(join(service.folder, 'first-run-token')), false);
  });

  it('get a cookie that scripts cannot read and other sites cannot send', async () => {
    const { setCookie } = await signIn('Admin', adminPassword);
    assert.match(setCookie, /^ringledger=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  });

  it('change nothing without the token of their own page', async () => {
    const admin = await signIn('admin', adminPassword);
    const pause = (headers: Record<string, string>) =>
      post('crms/local/pause', { reason: 'x' }, { cookie: admin.cookie, ...headers });
    assert.equal((await pause({})).status, 403);
    assert.equal((await pause({ 'x-csrf-token': 'wrong' })).status, 403);
    assert.equal((await pause({ 'x-csrf-token': admin.csrfToken, 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await pause({ 'x-csrf-token': admin.csrfToken })).status, 200);
    await service.ask('crms/local/resume', { method: 'POST', body: {} });
  });

  it('are let in by nothing but a right and living session', async () => {
    const admin = await signIn('admin', adminPassword);
    for (const cookie of ['', 'ringledger=', `ringledger=${'A'.repeat(43)}`, `${admin.cookie}A`])
      assert.equal((await get('calls', { cookie })).status, 401, cookie);
    assert.equal((await get('calls', admin)).status, 200);
    const signOut = await fetch(`${service.url}/api/v1/session`, {
      method: 'DELETE',
      headers: { cookie: admin.cookie, 'x-csrf-token': admin.csrfToken },
    });
    assert.equal(signOut.status, 204);
    assert.equal((await get('calls', admin)).status, 401);
  });

  it('see, as supervisors, the calls of their group and nothing of the others', async () => {
    const vera = await signIn('vera', supervisorPassword);
    const page = (await (await get('calls?limit=500', vera)).json()) as {
      items: { source: string; linkedId: string; conversations: { extension: string }[] }[];
    };
    assert.ok(page.items.length > 50 && page.items.length < 320);
    for (const { conversations } of page.items)
      for (const { extension } of conversations) assert.ok(['101', '102'].includes(extension));
    const all = (await (await service.ask('calls?limit=500')).json()) as typeof page;
    const hidden = all.items.find(({ conversations }) => conversations.every(({ extension }) => extension > '102'))!;
    assert.equal((await get(`calls/${hidden.source}/${hidden.linkedId}`, vera)).status, 404);
    const csv = await (await get('calls.csv', vera)).text();
    assert.equal(csv.trim().split('\r\n').length, page.items.length + 1);
    for (const path of [
      'deliveries',
      'web-users',
      'audit',
      'doctor',
      'dialplan',
      'employees',
      `calls/${hidden.source}/${hidden.linkedId}/events`,
    ])
      assert.equal((await get(path, vera)).status, 403, path);
    const change = await post('deliveries/1/resend', {}, { cookie: vera.cookie, 'x-csrf-token': vera.csrfToken });
    assert.equal(change.status, 403);
    const foreignPhone = { number: '+79161110002', extension: '105' };
    assert.equal(
      (await post('call-back', foreignPhone, { cookie: vera.cookie, 'x-csrf-token': vera.csrfToken })).status,
      403,
    );
  });

  it('cannot switch the last admin off, and lose their sessions when they are changed', async () => {
    const { items } = (await (await service.ask('web-users')).json()) as { items: { id: string; name: string }[] };
    const idOf = (name: string) => items.find((user) => user.name === name)!.id;
    const last = await service.ask(`web-users/${idOf('admin')}`, { method: 'PATCH', body: { isActive: false } });
    assert.equal(last.status, 409);
    const vera = await signIn('vera', supervisorPassword);
    await service.ask(`web-users/${idOf('vera')}`, { method: 'PATCH', body: { extensions: ['103'] } });
    assert.equal((await get('calls', vera)).status, 401);
  });

  it('change their own password with the present one, which ends their other sessions', async () => {
    await service.ask('web-users', {
      method: 'POST',
      body: { name: 'daria', password: 'first password', role: 'own', extensions: ['105'] },
    });
    const [here, there] = [await signIn('daria', 'first password'), await signIn('daria', 'first password')];
    const change = (body: object) =>
      post('session/password', body, { cookie: here.cookie, 'x-csrf-token': here.csrfToken });
    assert.equal((await change({ password: 'wrong', newPassword: 'second password' })).status, 403);
    const changed = await change({ password: 'first password', newPassword: 'second password' });
    assert.equal(changed.status, 200);
    assert.equal((await get('calls', there)).status, 401);
    assert.equal((await get('calls', { cookie: changed.headers.get('set-cookie')!.split(';')[0]! })).status, 200);
    assert.equal((await post('session', { name: 'daria', password: 'second password' })).status, 200);
  });

  it('are written down with what they did', async () => {
    const admin = await signIn('admin', adminPassword);
    const task = { text: 'Look at the log', dueAt: new Date().toISOString() };
    assert.equal((await post('tasks', task, { cookie: admin.cookie, 'x-csrf-token': admin.csrfToken })).status, 201);
    const read = async () =>
      (await (await get('audit?limit=5', admin)).json()) as {
        items: { who: string; action: string; target: string }[];
      };
    await until(async () => (await read()).items.some(({ target }) => target === '/api/v1/tasks'));
    const { items } = await read();
    assert.ok(
      items.some(({ who, action, target }) => who === 'admin' && action === 'POST' && target === '/api/v1/tasks'),
    );
    assert.ok(items.some(({ action }) => action === 'signed in'));
  });

  it('are shown only files of the interface, whatever path is asked for', async () => {
    const raw = (path: string) =>
      new Promise<{ status: number; body: string }>((resolve, reject) => {
        httpRequest({ port: Number(new URL(service.url).port), host: '127.0.0.1', path }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => (body += text));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        })
          .on('error', reject)
          .end();
      });
    for (const path of [
      '/ui/../api-token',
      '/ui/%2e%2e/api-token',
      '/ui/assets/..%2f..%2fapi-token',
      '/ui/assets/../../../package.json',
      '/ui//etc/passwd',
      '/ui/assets/%00',
    ]) {
      const { body } = await raw(path);
      assert.ok(!body.includes(service.apiToken) && !body.includes('root:') && !body.includes('"scripts"'), path);
    }
    assert.equal((await fetch(`${service.url}/ui/assets/nothing.js`)).status, 404);
  });

  it('get pages under a policy without inline scripts, hashed files for ever, and a light first page', async () => {
    const page = await fetch(`${service.url}/ui/`);
    const policy = page.headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    const html = await page.text();
    assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|style=|https?:/);
    const assets = [...html.matchAll(/(?:src|href)="(\/ui\/assets\/[^"]+)"/g)].map((match) => match[1]!);
    assert.ok(assets.length >= 2);
    let bytes = 0;
    for (const asset of assets) {
      const answer = await fetch(service.url + asset, { headers: { 'accept-encoding': 'gzip' } });
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
      bytes += Number(answer.headers.get('content-length'));
    }
    assert.ok(bytes < 60_000, `${bytes} bytes`);
  });

  it('are told calls of now as they come, each only what is theirs', async () => {
    const admin = await signIn('admin', adminPassword);
    const abort = new AbortController();
    const stream = await fetch(`${service.url}/api/v1/live`, {
      headers: { cookie: admin.cookie },
      signal: abort.signal,
    });
    assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream.body!) text += Buffer.from(chunk as Uint8Array).toString();
    })().catch(() => undefined);
    await until(() => text.includes('"changed":[],"gone":[]'));
    service.startCall();
    await until(() => /"client":"\+79161110002"/.test(text), { timeoutMs: 15_000 });
    abort.abort();
    await reading;
  });

  it('are locked out after too many wrong passwords, with the right one as well', async () => {
    await service.ask('web-users', {
      method: 'POST',
      body: { name: 'boris', password: 'a long password', role: 'own', extensions: ['102'] },
    });
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 5; attempt += 1)
      statuses.push((await post('session', { name: 'boris', password: `no ${attempt}` })).status);
    assert.deepEqual(
      statuses,
      Array.from({ length: 5 }, () => 401),
    );
    const locked = await post('session', { name: 'boris', password: 'a long password' });
    assert.equal(locked.status, 429);
    assert.match(await locked.text(), /"locked"/);
  });
});
