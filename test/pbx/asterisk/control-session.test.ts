import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import AmiClient from 'asterisk-ami-client';
import { Rejected, Retryable } from '../../../src/core/errors.ts';
import { defaultLinkDeadlines, type AmiLinkDeadlines } from '../../../src/pbx/asterisk/ami/ami-link.ts';
import { AmiParser } from '../../../src/pbx/asterisk/ami/ami-parser.ts';
import type { AmiMessage } from '../../../src/pbx/asterisk/ami/ami-message.ts';
import { ControlSession } from '../../../src/pbx/asterisk/control-session.ts';
import { amiMessage, FakeAmi, type FakeAction, type FakeAmiOptions } from '../../support/fake-ami.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';

describe('the AMI control session', () => {
  const closing: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function serve(options: FakeAmiOptions = {}): Promise<FakeAmi> {
    const fake = await FakeAmi.start(options);
    closing.push(() => fake.stop());
    return fake;
  }
  function open(port: number, deadlines: Partial<AmiLinkDeadlines> = {}): ControlSession {
    const session = new ControlSession(
      {
        address: { host: '127.0.0.1', port, username: 'control', secret: 'secret' },
        deadlines: { ...defaultLinkDeadlines, ...deadlines },
        backoff: { firstMs: 10, maxMs: 40 },
        refusedRetryMs: 20,
      },
      { source: 'pbx', clock: { now: () => new Date() }, log: silentLog },
    );
    session.start();
    closing.push(() => session.stop());
    return session;
  }
  /** The package as it comes; its sockets end with the server. */
  async function openBare(port: number, options = {}): Promise<AmiClient> {
    const client = new AmiClient(options);
    client.on('internalError', () => {});
    await client.connect('control', 'secret', { host: '127.0.0.1', port });
    return client;
  }
  const isConnected = (session: ControlSession) => until(() => session.status().health === 'ok');
  const reply = (action: FakeAction, headers: Record<string, string> = {}) =>
    amiMessage({ Response: 'Success', ActionID: action.get('ActionID'), ...headers });

  describe('does what a caller expects', () => {
    it('takes no events and answers a command with all of its lines', async () => {
      const fake = await serve({
        answer: (action) =>
          action.get('Action') === 'Command'
            ? `Response: Success\r\nActionID: ${action.get('ActionID')}\r\nMessage: Command output follows\r\nOutput: one\r\nOutput: \r\nOutput: three: 3\r\n\r\n`
            : undefined,
      });
      const session = open(fake.port);
      assert.deepEqual(await session.command('core show version'), ['one', '', 'three: 3']);
      assert.equal(fake.actions.find((action) => action.get('Action') === 'Events')?.get('EventMask'), 'off');
    });

    it('gives what a failed command prints, and refuses when it may not be run', async () => {
      let denied = false;
      const fake = await serve({
        answer: (action) =>
          action.get('Action') !== 'Command'
            ? undefined
            : denied
              ? reply(action, { Response: 'Error', Message: 'Permission denied' })
              : reply(action, {
                  Response: 'Error',
                  Message: 'Command output follows',
                  Output: "There is no existence of 'x' context",
                }),
      });
      const session = open(fake.port);
      assert.equal(await session.showDialplan('x'), "There is no existence of 'x' context");
      await assert.rejects(session.reloadDialplan(), Rejected);
      denied = true;
      await assert.rejects(session.showDialplan('x'), /Permission denied: give the control user the rights/);
      await assert.rejects(session.showDialplan('x; core stop now'), Rejected);
    });

    it('gives a list whole', async () => {
      const fake = await serve({ channels: [{ Channel: 'PJSIP/101-1' }, { Channel: 'PJSIP/102-2' }] });
      const session = open(fake.port);
      assert.deepEqual(
        (await session.listChannels()).map((item) => item.get('Channel')),
        ['PJSIP/101-1', 'PJSIP/102-2'],
      );
    });

    it('reads, writes and deletes values of the database of Asterisk', async () => {
      const values = new Map<string, string>();
      const fake = await serve({
        answer(action) {
          const key = `${action.get('Family')}/${action.get('Key')}`;
          const missing = reply(action, { Response: 'Error', Message: 'Database entry not found' });
          switch (action.get('Action')) {
            case 'DBPut':
              values.set(key, action.get('Val'));
              return reply(action);
            case 'DBDel':
              return values.delete(key) ? reply(action) : missing;
            case 'DBGet':
              return !values.has(key)
                ? missing
                : reply(action, { EventList: 'start' }) +
                    amiMessage({
                      Event: 'DBGetResponse',
                      ActionID: action.get('ActionID'),
                      Key: 'k',
                      Val: values.get(key)!,
                    }) +
                    amiMessage({ Event: 'DBGetComplete', ActionID: action.get('ActionID'), EventList: 'Complete' });
            default:
              return undefined;
          }
        },
      });
      const session = open(fake.port);
      assert.equal(await session.databaseGet('rl', 'k'), null);
      await session.databasePut('rl', 'k', 'v');
      assert.equal(await session.databaseGet('rl', 'k'), 'v');
      await session.databaseDelete('rl', 'k');
      await session.databaseDelete('rl', 'k');
      assert.equal(await session.databaseGet('rl', 'k'), null);
    });

    it('asks for a call and hears that it was taken, or why not', async () => {
      const fake = await serve({
        answer: (action) =>
          action.get('Action') !== 'Originate'
            ? undefined
            : action.get('Exten') === '79161110002'
              ? reply(action, { Message: 'Originate successfully queued' })
              : reply(action, { Response: 'Error', Message: 'Extension does not exist.' }),
      });
      const session = open(fake.port);
      const request = {
        requestId: 'r1',
        extension: '101',
        clientNumber: '79161110002',
        clientName: null,
        timeoutMs: 5_000,
      };
      await session.originate(request);
      await assert.rejects(
        session.originate({ ...request, clientNumber: '112' }),
        /Extension does not exist.*dialplan apply/,
      );
      await assert.rejects(session.originate({ ...request, extension: '101@x' }), Rejected);
      assert.equal(fake.actions.filter((action) => action.get('Action') === 'Originate').length, 2);
    });

    it('says at once that there is no connection, and settles what is under way when it is lost or stopped', async () => {
      const fake = await serve({ answer: (action) => (action.get('Action') === 'Slow' ? '' : undefined) });
      const session = open(fake.port);
      await isConnected(session);
      const lost = assert.rejects(session.action([['Action', 'Slow']]), Retryable);
      await until(() => fake.actions.some((action) => action.get('Action') === 'Slow'));
      fake.connection.drop();
      await lost;
      await isConnected(session);
      const stopped = assert.rejects(session.action([['Action', 'Slow']]), Retryable);
      await session.stop();
      await stopped;
      await assert.rejects(session.action([['Action', 'Ping']]), Retryable);
    });
  });

  describe('closes the defects of asterisk-ami-client', () => {
    const injected = 'x\r\n\r\nAction: Command\r\nCommand: core stop now';

    it('bare, a line break in a value makes a second action', async () => {
      const fake = await serve();
      const client = await openBare(fake.port);
      client.action({ Action: 'DBPut', Val: injected });
      await until(() => fake.actions.some((action) => action.get('Action') === 'Command'));
    });
    it('here it is refused and nothing is sent', async () => {
      const fake = await serve();
      const session = open(fake.port);
      await assert.rejects(
        session.action([
          ['Action', 'DBPut'],
          ['Val', injected],
        ]),
        Rejected,
      );
      await assert.rejects(session.databasePut('a', 'b', injected), Rejected);
      await assert.rejects(session.command('core show version\r\n\r\nAction: Logoff'), Rejected);
      await isConnected(session);
      assert.deepEqual(
        fake.actions.map((action) => action.get('Action').toLowerCase()),
        ['login', 'events'],
      );
    });

    const echo: FakeAmiOptions = {
      answer: (action) => (action.get('Action') === 'Echo' ? reply(action, { Value: action.get('Value') }) : undefined),
    };
    it('bare, two actions within a millisecond get the same id and one gets the answer of the other', async () => {
      const fake = await serve(echo);
      const client = await openBare(fake.port);
      const values = Array.from({ length: 8 }, (_, i) => String(i));
      const answers = await Promise.allSettled(values.map((Value) => client.action({ Action: 'Echo', Value }, true)));
      const answered = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.Value : 'none'));
      assert.notDeepEqual(answered, values);
    });
    it('here each gets its own', async () => {
      const fake = await serve(echo);
      const session = open(fake.port);
      const values = Array.from({ length: 2_000 }, (_, i) => String(i));
      const answers = await Promise.all(
        values.map((value) =>
          session.action([
            ['Action', 'Echo'],
            ['Value', value],
          ]),
        ),
      );
      assert.deepEqual(
        answers.map((answer) => answer.response.get('Value')),
        values,
      );
    });

    const repeating: FakeAmiOptions = {
      answer: (action) =>
        action.get('Action') === 'Repeat'
          ? `Response: Success\r\nActionID: ${action.get('ActionID')}\r\nOutput: a\r\nOutput: b\r\n\r\n`
          : undefined,
    };
    it('bare, of a repeated header only the last is kept', async () => {
      const fake = await serve(repeating);
      const client = await openBare(fake.port);
      assert.equal((await client.action({ Action: 'Repeat' }, true)).Output, 'b');
    });
    it('here all are kept, received and sent', async () => {
      const fake = await serve(repeating);
      const session = open(fake.port);
      const { response } = await session.action([
        ['Action', 'Repeat'],
        ['Variable', 'x=1'],
        ['Variable', 'y=2'],
      ]);
      assert.deepEqual(response.all('Output'), ['a', 'b']);
      const sent = fake.actions
        .at(-1)!
        .headers.filter(([name]) => name === 'Variable')
        .map(([, value]) => value);
      assert.deepEqual(sent, ['x=1', 'y=2']);
    });

    it('bare, events in the segment of the answer to the login vanish; the event session reads them', async () => {
      const fake = await serve({ withLogin: amiMessage({ Event: 'Early' }) });
      const client = await openBare(fake.port);
      const seen: unknown[] = [];
      client.on('event', (event) => seen.push(event));
      fake.connection.event('Late', {});
      await until(() => seen.length > 0);
      assert.deepEqual(seen, [{ Event: 'Late' }]);
    });

    it('bare, a chunk is read again for every message in it; the parser of the event session reads it once', async () => {
      const event = amiMessage({
        Event: 'VarSet',
        Channel: 'PJSIP/101-00000001',
        Variable: 'X',
        Value: 'y',
        Uniqueid: '1.1',
      });
      const chunk = Buffer.from(event.repeat(500));
      const fake = await serve();
      const client = await openBare(fake.port);
      let count = 0;
      client.on('event', () => count++);
      const bareStart = performance.now();
      fake.connection.socket.write(chunk);
      await until(() => count === 500);
      const bareMs = performance.now() - bareStart;
      const parser = new AmiParser();
      const messages: AmiMessage[] = [];
      const start = performance.now();
      parser.push(chunk, messages);
      for (const message of messages) message.get('Uniqueid');
      const ms = performance.now() - start;
      assert.equal(messages.length, 500);
      assert.ok(ms * 3 < bareMs, `${ms} ms against ${bareMs} ms`);
    });

    it('bare, it gives up after its tries', async () => {
      const gone = await FakeAmi.start();
      const { port } = gone;
      await gone.stop();
      const client = new AmiClient({ reconnect: true, maxAttemptsCount: 3, attemptsDelay: 1 });
      await assert.rejects(client.connect('control', 'secret', { host: '127.0.0.1', port }), /max count attempts/);
    });
    it('here it goes on for ever, with growing pauses', async () => {
      const gone = await FakeAmi.start();
      const { port } = gone;
      await gone.stop();
      const session = open(port);
      await until(() => session.status().message.includes('ECONNREFUSED'));
      await assert.rejects(session.action([['Action', 'Ping']]), Retryable);
      const fake = await FakeAmi.start({}, port);
      closing.push(() => fake.stop());
      for (let round = 1; round <= 35; round++) {
        await until(() => fake.connections.length >= round && session.status().health === 'ok');
        fake.connection.drop();
        await until(() => session.status().health !== 'ok' || fake.connections.length > round);
      }
      await isConnected(session);
    });

    it('bare, a refused login ends all trying', async () => {
      const fake = await serve({ secret: 'other' });
      const client = new AmiClient({ reconnect: true, maxAttemptsCount: null, attemptsDelay: 1 });
      await assert.rejects(client.connect('control', 'secret', { host: '127.0.0.1', port: fake.port }));
      await delay(50);
      assert.equal(fake.connections.length, 1);
    });
    it('here it raises an alarm and goes on slowly', async () => {
      const fake = await serve({ secret: 'other' });
      const session = open(fake.port);
      await until(() => fake.connections.length >= 3);
      assert.equal(session.status().health, 'error');
      assert.match(session.status().message, /refused the login of control: Authentication failed/);
      await until(() => fake.connections[0]!.isClosed);
      fake.options = {};
      await isConnected(session);
    });

    it('bare, a server that never answers the login is waited for without end', async () => {
      const fake = await serve({ isDeaf: true });
      const client = new AmiClient();
      const outcome = await Promise.race([
        client.connect('control', 'secret', { host: '127.0.0.1', port: fake.port }).then(
          () => 'settled',
          () => 'settled',
        ),
        delay(400, 'still waiting'),
      ]);
      assert.equal(outcome, 'still waiting');
    });
    it('here it is given up at the deadline, and its connection closed', async () => {
      for (const options of [{ isDeaf: true }, { isMute: true }]) {
        const fake = await serve(options);
        const session = open(fake.port, { connectMs: 100, loginMs: 100 });
        await until(() => fake.connections.length >= 2);
        await until(() => fake.connections[0]!.isClosed);
        assert.match(session.status().message, /did not answer the login/);
        await session.stop();
      }
    });

    it('bare, a half-open connection counts as connected although pings go unanswered', async () => {
      let isDead = false;
      const fake = await serve({ answer: () => (isDead ? '' : undefined) });
      const client = await openBare(fake.port, { keepAlive: true, keepAliveDelay: 20 });
      isDead = true;
      await until(() => fake.actions.some((action) => action.get('Action') === 'Ping'));
      await delay(200);
      assert.equal((client as unknown as { isConnected: boolean }).isConnected, true);
    });
    it('here it is noticed at the deadline of a ping, and made again', async () => {
      let isDead = false;
      const fake = await serve({ answer: () => (isDead ? '' : undefined) });
      const session = open(fake.port, { pingEveryMs: 20, pingMs: 100 });
      await isConnected(session);
      isDead = true;
      await until(() => fake.connections[0]!.isClosed);
      isDead = false;
      await isConnected(session);
      assert.ok(fake.connections.length >= 2);
    });
    it('here an action that is not answered ends at its deadline', async () => {
      const fake = await serve({ answer: (action) => (action.get('Action') === 'Slow' ? '' : undefined) });
      const session = open(fake.port);
      await assert.rejects(session.action([['Action', 'Slow']], 50), /did not answer Slow within 50 ms/);
      assert.equal(session.status().pending, 0);
    });
  });
});
