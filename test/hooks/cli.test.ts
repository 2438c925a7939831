import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp, type App } from '../../src/app.ts';
import { addHookCommand } from '../../src/cli/hooks.ts';
import { addReplayCommand } from '../../src/cli/replay.ts';
import { parseConfig } from '../../src/config.ts';
import { hookNames } from '../../src/core/hooks.ts';
import { hookReference } from '../../src/hooks/contract/type-text.ts';
import { hookLanguages } from '../../src/hooks/new-hook.ts';
import { runCommand } from '../cli/terminal.ts';
import { askAgi } from '../support/agi-client.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const capture = join(root, 'test/scenarios/all-busy/asterisk-22/ami.log');

describe('ringledger hook', function () {
  this.timeout(60_000);
  let folder: string;
  let hooksFolder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-hook-cli-'));
    hooksFolder = join(folder, 'hooks');
    writeConfig(1);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function writeConfig(port: number): string {
    const text = `
installation: { country: RU, timezone: Europe/Moscow }
hooks: { folder: hooks, deadlineMs: 10000 }
storage: { path: ${join(folder, 'data', 'ringledger.db')} }
http: { port: ${port} }
agi: { port: 0 }
crm: [{ name: local, kind: local }]
users: [{ id: anna, name: Anna, extensions: [101] }]
`;
    writeFileSync(join(folder, 'ringledger.yaml'), text);
    return text;
  }
  const run = (...words: string[]) =>
    runCommand(['--config', join(folder, 'ringledger.yaml'), ...words], {
      commands: [addHookCommand, addReplayCommand],
      cwd: folder,
      env: { PATH: process.env['PATH'] },
    });

  it('new writes hooks in each language that do what the core does', async () => {
    for (const language of hookLanguages) {
      for (const name of language === 'ts'
        ? hookNames
        : (['need_registration', 'process_lead_creation_params'] as const)) {
        const made = await run('hook', 'new', name, '--lang', language);
        assert.equal(made.exitCode, 0, made.err);
        const [file] = made.out.split('\n');
        assert.equal((statSync(file!).mode & 0o111) !== 0, language === 'python');
        const tried = await run('hook', 'test', name, '--json');
        assert.equal(tried.exitCode, 0, `${language} ${name}: ${tried.out}${tried.err}`);
        assert.equal((JSON.parse(tried.out) as { fault: unknown }).fault, null);
        rmSync(file!);
      }
    }
  });

  it('new overwrites nothing and knows the CRMs', async () => {
    assert.equal((await run('hook', 'new', 'need_registration', '--lang', 'js')).exitCode, 0);
    assert.match((await run('hook', 'new', 'need_registration', '--lang', 'js')).err, /exists already/);
    assert.equal((await run('hook', 'new', 'need_registration', '--crm', 'local')).exitCode, 0);
    assert.ok(existsSync(join(hooksFolder, 'local', 'need_registration.ts')));
    assert.match((await run('hook', 'new', 'need_registration', '--crm', 'gone')).err, /no CRM gone; they are: local/);
    assert.equal((await run('hook', 'new', 'gone')).exitCode, 2);
  });

  it('test shows the input, what was printed, the answer and what becomes of it', async () => {
    await run('hook', 'new', 'process_client_phone', '--lang', 'js');
    const file = join(hooksFolder, 'process_client_phone.js');
    writeFileSync(
      file,
      "export default ({ phone }) => { console.log('looking'); return { state: 'success', data: { phone: phone.slice(-3) } }; };",
    );
    const shown = await run('hook', 'test', 'process_client_phone');
    assert.equal(shown.exitCode, 0, shown.err);
    assert.match(
      shown.out,
      /^input:\n.*"phone": "\+79161110002".*printed:\nlooking.*answer, after .* ms:.*goes on with:\n"002"/s,
    );

    writeFileSync(join(folder, 'event.json'), `\uFEFF${JSON.stringify({ phone: '12345' })}\r\n`);
    const event = await run('hook', 'test', 'process_client_phone', '--event', 'event.json', '--json');
    assert.deepEqual((JSON.parse(event.out) as { result: unknown }).result, { phone: '345' });

    writeFileSync(file, "export default () => ({ state: 'success', data: { phone: true } });");
    const invalid = await run('hook', 'test', 'process_client_phone');
    assert.equal(invalid.exitCode, 1);
    assert.match(invalid.out, /cannot be used.*data\.phone/);
    writeFileSync(file, 'export default () => {');
    assert.match((await run('hook', 'test', 'process_client_phone')).err, /process_client_phone\.js:1:/);
    assert.match(
      (await run('hook', 'test', 'post_registration')).err,
      /is not installed .* ringledger hook new post_registration/,
    );
  });

  it('list tells which are installed and what is not taken', async () => {
    await run('hook', 'new', 'need_registration', '--lang', 'js');
    writeFileSync(join(hooksFolder, 'process_client_phone.py'), '#!/usr/bin/env python3\n');
    const { out, exitCode } = await run('hook', 'list');
    assert.equal(exitCode, 0);
    for (const name of hookNames) assert.ok(out.includes(name), name);
    assert.match(out, /need_registration +all +.*need_registration\.js +the service does not answer/);
    assert.match(out, /process_client_phone\.py: is not executable: chmod \+x/);
  });

  it('schema and reference tell the fields, and the documentation is up to date', async () => {
    const schema = JSON.parse((await run('hook', 'schema', 'process_task_creation_params')).out) as {
      input: { properties: Record<string, unknown> };
      answer: { properties: { data: { properties: Record<string, unknown> } } };
    };
    assert.ok('complete_till' in schema.input.properties);
    assert.ok(!('call_full' in schema.answer.properties.data.properties));
    const page = readFileSync(join(root, 'docs/write-a-hook.md'), 'utf8');
    const written = page.split('<!-- reference -->\n')[1]!;
    assert.equal(
      written.trim(),
      hookReference().trim(),
      'docs/write-a-hook.md: run `ringledger hook reference` and put it in',
    );
  });

  it('stats, list, versions and restore beside a running service', async () => {
    await run('hook', 'new', 'need_registration', '--lang', 'js');
    const app: App = await createApp(
      parseConfig({ file: join(folder, 'ringledger.yaml'), text: writeConfig(0), env: {} }).config,
      {
        log: silentLog,
      },
    );
    try {
      writeConfig(app.httpPort);
      const stats = await run('hook', 'stats');
      assert.match(stats.out, /need_registration +all +\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8} +0/);
      assert.match((await run('hook', 'list')).out, /need_registration\.js +loaded; was not needed yet/);
      // Saved while the service runs, and asked by the dialplan.
      const vip =
        "export default ({ name }) => ({ state: 'success', data: { number: '101', name: `VIP ${name || 'guest'}` } });";
      writeFileSync(join(hooksFolder, 'customize_autodistribution.js'), vip);
      const ask = () =>
        askAgi({ port: app.agiPort, script: 'distribute', args: ['+79161110002', '7000001', 'provider'] });
      await until(async () => (await ask()).variables['RL_STATUS'] === 'FOUND', { what: 'the hook is in force' });
      const { variables } = await ask();
      assert.deepEqual([variables['RL_EXTENSION'], variables['RL_NAME']], ['101', 'VIP guest']);
    } finally {
      await app.stop();
    }
    const versions = await run('hook', 'versions', 'need_registration');
    const id = /(\d{8}T\S+)/.exec(versions.out)![1]!;
    const file = join(hooksFolder, 'need_registration.js');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, 'broken');
    assert.equal((await run('hook', 'restore', 'need_registration', id)).exitCode, 0);
    assert.equal(readFileSync(file, 'utf8'), before);
    assert.match((await run('hook', 'restore', 'need_registration', 'gone')).err, /has no kept version gone/);
  });

  it('replay --dry-run tells what would be written, with --hooks as the hooks would have it', async () => {
    interface Replayed {
      calls: { writes: { action: string; text?: string; reason?: string }[] }[];
      hookFaults: string[];
    }
    const replay = async (...words: string[]) => {
      const { out, err, exitCode } = await run('replay', '--json', ...words, capture);
      assert.equal(exitCode, 0, err);
      return JSON.parse(out) as Replayed;
    };
    const actionsOf = ({ calls }: Replayed) => calls.flatMap(({ writes }) => writes.map(({ action }) => action));
    const plain = await replay('--dry-run');
    assert.deepEqual(actionsOf(plain), ['contact', 'task', 'call']);

    await run('hook', 'new', 'process_task_creation_params', '--lang', 'js');
    const file = join(hooksFolder, 'process_task_creation_params.js');
    writeFileSync(file, "export default () => ({ state: 'success', data: { text: 'By hook' } });");
    writeFileSync(join(hooksFolder, 'post_registration.js'), "export default () => { throw new Error('ran'); };");
    const hooked = await replay('--dry-run', '--hooks');
    assert.equal(hooked.calls[0]!.writes[1]!.text, 'By hook');
    assert.deepEqual(hooked.hookFaults, []);

    writeFileSync(file, "export default () => { throw new Error('not today'); };");
    assert.match((await replay('--dry-run', '--hooks')).hookFaults[0]!, /process_task_creation_params: .*not today/s);
    writeFileSync(
      join(hooksFolder, 'need_registration.js'),
      "export default () => ({ state: 'success', data: { result: false } });",
    );
    const refused = await replay('--dry-run', '--hooks');
    assert.deepEqual(
      refused.calls[0]!.writes.map(({ action, reason }) => [action, reason]),
      [['nothing', 'hook']],
    );
    assert.equal((await run('replay', '--hooks', capture)).exitCode, 2);
    assert.deepEqual(readdirSync(folder).sort(), ['hooks', 'ringledger.yaml']);
  });
});
