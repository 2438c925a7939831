import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import type { CursorStore, PbxEventSink } from '../../../src/core/ports.ts';
import { AmiMessage } from '../../../src/pbx/asterisk/ami/ami-message.ts';
import { readCapture } from '../../../src/pbx/asterisk/capture.ts';
import { asteriskConfig } from '../../../src/pbx/asterisk/config.ts';
import { DeviceStates } from '../../../src/pbx/asterisk/ami/device-states.ts';
import { AsteriskSource } from '../../../src/pbx/asterisk/source.ts';
import { pbxKinds } from '../../../src/pbx/index.ts';
import { amiMessage, FakeAmi, type FakeAmiOptions } from '../../support/fake-ami.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';

const story = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios/inbound-answered/asterisk-22');

class RecordingSink implements PbxEventSink {
  readonly events: PbxEvent[] = [];
  snapshots = 0;
  async accept(events: readonly PbxEvent[]): Promise<void> {
    this.events.push(...events);
  }
  async resynced(): Promise<void> {
    this.snapshots++;
  }
  from(origin: PbxEvent['origin']): PbxEvent[] {
    return this.events.filter((event) => event.origin === origin);
  }
}
function memoryCursors(): CursorStore {
  const values = new Map<string, string>();
  return {
    get: async (name) => values.get(name) ?? null,
    set: async (name, value) => void values.set(name, value),
  };
}
async function read(file: string): Promise<PbxEvent[]> {
  const events: PbxEvent[] = [];
  for await (const batch of readCapture(join(story, file), { source: 'office', timeZone: 'UTC' }))
    events.push(...batch);
  return events;
}

describe('an Asterisk as a source of calls', () => {
  let folder: string;
  let cursors: CursorStore;
  const closing: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ringledger-source-'));
    cursors = memoryCursors();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  async function serve(options: FakeAmiOptions = {}): Promise<FakeAmi> {
    const fake = await FakeAmi.start(options);
    closing.push(() => fake.stop());
    return fake;
  }
  async function follow(settings: object) {
    const config = pbxKinds.asterisk.config.parse({ name: 'office', kind: 'asterisk', ...settings });
    const source = new AsteriskSource(config, {
      cursors,
      clock: { now: () => new Date() },
      log: silentLog,
      timeZone: 'Europe/Moscow',
    });
    const sink = new RecordingSink();
    source.open();
    closing.push(() => source.close());
    await source.start(sink);
    closing.push(() => source.stop());
    return { source, sink };
  }
  const user = (username: string) => ({ username, secret: 'secret' });
  const statusOf = (source: AsteriskSource, part: string) =>
    source.status().find((status) => status.part === `office: ${part}`)!;

  it('reports live what a recorded stream told', async () => {
    const fake = await serve();
    const { sink, source } = await follow({ ami: { port: fake.port, events: user('events') } });
    await until(() => sink.snapshots === 1);
    fake.connection.socket.write(await readFile(join(story, 'ami.log')));
    const expected = await read('ami.log');
    await until(() => sink.events.length >= expected.length);
    assert.deepEqual(sink.events, expected);
    assert.equal(source.originate, undefined, 'without a control user nothing can be asked for');
    assert.equal(statusOf(source, 'catching up').health, 'warning');
  });

  it('reads CEL and CDR files from where it stopped, with true times whatever the zone', async () => {
    const cel = join(folder, 'cel.csv');
    const cdr = join(folder, 'cdr.csv');
    await cp(join(story, 'cel.csv'), cel);
    await cp(join(story, 'cdr.csv'), cdr);
    const settings = { ami: null, cel: { file: cel, lookBackHours: null }, cdr: { file: cdr, lookBackHours: null } };
    const celEvents = await read('cel.csv');
    const cdrEvents = await read('cdr.csv');
    const first = await follow(settings);
    await until(() => first.sink.events.length >= celEvents.length + cdrEvents.length);
    assert.deepEqual(first.sink.from('cel'), celEvents);
    assert.deepEqual(first.sink.from('cdr'), cdrEvents);
    assert.deepEqual(
      first.source.status().map(({ part, health }) => [part, health]),
      [
        ['office: CEL', 'ok'],
        ['office: CDR', 'ok'],
      ],
    );
    await first.source.stop();
    await appendFile(
      cel,
      '"ANSWER","1795250999.5","","","","","","","","PJSIP/1-1","","","3","","1795250999.1","1795250999.1","","","",""\n',
    );
    const second = await follow(settings);
    await until(() => second.sink.events.length > 0);
    assert.deepEqual(
      second.sink.events.map((event) => [event.type, event.at]),
      [['answered', 1795250999500]],
    );
  });

  it('knows the zone of the files from their first rows when it goes on in the middle of a call', async () => {
    const cdr = join(folder, 'cdr.csv');
    const row = (start: string, end: string) =>
      `"","101","102","in","101","PJSIP/101-1","PJSIP/102-2","Dial","PJSIP/102","${start}","${start}","${end}",1,1,"ANSWERED","3","1795250429.1","","","1795250429.1",1\n`;
    await writeFile(cdr, row('2026-11-21 08:40:29', '2026-11-21 08:40:39'));
    const { source, sink } = await follow({ ami: null, cdr: { file: cdr } });
    await until(() => (statusOf(source, 'CDR').position as number) > 0);
    await appendFile(cdr, row('2026-11-21 09:20:00', '2026-11-21 09:30:00'));
    await until(() => sink.events.length > 0);
    assert.equal(sink.events[0]!.at, Date.parse('2026-11-21T09:20:00Z'));
  });

  it('gives nothing of the CDR on before the CEL is told, however slowly that goes', async () => {
    const cel = join(folder, 'cel.csv');
    const cdr = join(folder, 'cdr.csv');
    await cp(join(story, 'cel.csv'), cel);
    await cp(join(story, 'cdr.csv'), cdr);
    const config = pbxKinds.asterisk.config.parse({
      name: 'office',
      kind: 'asterisk',
      ami: null,
      cel: { file: cel, lookBackHours: null },
      cdr: { file: cdr, lookBackHours: null },
    });
    const source = new AsteriskSource(config, {
      cursors,
      clock: { now: () => new Date() },
      log: silentLog,
      timeZone: 'UTC',
    });
    const told: string[] = [];
    await source.start({
      accept: async (events) => {
        const { origin } = events[0]!;
        told.push(`${origin} comes`);
        if (origin === 'cel') await delay(100);
        told.push(`${origin} is taken`);
      },
      resynced: async () => {},
    });
    closing.push(() => source.stop());
    await until(() => told.length === 4);
    assert.deepEqual(told, ['cel comes', 'cel is taken', 'cdr comes', 'cdr is taken']);
  });

  it('tells what happens now after the CEL of the time when nobody listened', async () => {
    const cel = join(folder, 'cel.csv');
    await cp(join(story, 'cel.csv'), cel);
    const fake = await serve();
    const config = pbxKinds.asterisk.config.parse({
      name: 'office',
      kind: 'asterisk',
      ami: { port: fake.port, events: user('events') },
      cel: { file: cel, lookBackHours: null },
    });
    const clock = { now: () => new Date() };
    const source = new AsteriskSource(config, { cursors, clock, log: silentLog, timeZone: 'UTC' });
    const told: string[] = [];
    let finishCel = () => {};
    const celIsTaken = new Promise<void>((resolve) => (finishCel = resolve));
    await source.start({
      accept: async (events) => {
        if (events[0]!.origin === 'cel') await celIsTaken;
        told.push(events[0]!.origin);
      },
      resynced: async () => void told.push('snapshot'),
    });
    closing.push(() => source.stop());
    await until(() => fake.actions.some((action) => action.get('Action') === 'CoreShowChannels'));
    fake.connection.socket.write(await readFile(join(story, 'ami.log')));
    await until(() => Number(statusOf(source, 'AMI events').waiting) > 20);
    assert.deepEqual(told, []);
    finishCel();
    await until(() => told.length >= 3);
    assert.deepEqual([told[0], new Set(told.slice(1))], ['cel', new Set(['snapshot', 'ami'])]);
  });

  it('begins at the end of the files at its first start', async () => {
    const cel = join(folder, 'cel.csv');
    await cp(join(story, 'cel.csv'), cel);
    const { source, sink } = await follow({ ami: null, cel: { file: cel } });
    await until(() => (statusOf(source, 'CEL').position as number) > 0);
    await appendFile(cel, await readFile(join(story, 'cel.csv')));
    const expected = await read('cel.csv');
    await until(() => sink.events.length >= expected.length);
    assert.deepEqual(sink.events, expected);
  });

  it('says in plain words what is wrong with the files', async () => {
    const cdr = join(folder, 'cdr.csv');
    const withoutNewColumns = (await readFile(join(story, 'cdr.csv'), 'utf8')).replace(
      /,"[^",]*","[^",]*",\d+\r?\n/g,
      '\n',
    );
    await writeFile(cdr, withoutNewColumns);
    const cel = join(folder, 'cel.csv');
    await writeFile(cel, 'this,is,no,cel,row,at,all\n');
    const fake = await serve();
    const { source, sink } = await follow({
      ami: { port: fake.port, events: user('events') },
      cel: { file: cel, lookBackHours: null },
      cdr: { file: cdr, lookBackHours: null },
    });
    await until(() => statusOf(source, 'CDR').message.includes('newcdrcolumns = yes'));
    await until(() => statusOf(source, 'CEL').message.includes('set cel.columns'));
    assert.equal(sink.from('cdr').length, 0, 'a record that names no call would be counted as one more');
    const other = await follow({ ami: null, cel: { file: join(folder, 'absent.csv') } });
    await until(() => statusOf(other.source, 'CEL').message.includes('enable CEL in cel.conf'));
  });

  it('passes click-to-call on, and knows what phones do while it is connected', async () => {
    const device = (State: string) => ({ Event: 'DeviceStateChange', Device: 'PJSIP/101', State });
    const fake = await serve({
      answer(action) {
        const ActionID = action.get('ActionID');
        if (action.get('Action') === 'Originate') return amiMessage({ Response: 'Success', ActionID });
        if (action.get('Action') !== 'DeviceStateList') return undefined;
        return (
          amiMessage({ Response: 'Success', ActionID, EventList: 'start' }) +
          amiMessage({ ...device('NOT_INUSE'), ActionID }) +
          amiMessage({ Event: 'DeviceStateListComplete', ActionID, EventList: 'Complete' })
        );
      },
    });
    const { source } = await follow({ ami: { port: fake.port, events: user('events'), control: user('control') } });
    assert.equal(source.deviceState('101'), 'unknown');
    await until(() => source.deviceState('101') === 'idle');
    const events = fake.connections.find(({ actions }) => actions[0]?.get('Username') === 'events')!;
    events.send(amiMessage(device('INUSE')));
    await until(() => source.deviceState('101') === 'in_use');
    await source.originate!({
      requestId: 'r1',
      extension: '101',
      clientNumber: '79161110002',
      clientName: null,
      timeoutMs: 5_000,
    });
    assert.equal(fake.actions.filter((action) => action.get('Action') === 'Originate').length, 1);
    await fake.stop();
    await until(() => source.deviceState('101') === 'unknown');
  });

  it('places calls on a node that does not follow it, before, between and after following', async () => {
    const originated: string[] = [];
    const fake = await serve({
      answer(action) {
        if (action.get('Action') !== 'Originate') return undefined;
        originated.push(action.get('Exten'));
        return amiMessage({ Response: 'Success', ActionID: action.get('ActionID') });
      },
    });
    const { source, sink } = await follow({
      ami: { port: fake.port, events: user('events'), control: user('control') },
      cel: { file: join(folder, 'cel.csv') },
    });
    const place = (clientNumber: string) =>
      source.originate!({ requestId: 'r1', extension: '101', clientNumber, clientName: null, timeoutMs: 5_000 });
    const partsOf = () => source.status().map(({ part }) => part);
    for (const number of ['79161110002', '79161110003']) {
      await until(() => source.commandedSince() !== null);
      await source.stop();
      await place(number);
      assert.deepEqual(partsOf(), ['office: AMI control'], 'nothing that does not run here is shown');
      assert.equal(source.commandedSince(), null, 'who is away is told by the node that follows');
      await source.start(sink);
    }
    await place('79161110004');
    assert.deepEqual(originated, ['79161110002', '79161110003', '79161110004']);
    await source.close();
    await assert.rejects(place('79161110005'), /no connection/);
  });

  it('knows what phones do also where it stands by, through each change of the role, and follows no call there', async () => {
    const device = (State: string) => ({ Event: 'DeviceStateChange', Device: 'PJSIP/101', State });
    let state = 'INUSE';
    const fake = await serve({
      answer(action) {
        const ActionID = action.get('ActionID');
        if (action.get('Action') !== 'DeviceStateList') return undefined;
        return (
          amiMessage({ Response: 'Success', ActionID, EventList: 'start' }) +
          amiMessage({ ...device(state), ActionID }) +
          amiMessage({ Event: 'DeviceStateListComplete', ActionID, EventList: 'Complete' })
        );
      },
    });
    const { source, sink } = await follow({ ami: { port: fake.port, events: user('events') } });
    await until(() => source.deviceState('101') === 'in_use');
    assert.equal(fake.connections.length, 1, 'who follows at once needs no second session');
    const open = () => fake.connections.filter(({ isClosed }) => !isClosed);

    await source.stop();
    await until(() => source.deviceState('101') === 'in_use');
    const [standby] = open();
    assert.equal(open().length, 1);
    const told = standby!.actions.map((action) => action.get('Action'));
    assert.deepEqual(told, ['Login', 'Filter', 'DeviceStateList', 'ExtensionStateList']);
    assert.equal(standby!.actions[0]!.get('Events'), 'call');
    assert.equal(standby!.actions[1]!.get('Filter'), 'Event: (DeviceStateChange|ExtensionStatus)');
    assert.equal(statusOf(source, 'states of phones').health, 'ok');
    standby!.event('CoreShowChannel', { Channel: 'PJSIP/101-1', Uniqueid: '1795250437.1', Linkedid: '1795250437.1' });
    standby!.send(amiMessage(device('UNAVAILABLE')));
    await until(() => source.deviceState('101') === 'unavailable');
    assert.deepEqual(sink.events, []);

    // Until the one that follows knows the phones itself, the other goes on.
    state = 'UNAVAILABLE';
    await source.start(sink);
    assert.equal(source.deviceState('101'), 'unavailable');
    await until(() => standby!.isClosed);
    assert.equal(source.deviceState('101'), 'unavailable');

    await source.stop();
    await until(() => source.deviceState('101') === 'unavailable');
    await fake.stop();
    await until(() => source.deviceState('101') === 'unknown');
    await until(() => statusOf(source, 'states of phones').message.includes('without knowing which phones are busy'));
    assert.equal(statusOf(source, 'states of phones').health, 'warning');
  });
});

describe('the settings of an Asterisk', () => {
  it('need only the user that follows calls', () => {
    const config = asteriskConfig.parse({
      name: 'office',
      kind: 'asterisk',
      ami: { events: { username: 'events', secret: 'x' } },
    });
    assert.equal(config.ami?.port, 5038);
    assert.equal(config.ami?.host, '127.0.0.1');
    assert.equal(config.cel, null);
  });
  it('are refused with what could not work', () => {
    const faults = (settings: object) => {
      const result = asteriskConfig.safeParse({ name: 'office', kind: 'asterisk', ami: null, ...settings });
      return result.success ? [] : result.error.issues.map((issue) => issue.path.join('.'));
    };
    assert.deepEqual(faults({ cel: { columns: ['eventtype', 'eventtime'] } }), ['cel.columns']);
    assert.deepEqual(faults({ cel: { timeZone: 'Mars/Olympus' } }), ['cel.timeZone']);
    assert.deepEqual(faults({ ami: { events: { username: 'a\r\nb', secret: 'x' } } }), ['ami.events.username']);
    assert.deepEqual(faults({ deviceNames: ['PJSIP/101'] }), ['deviceNames.0']);
    assert.deepEqual(faults({ cel: {}, cdr: {} }), []);
  });
});

describe('device states', () => {
  const observe = (states: DeviceStates, headers: Record<string, string>) =>
    states.observe(new AmiMessage(amiMessage(headers).trimEnd(), { lineEnd: '\r\n' }));
  const create = () =>
    new DeviceStates({ deviceNames: ['PJSIP/{extension}', 'SIP/{extension}'], dndDevice: 'Custom:DND{extension}' });
  const device = (Device: string, State: string) => ({ Event: 'DeviceStateChange', Device, State });

  it('are those of the device of the extension', () => {
    const states = create();
    for (const [State, expected] of Object.entries({
      NOT_INUSE: 'idle',
      INUSE: 'in_use',
      BUSY: 'busy',
      RINGING: 'ringing',
      RINGINUSE: 'in_use',
      ONHOLD: 'on_hold',
      UNAVAILABLE: 'unavailable',
      INVALID: 'unavailable',
      UNKNOWN: 'unknown',
      NEWER: 'unknown',
    })) {
      observe(states, device('PJSIP/101', State));
      assert.equal(states.of('101'), expected);
    }
    assert.equal(states.of('102'), 'unknown');
  });
  it('of several devices are the one that counts: one that rings or talks before one that is not there', () => {
    const states = create();
    observe(states, device('PJSIP/101', 'UNAVAILABLE'));
    observe(states, device('SIP/101', 'NOT_INUSE'));
    assert.equal(states.of('101'), 'idle');
    observe(states, device('SIP/101', 'INUSE'));
    assert.equal(states.of('101'), 'in_use');
  });
  it('are do-not-disturb while the custom device says so', () => {
    const states = create();
    observe(states, device('PJSIP/101', 'NOT_INUSE'));
    observe(states, device('Custom:DND101', 'INUSE'));
    assert.equal(states.of('101'), 'dnd');
    observe(states, device('Custom:DND101', 'NOT_INUSE'));
    assert.equal(states.of('101'), 'idle');
  });
  it('are those of the hint where no device is known by its name', () => {
    const states = create();
    const hint = (Status: string) =>
      observe(states, { Event: 'ExtensionStatus', Exten: '101', Context: 'hints', Status });
    for (const [status, expected] of Object.entries({
      0: 'idle',
      1: 'in_use',
      2: 'busy',
      4: 'unavailable',
      8: 'ringing',
      9: 'in_use',
      16: 'on_hold',
      '-1': 'unknown',
    })) {
      hint(status);
      assert.equal(states.of('101'), expected, status);
    }
    observe(states, device('PJSIP/101', 'BUSY'));
    assert.equal(states.of('101'), 'busy');
    states.forget();
    assert.equal(states.of('101'), 'unknown');
  });
});
