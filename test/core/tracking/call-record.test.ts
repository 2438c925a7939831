import assert from 'node:assert/strict';
import type { Call } from '../../../src/core/call.ts';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import { foldIntoCall, newCall } from '../../../src/core/tracking/call-machine.ts';
import { recordCall } from '../../../src/core/tracking/call-record.ts';
import { amiEvents, celEvents, labNumbering, readRecordedStories } from '../../support/recorded-traffic.ts';

const storyNamed = (name: string) => readRecordedStories('asterisk-22').find((story) => story.name === name)!;
function record(events: readonly PbxEvent[], plan = labNumbering([])): Call {
  const state = newCall('pbx', events[0]!.linkedId);
  for (const event of events) foldIntoCall(state, event);
  return recordCall(state, plan)!;
}
const talks = (call: Call) =>
  call.conversations.map(({ extension, result, duration, registered }) => ({
    extension,
    result,
    duration,
    registered,
  }));

/** AMI messages of one channel each, with the headers that tell whose they are. */
function ami(
  at: number,
  event: string,
  channel: string,
  uniqueId: string,
  headers: Record<string, string> = {},
): string {
  const lines = {
    Event: event,
    Timestamp: `${1795300000 + at}.250000`,
    Channel: channel,
    Uniqueid: uniqueId,
    Linkedid: '1795300000.1',
    ...headers,
  };
  return `${Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

describe('the record of a call', () => {
  it('counts a bridge that was entered or left at a full second', () => {
    const rows = storyNamed('inbound-answered').cel;
    for (const type of ['BRIDGE_ENTER', 'BRIDGE_EXIT']) {
      for (const channel of ['PJSIP/provider', 'PJSIP/101']) {
        const cut = rows.map((row) =>
          row.startsWith(`"${type}"`) && row.includes(`"${channel}-`) ? row.replace(/\.\d{6}"/, '.000000"') : row,
        );
        assert.notDeepEqual(cut, rows);
        const [talk] = talks(record(celEvents(cut)));
        assert.equal(talk?.result, 'answered', `${type} of ${channel}`);
        assert.ok(talk.duration >= 1 && talk.duration <= 3, `${type} of ${channel}: ${talk.duration} s`);
      }
    }
  });

  it('takes from the CDR who talked where nobody saw them meet, only part', () => {
    const { ami: messages } = storyNamed('inbound-answered');
    const fromTheMiddle = messages.filter((message) => !message.includes('Event: BridgeEnter'));
    assert.ok(fromTheMiddle.some((message) => message.includes('Event: BridgeLeave')));
    assert.deepEqual(talks(record(amiEvents(fromTheMiddle))), [
      { extension: '101', result: 'answered', duration: 2, registered: true },
    ]);
  });

  it('lets nobody talk who answered and would not take the call, whatever the CDR says', () => {
    const client = ['PJSIP/provider-00000000', '1795300000.1'] as const;
    const phone = ['PJSIP/101-00000001', '1795300002.2'] as const;
    const messages = [
      ami(0, 'Newchannel', ...client, { ChannelState: '4', CallerIDNum: '79161110002', Exten: '7000010' }),
      ami(1, 'Newstate', ...client, { ChannelState: '6' }),
      ami(2, 'Newchannel', ...phone, { ChannelState: '0', CallerIDNum: '101' }),
      ami(2, 'DialBegin', ...client, {
        DestChannel: phone[0],
        DestUniqueid: phone[1],
        DestLinkedid: client[1],
        DialString: '101',
      }),
      ami(3, 'Newstate', ...phone, { ChannelState: '6' }),
      ami(8, 'Hangup', ...phone, { Cause: '16' }),
      ami(9, 'Hangup', ...client, { Cause: '16' }),
      ami(9, 'Cdr', ...client, {
        DestinationChannel: phone[0],
        UniqueID: client[1],
        LinkedID: client[1],
        Source: '79161110002',
        Destination: '7000010',
        LastApplication: 'Dial',
        LastData: 'PJSIP/101,8,U(ask)',
        StartTime: '2026-11-21 23:06:40',
        AnswerTime: '2026-11-21 23:06:41',
        EndTime: '2026-11-21 23:06:49',
        Disposition: 'ANSWERED',
      }),
    ];
    const events = amiEvents(messages);
    assert.ok(events.some(({ type, origin }) => type === 'bridge-entered' && origin === 'cdr'));
    const call = record(events);
    assert.equal(call.result, 'missed');
    assert.deepEqual(talks(call), [{ extension: '101', result: 'missed', duration: 0, registered: true }]);
    // Without the CDR nobody guesses it either.
    assert.deepEqual(talks(record(events.filter(({ origin }) => origin === 'ami'))), talks(call));
  });

  it('knows a call to a short local number as outbound although the trunk gave it no channel', () => {
    const channel = ['PJSIP/101-00000001', '1795300000.1'] as const;
    for (const target of ['PJSIP/223344@provider', 'SIP/provider/223344']) {
      const call = record(
        amiEvents([
          ami(0, 'Newchannel', ...channel, { ChannelState: '4', CallerIDNum: '101', Exten: '223344' }),
          ami(0, 'Newexten', ...channel, { Application: 'Dial', AppData: `${target},20`, Extension: '223344' }),
          ami(1, 'Hangup', ...channel, { Cause: '20' }),
        ]),
      );
      assert.equal(call.direction, 'outbound');
      assert.equal(call.client, labNumbering([]).toClientNumber('223344'));
      assert.deepEqual(talks(call), [{ extension: '101', result: 'failed', duration: 0, registered: true }]);
    }
    const within = record(
      amiEvents([
        ami(0, 'Newchannel', ...channel, { ChannelState: '4', CallerIDNum: '101', Exten: '102' }),
        ami(0, 'Newexten', ...channel, { Application: 'Dial', AppData: 'PJSIP/102/sip:102@10.0.0.5:5060,20' }),
        ami(1, 'Hangup', ...channel, { Cause: '20' }),
      ]),
    );
    assert.equal(within.direction, 'internal');
  });
});
