import type { EventHead, EventOrigin, PbxEvent } from '../../../core/pbx-event.ts';
import type { LocalTime } from './local-time.ts';

/** What is read of a CEL record, wherever it stood: a CSV row, a database row or an AMI event. */
export interface CelRecord {
  /** `CHAN_START`, `ANSWER`, … */
  readonly eventType: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly callerName: string;
  readonly callerNumber: string;
  readonly exten: string;
  readonly context: string;
  readonly channel: string;
  readonly app: string;
  readonly appArguments: string;
  readonly accountCode: string;
  readonly uniqueId: string;
  readonly linkedId: string;
  /** JSON, or empty. */
  readonly extra: string;
}

/** Columns that we read; others in a file get any other name. */
export const celColumns = [
  'eventtype',
  'eventtime',
  'cidname',
  'cidnum',
  'exten',
  'context',
  'channame',
  'appname',
  'appdata',
  'accountcode',
  'uniqueid',
  'linkedid',
  'extra',
] as const;
export type CelColumn = (typeof celColumns)[number];

/** The mapping of Asterisk's sample `cel_custom.conf`, versions 16 to 22. */
export const sampleCelColumns: readonly string[] = [
  'eventtype',
  'eventtime',
  'cidname',
  'cidnum',
  'ani',
  'rdnis',
  'dnid',
  'exten',
  'context',
  'channame',
  'appname',
  'appdata',
  'amaflags',
  'accountcode',
  'uniqueid',
  'linkedid',
  'bridgepeer',
  'userfield',
  'userdeftype',
  'extra',
];

/** The example of an advanced mapping in the same file since Asterisk 22.9, in the order of its `fields`. */
export const advancedCelColumns: readonly string[] = [
  'eventtype',
  'eventenum',
  'userdeftype',
  'literal',
  'eventtime',
  'cidname',
  'cidnum',
  'ani',
  'rdnis',
  'dnid',
  'exten',
  'context',
  'channame',
  'appname',
  'appdata',
  'amaflags',
  'accountcode',
  'uniqueid',
  'linkedid',
  'peer',
  'peeraccount',
  'userfield',
  'extra',
  'tenantid',
];

/** What the same things are called in Asterisk's own lists of fields, and in headings that people write. */
const columnSynonyms: Readonly<Record<string, CelColumn>> = {
  name: 'cidname',
  cid_name: 'cidname',
  calleridname: 'cidname',
  num: 'cidnum',
  cid_num: 'cidnum',
  calleridnum: 'cidnum',
  channel: 'channame',
  chan_name: 'channame',
  application: 'appname',
  eventextra: 'extra',
  event_extra: 'extra',
  appl: 'appname',
};

/** The name under which a configured or written column is known here. */
export function celColumnOf(name: string): string {
  const plain = name.trim().toLowerCase();
  return columnSynonyms[plain] ?? plain;
}

export const celEventTypes: ReadonlySet<string> = new Set([
  'CHAN_START',
  'CHAN_END',
  'HANGUP',
  'ANSWER',
  'APP_START',
  'APP_END',
  'BRIDGE_ENTER',
  'BRIDGE_EXIT',
  'BRIDGE_START',
  'BRIDGE_END',
  'BRIDGE_UPDATE',
  'BRIDGE_TO_CONF',
  'CONF_START',
  'CONF_END',
  'CONF_ENTER',
  'CONF_EXIT',
  'PARK_START',
  'PARK_END',
  'BLINDTRANSFER',
  'ATTENDEDTRANSFER',
  'PICKUP',
  'FORWARD',
  'LINKEDID_END',
  'LOCAL_OPTIMIZE',
  'LOCAL_OPTIMIZE_BEGIN',
  'STREAM_BEGIN',
  'STREAM_END',
  'DTMF',
  'USER_DEFINED',
  'TRANSFER',
  'HOOKRESPONSE',
]);

const uniqueIdForm = /^(?:\S+-)?\d{9,10}\.\d+$/;
const channelForm = /^[A-Za-z][\w-]*\/./;

/**
 * The columns of a CEL file, from its first rows: named in a heading, one of Asterisk's two samples, or inferred from what the fields
 * hold, since every mapping is the owner's own. Null when these are no CEL rows.
 */
export function recogniseCelColumns(rows: readonly (readonly string[])[], time: LocalTime): readonly string[] | null {
  const heading = rows[0]?.map(celColumnOf);
  if (heading?.includes('eventtype') && heading.includes('uniqueid') && heading.includes('linkedid')) return heading;
  const typed = rows.filter((fields) => fields.some((field) => celEventTypes.has(field))).slice(0, 200);
  if (typed.length === 0) return null;
  for (const columns of [sampleCelColumns, advancedCelColumns]) {
    const index = (column: CelColumn) => columns.indexOf(column);
    const fits = (fields: readonly string[]) =>
      fields.length === columns.length &&
      celEventTypes.has(fields[index('eventtype')]!) &&
      time.parse(fields[index('eventtime')]!) !== null &&
      uniqueIdForm.test(fields[index('linkedid')]!);
    if (typed.every(fits)) return columns;
  }
  return inferCelColumns(typed, time);
}

function inferCelColumns(rows: readonly (readonly string[])[], time: LocalTime): readonly string[] | null {
  const width = rows[0]!.length;
  const all = (test: (field: string) => boolean) =>
    Array.from({ length: width }, (_, i) => i).filter((i) => rows.every((fields) => test(fields[i] ?? '')));
  const [eventType] = all((field) => celEventTypes.has(field));
  const [eventTime] = all((field) => time.parse(field) !== null && !uniqueIdForm.test(field)).concat(
    all((field) => time.parse(field) !== null),
  );
  const ids = all((field) => uniqueIdForm.test(field)).filter((i) => i !== eventTime);
  const [channel] = all((field) => field === '' || channelForm.test(field)).filter((i) =>
    rows.some((fields) => fields[i] !== ''),
  );
  if (eventType === undefined || eventTime === undefined || ids.length < 2 || channel === undefined) return null;
  const columns = Array.from({ length: width }, () => 'unknown');
  // All of Asterisk's own orders keep these neighbours together.
  columns[channel - 2] = 'exten';
  columns[channel - 1] = 'context';
  columns[channel + 1] = 'appname';
  columns[channel + 2] = 'appdata';
  columns[eventTime + 1] = 'cidname';
  columns[eventTime + 2] = 'cidnum';
  columns[eventType] = 'eventtype';
  columns[eventTime] = 'eventtime';
  columns[channel] = 'channame';
  columns[ids[0]!] = 'uniqueid';
  columns[ids[1]!] = 'linkedid';
  const [extra] = all((field) => field === '' || field.startsWith('{')).filter((i) =>
    rows.some((fields) => fields[i] !== ''),
  );
  if (extra !== undefined) columns[extra] = 'extra';
  return columns;
}

/** Picks the fields of a CSV row by its columns; null when the row has no time, no type or no channel of a call. */
export class CelLayout {
  readonly #index: Readonly<Record<CelColumn, number>>;
  readonly #time: LocalTime;

  /** Throws when a column that no event can do without is missing. */
  constructor(columns: readonly string[], time: LocalTime) {
    const known = columns.map(celColumnOf);
    for (const column of ['eventtype', 'eventtime', 'channame', 'uniqueid', 'linkedid'] satisfies CelColumn[])
      if (!known.includes(column)) throw new RangeError(`The CEL columns lack ${column}`);
    this.#index = Object.fromEntries(celColumns.map((column) => [column, known.indexOf(column)])) as Record<
      CelColumn,
      number
    >;
    this.#time = time;
  }

  read(fields: readonly string[]): CelRecord | null {
    const index = this.#index;
    const eventType = fields[index.eventtype];
    const eventTime = fields[index.eventtime] ?? '';
    if (eventType === 'CHAN_START') this.#time.learn(eventTime, fields[index.uniqueid] ?? '');
    const at = this.#time.parse(eventTime);
    const linkedId = fields[index.linkedid];
    if (at === null || !eventType || !linkedId) return null;
    return {
      eventType,
      at,
      callerName: fields[index.cidname] ?? '',
      callerNumber: fields[index.cidnum] ?? '',
      exten: fields[index.exten] ?? '',
      context: fields[index.context] ?? '',
      channel: fields[index.channame] ?? '',
      app: fields[index.appname] ?? '',
      appArguments: fields[index.appdata] ?? '',
      accountCode: fields[index.accountcode] ?? '',
      uniqueId: fields[index.uniqueid] ?? '',
      linkedId,
      extra: fields[index.extra] ?? '',
    };
  }
}

/**
 * The events that one CEL record tells of; most often one, none for types that say nothing about a call. `HANGUP` carries cause and dial
 * status in `extra`; `CHAN_END` repeats the end of the channel without them, for installations that log only that.
 */
export function translateCel(source: string, record: CelRecord, events: PbxEvent[]): void {
  const { eventType, at, linkedId, channel } = record;
  const head = { source, origin: 'cel' as EventOrigin, at, linkedId, uniqueId: record.uniqueId || null, channel };
  switch (eventType) {
    case 'CHAN_START':
      events.push({
        ...head,
        type: 'started',
        isCalling: record.uniqueId === linkedId || isCallingHalf(channel),
        context: record.context,
        exten: record.exten,
        callerNumber: record.callerNumber,
        callerName: record.callerName,
        accountCode: record.accountCode,
      });
      break;
    case 'ANSWER':
      events.push({ ...head, type: 'answered' });
      pushRunningApp(record, head, events);
      break;
    case 'HANGUP': {
      const extra = readExtra(record.extra);
      const cause = Number(extra.hangupcause);
      events.push({ ...head, type: 'hung-up', cause: cause > 0 ? cause : null, dialStatus: textOf(extra.dialstatus) });
      break;
    }
    case 'CHAN_END':
      events.push({ ...head, type: 'hung-up', cause: null, dialStatus: null });
      break;
    case 'APP_START':
      pushApp(record, head, events);
      if (record.app === 'MixMonitor') {
        const path = record.appArguments.split(',', 1)[0]!;
        if (path !== '') events.push({ ...head, type: 'recording', path });
      }
      break;
    case 'BRIDGE_ENTER': {
      const extra = readExtra(record.extra);
      const bridgeId = textOf(extra.bridge_id);
      if (bridgeId !== null)
        events.push({ ...head, type: 'bridge-entered', bridgeId, bridgeType: textOf(extra.bridge_technology) });
      pushRunningApp(record, head, events);
      break;
    }
    case 'BRIDGE_EXIT': {
      const bridgeId = textOf(readExtra(record.extra).bridge_id);
      if (bridgeId !== null) events.push({ ...head, type: 'bridge-left', bridgeId });
      break;
    }
    case 'BLINDTRANSFER': {
      const extra = readExtra(record.extra);
      events.push({
        ...head,
        type: 'blind-transfer',
        toExten: textOf(extra.extension) ?? '',
        toContext: textOf(extra.context) ?? '',
        transfereeUniqueId: textOf(extra.transferee_channel_uniqueid),
      });
      break;
    }
    case 'ATTENDEDTRANSFER': {
      const extra = readExtra(record.extra);
      events.push({
        ...head,
        type: 'attended-transfer',
        secondUniqueId: textOf(extra.channel2_uniqueid),
        // CEL does not say it; the second channel's own rows do.
        secondLinkedId: null,
      });
      break;
    }
    case 'PICKUP': {
      // The row belongs to the channel that rang; who picked it up stands in `extra`.
      const extra = readExtra(record.extra);
      events.push({
        ...head,
        type: 'pickup',
        uniqueId: textOf(extra.pickup_channel_uniqueid),
        channel: textOf(extra.pickup_channel) ?? '',
        targetUniqueId: head.uniqueId,
        targetChannel: channel,
      });
      break;
    }
    case 'FORWARD':
      // On the channel that dials: CEL does not name the phone that forwarded.
      events.push({
        ...head,
        type: 'app',
        app: 'Forward',
        args: textOf(readExtra(record.extra).forward) ?? '',
        context: record.context,
        exten: record.exten,
      });
      break;
    case 'PARK_START':
      events.push({
        ...head,
        type: 'app',
        app: 'Park',
        args: textOf(readExtra(record.extra).parking_lot) ?? '',
        context: record.context,
        exten: record.exten,
      });
      break;
    case 'LINKEDID_END':
      events.push({ ...head, type: 'call-ended' });
      break;
  }
}

/**
 * Each row names the application that its channel runs. Many installations have no rows of applications (`apps` in
 * cel.conf), and a second Dial in a row starts none of another name: then only these rows show whom it dialled.
 */
function pushRunningApp(record: CelRecord, head: EventHead, events: PbxEvent[]): void {
  if (record.app === 'Dial' || record.app === 'VoiceMail') pushApp(record, head, events);
}

function pushApp(record: CelRecord, head: EventHead, events: PbxEvent[]): void {
  events.push({
    ...head,
    type: 'app',
    app: record.app,
    args: record.appArguments,
    context: record.context,
    exten: record.exten,
  });
}

/** The `;2` half of a Local pair runs dialplan like a caller although another channel made it. */
export function isCallingHalf(channel: string): boolean {
  return channel.endsWith(';2') && channel.startsWith('Local/');
}

function readExtra(extra: string): Readonly<Record<string, unknown>> {
  if (extra === '') return {};
  try {
    const parsed: unknown = JSON.parse(extra);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    // A record cut short by a crash of Asterisk still tells who and when.
    return {};
  }
}
const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
