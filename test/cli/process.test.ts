import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The program as it is started by a shell or systemd, in a process of its own. */
describe('the program', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-program-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function launch(...words: string[]) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...words], {
      cwd: root,
      env: { PATH: process.env['PATH'] },
    });
    const printed = { out: '', err: '' };
    child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()));
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { child, printed, ended };
  }
  const write = (text: string) => {
    const file = join(folder, 'ringledger.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('tells the version of its package', async () => {
    const { printed, ended } = launch('--version');
    assert.equal(await ended, 0);
    assert.equal(
      printed.out.trim(),
      (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
    );
  });

  it('has all the commands', async () => {
    const { printed, ended } = launch('--help');
    await ended;
    for (const command of [
      'start',
      'doctor',
      'status',
      'config',
      'dialplan',
      'lookup',
      'record',
      'replay',
      'rebuild',
      'deliveries',
      'contacts',
    ]) {
      assert.match(printed.out, new RegExp(`^  ${command} `, 'm'));
    }
  });

  it('ends with 2 and no trace on a wrong configuration', async () => {
    const { printed, ended } = launch('start', '--config', write('http: { port: many }'));
    assert.equal(await ended, 2);
    assert.match(printed.err, /http\.port: 'many' is not a number\n1 fault in the configuration\.\n$/);
  });

  it('starts with an almost empty configuration, answers, keeps secrets to itself and ends by SIGTERM', async () => {
    const file = write('http: { port: 0 }\nagi: { port: 0 }\n');
    const { child, printed, ended } = launch('start', '--config', file);
    await until(() => printed.err.includes('Ready.') || child.exitCode !== null, { timeoutMs: 30_000 });
    const ready = printed.out.split('\n').find((line) => line.includes('httpPort'))!;
    const { httpPort } = JSON.parse(ready) as { httpPort: number };
    const token = join(folder, 'data', 'api-token');
    assert.equal(statSync(token).mode & 0o777, 0o600);
    const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/calls`, {
      headers: { authorization: `Bearer ${readFileSync(token, 'utf8').trim()}` },
    });
    assert.deepEqual(await response.json(), { items: [], nextCursor: null });
    assert.ok(existsSync(join(folder, 'data', 'ringledger.db')));

    child.kill('SIGTERM');
    assert.equal(await ended, 0);
    assert.match(printed.err, /SIGTERM: finishing what is under way\.\nStopped\.\n$/);
    assert.ok(!(printed.out + printed.err).includes(readFileSync(token, 'utf8').trim()));
  });

  it('comes back with the new settings when a restart is asked for, under whoever starts it again then', async () => {
    const file = write('http: { port: 0 }\nagi: { port: 0 }\n');
    let printed = '';
    const codes: (number | null)[] = [];
    let child: ChildProcess;
    // As systemd with Restart=on-failure: what ends with 0 is not started again.
    const supervised = new Promise<void>((done) => {
      const startOnce = () => {
        child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'start', '--config', file], {
          cwd: root,
          env: { PATH: process.env['PATH'], NOTIFY_SOCKET: join(folder, 'notify') },
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        child.stdout!.on('data', (chunk: Buffer) => (printed += chunk.toString()));
        child.once('close', (code) => {
          codes.push(code);
          if (code === 0 || code === null || codes.length === 3) done();
          else startOnce();
        });
      };
      startOnce();
    });
    const portsSeen = () =>
      [...printed.matchAll(/"httpPort":(\d+)/g)].map(([, port]) => Number(port)).filter((port) => port > 0);
    const ask = async (port: number, path: string, method = 'GET') => {
      const token = readFileSync(join(folder, 'data', 'api-token'), 'utf8').trim();
      return fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(method === 'POST' && { body: '{}' }),
      });
    };
    try {
      await until(() => portsSeen().length === 1, { timeoutMs: 30_000, what: 'the first start' });
      write('http: { port: 0 }\nagi: { port: 0 }\nmetrics: { enabled: false }\n');
      assert.equal((await fetch(`http://127.0.0.1:${portsSeen()[0]!}/metrics`)).status, 200);
      assert.equal((await ask(portsSeen()[0]!, 'settings/restart', 'POST')).status, 202);
      await until(() => portsSeen().length === 2, { timeoutMs: 30_000, what: 'the second start' });
      assert.deepEqual(codes, [75]);
      assert.equal((await ask(portsSeen()[1]!, 'calls')).status, 200);
      assert.equal((await fetch(`http://127.0.0.1:${portsSeen()[1]!}/metrics`)).status, 404);
    } finally {
      child!.kill('SIGTERM');
      await supervised;
    }
    assert.deepEqual(codes, [75, 0]);
  });
});
