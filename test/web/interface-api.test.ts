import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase } from '../../src/storage/connection.ts';
import { until } from '../support/until.ts';
import { ensureBuilt } from './browser.ts';
import {
  makeUsers,
  startSeededService,
  supervisorPassword,
  transferCall,
  type SeededService,
} from './seeded-service.ts';

interface Made {
  readonly id: string;
  readonly name: string;
  readonly token: string;
}

/** The service as programs see it: tokens, and the routes that the interface brought. */
describe('the API behind the interface', function () {
  this.timeout(60_000);
  let service: SeededService;
  const post = (path: string, body: unknown) => service.ask(path, { method: 'POST', body });
  const json = async <Answer>(answer: Response | Promise<Response>) => (await (await answer).json()) as Answer;
  const asked = (token: string, path: string, method = 'GET') =>
    fetch(`${service.url}/api/v1/${path}`, { method, headers: { authorization: `Bearer ${token}` } });
  const signedIn = async (url: string, name: string, password: string) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ name, password });
    const answer = await fetch(`${url}/api/v1/session`, { method: 'POST', headers, body });
    return answer.headers.get('set-cookie')!.split(';')[0]!;
  };
  /** The cookie of the supervisor of 101 and 102. */
  const supervisor = () => signedIn(service.url, 'vera', supervisorPassword);
  const seenBy = (cookie: string, path: string) => fetch(`${service.url}/api/v1/${path}`, { headers: { cookie } });

  before(async () => {
    await ensureBuilt();
    service = await startSeededService();
    await makeUsers(service);
  });
  after(() => service.stop());

  describe('spans of time', () => {
    interface Listed {
      readonly items: readonly { readonly linkedId: string; readonly startedAt: string }[];
    }
    const clock = new Intl.DateTimeFormat('sv-SE', {
      timeZone: 'Europe/Moscow',
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    const wall = (at: string) => clock.format(new Date(at)).replace(' ', 'T');
    let all: Listed['items'];
    /** The day before the newest call's, by the installation's clocks. */
    let day: string;
    before(async () => {
      all = (await json<Listed>(service.ask('calls?limit=500'))).items;
      day = wall(all[60]!.startedAt).slice(0, 10);
    });
    const expected = (from: string, to: string) =>
      all.filter(({ startedAt }) => wall(startedAt) >= from && wall(startedAt) < to).map(({ linkedId }) => linkedId);
    const listed = async (query: string) =>
      (await json<Listed>(service.ask(`calls?limit=500&${query}`))).items.map(({ linkedId }) => linkedId);

    it('are read as days and times of the installation, whatever asks for them', async () => {
      const times = all.filter(({ startedAt }) => wall(startedAt).startsWith(day)).map(({ startedAt }) => startedAt);
      const [last, first] = [wall(times[2]!).slice(0, 16), wall(times.at(-3)!).slice(0, 16)];
      const within = expected(first, last);
      const ofDay = expected(day, `${day}T99`);
      assert.ok(within.length > 0 && within.length < ofDay.length, 'the samples tell times from days');
      assert.deepEqual(await listed(`from=${first}&to=${last}`), within);
      assert.deepEqual(await listed(`from=${day}&to=${day}`), ofDay, 'a link with days means whole days');
      const moments = `from=${first}:00%2B03:00&to=${last}:00%2B03:00`;
      assert.deepEqual(await listed(moments), within, 'a moment with its offset is one, as ever');

      const csv = (await (await service.ask(`calls.csv?from=${first}&to=${last}`)).text()).trim().split('\r\n');
      assert.deepEqual(
        csv.slice(1).map((line) => line.split(',').at(-1)),
        within,
      );
      const { calls } = await json<{ calls: { calls: number }[] }>(service.ask(`overview?from=${first}&to=${last}`));
      assert.equal(
        calls.reduce((sum, line) => sum + line.calls, 0),
        within.length,
      );
      for (const path of ['missed', 'completeness', 'deliveries', 'conversations'])
        assert.equal((await service.ask(`${path}?from=${first}&to=${last}`)).status, 200, path);
      const { items } = await json<{ items: { day: string }[] }>(service.ask(`completeness?from=${first}&to=${last}`));
      assert.ok(items.length > 0 && items.every(({ day }) => day >= first.slice(0, 10) && day <= last.slice(0, 10)));
    });

    it('that cannot be read are refused with the field’s name, also in what sends again', async () => {
      for (const wrong of ['2026-02-30', '14:00', '2026-11-21T25:00', 'yesterday']) {
        const answer = await service.ask(`calls?to=${wrong}`);
        assert.equal(answer.status, 400, wrong);
        assert.match(
          await answer.text(),
          /"field":"to","message":"must be a day such as 2026-11-21, or a time such as/,
        );
      }
      assert.equal((await post('deliveries/resend', { state: ['rejected'], from: 'then' })).status, 400);
      const future = { state: ['rejected'], from: '2099-01-01', to: '2099-01-01T12:00' };
      assert.deepEqual(await json(post('deliveries/resend', future)), { resent: 0 });
    });
  });

  describe('tokens made by people', () => {
    it('open what they may, are told once and never again, and tell when they were used', async () => {
      const answer = await post('api-tokens', { name: 'office screen', access: 'read' });
      assert.equal(answer.status, 201);
      const made = await json<Made>(answer);
      assert.match(made.token, /^rl_[\w-]{43}$/);
      assert.equal((await asked(made.token, 'calls?limit=1')).status, 200);
      assert.equal((await asked(made.token, 'deliveries/1/resend', 'POST')).status, 403);
      const text = await (await service.ask('api-tokens')).text();
      assert.ok(!text.includes(made.token) && text.includes('office screen'));
      const { items } = JSON.parse(text) as { items: { name: string; usedAt: string | null; madeBy: string }[] };
      const listed = items.find(({ name }) => name === 'office screen')!;
      assert.ok(listed.usedAt !== null && listed.madeBy === 'this machine');
    });

    it('open nothing once they are revoked', async () => {
      const made = await json<Made>(post('api-tokens', { name: 'to be revoked', access: 'full' }));
      assert.equal((await asked(made.token, 'crms')).status, 200);
      assert.equal((await service.ask(`api-tokens/${made.id}`, { method: 'DELETE' })).status, 204);
      assert.equal((await asked(made.token, 'crms')).status, 401);
      assert.equal((await service.ask(`api-tokens/${made.id}`, { method: 'DELETE' })).status, 404);
    });

    it('have a name of their own, and are no secret that can be guessed from its form', async () => {
      assert.equal((await post('api-tokens', { name: 'office screen', access: 'full' })).status, 409);
      assert.equal((await post('api-tokens', { name: '', access: 'full' })).status, 400);
      assert.equal((await asked(`rl_${'A'.repeat(43)}`, 'calls')).status, 401);
    });

    it('are for administrators alone', async () => {
      assert.equal((await seenBy(await supervisor(), 'api-tokens')).status, 403);
    });
  });

  describe('users who are locked out', () => {
    it('are seen as such and can be let in again', async () => {
      await post('web-users', { name: 'gleb', password: 'a long enough word', role: 'own', extensions: ['104'] });
      const headers = { 'content-type': 'application/json' };
      for (let count = 0; count < 5; count++)
        await fetch(`${service.url}/api/v1/session`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ name: 'gleb', password: 'wrong' }),
        });
      const find = async () =>
        (
          await json<{ items: { id: string; name: string; lockedUntil: string | null }[] }>(service.ask('web-users'))
        ).items.find(({ name }) => name === 'gleb')!;
      const locked = await find();
      assert.ok(locked.lockedUntil !== null && Date.parse(locked.lockedUntil) > Date.now());
      assert.equal((await post(`web-users/${locked.id}/unlock`, {})).status, 204);
      assert.equal((await find()).lockedUntil, null);
      assert.equal((await post('web-users/999/unlock', {})).status, 404);
    });
  });

  describe('a call', () => {
    it('tells its story, and supervisors only the parts of their group', async () => {
      type Shown = { conversations: { extension: string; story: { spans: { kind: string }[] } | null }[] };
      const path = `calls/office/${transferCall}`;
      const { conversations } = await json<Shown>(service.ask(path));
      assert.deepEqual(
        conversations[0]!.story!.spans.map(({ kind }) => kind),
        ['ring', 'talk', 'hold'],
      );
      const seen = await json<Shown>(seenBy(await supervisor(), path));
      assert.deepEqual([...new Set(seen.conversations.map(({ extension }) => extension))], ['101']);
    });

    it('is replayed dry: what would be written is told, and nothing is written', async () => {
      const count = async () => (await json<{ items: object[] }>(service.ask('contacts?limit=500'))).items.length;
      const before = [await count(), await (await service.ask('tasks?limit=500')).text()];
      const { items: missed } = await json<{ items: { source: string; linkedId: string }[] }>(
        service.ask('calls?result=missed&registered=true&direction=inbound&limit=1'),
      );
      const { source, linkedId } = missed[0]!;
      const { items } = await json<{ items: { crm: string; action: string; result?: string }[] }>(
        post(`calls/${source}/${linkedId}/dry-run`, {}),
      );
      const call = items.find(({ action }) => action === 'call')!;
      assert.deepEqual([call.crm, call.result], ['local', 'missed']);
      assert.deepEqual([await count(), await (await service.ask('tasks?limit=500')).text()], before);
      assert.equal((await post('calls/office/none/dry-run', {})).status, 404);
    });

    it('finds in a dry run the contact that the CRM knows', async () => {
      const { items } = await json<{ items: { action: string; contactId?: string | null }[] }>(
        post(`calls/office/${transferCall}/dry-run`, {}),
      );
      const { items: known } = await json<{ items: { id: string }[] }>(service.ask('contacts?number=%2B79161110002'));
      assert.ok(!items.some(({ action }) => action === 'contact'));
      assert.deepEqual(
        items.filter(({ action }) => action === 'call').map(({ contactId }) => contactId),
        [known[0]!.id, known[0]!.id],
      );
    });
  });

  describe('recordings', () => {
    /** Another one of each conversation of a call, with its loudness, as if they had been converted, and the whole file. */
    const record = async (linkedId: string, conversations: readonly { uniqueId: string; extension: string }[]) => {
      const database = await openDatabase({ kind: 'sqlite', path: join(recorded.folder, 'ringledger.db') });
      const row = {
        source: 'office',
        linked_id: linkedId,
        position: 1,
        direction: 'inbound',
        started_at: Date.now(),
        call_ended_at: Date.now(),
        state: 'ready',
        attempts: 0,
        announced_path: '',
        duration_ms: 9_000,
        peaks: Buffer.from([1, 2, 3]).toString('base64'),
        is_archived: false,
        link_version: 1,
        created_at: Date.now(),
      };
      const newId = () => randomBytes(16).toString('base64url');
      const parts = conversations.map(({ uniqueId, extension }) => ({
        ...row,
        id: newId(),
        unique_id: uniqueId,
        extension,
        subject: `part:${uniqueId}:1`,
      }));
      const whole = { ...row, id: newId(), unique_id: null, extension: null, subject: 'whole:a.wav' };
      try {
        await database.knex('recordings').insert([...parts, whole]);
      } finally {
        await database.close();
      }
      return [...parts, whole];
    };
    let recorded: SeededService;
    before(async () => {
      recorded = await startSeededService({
        config: { recordings: { enabled: true, convert: { program: '/nonexistent/ffmpeg' } } },
      });
      await makeUsers(recorded);
    });
    after(() => recorded?.stop());

    it('are told, with their loudness, to those alone who see the conversation', async () => {
      const own = { name: 'gleb', password: 'a long enough word' };
      await recorded.ask('web-users', { method: 'POST', body: { ...own, role: 'own', extensions: ['103'] } });
      const cookieOf = (name: string, password: string) => signedIn(recorded.url, name, password);
      const cookies = {
        vera: await cookieOf('vera', supervisorPassword),
        gleb: await cookieOf(own.name, own.password),
      };
      type Shown = { conversations: { uniqueId: string; extension: string }[] };
      const { conversations } = await json<Shown>(recorded.ask(`calls/office/${transferCall}`));
      assert.deepEqual([...new Set(conversations.map(({ extension }) => extension))], ['101', '103']);
      const made = await record(transferCall, conversations);
      for (const [name, cookie] of Object.entries(cookies)) {
        const get = (path: string) => fetch(`${recorded.url}/api/v1/${path}`, { headers: { cookie } });
        const mine = name === 'vera' ? '101' : '103';
        for (const { id, extension } of made) {
          const answer = await get(`recordings/${id}`);
          assert.equal(answer.status, extension === mine ? 200 : 404, `${name}: ${extension}`);
          const text = await answer.text();
          if (extension === mine) assert.deepEqual((JSON.parse(text) as { peaks: unknown }).peaks, [[1, 2, 3]]);
          else assert.doesNotMatch(text, /peaks|link|duration/);
          assert.doesNotMatch(text, /plays/);
        }
        const { items } = await json<{ items: { id: string; uniqueId: string | null }[] }>(
          get(`calls/office/${transferCall}/recordings`),
        );
        const own = made.filter(({ extension }) => extension === mine);
        assert.ok(own.every(({ id }) => items.some((one) => one.id === id)));
        assert.ok(items.every(({ uniqueId }) => own.some((one) => one.unique_id === uniqueId)));
        assert.equal((await get(`recordings/${randomBytes(16).toString('base64url')}`)).status, 404);
      }
      for (const { id } of made) assert.equal((await recorded.ask(`recordings/${id}`)).status, 200);
    });
  });

  describe('what CRMs lack', () => {
    it('is listed call by call and repaired', async () => {
      const span = {
        from: new Date(Date.now() - 3_600_000).toISOString(),
        to: new Date(Date.now() + 60_000).toISOString(),
      };
      const list = async () =>
        (
          await json<{ items: { linkedId: string; state: string }[] }>(
            service.ask(`completeness/lacking?crm=local&from=${span.from}&to=${span.to}&state=missing`),
          )
        ).items;
      assert.deepEqual(
        (await list()).map(({ linkedId }) => linkedId),
        [transferCall],
      );
      const repair = { crm: 'local', ...span, state: ['missing'] };
      assert.deepEqual(await json(post('completeness/repair', repair)), { owed: 1, resent: 0 });
      assert.deepEqual(await list(), []);
      assert.equal((await post('completeness/repair', { ...repair, crm: 'none' })).status, 404);
      assert.equal((await post('completeness/repair', { ...repair, state: ['delivered'] })).status, 400);
    });

    it('is closed with a note, which says who', async () => {
      const { items } = await json<{ items: { id: string }[] }>(service.ask('deliveries?state=rejected'));
      const { id } = items[0]!;
      assert.equal((await post(`deliveries/${id}/reject`, { note: ' ' })).status, 400);
      const closed = await json<{ state: string; lastError: string }>(
        post(`deliveries/${id}/reject`, { note: 'a supplier' }),
      );
      assert.deepEqual([closed.state, closed.lastError], ['skipped', 'this machine: a supplier']);
      assert.equal((await post(`deliveries/${id}/reject`, { note: 'again' })).status, 409);
      assert.equal((await post('deliveries/999999/reject', { note: 'x' })).status, 404);
    });

    it('is sent again in numbers, by what fits', async () => {
      const { resent } = await json<{ resent: number }>(
        post('deliveries/resend', { state: ['rejected'], crm: 'local' }),
      );
      assert.equal(resent, 3);
      assert.equal((await post('deliveries/resend', { state: ['pending'] })).status, 400);
      assert.equal((await post('deliveries/resend', { state: ['rejected'], crm: 'none' })).status, 404);
    });
  });

  describe('contacts as CSV', () => {
    const send = (text: string, dryRun: boolean, type = 'text/csv') =>
      fetch(`${service.url}/api/v1/contacts/import?dryRun=${dryRun}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${service.apiToken}`, 'content-type': type },
        body: text,
      });
    const file = 'name,numbers,responsible\nNew One,8 916 700-00-01,Anna Orlova\nWrong,none\nKnown,8 916 111-00-04\n';

    it('are previewed with every fault by its line, and nothing is made', async () => {
      type Report = {
        created: number;
        changed: number;
        failed: { line: number; message: string }[];
        lines: { line: number; outcome: string }[];
      };
      const report = await json<Report>(send(file, true));
      assert.deepEqual(
        report.lines.map(({ line, outcome }) => `${line} ${outcome}`),
        ['2 created', '3 failed', '4 changed'],
      );
      assert.deepEqual(
        report.failed.map(({ line }) => line),
        [3],
      );
      assert.match(report.failed[0]!.message, /"none" is not a phone number/);
      assert.deepEqual((await json<{ items: object[] }>(service.ask('contacts?number=89167000001'))).items, []);
    });

    it('are imported, the responsible by name, and come out again', async () => {
      await send(file, false);
      const { items } = await json<{ items: { name: string; responsibleId: string }[] }>(
        service.ask('contacts?number=89167000001'),
      );
      assert.deepEqual(
        items.map(({ name, responsibleId }) => [name, responsibleId]),
        [['New One', 'u101']],
      );
      const text = await (await service.ask('contacts.csv')).text();
      assert.match(text, /^name,company,numbers,responsible,tags\r\n/);
      assert.match(text, /New One,,'?\+79167000001,u101,\r\n/);
      assert.equal((await json<{ created: number }>(send(text, true))).created, 0);
    });

    it('stand in the audit log as what they were, previews apart', async () => {
      const imports = async () => {
        const { items } = await json<{ items: { target: string }[] }>(service.ask('audit?limit=100'));
        return items.map(({ target }) => target).filter((target) => target.includes('import'));
      };
      const before = (await imports()).length;
      await send(file, true);
      await send(file, false);
      await until(async () => (await imports()).length === before + 2);
      const newest = (await imports()).slice(0, 2);
      assert.deepEqual(newest.sort(), ['/api/v1/contacts/import?dryRun=false', '/api/v1/contacts/import?dryRun=true']);
    });

    it('are refused with the reason where they are no list of contacts', async () => {
      const fault = async (answer: Promise<Response>) => [
        (await answer).status,
        (await json<{ error: { message: string } }>(answer)).error.message,
      ];
      assert.match(String(await fault(send('Ivan,89161110002\n', true))), /^422,The first line must name the columns/);
      assert.match(String(await fault(send('', true))), /^4\d\d,/);
      assert.equal((await send('{}', true, 'application/json')).status, 415);
    });
  });

  it('knows a contact that was deleted no more, from the next call on', async () => {
    const steps = async () => {
      type Trace = { contactId: string | null; steps: { step: string; outcome: string }[] };
      const trace = await json<Trace>(service.ask('lookup?number=%2B79165557766'));
      const mirror = trace.steps.find(({ step }) => step === 'mirror of local')!;
      return { contactId: trace.contactId, mirror: mirror.outcome };
    };
    const { id } = await json<{ id: string }>(post('contacts', { name: 'Zed', numbers: ['8 916 555-77-66'] }));
    await until(async () => (await steps()).mirror.includes('Zed'), { timeoutMs: 20_000 });
    assert.equal((await service.ask(`contacts/${id}`, { method: 'DELETE' })).status, 204);
    assert.deepEqual(await steps(), { contactId: null, mirror: 'no contact' });
  });

  it('tells who of the house is who in each CRM, and which extensions nobody has', async () => {
    type Accounts = {
      employees: { id: string; extensions: string[] }[];
      crms: { crm: string; users: { id: string; employeeId: string | null }[] | null }[];
      strangers: string[];
    };
    const { employees, crms, strangers } = await json<Accounts>(service.ask('accounts'));
    assert.equal(employees.length, 5);
    assert.deepEqual(strangers, []);
    assert.deepEqual(
      crms[0]!.users!.map(({ id, employeeId }) => id === employeeId),
      [true, true, true, true, true],
    );
  });
});
