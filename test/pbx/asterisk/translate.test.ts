import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import type { AmiMessage } from '../../../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../../../src/pbx/asterisk/ami/ami-parser.ts';
import { readCapture } from '../../../src/pbx/asterisk/capture.ts';
import { LocalTime } from '../../../src/pbx/asterisk/csv/local-time.ts';
import { AmiTranslator, eventFilters } from '../../../src/pbx/asterisk/translate.ts';
import { amiMessage } from '../../support/fake-ami.ts';

function parse(bytes: Buffer | string): AmiMessage[] {
  const messages: AmiMessage[] = [];
  new AmiParser().push(Buffer.from(bytes as string), messages);
  return messages;
}
function translate(
  bytes: Buffer | string,
  options: { now?: (() => number) | null; timeZone?: string } = {},
): PbxEvent[] {
  const translator = new AmiTranslator({
    source: 'pbx',
    now: options.now ?? null,
    time: new LocalTime(options.timeZone ?? 'UTC'),
  });
  const events: PbxEvent[] = [];
  for (const message of parse(bytes)) translator.translate(message, events);
  return events;
}

const timestamp = { Privilege: 'call,all', Timestamp: '1795250429.735044' };
const at = 1795250429735.044;
const channel = {
  Channel: 'PJSIP/provider-00000000',
  ChannelState: '4',
  ChannelStateDesc: 'Ring',
  CallerIDNum: '79161110002',
  CallerIDName: '<unknown>',
  ConnectedLineNum: '<unknown>',
  ConnectedLineName: '<unknown>',
  AccountCode: '',
  Context: 'from-provider',
  Exten: '7000001',
  Uniqueid: '1795250429.0',
  Linkedid: '1795250429.0',
};
const head = {
  source: 'pbx',
  origin: 'ami',
  at,
  linkedId: '1795250429.0',
  uniqueId: '1795250429.0',
  channel: 'PJSIP/provider-00000000',
};
const dialled = {
  DestChannel: 'PJSIP/101-00000001',
  DestUniqueid: '1795250430.1',
  DestLinkedid: '1795250429.0',
};
const dialledHead = { ...head, uniqueId: '1795250430.1', channel: 'PJSIP/101-00000001' };
const one = (name: string, headers: Record<string, string>) =>
  translate(amiMessage({ Event: name, ...timestamp, ...headers }));
const prefixed = (prefix: string, headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [prefix + name, value]));

describe('AMI events', () => {
  it('tell of new channels, and whether they call or are called', () => {
    const [started] = one('Newchannel', channel);
    assert.deepEqual(started, {
      ...head,
      type: 'started',
      isCalling: true,
      context: 'from-provider',
      exten: '7000001',
      callerNumber: '79161110002',
      callerName: '',
      accountCode: '',
    });
    const isCalling = (headers: Record<string, string>) => {
      const [event] = one('Newchannel', { ...channel, ...headers });
      return event?.type === 'started' ? event.isCalling : undefined;
    };
    assert.equal(isCalling({ ChannelState: '0', Uniqueid: '1795250430.1' }), false, 'dialled');
    assert.equal(isCalling({ ChannelState: '0' }), true, 'originated');
    assert.equal(isCalling({ Channel: 'Local/1@x-0001;2', ChannelState: '4', Uniqueid: '1795250430.1' }), true);
  });

  it('tell of ringing and answering, and of nothing in between', () => {
    assert.deepEqual(one('Newstate', { ...channel, ChannelState: '5' }), [{ ...head, type: 'ringing' }]);
    assert.deepEqual(one('Newstate', { ...channel, ChannelState: '6' }), [{ ...head, type: 'answered' }]);
    assert.deepEqual(one('Newstate', { ...channel, ChannelState: '4' }), []);
  });

  it('tell who dialled whom, and how it ended', () => {
    assert.deepEqual(one('DialBegin', { ...channel, ...dialled, DialString: '101' }), [
      { ...dialledHead, type: 'dialed', byUniqueId: '1795250429.0', dialString: '101' },
    ]);
    assert.deepEqual(one('DialBegin', { ...dialled, DialString: '101@x' }), [
      { ...dialledHead, type: 'dialed', byUniqueId: null, dialString: '101@x' },
    ]);
    assert.deepEqual(one('DialState', { ...channel, ...dialled, DialStatus: 'RINGING' }), [
      { ...dialledHead, type: 'ringing' },
    ]);
    assert.deepEqual(one('DialState', { ...channel, ...dialled, DialStatus: 'PROGRESS' }), []);
    assert.deepEqual(one('DialEnd', { ...channel, ...dialled, DialStatus: 'CANCEL', Forward: '79167770102' }), [
      { ...dialledHead, type: 'dial-ended', status: 'CANCEL', forward: '79167770102' },
    ]);
    assert.deepEqual(one('DialEnd', { ...channel, ...dialled, DialStatus: 'ANSWER' }), [
      { ...dialledHead, type: 'dial-ended', status: 'ANSWER', forward: null },
    ]);
  });

  it('tell of bridges by their technology, or by who made them', () => {
    const bridge = { BridgeUniqueid: 'b1', BridgeTechnology: 'simple_bridge', BridgeCreator: '<unknown>' };
    assert.deepEqual(one('BridgeEnter', { ...bridge, ...channel }), [
      { ...head, type: 'bridge-entered', bridgeId: 'b1', bridgeType: 'simple_bridge' },
    ]);
    assert.deepEqual(one('BridgeEnter', { ...bridge, BridgeTechnology: '', BridgeCreator: 'ConfBridge', ...channel }), [
      { ...head, type: 'bridge-entered', bridgeId: 'b1', bridgeType: 'ConfBridge' },
    ]);
    assert.deepEqual(one('BridgeLeave', { ...bridge, ...channel }), [{ ...head, type: 'bridge-left', bridgeId: 'b1' }]);
  });

  it('tell of hang-ups with their cause', () => {
    assert.deepEqual(one('Hangup', { ...channel, Cause: '17', 'Cause-txt': 'User busy' }), [
      { ...head, type: 'hung-up', cause: 17, dialStatus: null },
    ]);
    assert.deepEqual(one('Hangup', { ...channel, Cause: '0' }), [
      { ...head, type: 'hung-up', cause: null, dialStatus: null },
    ]);
    assert.deepEqual(one('SoftHangupRequest', { ...channel, Cause: '32' }), []);
  });

  it('tell of transfers that succeeded', () => {
    const blind = {
      Result: 'Success',
      ...prefixed('Transferer', channel),
      ...prefixed('Transferee', { ...channel, Uniqueid: '1795250430.1' }),
      Context: 'lab-phones',
      Extension: '103',
    };
    assert.deepEqual(one('BlindTransfer', blind), [
      { ...head, type: 'blind-transfer', toExten: '103', toContext: 'lab-phones', transfereeUniqueId: '1795250430.1' },
    ]);
    assert.deepEqual(one('BlindTransfer', { ...blind, Result: 'Fail' }), []);
    const attended = {
      Result: 'Success',
      ...prefixed('OrigTransferer', channel),
      ...prefixed('SecondTransferer', { ...channel, Uniqueid: '1795250431.2', Linkedid: '1795250431.2' }),
    };
    assert.deepEqual(one('AttendedTransfer', attended), [
      { ...head, type: 'attended-transfer', secondUniqueId: '1795250431.2', secondLinkedId: '1795250431.2' },
    ]);
    assert.deepEqual(one('AttendedTransfer', { ...attended, Result: 'Not Permitted' }), []);
  });

  it('tell of pickup and parking', () => {
    assert.deepEqual(one('Pickup', { ...channel, ...prefixed('Target', { ...channel, Uniqueid: '1795250430.1' }) }), [
      { ...head, type: 'pickup', targetUniqueId: '1795250430.1', targetChannel: 'PJSIP/provider-00000000' },
    ]);
    assert.deepEqual(one('ParkedCall', { ...prefixed('Parkee', channel), ParkingSpace: '701' }), [
      { ...head, type: 'app', app: 'Park', args: '701', context: 'from-provider', exten: '7000001' },
    ]);
  });

  it('tell of the applications that matter and of no others', () => {
    const newexten = { ...channel, Extension: '7000001', Application: 'Queue', AppData: 'sales,t,,,20' };
    assert.deepEqual(one('Newexten', newexten), [
      { ...head, type: 'app', app: 'Queue', args: 'sales,t,,,20', context: 'from-provider', exten: '7000001' },
    ]);
    assert.deepEqual(one('Newexten', { ...newexten, Application: 'NoOp' }), []);
  });

  it('tell of our variables, inherited ones by their plain name, and of recordings', () => {
    const set = (Variable: string, Value: string) => one('VarSet', { ...channel, Variable, Value });
    assert.deepEqual(set('__RL_REQUEST_ID', 'r1'), [
      { ...head, type: 'variable', variable: 'RL_REQUEST_ID', value: 'r1' },
    ]);
    assert.deepEqual(set('VM_MESSAGEFILE', '/var/msg0000'), [
      { ...head, type: 'variable', variable: 'VM_MESSAGEFILE', value: '/var/msg0000' },
    ]);
    assert.deepEqual(set('MIXMONITOR_FILENAME', '/var/x.wav'), [{ ...head, type: 'recording', path: '/var/x.wav' }]);
    assert.deepEqual(set('MIXMONITOR_FILENAME', ''), []);
    assert.deepEqual(set('SIPCALLID', 'x'), []);
    assert.deepEqual(one('VarSet', { Channel: 'none', Uniqueid: 'none', Variable: 'RL_X', Value: '1' }), []);
  });

  it('tell what the phone shows of the other side', () => {
    assert.deepEqual(one('NewConnectedLine', { ...channel, ConnectedLineNum: '101', ConnectedLineName: 'Anna' }), [
      { ...head, type: 'connected-line', number: '101', name: 'Anna' },
    ]);
  });

  it('may be CEL and CDR records; a CDR that does not name its call is left to the others', () => {
    const [answered] = one('CEL', {
      EventName: 'ANSWER',
      EventTime: '2026-11-21 08:40:29',
      Channel: 'PJSIP/101-1',
      UniqueID: '1795250429.0',
      LinkedID: '1795250429.0',
    });
    assert.ok(answered?.type === 'answered' && answered.origin === 'cel' && answered.at === at);
    const cdr = {
      Channel: 'PJSIP/provider-00000000',
      StartTime: '2026-11-21 08:40:29',
      EndTime: '2026-11-21 08:40:31',
      Disposition: 'NO ANSWER',
      UniqueID: '1795250429.0',
    };
    assert.deepEqual(one('Cdr', cdr), []);
    const types = one('Cdr', { ...cdr, LinkedID: '1795250429.0' }).map((event) => event.type);
    assert.deepEqual(types, ['started', 'hung-up']);
  });

  it('that nobody knows are passed over, also when they are named like parts of an object', () => {
    for (const name of ['RTCPSent', 'constructor', '__proto__', 'toString', ''])
      assert.deepEqual(one(name, channel), []);
  });

  describe('without the Timestamp header', () => {
    const newChannel = (seconds: number) =>
      amiMessage({ Event: 'Newchannel', ...channel, Uniqueid: `${seconds}.7`, Linkedid: `${seconds}.7` });
    const hangup = amiMessage({ Event: 'Hangup', ...channel, Cause: '16' });

    it('have the time of their arrival when live', () => {
      const [event] = translate(hangup, { now: () => 1795250500123 });
      assert.equal(event!.at, 1795250500123);
    });
    it('have the time of the stream in a capture, never that of reading, and never run back', () => {
      const times = translate(
        newChannel(1795250429) + hangup + newChannel(1795250440) + newChannel(1795250435) + hangup,
      ).map((event) => event.at);
      assert.deepEqual(
        times.map((at) => Math.floor(at / 1000)),
        [1795250429, 1795250429, 1795250440, 1795250440, 1795250440],
      );
      assert.deepEqual(
        [...new Set(times)],
        times.toSorted((a, b) => a - b),
        'and keep the order of the stream',
      );
    });
    it('follow the times in CEL and CDR events, whatever zone the PBX keeps', () => {
      const cel = (EventName: string, EventTime: string) =>
        amiMessage({
          Event: 'CEL',
          EventName,
          EventTime,
          Channel: 'PJSIP/101-1',
          UniqueID: '1795250429.0',
          LinkedID: '1795250429.0',
        });
      const stream =
        newChannel(1795250429) +
        cel('CHAN_START', '2026-11-21 15:40:29') +
        cel('HANGUP', '2026-11-21 15:50:00') +
        hangup;
      const events = translate(stream, { timeZone: 'Europe/Moscow' });
      assert.equal(Math.floor(events.at(-1)!.at), Date.parse('2026-11-21T08:50:00Z'));
    });
  });

  it('tell that a recording was stopped over AMI, as if the dialplan had done it', () => {
    assert.deepEqual(one('MixMonitorStop', channel), [
      { ...head, type: 'app', app: 'StopMixMonitor', args: '', context: '', exten: '' },
    ]);
  });

  it('that are translated pass the filters sent to Asterisk, and of variables only ours', () => {
    const passes = (event: Record<string, string>) =>
      eventFilters.some((filter) => new RegExp(filter, 's').test(amiMessage(event)));
    assert.ok(passes({ Event: 'Newchannel', ...channel }));
    assert.ok(passes({ Event: 'DeviceStateChange', Device: 'PJSIP/101' }));
    assert.ok(passes({ Event: 'VarSet', ...channel, Variable: '__RL_REQUEST_ID', Value: '1' }));
    assert.ok(!passes({ Event: 'VarSet', ...channel, Variable: 'SIPCALLID', Value: '1' }));
    assert.ok(!passes({ Event: 'RTCPSent' }));
    assert.ok(passes({ Event: 'MixMonitorStop', ...channel }));
    assert.ok(eventFilters.every((filter) => filter.length < 1000));
  });
});

describe('captures of a real Asterisk', () => {
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios');
  const captures = readdirSync(folder)
    .flatMap((story) => ['asterisk-22', 'asterisk-16'].map((version) => join(folder, story, version)))
    .filter((path) => existsSync(join(path, 'ami.log')));
  async function read(path: string, timeZone = 'UTC'): Promise<PbxEvent[]> {
    const events: PbxEvent[] = [];
    for await (const batch of readCapture(path, { source: 'pbx', timeZone })) events.push(...batch);
    return events;
  }
  const ids = (events: readonly PbxEvent[], type: PbxEvent['type']) =>
    [...new Set(events.filter((event) => event.type === type).map((event) => event.uniqueId))].sort();

  it('are there', () => {
    assert.ok(captures.length > 0);
  });

  it('tell the same channels, answers, bridges and hang-ups over AMI and over CEL, within a tenth of a second', async () => {
    for (const capture of captures) {
      const ami = (await read(join(capture, 'ami.log'))).filter((event) => event.origin === 'ami');
      const cel = await read(join(capture, 'cel.csv'));
      for (const type of [
        'started',
        'answered',
        'bridge-entered',
        'bridge-left',
        'hung-up',
        'pickup',
        'attended-transfer',
      ] as const)
        assert.deepEqual(ids(cel, type), ids(ami, type), `${type} of ${capture}`);
      for (const event of cel) {
        if (event.type !== 'started' && event.type !== 'answered' && event.type !== 'hung-up') continue;
        const same = ami.filter((other) => other.type === event.type && other.uniqueId === event.uniqueId);
        assert.ok(
          same.some((other) => Math.abs(other.at - event.at) < 100),
          `${event.type} of ${event.uniqueId} in ${capture}`,
        );
        if (event.type === 'started')
          assert.equal(
            (same[0] as typeof event).isCalling,
            event.isCalling,
            `isCalling of ${event.channel} in ${capture}`,
          );
      }
    }
  });

  it('tell over CDR a part of what CEL tells, to the second, whatever zone is configured', async () => {
    for (const capture of captures) {
      const cel = await read(join(capture, 'cel.csv'));
      for (const timeZone of ['UTC', 'Asia/Yekaterinburg', 'America/New_York'])
        for (const event of await read(join(capture, 'cdr.csv'), timeZone)) {
          // A record may begin before its second channel does: it knows its own course only coarsely.
          const call = cel.filter((other) => other.linkedId === event.linkedId);
          const channels = new Set(cel.map((other) => other.channel));
          assert.ok(channels.has(event.channel), `${event.channel} in ${capture}`);
          const first = Math.min(...call.map((other) => other.at));
          const last = Math.max(...call.map((other) => other.at));
          assert.ok(
            event.at >= first - 1_000 && event.at <= last + 1_000,
            `${event.type} of ${event.channel} in ${capture}`,
          );
        }
    }
  });

  it('tell the same story to the second when Asterisk sent no Timestamp', async () => {
    for (const capture of captures) {
      const bytes = readFileSync(join(capture, 'ami.log'));
      const exact = translate(bytes);
      const coarse = translate(bytes.toString('utf8').replace(/^Timestamp: .*\r\n/gm, ''));
      assert.deepEqual(
        coarse.map((event) => event.type),
        exact.map((event) => event.type),
      );
      let last = 0;
      for (const event of coarse) {
        if (event.origin !== 'ami') continue;
        assert.ok(event.at >= last, 'time never runs back');
        last = event.at;
      }
    }
  });
});
