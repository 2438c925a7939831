import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addConfigCommand } from '../../src/cli/config.ts';
import { runCommand } from './terminal.ts';

describe('ringledger config', () => {
  let folder: string;
  const run = (...words: string[]) => runCommand(words, { commands: [addConfigCommand], cwd: folder });
  const write = (text: string) => writeFileSync(join(folder, 'ringledger.yaml'), text);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-cli-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('check says that the file is right', async () => {
    write('http: { port: 9000 }');
    assert.deepEqual(await run('config', 'check'), {
      exitCode: 0,
      out: `${folder}/ringledger.yaml is right.\n`,
      err: '',
    });
  });

  it('check tells all faults, without a stack trace, with exit code 2', async () => {
    write('http:\n  port: x\n  hots: y\n');
    assert.deepEqual(await run('config', 'check'), {
      exitCode: 2,
      out: '',
      err: [
        `${folder}/ringledger.yaml:2:9: http.port: 'x' is not a number`,
        `${folder}/ringledger.yaml:3:3: http.hots: unknown setting; did you mean 'host'?`,
        '2 faults in the configuration.\n',
      ].join('\n'),
    });
  });

  it('check --json gives file, line and column to programs', async () => {
    write('http:\n  port: x\n');
    const { exitCode, out } = await run('config', 'check', '--json');
    assert.equal(exitCode, 2);
    assert.deepEqual(JSON.parse(out), {
      file: join(folder, 'ringledger.yaml'),
      faults: [
        {
          file: join(folder, 'ringledger.yaml'),
          line: 2,
          column: 9,
          path: 'http.port',
          message: "'x' is not a number",
        },
      ],
      warnings: [],
    });
  });

  it('takes --config before and after the command', async () => {
    writeFileSync(join(folder, 'other.yaml'), 'log: { level: debug }');
    for (const words of [
      ['--config', 'other.yaml', 'config', 'show', '--json'],
      ['config', 'show', '--json', '--config', 'other.yaml'],
    ]) {
      const { out } = await run(...words);
      assert.equal((JSON.parse(out) as { log: { level: string } }).log.level, 'debug');
    }
  });

  it('show masks secrets', async () => {
    write(`http: { tokens: [{ name: a, token: ${'s'.repeat(30)} }] }`);
    for (const option of [[], ['--json']]) {
      const { out } = await run('config', 'show', ...option);
      assert.match(out, /\*\*\*/);
      assert.doesNotMatch(out, /sss/);
    }
  });

  it('schema describes the file for editors', async () => {
    const { out } = await run('config', 'schema');
    const schema = JSON.parse(out) as { properties: { http: { properties: Record<string, unknown> } } };
    assert.ok('port' in schema.properties.http.properties);
  });

  it('tells wrong usage with exit code 2 and a suggestion', async () => {
    const { exitCode, err } = await run('confg');
    assert.equal(exitCode, 2);
    assert.match(err, /Did you mean config\?/);
  });

  it('tells its version and help with exit code 0', async () => {
    assert.deepEqual([(await run('--version')).out, (await run('--version')).exitCode], ['1.2.3\n', 0]);
    const help = await run('--help');
    assert.equal(help.exitCode, 0);
    assert.match(help.out, /look at the configuration/);
  });
});
