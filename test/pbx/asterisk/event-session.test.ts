import assert from 'node:assert/strict';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import type { PbxEventSink } from '../../../src/core/ports.ts';
import { defaultLinkDeadlines } from '../../../src/pbx/asterisk/ami/ami-link.ts';
import {
  defaultEventSessionSettings,
  EventSession,
  type EventSessionParts,
  type EventSessionSettings,
} from '../../../src/pbx/asterisk/event-session.ts';
import { LocalTime } from '../../../src/pbx/asterisk/csv/local-time.ts';
import { amiMessage, FakeAmi, type FakeAmiOptions } from '../../support/fake-ami.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';

const newChannel = (number: number) => ({
  Timestamp: `1795250429.${String(number).padStart(6, '0')}`,
  Channel: `PJSIP/101-${String(number).padStart(8, '0')}`,
  ChannelState: '4',
  CallerIDNum: '101',
  CallerIDName: '<unknown>',
  Exten: '102',
  Context: 'phones',
  Uniqueid: `1795250429.${number}`,
  Linkedid: `1795250429.${number}`,
});

class RecordingSink implements PbxEventSink {
  readonly events: PbxEvent[] = [];
  readonly batches: number[] = [];
  readonly snapshots: Parameters<PbxEventSink['resynced']>[0][] = [];
  /** `3 events`, `snapshot`, … in the order of arrival. */
  readonly order: string[] = [];
  gate: Promise<void> | null = null;
  failures = 0;
  async accept(events: readonly PbxEvent[]): Promise<void> {
    await this.gate;
    if (this.failures > 0) {
      this.failures--;
      throw new Error('disk full');
    }
    this.events.push(...events);
    this.batches.push(events.length);
    this.order.push(...events.map((event) => event.type));
  }
  async resynced(snapshot: (typeof this.snapshots)[number]): Promise<void> {
    this.snapshots.push(snapshot);
    this.order.push('snapshot');
  }
  get started(): (string | null)[] {
    return this.events.filter((event) => event.type === 'started').map((event) => event.uniqueId);
  }
}

describe('the AMI event session', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function serve(options: FakeAmiOptions = {}): Promise<FakeAmi> {
    const fake = await FakeAmi.start(options);
    closing.push(() => fake.stop());
    return fake;
  }
  function follow(
    port: number,
    options: { settings?: Partial<EventSessionSettings>; parts?: Partial<EventSessionParts>; secret?: string } = {},
  ) {
    const sink = new RecordingSink();
    const session = new EventSession(
      {
        ...defaultEventSessionSettings,
        address: { host: '127.0.0.1', port, username: 'events', secret: options.secret ?? 'secret' },
        deadlines: defaultLinkDeadlines,
        backoff: { firstMs: 10, maxMs: 40 },
        refusedRetryMs: 20,
        ...options.settings,
      },
      {
        source: 'pbx',
        sink,
        clock: { now: () => new Date() },
        log: silentLog,
        time: new LocalTime('UTC'),
        listChannels: null,
        ...options.parts,
      },
    );
    session.start();
    closing.push(() => session.stop());
    return { sink, session };
  }
  const online = (sink: RecordingSink, snapshots = 1) => until(() => sink.snapshots.length >= snapshots);

  it('tells with the channels that exist now until when the PBX was heard before', async () => {
    let now = 1_795_250_429_000;
    const fake = await serve();
    const { sink, session } = follow(fake.port, {
      settings: { deadlines: { ...defaultLinkDeadlines, pingEveryMs: 20, pingMs: 50 } },
      parts: { clock: { now: () => new Date(now) } },
    });
    await online(sink);
    assert.equal(sink.snapshots[0]!.lastHeardAt, null);
    now += 5_000;
    fake.connection.drop();
    await online(sink, 2);
    assert.equal(sink.snapshots[1]!.lastHeardAt, now, 'it ended the connection itself');
    fake.connection.event('Newchannel', newChannel(1));
    await until(() => sink.events.length === 1);
    fake.options = { answer: (action) => (action.get('Action') === 'Ping' ? '' : undefined) };
    const silent = fake.connection;
    await until(() => silent.actions.filter((action) => action.get('Action') === 'Ping').length > 1 || silent.isClosed);
    now += 60_000;
    await until(() => silent.isClosed);
    fake.options = {};
    await online(sink, 3);
    assert.equal(sink.snapshots[2]!.lastHeardAt, now - 60_000, 'it fell silent');
    await session.stop();
  });

  it('logs in for the classes of events that are used and reports what happens', async () => {
    const fake = await serve();
    const { sink, session } = follow(fake.port);
    await online(sink);
    assert.equal(fake.actions[0]!.get('Events'), 'call,dialplan,cdr');
    fake.connection.event('Newchannel', newChannel(1));
    fake.connection.event('Hangup', { ...newChannel(1), Cause: '16' });
    await until(() => sink.events.length === 2);
    assert.deepEqual(
      sink.events.map((event) => event.type),
      ['started', 'hung-up'],
    );
    assert.equal(sink.events[0]!.at, 1795250429000.001);
    assert.equal(session.status().health, 'ok');
  });

  it('reads events that come in the same segment as the answer to the login', async () => {
    const fake = await serve({ withLogin: amiMessage({ Event: 'Newchannel', ...newChannel(7) }) });
    const { sink } = follow(fake.port);
    await until(() => sink.started.includes('1795250429.7'));
  });

  it('tells what exists after each connect: channels, their bridges, and nothing else lives', async () => {
    const up = { ...newChannel(3), ChannelState: '6', BridgeId: 'b-1', Duration: '00:00:10' };
    const fake = await serve({
      channels: [up, { ...newChannel(4), ChannelState: '5' }],
      answer: (action) =>
        action.get('Action') === 'BridgeList'
          ? amiMessage({ Response: 'Success', ActionID: action.get('ActionID'), EventList: 'start' }) +
            amiMessage({
              Event: 'BridgeListItem',
              ActionID: action.get('ActionID'),
              BridgeUniqueid: 'b-1',
              BridgeTechnology: 'simple_bridge',
              BridgeCreator: '<unknown>',
            }) +
            amiMessage({ Event: 'BridgeListComplete', ActionID: action.get('ActionID'), EventList: 'Complete' })
          : undefined,
    });
    const { sink } = follow(fake.port);
    await online(sink);
    assert.deepEqual(sink.order, ['started', 'answered', 'bridge-entered', 'started', 'ringing', 'snapshot']);
    assert.ok(sink.events.every((event) => event.origin === 'resync'));
    assert.equal(sink.events[0]!.at, 1795250429000);
    const entered = sink.events[2]!;
    assert.ok(
      entered.type === 'bridge-entered' && entered.bridgeId === 'b-1' && entered.bridgeType === 'simple_bridge',
    );
    assert.deepEqual([...sink.snapshots[0]!.uniqueIds], ['1795250429.3', '1795250429.4']);
    fake.connection.drop();
    await online(sink, 2);
  });

  it('counts channels that begin while the others are being listed as alive', async () => {
    const fake = await serve({
      channels: [newChannel(1)],
      answer(action, connection) {
        if (action.get('Action') === 'CoreShowChannels') connection.event('Newchannel', newChannel(2));
        return undefined;
      },
    });
    const { sink } = follow(fake.port);
    await online(sink);
    assert.deepEqual([...sink.snapshots[0]!.uniqueIds].sort(), ['1795250429.1', '1795250429.2']);
  });

  it('lists channels over the control session when its own user may not, and says so when nobody may', async () => {
    const fake = await serve({ channels: null });
    const { sink, session } = follow(fake.port);
    await until(() => session.status().health === 'warning' && session.status().message.includes('write = reporting'));
    assert.equal(sink.snapshots.length, 0);
    const { AmiMessage } = await import('../../../src/pbx/asterisk/ami/ami-message.ts');
    const other = follow(fake.port, {
      parts: {
        listChannels: async () => [
          new AmiMessage(amiMessage({ Event: 'CoreShowChannel', ...newChannel(5) }).trimEnd(), { lineEnd: '\r\n' }),
        ],
      },
    });
    await online(other.sink);
    assert.deepEqual([...other.sink.snapshots[0]!.uniqueIds], ['1795250429.5']);
    assert.equal(other.session.status().health, 'ok');
  });

  it('never waits for FullyBooted', async () => {
    const fake = await serve();
    const { sink } = follow(fake.port);
    await online(sink);
  });

  it('begins again for ever after the connection drops in the middle of a message', async () => {
    const fake = await serve();
    const { sink, session } = follow(fake.port);
    for (let round = 1; round <= 40; round++) {
      await online(sink, round);
      fake.connection.event('Newchannel', newChannel(round));
      await until(() => sink.started.length === round);
      fake.connection.socket.end('Event: Newchannel\r\nUniqueid: 99.9\r\nChann');
    }
    await online(sink, 41);
    assert.equal(session.status().connections, 41);
    assert.ok(!sink.started.includes('99.9'));
  });

  it('connects as soon as somebody listens', async () => {
    const gone = await FakeAmi.start();
    const { port } = gone;
    await gone.stop();
    const { sink, session } = follow(port);
    await until(() => session.status().health === 'error');
    assert.match(session.status().message, /ECONNREFUSED/);
    const fake = await FakeAmi.start({}, port);
    closing.push(() => fake.stop());
    await online(sink);
  });

  it('gives up a server that accepts and stays silent, at the deadline', async () => {
    for (const options of [{ isMute: true }, { isDeaf: true }]) {
      const fake = await serve(options);
      follow(fake.port, { settings: { deadlines: { ...defaultLinkDeadlines, connectMs: 100, loginMs: 100 } } });
      await until(() => fake.connections.length >= 2);
      await until(() => fake.connections[0]!.isClosed);
    }
  });

  it('raises an alarm on a refused login and goes on trying', async () => {
    const fake = await serve({ secret: 'other' });
    const { sink, session } = follow(fake.port);
    await until(() => fake.connections.length >= 3);
    assert.equal(session.status().health, 'error');
    assert.match(session.status().message, /refused the login of events: Authentication failed/);
    fake.options = {};
    await online(sink);
    assert.equal(session.status().health, 'ok');
  });

  it('notices a half-open connection by its unanswered ping and begins again', async () => {
    let isDead = false;
    const fake = await serve({ answer: () => (isDead ? '' : undefined) });
    const { sink } = follow(fake.port, {
      settings: { deadlines: { ...defaultLinkDeadlines, pingEveryMs: 30, pingMs: 100 } },
    });
    await online(sink);
    await until(() => fake.actions.some((action) => action.get('Action') === 'Ping'));
    assert.equal(fake.connections.length, 1);
    isDead = true;
    await until(() => fake.connections[0]!.isClosed);
    isDead = false;
    await online(sink, 2);
  });

  it('notices a half-open connection within 15 seconds by default', () => {
    assert.ok(defaultLinkDeadlines.pingEveryMs + defaultLinkDeadlines.pingMs <= 15_000);
  });

  it('keeps every event, in order, while the sink is slow, and stops reading past the limit', async () => {
    const fake = await serve();
    const { sink, session } = follow(fake.port, { settings: { maxWaiting: 500 } });
    await online(sink);
    let open!: () => void;
    sink.gate = new Promise((resolve) => (open = resolve));
    const total = 30_000;
    for (let number = 1; number <= total; number++) fake.connection.event('Newchannel', newChannel(number));
    await until(() => session.status().message.includes('faster than they can be stored'));
    assert.ok((session.status().waiting as number) < 2_000, 'what waits in memory is bounded');
    assert.equal(sink.events.length, 0);
    sink.gate = null;
    open();
    await until(() => sink.events.length === total);
    assert.deepEqual(
      sink.started,
      Array.from({ length: total }, (_, index) => `1795250429.${index + 1}`),
    );
    assert.ok(sink.batches.length < total / 10, 'events are given in batches');
    assert.equal(session.status().health, 'ok');
  });

  it('gives the same events again when the sink fails, and reports it', async () => {
    const fake = await serve();
    const { sink, session } = follow(fake.port, { settings: { backoff: { firstMs: 30, maxMs: 30 } } });
    await online(sink);
    sink.failures = 3;
    fake.connection.event('Newchannel', newChannel(1));
    await until(() => session.status().message.includes('disk full'));
    await until(() => sink.started.length === 1);
    fake.connection.event('Newchannel', newChannel(2));
    await until(() => sink.started.length === 2);
    assert.deepEqual(sink.started, ['1795250429.1', '1795250429.2']);
  });

  it('gives what it has read to the sink before it stops', async () => {
    const fake = await serve();
    const { sink, session } = follow(fake.port);
    await online(sink);
    let open!: () => void;
    sink.gate = new Promise((resolve) => (open = resolve));
    fake.connection.event('Newchannel', newChannel(1));
    fake.connection.event('Newchannel', newChannel(2));
    await until(() => session.status().events === 2);
    const stopped = session.stop();
    open();
    await stopped;
    assert.equal(sink.started.length, 2);
  });
});
