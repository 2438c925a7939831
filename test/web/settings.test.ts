import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig, parseConfig } from '../../src/config.ts';
import { createSettings } from '../../src/installation/settings.ts';
import type { SettingsDraft, SettingsView } from '../../src/web/ports.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { startSeededService, type SeededService } from './seeded-service.ts';

interface Fault {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly fields?: { field: string; message: string }[];
  };
}
const canary = /canary/;

describe('the settings over the API', function () {
  this.timeout(20_000);
  let service: SeededService;
  let restarts = 0;
  const log = createKeptLog();
  beforeEach(async () => {
    restarts = 0;
    service = await startSeededService({
      env: { RINGLEDGER_LOG_LEVEL: 'warn' },
      log,
      restart: () => void (restarts += 1),
    });
  });
  afterEach(() => service.stop());

  const look = async () => (await (await service.ask('settings')).json()) as SettingsView;
  const post = (path: string, body: unknown) => service.ask(path, { method: 'POST', body });
  const draft = async (body: unknown) => (await (await post('settings/draft', body)).json()) as SettingsDraft;
  const onDisk = () => readFileSync(service.configFile, 'utf8');

  it('are shown with their comments, what is in effect and what each may be, and no secret', async () => {
    const answer = await service.ask('settings');
    const text = await answer.text();
    assert.doesNotMatch(text, canary);
    const view = JSON.parse(text) as SettingsView & {
      schema: {
        properties: Record<string, { properties: Record<string, { default?: unknown; description?: string }> }>;
      };
    };
    assert.match(view.draft.text, /^# The office in the Tverskaya street/);
    assert.match(view.draft.text, /tokenFile: secrets\/wallboard/);
    assert.match(view.draft.text, /token: <kept-secret-/);
    assert.deepEqual([view.obstacle, view.draft.faults, view.draft.difference], [null, [], '']);
    assert.deepEqual(view.overridden, [{ path: ['log', 'level'], variable: 'RINGLEDGER_LOG_LEVEL' }]);
    assert.equal(view.schema.properties['http']!.properties['cidDeadlineMs']!.default, 800);
    assert.match(view.schema.properties['http']!.properties['host']!.description!, /Address to listen on/);
    assert.match(text, /"token":\{[^}]*"writeOnly":true/);
    const { country } = view.schema.properties['installation']!.properties;
    assert.match(country!.description!, /how national numbers are read/, 'what only the example file explains');
    assert.equal((view.effective as { installation: { country: string } }).installation.country, 'RU');
  });

  it('change one value in the file and nothing else, after a look at the difference', async () => {
    const before = onDisk();
    const { hash, draft: shown } = await look();
    const edited = await draft({ text: shown.text, edits: [{ path: ['installation', 'country'], value: 'KZ' }] });
    assert.match(edited.difference, /^-  country: RU$/m);
    assert.match(edited.difference, /^\+  country: KZ$/m);
    assert.equal(edited.difference.split('\n').filter((line) => /^[-+] /.test(line)).length, 2);
    assert.doesNotMatch(JSON.stringify(edited), canary);
    assert.equal(onDisk(), before, 'a look changes nothing');

    chmodSync(service.configFile, 0o600);
    const saved = await post('settings', { hash, text: edited.text });
    assert.equal(saved.status, 200, await saved.text());
    assert.equal(onDisk(), before.replace('country: RU', 'country: KZ'), 'secrets are back where they stood');
    assert.equal(statSync(service.configFile).mode & 0o777, 0o600);
    assert.equal((await look()).isRestartDue, true);
  });

  it('are refused with all faults and their lines, as at the start', async () => {
    const { hash, draft: shown } = await look();
    const text = shown.text.replace('country: RU', 'country: Russia').replace('port: 0', 'prot: 0');
    const { faults } = await draft({ text });
    const lineOf = (word: string) => text.split('\n').findIndex((line) => line.includes(word)) + 1;
    assert.deepEqual(
      faults.map(({ path, line }) => [path, line]),
      [
        ['installation.country', lineOf('Russia')],
        ['http.prot', lineOf('prot')],
      ],
    );
    const before = onDisk();
    const answer = await post('settings', { hash, text });
    const { error } = (await answer.json()) as Fault;
    assert.deepEqual([answer.status, error.code, error.fields?.length], [422, 'faulty', 2]);
    assert.equal(onDisk(), before);
    assert.match((await draft({ text: 'http: [' })).faults[0]!.message, /not valid YAML/);
    const { faults: told, values } = await draft({ text: 'users:\n  - { id: a, name: A, extensions: [*8] }\n' });
    assert.deepEqual([told[0]?.line, told.length, values], [2, 1, null]);
  });

  it('are not saved over what somebody else changed meanwhile', async () => {
    const { hash, draft: shown } = await look();
    appendFileSync(service.configFile, '# added by hand\n');
    const answer = await post('settings', { hash, text: shown.text.replace('RU', 'KZ') });
    assert.deepEqual([answer.status, ((await answer.json()) as Fault).error.code], [409, 'changed']);
    assert.match(onDisk(), /country: RU[\s\S]*# added by hand/);
  });

  it('keep the versions before and can go back to one, with the secrets of that time', async () => {
    const first = onDisk();
    const { hash, draft: shown } = await look();
    const path = ['http', 'tokens', 1, 'token'];
    const replaced = await draft({ text: shown.text, edits: [{ path, value: 'canary-new-0123456789abcdef' }] });
    assert.doesNotMatch(JSON.stringify(replaced), canary);
    assert.match(replaced.difference, /^\+ .*token: <kept-secret-/m);
    assert.equal((await post('settings', { hash, text: replaced.text })).status, 200);
    assert.match(onDisk(), /token: canary-new-0123456789abcdef/);

    const listed = await (await service.ask('settings/versions')).text();
    assert.doesNotMatch(listed, canary);
    const { items } = JSON.parse(listed) as { items: { id: string }[] };
    assert.equal(items.length, 1);
    const former = await (await service.ask(`settings/versions/${items[0]!.id}`)).text();
    assert.doesNotMatch(former, canary);
    const back = JSON.parse(former) as SettingsDraft;
    assert.equal((await post('settings', { hash: (await look()).hash, text: back.text })).status, 200);
    assert.equal(onDisk(), first);
    const folder = join(service.folder, 'settings');
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal((await service.ask('settings/versions/..%2f..%2fringledger')).status, 404);
  });

  it('write a secret that stands in a file into that file, for its owner alone', async () => {
    const { hash, draft: shown } = await look();
    const change = { path: ['http', 'tokens', 0, 'token'], value: 'canary-other-0123456789abcdef' };
    const short = await post('settings', { hash, text: shown.text, secrets: [{ ...change, value: 'canary' }] });
    assert.equal(short.status, 422);
    const words = await short.text();
    assert.match(words, /too short for a token/);
    assert.doesNotMatch(words, canary);
    const answer = await post('settings', { hash, text: shown.text, secrets: [change] });
    assert.equal(answer.status, 200, await answer.text());
    const file = join(service.folder, 'secrets', 'wallboard');
    assert.equal(readFileSync(file, 'utf8'), 'canary-other-0123456789abcdef\n');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal((await look()).isRestartDue, true);
  });

  it('are saved by one alone of those who save at once, and so are their secrets', async () => {
    const { hash, draft: shown } = await look();
    const path = ['http', 'tokens', 0, 'token'];
    const outcomes = await Promise.all(
      ['KZ', 'BY', 'AM'].map(async (country) => {
        const value = `canary-of-${country}-0123456789abcdef`;
        const text = shown.text.replace('country: RU', `country: ${country}`);
        const { status } = await post('settings', { hash, text, secrets: [{ path, value }] });
        return { country, value, status };
      }),
    );
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), [200, 409, 409]);
    const saved = outcomes.find(({ status }) => status === 200)!;
    assert.match(onDisk(), new RegExp(`country: ${saved.country}`));
    assert.equal(readFileSync(join(service.folder, 'secrets', 'wallboard'), 'utf8'), `${saved.value}\n`);
  });

  it('write secrets nowhere but below the folder of the file', async () => {
    const outside = join(service.folder, '..', `outside-${process.pid}`);
    writeFileSync(outside, 'untouched-0123456789abcdefghij');
    symlinkSync(outside, join(service.folder, 'secrets', 'link'));
    for (const name of [outside, `secrets/../../outside-${process.pid}`, 'secrets/link', 'ringledger.yaml']) {
      const { hash, draft: shown } = await look();
      const { text } = await draft({
        text: shown.text,
        edits: [{ path: ['http', 'tokens', 0, 'tokenFile'], value: name }],
      });
      const change = { path: ['http', 'tokens', 0, 'token'], value: 'canary-other-0123456789abcdef' };
      const before = onDisk();
      const answer = await post('settings', { hash, text, secrets: [change] });
      assert.equal(answer.status, 422, name);
      assert.match(await answer.text(), /is outside of/, name);
      assert.equal(onDisk(), before);
    }
    assert.equal(readFileSync(outside, 'utf8'), 'untouched-0123456789abcdefghij');
  });

  it('cannot be made to tell a secret by moving its placeholder', async () => {
    const { hash, draft: shown } = await look();
    const [placeholder] = /<kept-secret-\w+>/.exec(shown.text)!;
    const tries = [
      shown.text.replace('country: RU', `country: RU\n  name: ${placeholder}`),
      shown.text.replace('country: RU', `country: ${placeholder}`),
      shown.text.replace('name: wallboard', `name: &a ${placeholder}`).replace(/token: <kept-secret-\w+>/, 'token: *a'),
      `${shown.text}# ${placeholder}\n`,
    ];
    for (const text of tries) {
      const answer = await post('settings', { hash, text });
      assert.equal(answer.status, 422, text);
      assert.doesNotMatch(await answer.text(), canary);
      assert.doesNotMatch(await (await post('settings/draft', { text })).text(), canary);
    }
  });

  it('leave no secret in the log nor in the list of what was done', async () => {
    const { hash, draft: shown } = await look();
    const path = ['http', 'tokens', 1, 'token'];
    const edited = await draft({ text: shown.text, edits: [{ path, value: 'canary-new-0123456789abcdef' }] });
    await post('settings', { hash, text: edited.text });
    const { items } = (await (await service.ask('audit')).json()) as { items: { action: string; target: string }[] };
    assert.deepEqual(
      items.filter(({ target }) => target.includes('settings')).map(({ action, target }) => `${action} ${target}`),
      ['POST /api/v1/settings'],
      'a look is no change',
    );
    assert.doesNotMatch(JSON.stringify(items), canary);
    assert.doesNotMatch(JSON.stringify(log.lines), canary);
  });

  it('are for administrators alone', async () => {
    const made = await post('web-users', {
      name: 'vera',
      password: 'a quiet morning 101',
      role: 'supervisor',
      extensions: ['101'],
    });
    assert.equal(made.status, 201);
    const signedIn = await fetch(`${service.url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'vera', password: 'a quiet morning 101' }),
    });
    const { csrfToken } = (await signedIn.json()) as { csrfToken: string };
    const headers = {
      cookie: signedIn.headers.getSetCookie()[0]!.split(';')[0]!,
      'x-csrf-token': csrfToken,
      'content-type': 'application/json',
    };
    const calls = [
      'GET settings',
      'POST settings',
      'POST settings/draft',
      'GET settings/versions',
      'POST settings/restart',
    ];
    for (const call of [
      ...calls,
      'GET dialplan',
      'POST dialplan/apply',
      'POST dialplan/rollback',
      'GET setup',
      'POST setup/ami',
    ]) {
      const [method, path] = call.split(' ');
      const answer = await fetch(`${service.url}/api/v1/${path}`, {
        method: method!,
        headers,
        body: method === 'POST' ? '{}' : null,
      });
      assert.equal(answer.status, 403, call);
    }
  });

  it('restart the service only where somebody starts it again', async () => {
    assert.equal((await look()).canRestart, true);
    assert.equal((await post('settings/restart', {})).status, 202);
    assert.equal(restarts, 1);
  });

  it('stay in valid form whatever single value is set by a form', async () => {
    const { draft: shown } = await look();
    for (const value of [
      '0101',
      'a: b',
      '- x',
      '#',
      '',
      ' ',
      'null',
      'true',
      "it's",
      '"',
      '{',
      ']',
      'ё\n2',
      '*a',
      '<kept>',
      '5',
    ]) {
      const { values } = await draft({ text: shown.text, edits: [{ path: ['users', 0, 'name'], value }] });
      assert.equal((values as { users: { name: string }[] }).users[0]!.name, value, JSON.stringify(value));
      assert.deepEqual((parse(onDisk()) as { users: object[] }).users.length, 5);
    }
  });
});

describe('settings of a service that has no file, or may not write it', function () {
  this.timeout(20_000);
  const clock = { now: () => new Date() };

  it('say in plain words what stands in the way', async () => {
    const { config } = parseConfig({ file: null, text: '', env: {} });
    const open = (env: NodeJS.ProcessEnv) => {
      const origin = { file: null, env, cwd: '/nonexistent', restart: null };
      return createSettings(config, { origin, stateFolder: '/nonexistent', clock }).door;
    };
    const { obstacle, file } = await open({ INVOCATION_ID: '1' }).read();
    assert.deepEqual([file, obstacle?.reason], [null, 'no_file']);
    assert.match(obstacle!.message, /runs without a configuration file/);
    assert.match(obstacle!.commands.join('\n'), /edit-settings\.conf[\s\S]*daemon-reload/);
    assert.doesNotMatch((await open({}).read()).obstacle!.commands.join('\n'), /systemctl/);
    const given = { hash: '0'.repeat(64), text: 'log: {}\n', secrets: [] };
    await assert.rejects(open({}).save(given), /without a configuration file/);
  });

  it('are made in a new file where that is allowed', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'ringledger-settings-'));
    try {
      const { config } = loadConfig({ env: {}, cwd });
      const origin = { file: null, env: {}, cwd, restart: null };
      const { door, current } = createSettings(config, { origin, stateFolder: join(cwd, 'data'), clock });
      const view = await door.read();
      assert.deepEqual([view.file, view.obstacle, view.isRestartDue], [null, null, false]);
      const { text } = await door.draft({
        text: view.draft.text,
        edits: [{ path: ['http', 'port'], value: 8481 }],
        secrets: [],
      });
      assert.deepEqual(await door.save({ hash: view.hash, text, secrets: [] }), { faults: [], isSaved: true });
      assert.equal(statSync(join(cwd, 'ringledger.yaml')).mode & 0o777, 0o640);
      assert.equal(current().http.port, 8481);
      assert.equal(loadConfig({ env: {}, cwd }).config.http.port, 8481);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});
