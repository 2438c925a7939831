import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { PbxEvent } from '../../../../src/core/pbx-event.ts';
import { CdrLayout, stockCdrColumnsOf, translateCdr } from '../../../../src/pbx/asterisk/csv/cdr-row.ts';
import {
  advancedCelColumns,
  CelLayout,
  recogniseCelColumns,
  sampleCelColumns,
  translateCel,
} from '../../../../src/pbx/asterisk/csv/cel-row.ts';
import { CsvFramer, splitCsvRecord, type CsvRecord } from '../../../../src/pbx/asterisk/csv/csv-record.ts';
import { LocalTime } from '../../../../src/pbx/asterisk/csv/local-time.ts';

const utc = () => new LocalTime('UTC');

describe('CEL rows', () => {
  const row = (fields: Partial<Record<string, string>>): string[] =>
    sampleCelColumns.map(
      (column) =>
        ({
          eventtime: '1795250429.734885',
          cidnum: '79161110002',
          exten: '7000001',
          context: 'from-provider',
          channame: 'PJSIP/provider-00000000',
          uniqueid: '1795250429.0',
          linkedid: '1795250429.0',
          ...fields,
        })[column] ?? '',
    );
  const translate = (fields: Partial<Record<string, string>>): PbxEvent[] => {
    const events: PbxEvent[] = [];
    const record = new CelLayout(sampleCelColumns, utc()).read(row(fields));
    if (record !== null) translateCel('pbx', record, events);
    return events;
  };
  const head = {
    source: 'pbx',
    origin: 'cel',
    at: 1795250429734.885,
    linkedId: '1795250429.0',
    uniqueId: '1795250429.0',
    channel: 'PJSIP/provider-00000000',
  };

  it('tell of channels, answers and hang-ups with cause and dial status', () => {
    assert.deepEqual(translate({ eventtype: 'CHAN_START', cidname: 'Ivan' }), [
      {
        ...head,
        type: 'started',
        isCalling: true,
        context: 'from-provider',
        exten: '7000001',
        callerNumber: '79161110002',
        callerName: 'Ivan',
        accountCode: '',
      },
    ]);
    assert.deepEqual(translate({ eventtype: 'ANSWER' }), [{ ...head, type: 'answered' }]);
    const extra = '{"hangupcause":17,"hangupsource":"","dialstatus":"BUSY"}';
    assert.deepEqual(translate({ eventtype: 'HANGUP', extra }), [
      { ...head, type: 'hung-up', cause: 17, dialStatus: 'BUSY' },
    ]);
    assert.deepEqual(translate({ eventtype: 'HANGUP', extra: '{"hangupcause":0,"dialstatus":""}' }), [
      { ...head, type: 'hung-up', cause: null, dialStatus: null },
    ]);
    assert.deepEqual(translate({ eventtype: 'CHAN_END' }), [
      { ...head, type: 'hung-up', cause: null, dialStatus: null },
    ]);
    assert.deepEqual(translate({ eventtype: 'LINKEDID_END' }), [{ ...head, type: 'call-ended' }]);
  });

  it('tell of bridges, applications, transfers, pickup, forwarding and parking', () => {
    const bridge = '{"bridge_id":"b1","bridge_technology":"simple_bridge"}';
    assert.deepEqual(translate({ eventtype: 'BRIDGE_ENTER', extra: bridge }), [
      { ...head, type: 'bridge-entered', bridgeId: 'b1', bridgeType: 'simple_bridge' },
    ]);
    assert.deepEqual(translate({ eventtype: 'BRIDGE_EXIT', extra: bridge }), [
      { ...head, type: 'bridge-left', bridgeId: 'b1' },
    ]);
    assert.deepEqual(translate({ eventtype: 'APP_START', appname: 'Dial', appdata: 'PJSIP/101,20' }), [
      { ...head, type: 'app', app: 'Dial', args: 'PJSIP/101,20', context: 'from-provider', exten: '7000001' },
    ]);
    assert.deepEqual(
      translate({
        eventtype: 'BLINDTRANSFER',
        extra: '{"extension":"103","context":"lab","bridge_id":"b","transferee_channel_uniqueid":"1.0"}',
      }),
      [{ ...head, type: 'blind-transfer', toExten: '103', toContext: 'lab', transfereeUniqueId: '1.0' }],
    );
    assert.deepEqual(translate({ eventtype: 'ATTENDEDTRANSFER', extra: '{"channel2_uniqueid":"2.0"}' }), [
      { ...head, type: 'attended-transfer', secondUniqueId: '2.0', secondLinkedId: null },
    ]);
    assert.deepEqual(
      translate({
        eventtype: 'PICKUP',
        extra: '{"pickup_channel":"PJSIP/102-2","pickup_channel_uniqueid":"1795250430.2"}',
      }),
      [
        {
          ...head,
          type: 'pickup',
          uniqueId: '1795250430.2',
          channel: 'PJSIP/102-2',
          targetUniqueId: '1795250429.0',
          targetChannel: 'PJSIP/provider-00000000',
        },
      ],
    );
    const app = { ...head, type: 'app', context: 'from-provider', exten: '7000001' };
    assert.deepEqual(translate({ eventtype: 'FORWARD', extra: '{"forward":"79167770102"}' }), [
      { ...app, app: 'Forward', args: '79167770102' },
    ]);
    assert.deepEqual(translate({ eventtype: 'PARK_START', extra: '{"parking_lot":"default"}' }), [
      { ...app, app: 'Park', args: 'default' },
    ]);
    assert.deepEqual(translate({ eventtype: 'STREAM_BEGIN' }), []);
  });

  it('say what they can when extra is broken or missing, and nothing when time, type or call is', () => {
    assert.deepEqual(translate({ eventtype: 'HANGUP', extra: '{"hangupcause":1' }), [
      { ...head, type: 'hung-up', cause: null, dialStatus: null },
    ]);
    for (const extra of ['null', '[]', '"x"', '{"bridge_id":7}', ''])
      assert.deepEqual(translate({ eventtype: 'BRIDGE_ENTER', extra }), []);
    assert.deepEqual(translate({ eventtype: 'ANSWER', eventtime: '' }), []);
    assert.deepEqual(translate({ eventtype: 'ANSWER', linkedid: '' }), []);
    assert.deepEqual(translate({ eventtype: '' }), []);
  });

  it('may have local times', () => {
    const time = new LocalTime('Europe/Moscow');
    const record = new CelLayout(sampleCelColumns, time).read(
      row({ eventtype: 'ANSWER', eventtime: '2026-11-21 11:40:29.734885' }),
    );
    assert.equal(record!.at, head.at);
  });

  it('are read by their columns, whatever their order; columns that are needed must be there', () => {
    const columns = ['LinkedID', 'UniqueID', 'ChanName', 'EventTime', 'EventType', 'EventExtra'];
    const record = new CelLayout(columns, utc()).read(['9.0', '9.1', 'PJSIP/1-1', '1795250429', 'ANSWER', '{}']);
    assert.ok(record !== null && record.linkedId === '9.0' && record.uniqueId === '9.1' && record.extra === '{}');
    assert.throws(() => new CelLayout(['eventtype', 'eventtime', 'uniqueid', 'linkedid'], utc()), /lack channame/);
  });

  describe('of an unknown mapping', () => {
    const rowOf = (columns: readonly string[], fields: Record<string, string>) =>
      columns.map((column) => fields[column] ?? '');
    const story = [
      {
        eventtype: 'CHAN_START',
        eventtime: '1795250429.1',
        channame: 'PJSIP/p-1',
        uniqueid: '1795250429.0',
        exten: '700',
        context: 'in',
        cidnum: '7916',
      },
      {
        eventtype: 'BRIDGE_ENTER',
        eventtime: '1795250430.1',
        channame: 'PJSIP/1-2',
        uniqueid: '1795250429.1',
        extra: '{"bridge_id":"b"}',
        appname: 'Dial',
      },
    ].map((fields) => ({ linkedid: '1795250429.0', amaflags: '3', ...fields }));

    it('are recognised as one of the two samples', () => {
      for (const columns of [sampleCelColumns, advancedCelColumns]) {
        const rows = story.map((fields) => rowOf(columns, fields as unknown as Record<string, string>));
        assert.deepEqual(recogniseCelColumns(rows, utc()), columns);
      }
    });
    it('are recognised by a heading', () => {
      const heading = ['EventTime', 'EventType', 'Channel', 'UniqueID', 'LinkedID'];
      assert.deepEqual(recogniseCelColumns([heading], utc()), [
        'eventtime',
        'eventtype',
        'channame',
        'uniqueid',
        'linkedid',
      ]);
    });
    it('are recognised by what their fields hold', () => {
      const columns = [
        'eventtime',
        'cidname',
        'cidnum',
        'eventtype',
        'uniqueid',
        'linkedid',
        'exten',
        'context',
        'channame',
        'appname',
        'appdata',
        'extra',
      ];
      const rows = story.map((fields) => rowOf(columns, fields as unknown as Record<string, string>));
      assert.deepEqual(recogniseCelColumns(rows, utc()), columns);
    });
    it('are not seen in other CSV', () => {
      assert.equal(
        recogniseCelColumns(
          [
            ['a', 'b'],
            ['ANSWER', 'x'],
          ],
          utc(),
        ),
        null,
      );
      assert.equal(recogniseCelColumns([], utc()), null);
    });
  });
});

describe('CDR rows', () => {
  const stock = (tail = '', fields: { disposition?: string; answer?: string; last?: string; dst?: string } = {}) =>
    splitCsvRecord(
      `"","79161110002","7000001","from-provider","""Ivan V"" <79161110002>","PJSIP/provider-00000000","${fields.dst ?? 'PJSIP/101-00000001'}",${fields.last ?? '"Dial","PJSIP/101,20,tT"'},"2026-11-21 08:40:29",${fields.answer ?? '"2026-11-21 08:40:31"'},"2026-11-21 08:40:41",12,10,"${fields.disposition ?? 'ANSWERED'}","DOCUMENTATION"${tail}`,
    )!;
  const all = ',"1795250429.0","rec/2026/a.wav","","1795250428.9",7';
  const translate = (fields: readonly string[]): PbxEvent[] => {
    const events: PbxEvent[] = [];
    const record = new CdrLayout(null, utc()).read(fields);
    if (record !== null) translateCdr('pbx', record, events);
    return events;
  };
  const at = (time: string) => Date.parse(`2026-11-21T${time}Z`);
  const a = {
    source: 'pbx',
    origin: 'cdr',
    linkedId: '1795250428.9',
    uniqueId: '1795250429.0',
    channel: 'PJSIP/provider-00000000',
  };
  const b = { ...a, uniqueId: null, channel: 'PJSIP/101-00000001' };

  it('tell of a conversation in a bridge of their own', () => {
    const bridgeId = 'cdr:1795250429.0:7';
    assert.deepEqual(translate(stock(all)), [
      {
        ...a,
        type: 'started',
        at: at('08:40:29'),
        // Another channel's call: this one may have been dialled in an earlier record.
        isCalling: null,
        context: 'from-provider',
        exten: '7000001',
        callerNumber: '79161110002',
        callerName: 'Ivan V',
        accountCode: '',
      },
      {
        ...a,
        type: 'app',
        at: at('08:40:29'),
        app: 'Dial',
        args: 'PJSIP/101,20,tT',
        context: 'from-provider',
        exten: '7000001',
      },
      { ...a, type: 'answered', at: at('08:40:31') },
      { ...b, type: 'dialed', at: at('08:40:29'), byUniqueId: '1795250429.0', dialString: '101' },
      { ...b, type: 'dial-ended', at: at('08:40:31'), status: 'ANSWER', forward: null },
      { ...b, type: 'answered', at: at('08:40:31') },
      { ...a, type: 'bridge-entered', at: at('08:40:31'), bridgeId, bridgeType: null },
      { ...b, type: 'bridge-entered', at: at('08:40:31'), bridgeId, bridgeType: null },
      { ...a, type: 'bridge-left', at: at('08:40:41'), bridgeId },
      { ...b, type: 'bridge-left', at: at('08:40:41'), bridgeId },
      { ...b, type: 'hung-up', at: at('08:40:41'), cause: null, dialStatus: null },
      { ...a, type: 'recording', at: at('08:40:31'), path: 'rec/2026/a.wav' },
      { ...a, type: 'hung-up', at: at('08:40:41'), cause: null, dialStatus: 'ANSWER' },
    ]);
  });

  it('have the names and numbers that Asterisk cut, less no more than the character in which it cut', () => {
    // Recorded from Asterisk 22: five callers with names of 80, 77, 80, 67 and 120 bytes.
    const records: CsvRecord[] = [];
    const file = new URL('long-names.cdr.csv', import.meta.url);
    new CsvFramer().push(readFileSync(file), records);
    const callers = records.map(({ fields }) => {
      const events: PbxEvent[] = [];
      translateCdr('pbx', new CdrLayout(null, utc()).read(fields)!, events);
      const [started] = events;
      assert.equal(started!.type, 'started');
      return started as Extract<PbxEvent, { type: 'started' }>;
    });
    assert.deepEqual(
      callers.map(({ callerName }) => callerName),
      ['😀'.repeat(19), `a${'😀'.repeat(19)}`, `${'я\u0301'.repeat(19)}я`, `a${'漢字'.repeat(10)}яяя`, 'ё'.repeat(39)],
    );
    assert.deepEqual([...new Set(callers.map(({ callerNumber }) => callerNumber))], ['79161110002']);
    // A row whose own number is lost: rather none than the first half of another.
    const [, , , cut] = records;
    const withoutNumber = cut!.fields.with(1, '');
    const events: PbxEvent[] = [];
    translateCdr('pbx', new CdrLayout(null, utc()).read(withoutNumber)!, events);
    assert.equal((events[0] as (typeof callers)[number]).callerNumber, '');
  });
  it('tell of attempts by their disposition', () => {
    for (const [disposition, status] of Object.entries({
      'NO ANSWER': 'NOANSWER',
      BUSY: 'BUSY',
      FAILED: 'CHANUNAVAIL',
      CONGESTION: 'CONGESTION',
      CANCEL: 'CANCEL',
    })) {
      const events = translate(stock(all, { disposition, answer: '' }));
      assert.ok(!events.some((event) => event.type === 'answered' || event.type === 'bridge-entered'));
      const ended = events.find((event) => event.type === 'dial-ended');
      assert.ok(ended?.type === 'dial-ended' && ended.status === status && ended.at === at('08:40:41'));
    }
  });

  it('tell of a channel that dialled nobody', () => {
    const events = translate(stock(all, { dst: '', last: '"VoiceMail","101@default,u"' }));
    assert.deepEqual(
      events.map((event) => event.type),
      ['started', 'app', 'answered', 'recording', 'hung-up'],
    );
  });

  it('have the columns that cdr.conf adds', () => {
    const columnsOf = (tail: string) => stockCdrColumnsOf(stock(tail))!.slice(16);
    assert.deepEqual(columnsOf(''), []);
    assert.deepEqual(columnsOf(',"1795250429.0"'), ['uniqueid']);
    assert.deepEqual(columnsOf(',"mine"'), ['userfield']);
    assert.deepEqual(columnsOf(',"1795250429.0","mine"'), ['uniqueid', 'userfield']);
    assert.deepEqual(columnsOf(',"","1795250428.9",7'), ['peeraccount', 'linkedid', 'sequence']);
    assert.deepEqual(columnsOf(',"pbx-1795250429.0","","1795250428.9",7'), [
      'uniqueid',
      'peeraccount',
      'linkedid',
      'sequence',
    ]);
    assert.deepEqual(columnsOf(all), ['uniqueid', 'userfield', 'peeraccount', 'linkedid', 'sequence']);
    assert.equal(stockCdrColumnsOf(['a', 'b']), null);
  });

  it('without linkedid or uniqueid are calls of their own, each told from others', () => {
    assert.equal(translate(stock(',"1795250429.0"'))[0]!.linkedId, '1795250429.0');
    const [first] = translate(stock());
    assert.equal(first!.linkedId, first!.uniqueId);
    assert.match(first!.uniqueId!, /provider-00000000/);
  });

  it('may stand in any order with given columns, and name a recording', () => {
    const columns = ['Start', 'end', 'channel', 'dstchannel', 'disposition', 'uniqueid', 'linkedid', 'recordingfile'];
    const row = [
      '2026-11-21 08:40:29',
      '2026-11-21 08:40:30',
      'PJSIP/1-1',
      '',
      'NO ANSWER',
      '1.1',
      '1.0',
      'out-101-7916.wav',
    ];
    const record = new CdrLayout(columns, utc()).read(row)!;
    const events: PbxEvent[] = [];
    translateCdr('pbx', record, events);
    assert.deepEqual(
      events.map((event) => event.type),
      ['started', 'recording', 'hung-up'],
    );
  });

  it('may be an export of the cdr table, which has one time and two durations', () => {
    const columns = [
      'calldate',
      'clid',
      'src',
      'channel',
      'dstchannel',
      'duration',
      'billsec',
      'disposition',
      'uniqueid',
      'linkedid',
    ];
    const row = ['2026-11-21 08:40:29', '', '101', 'PJSIP/1-1', 'PJSIP/2-2', '12', '10', 'ANSWERED', '1.1', '1.0'];
    const record = new CdrLayout(columns, utc()).read(row)!;
    assert.equal(record.startedAt, at('08:40:29'));
    assert.equal(record.answeredAt, at('08:40:31'));
    assert.equal(record.endedAt, at('08:40:41'));
    const missed = new CdrLayout(columns, utc()).read(row.with(6, '0').with(7, 'NO ANSWER'))!;
    assert.equal(missed.answeredAt, null);
  });

  it('are nothing when they are nothing', () => {
    assert.deepEqual(translate(['a', 'b']), []);
    assert.deepEqual(translate(stock().map((field) => (field.startsWith('2026') ? '' : field))), []);
  });
});
