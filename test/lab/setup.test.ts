/** From an empty configuration file to the first call of a real Asterisk, through nothing but the routes of the web interface. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { createApp, type App } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import type { Call } from '../../src/core/call.ts';
import type {
  DialplanOutcome,
  DialplanPreview,
  DialplanVersion,
  Examination,
  FoundPhone,
  SettingEdit,
  SettingsDraft,
  SettingsSave,
  SettingsView,
  SetupState,
} from '../../src/web/ports.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { answer, hangUp, ring, stay, talk } from '../support/lab/script.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

describe('the first set-up beside a real Asterisk', function () {
  this.timeout(60_000);
  let lab: Lab;
  let folder: string;
  let file: string;
  let app: App;

  const start = async () => {
    const env = {};
    const { config } = loadConfig({ file, env, cwd: folder });
    app = await createApp(config, { log: silentLog, origin: { file, env, cwd: folder, restart: null } });
  };
  const ask = async <Answer>(path: string, body?: unknown): Promise<Answer> => {
    const token = readFileSync(join(folder, 'api-token'), 'utf8').trim();
    const response = await fetch(`http://127.0.0.1:${app.httpPort}/api/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  };
  const save = async (edits: readonly SettingEdit[], secrets: SettingsSave['secrets'] = []) => {
    const { hash, draft } = await ask<SettingsView>('settings');
    const { text, faults } = await ask<SettingsDraft>('settings/draft', { text: draft.text, edits, secrets });
    assert.deepEqual(faults, []);
    await ask('settings', { hash, text, secrets });
  };
  const amiTrial = (part: object = {}) => ({
    host: '127.0.0.1',
    port: lab.amiPort,
    events: { username: 'ringledger-events', secret: lab.secrets.events },
    control: { username: 'ringledger-control', secret: lab.secrets.control },
    ...part,
  });
  const tryAmi = (part: object = {}) => ask<{ findings: Examination[] }>('setup/ami', amiTrial(part));

  before(async function () {
    this.timeout(600_000);
    lab = await startLab({ trunkContext: 'ringledger-inbound', withoutClickToCallContexts: true });
    folder = mkdtempSync(join(tmpdir(), 'ringledger-setup-'));
    file = join(folder, 'ringledger.yaml');
    const text = stringify({
      installation: { country: 'RU', timezone: 'UTC' },
      numbering: { extensions: ['_1XX'], trunks: ['provider'] },
      storage: { kind: 'sqlite', path: join(folder, 'ringledger.db') },
      http: { port: 0 },
      agi: { port: 0 },
      recordings: { enabled: false },
      dialplan: {
        folder: lab.dialplanFolder,
        asteriskFolder: dirname(lab.dialplanFolder),
        historyFolder: join(folder, 'dialplan'),
        recording: { folder: lab.pbx.settings.folders.spool + '/monitor' },
      },
    });
    writeFileSync(file, `# The house.\n${text}`);
    await start();
  });
  after(async function () {
    this.timeout(60_000);
    await app?.stop();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('connects as both AMI users, and tells a wrong secret from a closed port', async () => {
    const { findings } = await tryAmi();
    assert.ok(
      findings.every(({ state }) => state !== 'error'),
      JSON.stringify(findings),
    );
    assert.ok(findings.filter(({ message }) => message === 'Asterisk took the login.').length === 2);
    const wrong = await tryAmi({ control: { username: 'ringledger-control', secret: 'wrong' } });
    assert.deepEqual(
      wrong.findings.filter(({ state }) => state === 'error').map(({ message }) => message),
      ['Asterisk answered, and refused this user or secret.'],
    );
    const closed = await tryAmi({ port: 1 });
    assert.match(closed.findings[0]!.message, /Nothing listens/);
  });

  it('saves the connection with its secrets in files, and finds the phones with their names', async () => {
    const user = (name: string) => ({ username: `ringledger-${name}`, secretFile: `secrets/ami-${name}` });
    const ami = { host: '127.0.0.1', port: lab.amiPort, events: user('events'), control: user('control') };
    const entry = { name: 'lab', kind: 'asterisk', ami, cel: { file: lab.celFile } };
    await save(
      [{ path: ['pbx', 0], value: entry }],
      (['events', 'control'] as const).map((role) => ({
        path: ['pbx', 0, 'ami', role, 'secret'],
        value: lab.secrets[role],
      })),
    );
    assert.equal(readFileSync(join(folder, 'secrets', 'ami-events'), 'utf8').trim(), lab.secrets.events);
    assert.ok(!readFileSync(file, 'utf8').includes(lab.secrets.events));
    const { items } = await ask<{ items: FoundPhone[] }>('setup/phones');
    assert.deepEqual(
      items.map(({ extension, name }) => [extension, name]),
      [
        ['101', 'Anna'],
        ['102', 'Boris'],
        ['103', 'Vera'],
        ['104', 'Gleb'],
      ],
    );
    await save(
      items.map(({ extension, name }, index) => ({
        path: ['users', index],
        value: { id: `u${extension}`, name, extensions: [extension] },
      })),
    );
    assert.match(readFileSync(file, 'utf8'), /^# The house\./);
    const { done } = await ask<SetupState>('setup');
    assert.deepEqual([done.ami, done.users], [true, true]);
  });

  it('applies the dialplan to Asterisk, refuses to replace a hand-edited file, and goes back', async () => {
    await save([{ path: ['dialplan', 'inbound'], value: { defaultRoute: 'extension:101', distribute: false } }]);
    const first = await ask<DialplanOutcome>('dialplan/apply', {});
    assert.equal(first.state, 'applied', JSON.stringify(first));
    assert.ok(first.verifiedContexts! > 0 && first.written.includes('inbound.conf'));
    await save([{ path: ['dialplan', 'ringSeconds'], value: 7 }]);
    const preview = await ask<DialplanPreview>('dialplan');
    assert.match(preview.difference, /^\+/m);
    assert.equal(preview.isIncluded, true);
    const inbound = join(lab.dialplanFolder, 'inbound.conf');
    const edited = `${readFileSync(inbound, 'utf8')}; by hand\n`;
    writeFileSync(inbound, edited);
    const refused = await ask<DialplanOutcome>('dialplan/apply', {});
    assert.deepEqual([refused.state, refused.needsForce], ['refused', true]);
    assert.equal(readFileSync(inbound, 'utf8'), edited);
    const forced = await ask<DialplanOutcome>('dialplan/apply', { isForced: true });
    assert.equal(forced.state, 'applied', JSON.stringify(forced));
    const back = await ask<DialplanOutcome>('dialplan/rollback', { version: first.version });
    assert.deepEqual([back.state, back.version], ['applied', first.version]);
    const { items } = await ask<{ items: DialplanVersion[] }>('dialplan/versions');
    assert.deepEqual(
      items.map(({ origin }) => origin),
      ['applied', 'found', 'applied'],
    );
    assert.equal(items.find(({ isInForce }) => isInForce)?.id, first.version);
  });

  it('follows the first call after a restart, and has it in the ledger as a conversation of the employee', async () => {
    assert.equal((await ask<SettingsView>('settings')).isRestartDue, true);
    await app.stop();
    await start();
    assert.equal((await ask<SettingsView>('settings')).isRestartDue, false);
    await until(async () => (await app.status()).every(({ health }) => health !== 'error'), { timeoutMs: 20_000 });
    await lab.script({ '101': [ring(0.5), answer(), stay()] });
    const placed = await lab.call({ from: '79161110002', to: '7000001', then: [talk(1), hangUp()] });
    await placed.ended;
    let calls: readonly Call[] = [];
    await until(
      async () => {
        calls = (await ask<{ items: readonly Call[] }>('calls')).items;
        return calls.some(({ endedAt }) => endedAt !== null);
      },
      { timeoutMs: 20_000 },
    );
    assert.deepEqual(
      calls.map(({ direction, result, conversations }) => [direction, result, conversations[0]?.extension]),
      [['inbound', 'answered', '101']],
    );
  });
});
