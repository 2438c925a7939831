import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import dingDong from 'ding-dong';
import type { DingDongContext } from 'ding-dong/lib/context.js';
import { agiServerConfig } from '../../agi/config.ts';
import { readRequest } from '../../agi/request.ts';
import { AgiServer } from '../../agi/server.ts';
import { AgiSession, CommandRefused, SessionEnded, UnsafeCommand } from '../../agi/session.ts';
import { askAgi, type AgiCall, type AgiOutcome } from '../support/agi-client.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

type Play = Omit<AgiCall, 'port'>;

async function withServer<Result>(server: Server, run: (port: number) => Promise<Result>): Promise<Result> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  if (!server.listening) await once(server, 'listening');
  try {
    return await run((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** ding-dong takes port 0 for "not given" and listens on 3000. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs one session on the bare package; the handler's outcome, or `pending` when it has none once the client is gone. */
async function onBare<T>(play: Play, handler: (context: DingDongContext) => Promise<T>) {
  let outcome: { value: T } | { error: unknown } | 'pending' = 'pending';
  const server = dingDong((context) => {
    void context
      .onEvent('variables')
      .then(() => handler(context))
      .then(
        (value) => (outcome = { value }),
        (error: unknown) => (outcome = { error }),
      )
      .finally(() => context.end());
  }).start(await findFreePort(), '127.0.0.1');
  return withServer(server, async (port) => {
    const asterisk = await askAgi({ port, ...play });
    return { asterisk, outcome: outcome as { value: T } | { error: unknown } | 'pending' };
  });
}

async function onShell<T>(play: Play, handler: (session: AgiSession) => Promise<T>) {
  let outcome: { value: T } | { error: unknown } | 'pending' = 'pending';
  let settled: Promise<unknown> = Promise.resolve();
  const server = createServer((socket) => {
    new AgiSession(socket, performance.now(), {
      onRequest: (session) => {
        settled = handler(session)
          .then(
            (value) => (outcome = { value }),
            (error: unknown) => (outcome = { error }),
          )
          .finally(() => session.end());
      },
      onClosed: () => undefined,
    });
  }).listen(0, '127.0.0.1');
  return withServer(server, async (port) => {
    const asterisk: AgiOutcome = await askAgi({ port, ...play });
    await settled;
    return { asterisk, outcome: outcome as { value: T } | { error: unknown } | 'pending' };
  });
}

const evil = 'Ivan"\nEXEC System "id';

describe('the shell around ding-dong', () => {
  describe('keeps a value from becoming a command', () => {
    it('(bare: a line break in a name is a second command)', async () => {
      const { asterisk } = await onBare({ script: 'x' }, (context) => context.setVariable('CALLERID(name)', evil));
      assert.equal(asterisk.lines.length, 2);
      assert.equal(asterisk.commands[1]![0], 'EXEC');
    });
    for (const [what, value] of [
      ['LF', evil],
      ['CR', 'a\rb'],
      ['NUL', 'a\0b'],
    ] as const) {
      it(`by refusing ${what}`, async () => {
        const { asterisk, outcome } = await onShell({ script: 'x' }, (session) => session.setVariable('X', value));
        assert.deepEqual(asterisk.lines, []);
        assert.ok(typeof outcome === 'object' && 'error' in outcome && outcome.error instanceof UnsafeCommand);
      });
    }
    it('by quoting quotes and backslashes, which the bare package does not', async () => {
      const value = 'a "b" c\\ d\\"';
      const shell = await onShell({ script: 'x' }, (session) => session.setVariable('X', value));
      assert.equal(shell.asterisk.variables['X'], value);
      const bare = await onBare({ script: 'x' }, (context) => context.setVariable('X', value));
      assert.notEqual(bare.asterisk.variables['X'], value);
    });
    it('by refusing lines that Asterisk would cut, and sending the longest that it would not', async () => {
      const longest = 'я'.repeat(1013) + 'x';
      assert.equal(Buffer.byteLength(`SET VARIABLE X "${longest}"\n`), 2045);
      const { asterisk, outcome } = await onShell({ script: 'x' }, async (session) => {
        await session.setVariable('X', longest + 'ab');
        await session.setVariable('X', longest + 'abc');
      });
      assert.equal(asterisk.lines.length, 1);
      assert.ok(typeof outcome === 'object' && 'error' in outcome && outcome.error instanceof UnsafeCommand);
      const bare = await onBare({ script: 'x' }, (context) => context.setVariable('X', longest + 'abc'));
      assert.ok(Buffer.byteLength(bare.asterisk.lines[0]!) + 1 > 2047);
    });
    it('by refusing a variable name that would be several arguments', async () => {
      const name = Array.from({ length: 200 }, (_, index) => `v${index}`).join(' ');
      const { asterisk, outcome } = await onShell({ script: 'x' }, (session) => session.setVariable(name, '1'));
      assert.deepEqual(asterisk.lines, []);
      assert.ok(typeof outcome === 'object' && 'error' in outcome && outcome.error instanceof UnsafeCommand);
      const bare = await onBare({ script: 'x' }, (context) => context.setVariable(name, '1'));
      assert.ok(bare.asterisk.commands[0]!.length > 128);
    });
  });

  it('keeps colons in the head, where the bare package cuts', async () => {
    const play: Play = { script: 'distribute?did=1', head: { agi_calleridname: 'Sales: Ivan: night' } };
    const bare = await onBare(play, async (context) => context.variables);
    const bareHead = (bare.outcome as { value: Record<string, string> }).value;
    assert.equal(bareHead['agi_request'], 'agi');
    assert.equal(bareHead['agi_calleridname'], 'Sales');
    const { outcome } = await onShell(play, async (session) => session.request);
    const { head, script, query } = (outcome as { value: AgiSession['request'] }).value;
    assert.match(head.get('agi_request')!, /^agi:\/\/127\.0\.0\.1:\d+\/distribute\?did=1$/);
    assert.equal(head.get('agi_calleridname'), 'Sales: Ivan: night');
    assert.equal(script, 'distribute');
    assert.equal(query.get('did'), '1');
  });

  it('answers two commands that are given at once, where the bare package loses one', async () => {
    const play: Play = { script: 'x', variables: { A: '1', B: '2' } };
    const { asterisk, outcome } = await onShell(play, (session) =>
      Promise.all([session.getVariable('A'), session.getVariable('B'), session.getVariable('C')]),
    );
    assert.deepEqual(outcome, { value: ['1', '2', null] });
    assert.equal(asterisk.lines.length, 3);
    const bare = await onBare(
      { ...play, reply: (_line, index, socket) => (index === 1 ? void setImmediate(() => socket.end()) : undefined) },
      (context) => Promise.all([context.getVariable('A'), context.getVariable('B')]),
    );
    assert.equal(bare.outcome, 'pending');
  });

  for (const [what, end] of [
    ['closes', (socket: Socket) => void socket.end()],
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
  ] as const) {
    it(`settles what waits when the peer ${what}`, async () => {
      const reply: AgiCall['reply'] = (_line, _index, socket) => {
        end(socket);
        return null;
      };
      const { outcome } = await onShell({ script: 'x', reply }, (session) =>
        Promise.allSettled([session.getVariable('A'), session.getVariable('B')]),
      );
      const results = (outcome as { value: PromiseSettledResult<unknown>[] }).value;
      for (const result of results) {
        assert.ok(result.status === 'rejected' && result.reason instanceof SessionEnded);
      }
    });
  }
  it('(bare: what waits when the peer closes is never settled)', async () => {
    const { outcome } = await onBare(
      { script: 'x', reply: (_line, _index, socket) => (socket.end(), null) },
      (context) => context.getVariable('A'),
    );
    assert.equal(outcome, 'pending');
  });

  it('(bare: what waits when the caller hangs up is never settled)', async () => {
    const { outcome } = await onBare(
      { script: 'x', reply: (_line, _index, socket) => (socket.end('HANGUP\n'), null) },
      (context) => context.getVariable('A'),
    );
    assert.equal(outcome, 'pending');
  });
  it('settles what waits, and refuses more, when the caller hangs up', async () => {
    const { asterisk, outcome } = await onShell({ script: 'x', reply: () => 'HANGUP\n' }, (session) =>
      Promise.allSettled([session.getVariable('A'), session.getVariable('B')]),
    );
    assert.equal(asterisk.lines.length, 1);
    for (const result of (outcome as { value: PromiseSettledResult<unknown>[] }).value) {
      assert.ok(result.status === 'rejected' && /hung up/.test(String(result.reason)));
    }
  });
  it('takes HANGUP before an answer for what it is, and not for the answer', async () => {
    const { outcome } = await onShell({ script: 'x', reply: () => 'HANGUP\n200 result=1\n' }, (session) =>
      session.setVariable('A', '1'),
    );
    assert.ok(typeof outcome === 'object' && 'error' in outcome && outcome.error instanceof SessionEnded);
  });

  describe('keeps the process alive, which the bare package takes down', function () {
    this.timeout(60_000);
    const fileUrl = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const servers = {
      bare: `import agi from 'ding-dong';
        const server = agi((context) => context.onEvent('variables').then(handle)).start(port, '127.0.0.1');`,
      shell: `import { AgiServer } from ${fileUrl('../../agi/server.ts')};
        import { agiServerConfig } from ${fileUrl('../../agi/config.ts')};
        const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
        const routes = new Map([['x', handle]]);
        await new AgiServer({ config: agiServerConfig.parse({ port }), routes, log }).start();
        const server = { on() {}, listening: true };`,
    };
    /** True when a server in a process of its own is still there after a client has done its worst. */
    async function survives(
      kind: keyof typeof servers,
      provoke: (socket: Socket, isTold: (word: string) => Promise<void>) => Promise<void>,
    ): Promise<boolean> {
      const port = await findFreePort();
      const program = `import { subscribe } from 'node:diagnostics_channel';
        subscribe('net.server.socket', ({ socket }) => {
          socket.on('data', () => console.log('heard'));
          socket.on('close', () => console.log('gone'));
        });
        const port = ${port};
        const handle = async () => { throw new Error('a bug in a handler'); };
        ${servers[kind]}
        if (!server.listening) await new Promise((done) => server.on('listening', done));
        console.log('listening');
        process.stdin.resume().on('end', () => process.exit(0));`;
      const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', program]);
      const exited = once(child, 'exit') as Promise<[number]>;
      child.stderr.resume();
      let told = '';
      child.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
      const isTold = (word: string) => until(() => told.includes(word) || child.exitCode !== null);
      await isTold('listening');
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      await provoke(socket, isTold);
      await isTold('gone');
      child.stdin.end();
      return (await exited)[0] === 0;
    }
    for (const kind of ['bare', 'shell'] as const) {
      const outcome = kind === 'shell' ? 'survives' : '(bare: dies of)';
      it(`${outcome} a reset while it listens`, async () => {
        const hasSurvived = await survives(kind, async (socket, isTold) => {
          socket.write('agi_request: agi://x/y\n');
          await isTold('heard');
          socket.resetAndDestroy();
        });
        assert.equal(hasSurvived, kind === 'shell');
      });
      it(`${outcome} a handler that throws`, async () => {
        const hasSurvived = await survives(kind, async (socket) => {
          socket.on('data', () => socket.write('200 result=1\n'));
          socket.write('agi_network_script: x\n\n');
          await once(socket, 'close');
        });
        assert.equal(hasSurvived, kind === 'shell');
      });
    }
  });

  it('listens on this machine only, where the bare package listens everywhere', async () => {
    const server = new AgiServer({ config: agiServerConfig.parse({ port: 0 }), routes: new Map(), log: silentLog });
    await server.start();
    assert.match(server.status()[0]!.message, /127\.0\.0\.1/);
    await server.stop();
    const bare = dingDong(() => undefined).start(await findFreePort());
    await once(bare, 'listening');
    const { address } = bare.address() as AddressInfo;
    await new Promise((resolve) => bare.close(resolve));
    assert.ok(['::', '0.0.0.0'].includes(address), address);
  });

  describe('understands refusals', () => {
    const refusals: [string, string, number][] = [
      ['510', '510 Invalid or unknown command\n', 510],
      ['511', '511 Command Not Permitted on a dead channel or intercept routine\n', 511],
      [
        '520 with a usage of several lines',
        '520-Invalid command syntax.  Proper usage follows:\nUsage: GET VARIABLE <name>\n 200 result=1 (no)\n520 End of proper usage.\n',
        520,
      ],
      ['520 in one line', '520 Invalid command syntax.  Proper usage not available.\n', 520],
    ];
    for (const [what, text, code] of refusals) {
      it(`${what}, and goes on with the next command`, async () => {
        const { outcome } = await onShell(
          { script: 'x', variables: { B: '2' }, reply: (_line, index) => (index === 0 ? text : undefined) },
          (session) => Promise.allSettled([session.getVariable('A'), session.getVariable('B')]),
        );
        const [refused, next] = (outcome as { value: PromiseSettledResult<unknown>[] }).value;
        assert.ok(refused!.status === 'rejected' && refused!.reason instanceof CommandRefused);
        assert.equal((refused!.reason as CommandRefused).code, code);
        assert.deepEqual(next, { status: 'fulfilled', value: '2' });
      });
      it(`(bare: ${what} counts as hang-up)`, async () => {
        let hasHungUp = false;
        await onBare({ script: 'x', reply: (_line, _index, socket) => (socket.end(text), null) }, async (context) => {
          context.on('hangup', () => (hasHungUp = true));
          await context.getVariable('A');
        });
        assert.ok(hasHungUp);
      });
    }
    it('and waits on where Asterisk says only that it is trying', async () => {
      const { outcome } = await onShell(
        { script: 'x', reply: () => '100 result=0 Trying...\n200 result=1 (7)\n' },
        (session) => session.getVariable('A'),
      );
      assert.deepEqual(outcome, { value: '7' });
    });
  });

  it('reads answers and heads in whatever pieces they come', async () => {
    const bytes = [...Buffer.from('200 result=1 (Ёлка)\n')].map((byte) => Buffer.from([byte]));
    const { asterisk, outcome } = await onShell(
      {
        script: 'x',
        segments: (head) => [...head],
        reply: (_line, index, socket) => {
          if (index > 0) return undefined;
          for (const byte of bytes) socket.write(byte);
          return null;
        },
      },
      async (session) => [await session.getVariable('A'), session.request.head.get('agi_dnid')],
    );
    assert.deepEqual(outcome, { value: ['Ёлка', '7000001'] });
    assert.equal(asterisk.lines.length, 1);
  });

  it('takes one answer for each command when several come in one segment, where the bare package mixes them up', async () => {
    const play: Play = {
      script: 'x',
      reply: (_line, index) =>
        index === 0 ? '200 result=1 (first)\n200 result=1 (unasked)\n' : '200 result=1 (second)\n',
    };
    const { outcome } = await onShell(play, async (session) => [
      await session.getVariable('A'),
      await session.getVariable('B'),
    ]);
    assert.deepEqual(outcome, { value: ['first', 'second'] });
    // The head and an early answer in one segment: bare ding-dong throws the answer away with the head.
    const early: Play = {
      script: 'x',
      segments: (head) => [head + '200 result='],
      reply: (_line, _index, socket) => (socket.end('1 (late)\n'), null),
    };
    const bare = await onBare(early, (context) => context.getVariable('A'));
    assert.notDeepEqual(bare.outcome, { value: { code: 200, result: '1', value: 'late' } });
  });

  it('joins a value that holds line breaks, where the bare package cuts it', async () => {
    const play: Play = { script: 'x', variables: { A: 'one\ntwo' } };
    const { outcome } = await onShell(play, (session) => session.getVariable('A'));
    assert.deepEqual(outcome, { value: 'one two' });
    const bare = await onBare(play, (context) => context.getVariable('A'));
    assert.deepEqual(bare.outcome, { value: { code: 200, result: '1' } });
  });

  it('ends a peer that sends a head without end, where the bare package keeps all of it', async () => {
    const megabyte = 'x'.repeat(1 << 20);
    const { asterisk } = await onShell({ script: 'x', segments: () => [megabyte] }, async () => 'handled');
    assert.deepEqual(asterisk.lines, []);

    let kept = 0;
    const server = dingDong((context) => {
      context.on('error', () => undefined);
      const timer = setInterval(() => (kept = (context as unknown as { msg: string }).msg.length), 5);
      context.on('close', () => clearInterval(timer));
    }).start(await findFreePort(), '127.0.0.1');
    await withServer(server, async (port) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(megabyte);
      await until(() => kept >= megabyte.length);
      socket.destroy();
      await once(socket, 'close');
    });
  });

  it('ends a peer that answers without end', async () => {
    const { outcome } = await onShell({ script: 'x', reply: () => 'x'.repeat(1 << 20) }, (session) =>
      session.getVariable('A'),
    );
    assert.ok(typeof outcome === 'object' && 'error' in outcome && outcome.error instanceof SessionEnded);
  });

  it('believes the first of two lines of one name: behind it a caller may have written the other', () => {
    const { script, args, head } = readRequest(
      'agi_network_script: distribute\nagi_uniqueid: 1.2\nagi_arg_1: +7916\nagi_network_script: other\nagi_uniqueid: 9.9\nagi_arg_1: 500',
    );
    assert.deepEqual([script, args, head.get('agi_uniqueid')], ['distribute', ['+7916'], '1.2']);
  });

  it('reads a head as Asterisk writes it', () => {
    const text =
      'agi_network: yes\nagi_network_script: distribute?did=%2B7495&name=a%20b\n' +
      'agi_request: agi://127.0.0.1:4573/distribute?did=%2B7495&name=a%20b\n' +
      'agi_channel: PJSIP/provider-00000001\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1795246371.2\n' +
      'agi_version: 22.10.0\nagi_callerid: +79161110002\nagi_calleridname: Склад: ворота 2\nagi_callingpres: 0\n' +
      'agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 7000001\nagi_rdnis: unknown\n' +
      'agi_context: from-trunk\nagi_extension: 7000001\nagi_priority: 3\nagi_enhanced: 0.0\nagi_accountcode: \n' +
      'agi_threadid: 140184377153216\nagi_arg_1: +79161110002\nagi_arg_2: \nagi_arg_3: a:b\n\n';
    const { script, query, args, head } = readRequest(text);
    assert.equal(script, 'distribute');
    assert.deepEqual(
      [...query],
      [
        ['did', '+7495'],
        ['name', 'a b'],
      ],
    );
    assert.deepEqual(args, ['+79161110002', '', 'a:b']);
    for (const [, name, value] of text.matchAll(/^(\w+): (.*)$/gm)) assert.equal(head.get(name!), value);
    for (const name of ['agi_arg_4', 'arg_1', 'ворота 2', '']) assert.equal(head.get(name), undefined);
    assert.equal(head.get('agi_request'), 'agi://127.0.0.1:4573/distribute?did=%2B7495&name=a%20b');
    assert.equal(head.get('agi_calleridname'), 'Склад: ворота 2');
    assert.equal(head.get('agi_accountcode'), '');
    // Without agi_network_script the URL says which script is meant.
    assert.equal(readRequest(text.replace(/^agi_network_script.*\n/m, '')).script, 'distribute');
  });
});
