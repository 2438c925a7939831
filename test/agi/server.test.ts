import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createAllowList } from '../../agi/allow-list.ts';
import { agiServerConfig, callerNameConfig, type AgiServerConfig } from '../../agi/config.ts';
import { createRoutes, type AgiHandler } from '../../agi/routes.ts';
import { AgiServer } from '../../agi/server.ts';
import { SessionEnded } from '../../agi/session.ts';
import { Retryable } from '../../src/core/errors.ts';
import { askAgi, type AgiCall } from '../support/agi-client.ts';
import { contactOf, createTestLookup, employeeOf, mirrorOf, type TestLookupOptions } from '../support/caller-lookup.ts';
import { until } from '../support/until.ts';
import { createKeptLog } from '../support/kept-log.ts';

/** Addresses by which this machine reaches itself as another machine would. */
const outsideAddresses = Object.values(networkInterfaces())
  .flatMap((faces) => faces ?? [])
  .filter((face) => !face.internal && face.family === 'IPv4')
  .map(({ address }) => address);

describe('the FastAGI server', () => {
  const servers: AgiServer[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await server.stop(0);
  });

  async function start(
    routes: ReadonlyMap<string, AgiHandler>,
    config: Partial<AgiServerConfig> = {},
    log = createKeptLog(),
  ) {
    const server = new AgiServer({ config: agiServerConfig.parse({ port: 0, ...config }), routes, log });
    await server.start();
    servers.push(server);
    return server;
  }
  const startLookup = (options: TestLookupOptions, keepsExistingName = false) =>
    start(createRoutes({ lookup: createTestLookup(options), keepsExistingName }));
  const ask = (server: AgiServer, call: Omit<AgiCall, 'port'>) => askAgi({ port: server.port, ...call });
  const open = async (server: AgiServer): Promise<Socket> => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };

  describe('distributing', () => {
    it('answers with extension, deputies, contact and name, the status last', async () => {
      const server = await startLookup({
        sources: [
          {
            name: 'local',
            mirror: mirrorOf(contactOf({ id: '7', name: 'Алёна «Ромашка», "ООО"' })),
            findContact: null,
          },
        ],
        employees: [
          employeeOf({ id: '1', deputies: ['2', '3'] }),
          employeeOf({ id: '2' }),
          employeeOf({ id: '3', extensions: ['103', '203'] }),
        ],
      });
      const { lines, variables } = await ask(server, {
        script: 'distribute',
        args: ['8 916 111-00-02', '7000001', 'provider'],
      });
      assert.deepEqual(
        { ...variables },
        {
          RL_EXTENSION: '101',
          RL_DEPUTIES: '102-103',
          RL_CONTACT_ID: '7',
          RL_NAME: "Алёна «Ромашка» 'ООО",
          'CALLERID(name)': "Алёна «Ромашка» 'ООО",
          RL_STATUS: 'FOUND',
        },
      );
      assert.equal(lines.at(-1), 'SET VARIABLE RL_STATUS "FOUND"');
    });

    it('reads the caller from the query or from the head where there is no argument', async () => {
      const server = await startLookup({});
      for (const call of [
        { script: 'distribute?callerNumber=%2B79161110002&did=1' },
        { script: '/distribute/', head: { agi_callerid: '89161110002' } },
        { script: 'distribute', head: { agi_callerid: '101' }, args: ['+79161110002'] },
      ]) {
        assert.equal((await ask(server, call)).variables['RL_STATUS'], 'FOUND', call.script);
      }
    });

    it('takes a plus in the query for a plus: no dialplan writes a space so', async () => {
      const seen: unknown[] = [];
      const server = await startLookup({
        // Without the plus this is a number in Ryazan.
        sources: [
          { name: 'local', mirror: mirrorOf(contactOf({ id: '7', numbers: ['+84912345678'] })), findContact: null },
        ],
        hook: async ({ number, name, requestData }) => {
          seen.push(requestData);
          return { number, name };
        },
      });
      for (const script of [
        'distribute?callerNumber=+84912345678&note=a+b',
        'distribute?callerNumber=%2B84912345678&note=a%2Bb',
        'distribute?callerNumber=%2B84%20912%20345%20678&note=a%2bb',
      ]) {
        assert.equal((await ask(server, { script })).variables['RL_STATUS'], 'FOUND', script);
      }
      assert.deepEqual(seen, [{ note: 'a+b' }, { note: 'a+b' }, { note: 'a+b' }]);
    });

    it('says NOT_FOUND for strangers and withheld numbers, and sets nothing else', async () => {
      const server = await startLookup({});
      for (const number of ['+79031234567', 'anonymous', '']) {
        const { variables } = await ask(server, { script: 'distribute', args: [number] });
        assert.deepEqual({ ...variables }, { RL_STATUS: 'NOT_FOUND' });
      }
    });

    it('keeps an id from the CRM to itself that would mean something in the dialplan', async () => {
      const contact = contactOf({ id: '7"\nEXEC System "id' });
      const server = await startLookup({ sources: [{ name: 'local', mirror: mirrorOf(contact), findContact: null }] });
      const { variables } = await ask(server, { script: 'distribute', args: ['+79161110002'] });
      assert.equal(variables['RL_STATUS'], 'FOUND');
      assert.equal(variables['RL_CONTACT_ID'], undefined);
    });

    it('hands what else the dialplan gave to the hook', async () => {
      let seen: unknown;
      const server = await startLookup({
        hook: async ({ number, name, requestData }) => {
          seen = requestData;
          return { number, name };
        },
      });
      await ask(server, {
        script: 'distribute?queue=sales&did=5&__proto__=x',
        args: ['+79161110002', '7000001', 'provider', 'linkedId=1795246371.2', 'night shift'],
      });
      assert.deepEqual(Object.entries(seen as object).sort(), [
        ['__proto__', 'x'],
        ['arg_5', 'night shift'],
        ['linkedId', '1795246371.2'],
        ['queue', 'sales'],
      ]);
    });

    it('says TIMEOUT within the deadline when the CRM takes five seconds, and ERROR when it fails', async () => {
      const slow = await startLookup({
        sources: [{ name: 'crm', mirror: null, findContact: () => new Promise(() => undefined) }],
        settings: { deadlineMs: 150 },
      });
      const late = await ask(slow, { script: 'distribute', args: ['+79161110002'] });
      assert.equal(late.variables['RL_STATUS'], 'TIMEOUT');
      assert.ok(late.tookMs >= 140 && late.tookMs < 1000, `took ${late.tookMs} ms`);
      const broken = await startLookup({
        sources: [{ name: 'crm', mirror: null, findContact: () => Promise.reject(new Retryable('502')) }],
      });
      assert.equal(
        (await ask(broken, { script: 'distribute', args: ['+79161110002'] })).variables['RL_STATUS'],
        'ERROR',
      );
    });
  });

  describe('naming the caller', () => {
    it('sets the name and nothing about extensions', async () => {
      const server = await startLookup({});
      const { variables } = await ask(server, { script: 'caller-name', args: ['+79161110002'] });
      assert.deepEqual(
        { ...variables },
        { RL_CONTACT_ID: '7', RL_NAME: 'Contact 7', 'CALLERID(name)': 'Contact 7', RL_STATUS: 'FOUND' },
      );
    });

    it('keeps the name from the network if so configured, unless it is only the number', async () => {
      const keeping = await startLookup({}, true);
      const call = (agi_calleridname: string) => ({
        script: 'caller-name',
        args: ['+79161110002'],
        head: { agi_calleridname },
      });
      const kept = await ask(keeping, call('Ivan, "the" first'));
      assert.deepEqual({ ...kept.variables }, { RL_NAME: "Ivan 'the' first", RL_STATUS: 'FOUND' });
      for (const none of ['unknown', '', '+7 (916) 111-00-02', '+79161110002']) {
        assert.equal((await ask(keeping, call(none))).variables['CALLERID(name)'], 'Contact 7', none);
      }
      const replacing = await startLookup({});
      assert.equal((await ask(replacing, call('Ivan'))).variables['CALLERID(name)'], 'Contact 7');
    });
  });

  describe('at a fault of ours', () => {
    it('says ERROR and lets the call go on when a handler throws or there is no such script', async () => {
      const log = createKeptLog();
      const broken: AgiHandler = async () => {
        throw new TypeError('a bug');
      };
      const thrower: AgiHandler = () => {
        throw new TypeError('a bug');
      };
      const server = await start(
        new Map([
          ['broken', broken],
          ['thrower', thrower],
        ]),
        {},
        log,
      );
      for (const script of ['broken', 'thrower', 'none', '', '__proto__', 'x'.repeat(5000)]) {
        assert.deepEqual({ ...(await ask(server, { script })).variables }, { RL_STATUS: 'ERROR' });
      }
      assert.ok(log.lines.some(({ message }) => message.includes('failed')));
    });

    it('goes on when Asterisk refuses everything', async () => {
      const server = await startLookup({});
      for (const reply of [
        '510 Invalid or unknown command\n',
        '520-Usage\nUsage: SET\n520 End of proper usage.\n',
        '200 result=0\n',
      ]) {
        const { lines } = await ask(server, { script: 'distribute', args: ['+79161110002'], reply: () => reply });
        assert.deepEqual(lines, ['SET VARIABLE RL_EXTENSION "101"', 'SET VARIABLE RL_STATUS "ERROR"']);
      }
    });

    it('ends a session whose answers never come, at the deadline', async () => {
      const server = await start(new Map([['x', (session) => session.setVariable('A', '1')]]), {
        sessionDeadlineMs: 150,
      });
      const { tookMs, lines } = await ask(server, { script: 'x', reply: () => null });
      assert.deepEqual(lines, ['SET VARIABLE A "1"']);
      assert.ok(tookMs >= 140 && tookMs < 1500, `took ${tookMs} ms`);
    });

    it('ends a session whose handler never ends, at the deadline', async () => {
      const server = await start(new Map([['x', () => new Promise<void>(() => undefined)]]), {
        sessionDeadlineMs: 150,
      });
      assert.deepEqual((await ask(server, { script: 'x' })).lines, []);
    });

    it('serves on after callers hung up or broke away in the middle', async () => {
      const log = createKeptLog();
      const server = await start(createRoutes({ lookup: createTestLookup(), keepsExistingName: false }), {}, log);
      const endings: ((socket: Socket) => string | null)[] = [
        () => 'HANGUP\n',
        (socket) => (socket.end(), null),
        (socket) => (socket.resetAndDestroy(), null),
      ];
      for (const [index, ending] of endings.entries()) {
        const reply: AgiCall['reply'] = (_line, at, socket) => (at === index ? ending(socket) : undefined);
        const { variables } = await ask(server, { script: 'distribute', args: ['+79161110002'], reply });
        assert.equal(variables['RL_STATUS'], undefined);
      }
      assert.equal(
        (await ask(server, { script: 'distribute', args: ['+79161110002'] })).variables['RL_STATUS'],
        'FOUND',
      );
      assert.deepEqual(log.lines, []);
      assert.equal(server.status()[0]!['hungUp'], 3);
    });
  });

  describe('against slow and hostile peers', () => {
    it('closes a connection that sends no head, or half of one, at the deadline', async () => {
      const server = await start(new Map(), { headDeadlineMs: 150 });
      for (const text of ['', 'agi_request: agi://x']) {
        const socket = await open(server);
        if (text) socket.write(text);
        await once(socket, 'close');
      }
      assert.equal(server.status()[0]!['late'], 2);
    });

    it('answers in time with 2,000 idle connections open', async function () {
      this.timeout(60_000);
      const server = await start(createRoutes({ lookup: createTestLookup(), keepsExistingName: false }), {
        headDeadlineMs: 60_000,
      });
      const isOpen = await Promise.all(Array.from({ length: 2000 }, () => open(server)));
      assert.equal(isOpen.length, 2000);
      const times: number[] = [];
      for (let turn = 0; turn < 200; turn += 1) {
        const { variables, tookMs } = await ask(server, { script: 'distribute', args: ['+79161110002'] });
        assert.equal(variables['RL_STATUS'], 'FOUND');
        times.push(tookMs);
      }
      const p95 = times.sort((a, b) => a - b)[190]!;
      assert.ok(p95 < 100, `p95 ${p95} ms`);
      const status = server.status()[0]!;
      assert.ok((status['waiting'] as number) <= 1000 && (status['refused'] as number) >= 1000, JSON.stringify(status));
    });

    it('takes no more sessions at once than configured, and says so', async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const server = await start(new Map([['held', () => held]]), { maxSessions: 2 });
      const first = [ask(server, { script: 'held' }), ask(server, { script: 'held' })];
      await until(() => server.status()[0]!['active'] === 2);
      assert.equal(server.status()[0]!.health, 'warning');
      assert.deepEqual((await ask(server, { script: 'held' })).lines, []);
      assert.equal(server.status()[0]!['refused'], 1);
      release();
      await Promise.all(first);
      await until(() => server.status()[0]!['active'] === 0);
      assert.equal(server.status()[0]!.health, 'ok');
    });

    it('knows who is allowed: those listed, and the machine itself', () => {
      const isAllowed = createAllowList(['192.0.2.0/24', '198.51.100.7', 'fd00::/8']);
      for (const address of [
        '192.0.2.200',
        '::ffff:192.0.2.1',
        '198.51.100.7',
        'fd12::1',
        '127.0.0.1',
        '::1',
        '::ffff:127.0.0.1',
      ]) {
        assert.ok(isAllowed(address), address);
      }
      for (const address of [
        '192.0.3.1',
        '198.51.100.8',
        'fe80::1%eth0',
        '::ffff:10.0.0.1',
        '2001:db8::1',
        undefined,
      ]) {
        assert.ok(!isAllowed(address), address);
      }
    });

    for (const address of outsideAddresses) {
      it('answers allowed addresses and hangs up on others', async () => {
        const routes = new Map<string, AgiHandler>([['x', (session) => session.setVariable('A', '1')]]);
        const askFromOutside = async ({ port }: AgiServer): Promise<string> => {
          const socket = connect({ port, host: address, localAddress: address });
          sockets.push(socket);
          socket.on('error', () => undefined);
          socket.write('agi_network_script: x\n\n');
          let heard = '';
          socket.on('data', (chunk) => {
            heard += chunk.toString();
            socket.end();
          });
          await once(socket, 'close');
          return heard;
        };
        const closed = await start(routes, { host: '0.0.0.0', allow: ['203.0.113.77'] });
        assert.equal(await askFromOutside(closed), '');
        assert.equal(closed.status()[0]!['refused'], 1);
        assert.equal((await ask(closed, { script: 'x' })).variables['A'], '1');
        const open = await start(routes, { host: '0.0.0.0', allow: [`${address}/32`] });
        assert.equal(await askFromOutside(open), 'SET VARIABLE A "1"\n');
      });
    }

    it('will not listen on other than loopback without a list of addresses', () => {
      for (const host of ['0.0.0.0', '::', '192.168.1.1', 'pbx.example']) {
        const parsed = agiServerConfig.safeParse({ host });
        assert.equal(parsed.success, false, host);
        const config = { ...agiServerConfig.parse({}), host };
        assert.throws(() => new AgiServer({ config, routes: new Map(), log: createKeptLog() }), /allowed addresses/);
        assert.ok(agiServerConfig.safeParse({ host, allow: ['10.0.0.0/8'] }).success);
      }
      for (const host of ['127.0.0.1', '127.0.1.1', '::1', 'localhost'])
        assert.ok(agiServerConfig.safeParse({ host }).success, host);
      for (const wrong of ['10.0.0.0/33', 'pbx', '10.0.0', '::/129', '1.2.3.4/8/8']) {
        assert.equal(agiServerConfig.safeParse({ allow: [wrong] }).success, false, wrong);
      }
    });
  });

  it('rejects the start when the port is taken', async () => {
    const first = await start(new Map());
    const second = new AgiServer({
      config: agiServerConfig.parse({ port: first.port }),
      routes: new Map(),
      log: createKeptLog(),
    });
    await assert.rejects(second.start(), { code: 'EADDRINUSE' });
    assert.equal(second.status()[0]!.health, 'error');
    await second.stop();
  });

  it('lets a running session finish when it stops, takes no new one, and ends the stubborn', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let stubbornError: unknown;
    const server = await start(
      new Map<string, AgiHandler>([
        ['held', async (session) => (await held, session.setVariable('A', '1'))],
        [
          'stubborn',
          async (session) => session.setVariable('A', '1').catch((error: unknown) => void (stubbornError = error)),
        ],
      ]),
    );
    const { port } = server;
    const polite = ask(server, { script: 'held' });
    const stubborn = ask(server, { script: 'stubborn', reply: () => null });
    await until(() => server.status()[0]!['active'] === 2);
    const silent = await open(server);
    const stopped = server.stop(300);
    await once(silent, 'close');
    await assert.rejects(askAgi({ port, script: 'held' }));
    release();
    assert.equal((await polite).variables['A'], '1');
    assert.deepEqual((await stubborn).lines, ['SET VARIABLE A "1"']);
    await stopped;
    assert.ok(stubbornError instanceof SessionEnded);
  });

  it('knows only three places in a name', () => {
    assert.ok(callerNameConfig.safeParse({ template: '{{name}} ({{ company }}) {{trunk}}' }).success);
    for (const template of ['{{phone}}', '{{{name}}}', '{{name', '']) {
      assert.equal(callerNameConfig.safeParse({ template }).success, false, template);
    }
  });
});
