import type { EventOrigin, PbxEvent } from '../../../core/pbx-event.ts';
import type { LocalTime } from './local-time.ts';

/** What is read of a CDR, wherever it stood: a CSV row, a database row or an AMI event. */
export interface CdrRecord {
  readonly accountCode: string;
  readonly src: string;
  readonly dst: string;
  readonly context: string;
  /** `"Name" <number>` */
  readonly callerId: string;
  readonly channel: string;
  readonly dstChannel: string;
  readonly lastApp: string;
  readonly lastArguments: string;
  /** Milliseconds since the epoch, whole seconds. */
  readonly startedAt: number;
  readonly answeredAt: number | null;
  readonly endedAt: number;
  readonly disposition: string;
  readonly uniqueId: string;
  readonly linkedId: string;
  readonly sequence: string;
  readonly userField: string;
  readonly recording: string;
}

/** The fixed part of cdr_csv's Master.csv, the order of `build_csv_record`. */
export const stockCdrColumns: readonly string[] = [
  'accountcode',
  'src',
  'dst',
  'dcontext',
  'clid',
  'channel',
  'dstchannel',
  'lastapp',
  'lastdata',
  'start',
  'answer',
  'end',
  'duration',
  'billsec',
  'disposition',
  'amaflags',
];

/**
 * The columns of a Master.csv row by their number, as `loguniqueid`, `loguserfield` and `newcdrcolumns` of cdr.conf add
 * them; `fields` decides between the two settings that add one column each. Null when it is no such row.
 */
export function stockCdrColumnsOf(fields: readonly string[]): readonly string[] | null {
  const added = fields.length - stockCdrColumns.length;
  const newColumns = ['peeraccount', 'linkedid', 'sequence'];
  switch (added) {
    case 0:
      return stockCdrColumns;
    case 1:
      return [...stockCdrColumns, uniqueIdForm.test(fields[16]!) ? 'uniqueid' : 'userfield'];
    case 2:
      return [...stockCdrColumns, 'uniqueid', 'userfield'];
    case 3:
      return [...stockCdrColumns, ...newColumns];
    case 4:
      return [...stockCdrColumns, uniqueIdForm.test(fields[16]!) ? 'uniqueid' : 'userfield', ...newColumns];
    case 5:
      return [...stockCdrColumns, 'uniqueid', 'userfield', ...newColumns];
    default:
      return null;
  }
}
const uniqueIdForm = /^(?:\S+-)?\d{9,10}\.\d+$/;

/** Reads CDR rows of a file. Times without a zone are those of `time`. */
export class CdrLayout {
  readonly #columns: readonly string[] | null;
  readonly #time: LocalTime;

  /** `columns` null: a stock Master.csv, whose columns are told by their number. */
  constructor(columns: readonly string[] | null, time: LocalTime) {
    this.#columns = columns === null ? null : columns.map((name) => name.trim().toLowerCase());
    this.#time = time;
  }

  /** Null when the row is no CDR. */
  read(fields: readonly string[]): CdrRecord | null {
    const columns = this.#columns ?? stockCdrColumnsOf(fields);
    if (columns === null) return null;
    const value = (name: string) => {
      const index = columns.indexOf(name);
      return index < 0 ? '' : (fields[index] ?? '');
    };
    // The `cdr` table of FreePBX and others has one time and two durations.
    const start = value('start') || value('calldate');
    this.#time.learn(start, value('uniqueid'));
    const startedAt = this.#time.parse(start);
    const endedAt = this.#time.parse(value('end')) ?? after(startedAt, value('duration'));
    const channel = value('channel');
    if (startedAt === null || endedAt === null || channel === '') return null;
    return {
      accountCode: value('accountcode'),
      src: value('src'),
      dst: value('dst'),
      context: value('dcontext'),
      callerId: value('clid'),
      channel,
      dstChannel: value('dstchannel'),
      lastApp: value('lastapp'),
      lastArguments: value('lastdata'),
      startedAt,
      answeredAt:
        this.#time.parse(value('answer')) ?? (columns.includes('calldate') ? before(endedAt, value('billsec')) : null),
      endedAt,
      disposition: value('disposition'),
      uniqueId: value('uniqueid'),
      linkedId: value('linkedid'),
      sequence: value('sequence'),
      userField: value('userfield'),
      recording: value('recordingfile'),
    };
  }
}

const after = (at: number | null, seconds: string): number | null =>
  at === null || !/^\d+$/.test(seconds) ? null : at + Number(seconds) * 1000;
const before = (at: number, seconds: string): number | null =>
  /^[1-9]\d*$/.test(seconds) ? at - Number(seconds) * 1000 : null;

export const cdrDispositions: ReadonlySet<string> = new Set([
  'ANSWERED',
  'NO ANSWER',
  'BUSY',
  'FAILED',
  'CONGESTION',
  'CANCEL',
]);

/** Disposition → dial status; `FAILED` covers everything that is not one of the others. */
const dialStatusOf: Readonly<Record<string, string>> = {
  ANSWERED: 'ANSWER',
  'NO ANSWER': 'NOANSWER',
  BUSY: 'BUSY',
  CONGESTION: 'CONGESTION',
  CANCEL: 'CANCEL',
  FAILED: 'CHANUNAVAIL',
};

const recordingFile = /^[^\0\r\n]*\.(?:wav|wav49|mp3|gsm|ogg|opus|g722|g729|sln\d*|sln|ulaw|alaw|raw)$/i;

/**
 * The events that one CDR tells of: its channel called, it dialled `dstchannel` (known by name only), both talked in a bridge of
 * the record's own from answer to end, both hung up at the end. A channel that talks twice has two records, and the
 * last of its hang-ups is the real one. A record without linkedid is taken for a call of its own.
 */
export function translateCdr(source: string, record: CdrRecord, events: PbxEvent[]): void {
  const { channel, dstChannel, startedAt, answeredAt, endedAt } = record;
  // Without `loguniqueid` a record can be told from others only by its channel and second.
  const uniqueId = record.uniqueId || `cdr:${channel}:${startedAt}`;
  const linkedId = record.linkedId || uniqueId;
  const dialStatus = dialStatusOf[record.disposition] ?? null;
  const isAnswered = record.disposition === 'ANSWERED' && answeredAt !== null;
  const origin: EventOrigin = 'cdr';
  const a = { source, origin, linkedId, uniqueId, channel };
  const { name, number } = splitCallerId(record.callerId);

  events.push({
    ...a,
    type: 'started',
    at: startedAt,
    // The second record of a call may be of a channel that was dialled in the first.
    isCalling: record.linkedId === uniqueId ? true : null,
    context: record.context,
    exten: record.dst,
    callerNumber: record.src || number,
    callerName: name,
    accountCode: record.accountCode,
  });
  if (record.lastApp !== '')
    events.push({
      ...a,
      type: 'app',
      at: startedAt,
      app: record.lastApp,
      args: record.lastArguments,
      context: record.context,
      exten: record.dst,
    });
  if (isAnswered) events.push({ ...a, type: 'answered', at: answeredAt });
  if (dstChannel !== '') {
    const b = { source, origin, linkedId, uniqueId: null, channel: dstChannel };
    events.push({
      ...b,
      type: 'dialed',
      at: startedAt,
      byUniqueId: uniqueId,
      dialString: dialStringOf(record.lastApp, record.lastArguments),
    });
    if (isAnswered) {
      const bridgeId = `cdr:${uniqueId}:${record.sequence || dstChannel}`;
      events.push(
        { ...b, type: 'dial-ended', at: answeredAt, status: 'ANSWER', forward: null },
        { ...b, type: 'answered', at: answeredAt },
        { ...a, type: 'bridge-entered', at: answeredAt, bridgeId, bridgeType: null },
        { ...b, type: 'bridge-entered', at: answeredAt, bridgeId, bridgeType: null },
        { ...a, type: 'bridge-left', at: endedAt, bridgeId },
        { ...b, type: 'bridge-left', at: endedAt, bridgeId },
      );
    } else if (dialStatus !== null) {
      events.push({ ...b, type: 'dial-ended', at: endedAt, status: dialStatus, forward: null });
    }
    events.push({ ...b, type: 'hung-up', at: endedAt, cause: null, dialStatus: null });
  }
  for (const path of new Set([record.recording, record.userField]))
    if (recordingFile.test(path)) events.push({ ...a, type: 'recording', at: answeredAt ?? startedAt, path });
  events.push({ ...a, type: 'hung-up', at: endedAt, cause: null, dialStatus });
}

/**
 * `"Ivan ""Vanya""" <79161110002>` → its two parts; also without quotes and with a number only. Asterisk keeps 79 bytes of
 * both together: of a long name the end is lost, within a character too, and what is left of the number is none.
 */
function splitCallerId(callerId: string): { name: string; number: string } {
  const whole = /^(.*)<([^<>]*)>\s*$/.exec(callerId);
  if (whole !== null) return { name: unquote(whole[1]!), number: whole[2]! };
  if (/^[+*#\d]+$/.test(callerId)) return { name: '', number: callerId };
  if (!callerId.startsWith('"')) return { name: callerId.trim(), number: '' };
  const name = callerId.slice(1).replace(/"\s*(?:<[^"]*)?$|\ufffd+$/, '');
  return { name, number: '' };
}
function unquote(text: string): string {
  const plain = text.trim();
  return plain.length >= 2 && plain.startsWith('"') && plain.endsWith('"') ? plain.slice(1, -1) : plain;
}

/** The one target of `Dial(PJSIP/101,20)`, without the technology; empty when there were several or none. */
function dialStringOf(app: string, args: string): string {
  if (app.toLowerCase() !== 'dial') return '';
  const targets = args.split(',', 1)[0]!;
  const slash = targets.indexOf('/');
  return targets.includes('&') || slash < 0 ? '' : targets.slice(slash + 1);
}
