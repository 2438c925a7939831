import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStartCommand, type StartParts } from '../../src/cli/start.ts';
import { createSystemdNotice } from '../../src/cli/systemd-notice.ts';
import { DatabaseUnusable } from '../../src/storage/errors.ts';
import { until } from '../support/until.ts';
import { runCommand } from './terminal.ts';

describe('ringledger start', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-start-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function start(parts: Partial<StartParts> = {}) {
    const signals = new EventEmitter();
    const events: string[] = [];
    const running = runCommand(['start'], {
      cwd: folder,
      commands: [
        createStartCommand({
          signals,
          startService: async ({ config }) => {
            events.push(`started on ${config.http.port}`);
            return { stop: async () => void events.push('stopped') };
          },
          exit: (code) => void events.push(`exit ${code}`),
          ...parts,
        }),
      ],
    });
    return { signals, events, running };
  }

  it('tells where everything is, runs until SIGTERM and stops in order', async () => {
    const { signals, events, running } = start();
    await until(() => events.length > 0);
    signals.emit('SIGTERM');
    const { exitCode, err, out } = await running;
    assert.deepEqual([exitCode, out, events], [0, '', ['started on 8480', 'stopped']]);
    assert.match(err, /no file found; everything at its default/);
    assert.match(err, new RegExp(`Database: +${folder}/data/ringledger.db`));
    assert.match(err, /Ready\.\nSIGTERM: finishing what is under way\.\nStopped\.\n$/);
  });

  it('stops in order and ends so that systemd starts it again, when that is asked for under systemd alone', async () => {
    const surroundings: Parameters<StartParts['startService']>[1][] = [];
    const events: string[] = [];
    const startService: StartParts['startService'] = async (_loaded, given) => {
      surroundings.push(given);
      return { stop: async () => void events.push('stopped') };
    };
    const command = createStartCommand({ signals: new EventEmitter(), startService, exit: () => undefined });
    const env = { NOTIFY_SOCKET: join(folder, 'nobody') };
    const running = runCommand(['start'], { cwd: folder, env, commands: [command] });
    await until(() => surroundings.length > 0);
    surroundings[0]!.restart!();
    const { exitCode, err } = await running;
    assert.deepEqual([exitCode, events], [75, ['stopped']]);
    assert.match(err, /Restart: finishing what is under way\.\n/);

    const { signals, running: alone } = start({ startService });
    await until(() => surroundings.length > 1);
    assert.equal(surroundings[1]!.restart, null);
    await until(() => signals.listenerCount('SIGTERM') === 1);
    signals.emit('SIGTERM');
    assert.equal((await alone).exitCode, 0);
  });

  it('does not lose a signal that comes during the start', async () => {
    let go = () => {};
    const entered = new EventEmitter();
    const { signals, running } = start({
      startService: () =>
        new Promise((resolve) => {
          go = () => resolve({ stop: async () => {} });
          queueMicrotask(() => entered.emit('entered'));
        }),
    });
    await once(entered, 'entered');
    signals.emit('SIGINT');
    go();
    assert.equal((await running).exitCode, 0);
  });

  it('ends at once on a second signal', async () => {
    let finish = () => {};
    const { signals, events, running } = start({
      startService: async () => ({ stop: () => new Promise<void>((resolve) => (finish = resolve)) }),
    });
    await until(() => signals.listenerCount('SIGINT') === 1);
    signals.emit('SIGTERM');
    await until(() => signals.listenerCount('SIGINT') === 2);
    signals.emit('SIGINT');
    await until(() => events.includes('exit 130'));
    finish();
    await running;
  });

  it('does not start with a wrong configuration', async () => {
    writeFileSync(join(folder, 'ringledger.yaml'), 'htp: {}');
    const { events, running } = start();
    const { exitCode, err } = await running;
    assert.deepEqual([exitCode, events], [2, []]);
    assert.match(err, /did you mean 'http'\?/);
  });

  it('says in one line what keeps it from starting, and keeps the trace of a bug', async () => {
    const failWith = async (error: Error) =>
      (await start({ startService: () => Promise.reject(error) }).running).err.split('\n');
    assert.equal(
      (await failWith(new DatabaseUnusable('The database is damaged. Restore it.'))).at(-2),
      'The database is damaged. Restore it.',
    );
    const taken = Object.assign(new Error('listen EADDRINUSE: address already in use 127.0.0.1:4573'), {
      code: 'EADDRINUSE',
      syscall: 'listen',
    });
    assert.match((await failWith(taken)).at(-2)!, /^FastAGI cannot listen .*4573.*see agi\.host/);
    assert.match((await failWith(new TypeError('a bug'))).join('\n'), /TypeError: a bug\n +at /);
  });

  describe('under systemd', () => {
    const faults: string[] = [];
    const withProgram = (script: string) => {
      const program = join(folder, 'systemd-notify');
      writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return program;
    };
    const told = () =>
      existsSync(join(folder, 'told')) ? readFileSync(join(folder, 'told'), 'utf8').trim().split('\n') : [];

    it('says when it is ready, that it lives, and when it stops', async () => {
      const program = withProgram(`echo "$@" >> ${folder}/told`);
      const env = { ...process.env, NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '40000' };
      const notice = createSystemdNotice({ env, onFault: (fault) => faults.push(fault), program });
      notice.ready();
      await until(() => told().filter((line) => line === 'WATCHDOG=1').length >= 2);
      notice.stopping();
      await until(() => told().includes('STOPPING=1'));
      assert.ok(told().includes('--ready'));
      assert.deepEqual(faults, []);
    });

    it('goes on when systemd cannot be told', async () => {
      const program = withProgram('echo "No socket" >&2; exit 1');
      const notice = createSystemdNotice({
        env: { NOTIFY_SOCKET: 'x' },
        onFault: (fault) => faults.push(fault),
        program,
      });
      notice.ready();
      await until(() => faults.length > 0);
      assert.match(faults[0]!, /^systemd could not be told --ready: .*No socket/s);
      notice.stopping();
      await until(() => faults.length > 1);
    });

    it('says nothing when nobody asked', () => {
      const notice = createSystemdNotice({ env: {}, onFault: assert.fail, program: '/nonexistent' });
      notice.ready();
      notice.stopping();
    });
  });
});
