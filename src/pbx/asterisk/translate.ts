import type { EventOrigin, PbxEvent } from '../../core/pbx-event.ts';
import type { AmiMessage } from './ami/ami-message.ts';
import { translateCdr } from './csv/cdr-row.ts';
import { isCallingHalf, translateCel } from './csv/cel-row.ts';
import { timeOfUniqueId, type LocalTime } from './csv/local-time.ts';

/** Channel variables whose changes are passed on, besides `RL_…`; the names that Asterisk's applications set. */
const reportedVariables: ReadonlySet<string> = new Set(['VM_MESSAGEFILE', 'VMSTATUS', 'QUEUESTATUS']);
/** Set by MixMonitor when it starts: the absolute path of its file. */
const recordingVariable = 'MIXMONITOR_FILENAME';

/** Dialplan applications (in lower case) that say what becomes of a call. */
const reportedApps: ReadonlySet<string> = new Set([
  'dial',
  'queue',
  'voicemail',
  'voicemailmain',
  'minivmrecord',
  'park',
  'parkandannounce',
  'parkedcall',
  'confbridge',
  'meetme',
  'pickup',
  'pickupchan',
  'followme',
  'page',
  'retrydial',
  'bridge',
  'chanspy',
  'extenspy',
  'dictate',
  'directory',
  'disa',
  'mixmonitor',
  'stopmixmonitor',
  'monitor',
  'record',
  'transfer',
  'blindtransfer',
  'attendedtransfer',
]);

/**
 * Turns AMI events of Asterisk 16 to 22 into ours; no other file knows their names. One instance per stream: it remembers
 * the stream's time. Events that mean nothing to a call give nothing.
 */
export class AmiTranslator {
  readonly #source: string;
  readonly #now: (() => number) | null;
  readonly #time: LocalTime;
  /** Latest time seen in the stream; stands in for the `Timestamp` header where a capture has none. */
  #streamTime = 0;
  /** Kinds of the bridges listed during a resynchronisation. */
  readonly #listedBridges = new Map<string, string | null>();

  /**
   * `now` gives the time of arrival in milliseconds for events without `Timestamp` (`timestampevents = no`); null for a
   * capture, whose time then follows the channels' uniqueids and the times in its CEL and CDR events. `time` reads those.
   */
  constructor(options: { source: string; now: (() => number) | null; time: LocalTime }) {
    this.#source = options.source;
    this.#now = options.now;
    this.#time = options.time;
  }

  /** Appends what the message tells of to `events`. */
  translate(message: AmiMessage, events: PbxEvent[]): void {
    const translateEvent = translations[message.event];
    if (translateEvent === undefined || isPassedOver(message)) return;
    translateEvent(message, { source: this.#source, at: this.#timeOf(message) }, events, this);
  }

  #timeOf(message: AmiMessage): number {
    const timestamp = message.get('Timestamp');
    if (timestamp !== '') {
      const at = Math.round(Number(timestamp) * 1e6) / 1e3;
      if (at > 0) return (this.#streamTime = at);
    }
    if (this.#now !== null) return this.#now();
    const before = this.#streamTime;
    if (message.event === 'Newchannel') this.advance(timeOfUniqueId(message.get('Uniqueid')));
    else if (message.event === 'CEL') {
      if (message.get('EventName') === 'CHAN_START') this.parseStart(message.get('EventTime'), message.get('UniqueID'));
      this.advance(this.parseTime(message.get('EventTime')));
    } else if (message.event === 'Cdr') {
      this.parseStart(message.get('StartTime'), message.get('UniqueID'));
      this.advance(this.parseTime(message.get('EndTime')));
    }
    // A microsecond later than what came before: the order of the stream is known even where its time is not.
    if (this.#streamTime === before) this.#streamTime += 0.001;
    return this.#streamTime;
  }

  /** Moves the stream's time on; never back. */
  advance(at: number | null): void {
    if (at !== null && at > this.#streamTime) this.#streamTime = at;
  }

  /** A time as Asterisk writes it inside headers, in its own zone. */
  parseTime(text: string): number | null {
    return this.#time.parse(text);
  }

  /** The same for the time at which a channel began, from which the zone can be learned. */
  parseStart(text: string, uniqueId: string): number | null {
    this.#time.learn(text, uniqueId);
    return this.#time.parse(text);
  }

  get listedBridges(): Map<string, string | null> {
    return this.#listedBridges;
  }
}

/** Of every step of the dialplan and every variable, which are most of a busy PBX's events, few concern us. */
function isPassedOver(message: AmiMessage): boolean {
  if (message.event === 'VarSet') {
    const variable = plainName(message.peek('Variable'));
    return !variable.startsWith('RL_') && !reportedVariables.has(variable) && variable !== recordingVariable;
  }
  return message.event === 'Newexten' && !reportedApps.has(message.peek('Application').toLowerCase());
}

/** Asterisk escapes the values of VarSet like C strings (`ast_escape_c`), so that `'` arrives as `\\'`. */
const unescapeC = (value: string): string =>
  value.includes('\\') ? value.replace(/\\(.)/gs, (_, char: string) => controlEscapes[char] ?? char) : value;
const controlEscapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** Inherited variables are reported with the underscores they were set with. */
const plainName = (variable: string): string => (variable.startsWith('_') ? variable.replace(/^_{1,2}/, '') : variable);

interface Moment {
  readonly source: string;
  readonly at: number;
}
type TranslateEvent = (m: AmiMessage, moment: Moment, events: PbxEvent[], stream: AmiTranslator) => void;

const ami: EventOrigin = 'ami';
/** The channel that most events are about. */
function headOf(m: AmiMessage, { source, at }: Moment) {
  return {
    source,
    origin: ami,
    at,
    linkedId: m.get('Linkedid'),
    uniqueId: m.get('Uniqueid') || null,
    channel: m.get('Channel'),
  };
}
/** The channel that is dialled. */
function dialledHeadOf(m: AmiMessage, { source, at }: Moment) {
  return {
    source,
    origin: ami,
    at,
    linkedId: m.get('DestLinkedid') || m.get('Linkedid') || m.get('DestUniqueid'),
    uniqueId: m.get('DestUniqueid') || null,
    channel: m.get('DestChannel'),
  };
}
const absentToNull = (value: string): string | null =>
  value === '' || value === '<none>' || value === '<unknown>' ? null : value;
/** AMI writes `<unknown>` for a number or name that is not set. */
const unknownToEmpty = (value: string): string => (value === '<unknown>' ? '' : value);
const isSuccess = (m: AmiMessage): boolean => m.get('Result') === 'Success' || !m.has('Result');

/** Values of `ChannelState`, include/asterisk/channelstate.h. */
const channelState = { down: '0', ringing: '5', up: '6' } as const;

/**
 * Dialled channels start Down and belong to the dialling channel's call from the first moment; originated ones start Down with a call of
 * their own; those that call in start in another state.
 */
function isCalling(m: AmiMessage, uniqueId: string | null, linkedId: string, channel: string): boolean {
  return m.get('ChannelState') !== channelState.down || uniqueId === linkedId || isCallingHalf(channel);
}

function bridgeTypeOf(m: AmiMessage): string | null {
  return absentToNull(m.get('BridgeTechnology')) ?? absentToNull(m.get('BridgeCreator'));
}

const translations: Readonly<Record<string, TranslateEvent | undefined>> = Object.assign(Object.create(null), {
  Newchannel(m, moment, events) {
    const head = headOf(m, moment);
    events.push({
      ...head,
      type: 'started',
      isCalling: isCalling(m, head.uniqueId, head.linkedId, head.channel),
      context: m.get('Context'),
      exten: m.get('Exten'),
      callerNumber: unknownToEmpty(m.get('CallerIDNum')),
      callerName: unknownToEmpty(m.get('CallerIDName')),
      accountCode: m.get('AccountCode'),
    });
  },
  Newstate(m, moment, events) {
    const state = m.get('ChannelState');
    if (state === channelState.up) events.push({ ...headOf(m, moment), type: 'answered' });
    else if (state === channelState.ringing) events.push({ ...headOf(m, moment), type: 'ringing' });
  },
  Hold(m, moment, events) {
    events.push({ ...headOf(m, moment), type: 'hold', isHeld: true });
  },
  Unhold(m, moment, events) {
    events.push({ ...headOf(m, moment), type: 'hold', isHeld: false });
  },
  NewConnectedLine(m, moment, events) {
    events.push({
      ...headOf(m, moment),
      type: 'connected-line',
      number: unknownToEmpty(m.get('ConnectedLineNum')),
      name: unknownToEmpty(m.get('ConnectedLineName')),
    });
  },
  DialBegin(m, moment, events) {
    if (!m.has('DestChannel')) return;
    events.push({
      ...dialledHeadOf(m, moment),
      type: 'dialed',
      byUniqueId: m.get('Uniqueid') || null,
      dialString: unknownToEmpty(m.get('DialString')),
    });
  },
  DialState(m, moment, events) {
    if (m.get('DialStatus') === 'RINGING' && m.has('DestChannel'))
      events.push({ ...dialledHeadOf(m, moment), type: 'ringing' });
  },
  DialEnd(m, moment, events) {
    if (!m.has('DestChannel')) return;
    events.push({
      ...dialledHeadOf(m, moment),
      type: 'dial-ended',
      status: m.get('DialStatus'),
      forward: absentToNull(m.get('Forward')),
    });
  },
  BridgeEnter(m, moment, events) {
    events.push({
      ...headOf(m, moment),
      type: 'bridge-entered',
      bridgeId: m.get('BridgeUniqueid'),
      bridgeType: bridgeTypeOf(m),
    });
  },
  BridgeLeave(m, moment, events) {
    events.push({ ...headOf(m, moment), type: 'bridge-left', bridgeId: m.get('BridgeUniqueid') });
  },
  Hangup(m, moment, events) {
    const cause = Number(m.get('Cause'));
    events.push({ ...headOf(m, moment), type: 'hung-up', cause: cause > 0 ? cause : null, dialStatus: null });
  },
  BlindTransfer(m, moment, events) {
    if (!isSuccess(m)) return;
    events.push({
      source: moment.source,
      origin: ami,
      at: moment.at,
      linkedId: m.get('TransfererLinkedid'),
      uniqueId: m.get('TransfererUniqueid') || null,
      channel: m.get('TransfererChannel'),
      type: 'blind-transfer',
      toExten: m.get('Extension'),
      toContext: m.get('Context'),
      transfereeUniqueId: m.get('TransfereeUniqueid') || null,
    });
  },
  AttendedTransfer(m, moment, events) {
    if (!isSuccess(m)) return;
    events.push({
      source: moment.source,
      origin: ami,
      at: moment.at,
      linkedId: m.get('OrigTransfererLinkedid'),
      uniqueId: m.get('OrigTransfererUniqueid') || null,
      channel: m.get('OrigTransfererChannel'),
      type: 'attended-transfer',
      secondUniqueId: m.get('SecondTransfererUniqueid') || null,
      secondLinkedId: m.get('SecondTransfererLinkedid') || null,
    });
  },
  Pickup(m, moment, events) {
    events.push({
      ...headOf(m, moment),
      type: 'pickup',
      targetUniqueId: m.get('TargetUniqueid') || null,
      targetChannel: m.get('TargetChannel') || null,
    });
  },
  ParkedCall(m, moment, events) {
    events.push({
      source: moment.source,
      origin: ami,
      at: moment.at,
      linkedId: m.get('ParkeeLinkedid'),
      uniqueId: m.get('ParkeeUniqueid') || null,
      channel: m.get('ParkeeChannel'),
      type: 'app',
      app: 'Park',
      args: m.get('ParkingSpace'),
      context: m.get('ParkeeContext'),
      exten: m.get('ParkeeExten'),
    });
  },
  /** Told on the caller's channel when a message was left. */
  MessageWaiting(m, moment, events) {
    const head = headOf(m, moment);
    if (head.uniqueId === null || head.linkedId === '' || Number(m.get('New')) === 0) return;
    events.push({ ...head, type: 'app', app: 'MessageWaiting', args: m.get('Mailbox'), context: '', exten: '' });
  },
  Newexten(m, moment, events) {
    events.push({
      ...headOf(m, moment),
      type: 'app',
      app: m.get('Application'),
      args: m.get('AppData'),
      context: m.get('Context'),
      exten: m.get('Exten') || m.get('Extension'),
    });
  },
  /** Comes with StopMixMonitor in the dialplan, and alone where the recording was stopped over AMI. */
  MixMonitorStop(m, moment, events) {
    events.push({ ...headOf(m, moment), type: 'app', app: 'StopMixMonitor', args: '', context: '', exten: '' });
  },
  VarSet(m, moment, events) {
    const variable = plainName(m.get('Variable'));
    const head = headOf(m, moment);
    // Global variables have no channel.
    if (head.linkedId === '' || head.uniqueId === 'none') return;
    const value = unescapeC(m.get('Value'));
    if (variable !== recordingVariable) events.push({ ...head, type: 'variable', variable, value });
    else if (value !== '') events.push({ ...head, type: 'recording', path: value });
  },
  BridgeListItem(m, _moment, _events, stream) {
    stream.listedBridges.set(m.get('BridgeUniqueid'), bridgeTypeOf(m));
  },
  /** One channel of the answer to CoreShowChannels. */
  CoreShowChannel(m, moment, events, stream) {
    const head = { ...headOf(m, moment), origin: 'resync' as EventOrigin };
    if (head.uniqueId === null || head.linkedId === '') return;
    const madeAt = timeOfUniqueId(head.uniqueId);
    events.push({
      ...head,
      at: madeAt === null ? head.at : Math.min(madeAt, head.at),
      type: 'started',
      isCalling: isCallingWhenFound(m, head.uniqueId, head.linkedId, head.channel),
      context: m.get('Context'),
      exten: m.get('Exten'),
      callerNumber: unknownToEmpty(m.get('CallerIDNum')),
      callerName: unknownToEmpty(m.get('CallerIDName')),
      accountCode: m.get('AccountCode'),
    });
    const state = m.get('ChannelState');
    if (state === channelState.ringing) events.push({ ...head, type: 'ringing' });
    if (state === channelState.up) events.push({ ...head, type: 'answered' });
    const bridgeId = m.get('BridgeId');
    if (bridgeId !== '')
      events.push({
        ...head,
        type: 'bridge-entered',
        bridgeId,
        bridgeType: stream.listedBridges.get(bridgeId) ?? null,
      });
  },
  CoreShowChannelsComplete(_m, _moment, _events, stream) {
    stream.listedBridges.clear();
  },
  CEL(m, moment, events, stream) {
    const at = m.has('Timestamp') ? moment.at : (stream.parseTime(m.get('EventTime')) ?? moment.at);
    translateCel(
      moment.source,
      {
        eventType: m.get('EventName'),
        // Whole seconds, where the stream may know the moment better.
        at: at <= moment.at && moment.at - at < 1000 ? moment.at : at,
        callerName: m.get('CallerIDname'),
        callerNumber: m.get('CallerIDnum'),
        exten: m.get('Exten'),
        context: m.get('Context'),
        channel: m.get('Channel'),
        app: m.get('Application'),
        appArguments: m.get('AppData'),
        accountCode: m.get('AccountCode'),
        uniqueId: m.get('UniqueID'),
        linkedId: m.get('LinkedID'),
        extra: m.get('Extra'),
      },
      events,
    );
  },
  Cdr(m, moment, events, stream) {
    // Without a mapping in cdr_manager.conf the event does not say which call it belongs to; the stream's other events do.
    const linkedId = m.get('LinkedID') || m.get('Linkedid') || m.get('linkedid');
    const startedAt = stream.parseStart(m.get('StartTime'), m.get('UniqueID'));
    const endedAt = stream.parseTime(m.get('EndTime'));
    if (linkedId === '' || startedAt === null || endedAt === null) return;
    translateCdr(
      moment.source,
      {
        accountCode: m.get('AccountCode'),
        src: m.get('Source'),
        dst: m.get('Destination'),
        context: m.get('DestinationContext'),
        callerId: m.get('CallerID'),
        channel: m.get('Channel'),
        dstChannel: m.get('DestinationChannel'),
        lastApp: m.get('LastApplication'),
        lastArguments: m.get('LastData'),
        startedAt,
        answeredAt: stream.parseTime(m.get('AnswerTime')),
        endedAt,
        disposition: m.get('Disposition'),
        uniqueId: m.get('UniqueID'),
        linkedId,
        sequence: m.get('Sequence') || m.get('sequence'),
        userField: m.get('UserField'),
        recording: m.get('RecordingFile') || m.get('recordingfile'),
      },
      events,
    );
  },
} satisfies Record<string, TranslateEvent>);

/** A channel that is up no longer shows how it began: with a call of its own it called, otherwise nothing can be told. */
function isCallingWhenFound(m: AmiMessage, uniqueId: string, linkedId: string, channel: string): boolean | null {
  const state = m.get('ChannelState');
  if (uniqueId === linkedId || isCallingHalf(channel)) return true;
  return state === channelState.up ? null : state !== channelState.down && state !== channelState.ringing;
}

/** Names of all events that are translated: what to ask Asterisk for. */
export const translatedEvents: readonly string[] = Object.keys(translations);

/** Classes that the translated events and the device states belong to; `call` has CEL events too. */
export const eventClasses = 'call,dialplan,cdr';

/** Reports of what devices do; read by the device states, not by calls. */
const deviceEvents = ['DeviceStateChange', 'ExtensionStatus'];
/** Asterisk's class of those (`EVENT_FLAG_CALL`), and the filter that leaves them alone. */
export const deviceEventClass = 'call';
export const deviceEventFilter = `Event: (${deviceEvents.join('|')})`;

/**
 * Regular expressions for the action `Filter` (and `eventfilter` in manager.conf) that leave only events which are read here; of the
 * variables, which are most of a busy PBX's traffic, only ours.
 */
export const eventFilters: readonly string[] = [
  `Event: (${[...translatedEvents.filter((name) => name !== 'VarSet'), ...deviceEvents].join('|')})`,
  `Event: VarSet.*Variable: _*(RL_|${[recordingVariable, ...reportedVariables].join('|')})`,
];
