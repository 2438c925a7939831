/**
 * What is known of one channel: the fold of its events. Every rule here is commutative and idempotent, so that live
 * events, the same facts re-read from CEL, and a coarse CDR row on top give the same result in any order.
 */
import type { EventOrigin, PbxEvent } from '../pbx-event.ts';

/** A moment and how well it is known; a better rank wins, see `rankOf`. */
export interface Moment {
  readonly at: number;
  readonly rank: number;
}

/** Something said of a channel, and when and how well known. */
export interface Said<T> extends Moment {
  readonly value: T;
}

export interface BridgeMark {
  readonly at: number;
  readonly bridgeId: string;
  readonly isEntry: boolean;
  /** Inferred from a CDR row, which takes whoever was dialled for somebody who talked: used only where nobody says better. */
  readonly isFromCdr: boolean;
  /** Found there by a resync, at a time by our clock; used only where nobody saw the channel enter. */
  readonly isFound: boolean;
}

export interface AppRun {
  readonly at: number;
  readonly app: string;
  readonly args: string;
  readonly exten: string;
  /** Seen live, so that what AMI would have told of it besides is known too. */
  readonly isLive: boolean;
  /** Known from a CDR row alone, which says when the row began, and not when the application did. */
  readonly isFromCdr: boolean;
}

/** A file of this channel's sound. */
export interface RecordingTold {
  readonly at: number;
  readonly path: string;
  /** Every moment at which it was told of, in order: at its start, and where it is taken up again. */
  readonly startedAt: readonly number[];
}

export interface ChannelFacts {
  /** The uniqueid; the channel's name as long as only that is known. */
  readonly id: string;
  /** The linkedid that it began with: joined to others, it goes by another later. */
  readonly firstLinkedId: Said<string> | null;
  /** Names by time; more than one after a masquerade (pickup, transfer). */
  readonly names: readonly { readonly at: number; readonly name: string }[];
  readonly started: Moment | null;
  readonly isCalling: Said<boolean> | null;
  readonly exten: Said<string> | null;
  readonly callerNumber: Said<string> | null;
  readonly callerName: Said<string> | null;
  /** The number shown to this channel, as first set. */
  readonly connectedNumber: Said<string> | null;
  readonly ringing: Moment | null;
  readonly answered: Moment | null;
  readonly ended: Moment | null;
  readonly cause: Said<number> | null;
  /** The status of the dialling that this channel did, where its hang-up tells (CEL, CDR). */
  readonly dialStatus: Said<string> | null;
  readonly dialed: Moment | null;
  readonly dialedBy: Said<string> | null;
  readonly dialString: Said<string> | null;
  /** The outcome of dialling this channel. */
  readonly outcome: Said<string> | null;
  readonly forward: Said<string> | null;
  readonly marks: readonly BridgeMark[];
  readonly apps: readonly AppRun[];
  readonly recordings: readonly RecordingTold[];
  readonly variables: Readonly<Record<string, Said<string>>>;
  /** The uniqueid of the channel that this one picked up. */
  readonly pickedUp: string | null;
  /** When its phone put the other side on hold and took it back, by time. */
  readonly holds: readonly { readonly at: number; readonly isHeld: boolean }[];
  /** When its phone passed the call on, by time. */
  readonly transfers: readonly TransferMark[];
}

export interface TransferMark {
  readonly at: number;
  readonly kind: 'blind' | 'attended';
  /** What was dialled; null where the other side was called before. */
  readonly to: string | null;
}

/** How much an event is worth: live, then CEL's record, then CDR's whole seconds, then what a resync infers. */
const ranks: Readonly<Record<EventOrigin, number>> = { ami: 3, webhook: 3, cel: 2, cdr: 1, resync: 0 };
export const rankOf = (origin: EventOrigin): number => ranks[origin];

/**
 * When the channel ended; null while it lasts. A CDR row ends when its two parties part, after which the channel may go
 * on: its word counts only of channels that nobody else knows.
 */
export function endOfChannel({ started, ended }: ChannelFacts): Moment | null {
  const isPartingOnly = ended?.rank === ranks.cdr && started !== null && started.rank > ranks.cdr;
  return isPartingOnly ? null : ended;
}

export function emptyChannel(id: string): ChannelFacts {
  return {
    id,
    firstLinkedId: null,
    names: [],
    started: null,
    isCalling: null,
    exten: null,
    callerNumber: null,
    callerName: null,
    connectedNumber: null,
    ringing: null,
    answered: null,
    ended: null,
    cause: null,
    dialStatus: null,
    dialed: null,
    dialedBy: null,
    dialString: null,
    outcome: null,
    forward: null,
    marks: [],
    apps: [],
    recordings: [],
    variables: {},
    pickedUp: null,
    holds: [],
    transfers: [],
  };
}

/** Keeps the better-ranked moment; of two equal ones the earlier or the later. */
function better(known: Moment | null, at: number, rank: number, pick: 'earlier' | 'later'): Moment {
  if (known === null || rank > known.rank) return { at, rank };
  if (rank < known.rank) return known;
  return (pick === 'earlier' ? at < known.at : at > known.at) ? { at, rank } : known;
}

/** Keeps the better-ranked word; of equal ones the earlier or the later, and of two at one moment always the same. */
function say<T extends string | number | boolean>(
  known: Said<T> | null,
  value: T | null,
  at: number,
  rank: number,
  pick: 'earlier' | 'later',
): Said<T> | null {
  if (value === null || value === '') return known;
  if (known === null || rank > known.rank) return { value, at, rank };
  if (rank < known.rank || value === known.value)
    return rank === known.rank && isSooner(at, known.at, pick) ? { value, at, rank } : known;
  if (at === known.at) return value < known.value ? { value, at, rank } : known;
  return isSooner(at, known.at, pick) ? { value, at, rank } : known;
}
const isSooner = (at: number, known: number, pick: 'earlier' | 'later') =>
  pick === 'earlier' ? at < known : at > known;

/** By time, and of one moment always in the same order, whatever the order of arrival. */
function insertByTime<T extends { readonly at: number }>(list: readonly T[], item: T): readonly T[] {
  const last = list[list.length - 1];
  if (last === undefined || last.at < item.at) return [...list, item];
  const index = list.findIndex((other) => other.at > item.at || (other.at === item.at && wordOf(other) > wordOf(item)));
  return index < 0 ? [...list, item] : [...list.slice(0, index), item, ...list.slice(index)];
}
/** Entering a bridge stands before leaving one, and being held before being taken back: who met did meet. */
const wordOf = (item: object) => ('isEntry' in item ? (item.isEntry ? '0' : '1') : '') + JSON.stringify(item);

/**
 * A name belongs to a channel from `at` on. Only changes are kept; a report of the same name inside its span adds
 * nothing, and one from before its span moves the beginning.
 */
function addName(names: ChannelFacts['names'], at: number, name: string): ChannelFacts['names'] {
  if (name === '') return names;
  let index = names.length - 1;
  while (index >= 0 && (names[index]!.at > at || (names[index]!.at === at && names[index]!.name > name))) index--;
  if (names[index]?.name === name) return names;
  const next = names[index + 1];
  if (next?.name === name) return names.map((entry, position) => (position === index + 1 ? { at, name } : entry));
  return [...names.slice(0, index + 1), { at, name }, ...names.slice(index + 1)];
}

type Changeable = { -readonly [Fact in keyof ChannelFacts]: ChannelFacts[Fact] };

/** True when it was not so before. */
function put<Fact extends keyof ChannelFacts>(channel: Changeable, fact: Fact, value: ChannelFacts[Fact]): boolean {
  if (channel[fact] === value) return false;
  channel[fact] = value;
  return true;
}

/** Folds the event into the channel, which is changed; false when it says nothing new. */
export function foldIntoChannel(channel: Changeable, event: PbxEvent): boolean {
  const { at } = event;
  const rank = rankOf(event.origin);
  let isNew = put(channel, 'names', addName(channel.names, at, event.channel));
  isNew = put(channel, 'firstLinkedId', say(channel.firstLinkedId, event.linkedId, at, rank, 'earlier')) || isNew;
  switch (event.type) {
    case 'started':
      isNew = put(channel, 'started', better(channel.started, at, rank, 'earlier')) || isNew;
      isNew = put(channel, 'isCalling', say(channel.isCalling, event.isCalling, at, rank, 'earlier')) || isNew;
      // The earliest report has the channel before the dialplan moved it on.
      isNew = put(channel, 'exten', say(channel.exten, event.exten, at, rank, 'earlier')) || isNew;
      isNew = put(channel, 'callerNumber', say(channel.callerNumber, event.callerNumber, at, rank, 'earlier')) || isNew;
      return put(channel, 'callerName', say(channel.callerName, event.callerName, at, rank, 'earlier')) || isNew;
    case 'ringing':
      return put(channel, 'ringing', better(channel.ringing, at, rank, 'earlier')) || isNew;
    case 'answered':
      return put(channel, 'answered', better(channel.answered, at, rank, 'earlier')) || isNew;
    case 'dialed':
      isNew = put(channel, 'dialed', better(channel.dialed, at, rank, 'earlier')) || isNew;
      isNew = put(channel, 'dialedBy', say(channel.dialedBy, event.byUniqueId, at, rank, 'earlier')) || isNew;
      return put(channel, 'dialString', say(channel.dialString, event.dialString, at, rank, 'earlier')) || isNew;
    case 'dial-ended':
      isNew = put(channel, 'outcome', say(channel.outcome, event.status, at, rank, 'later')) || isNew;
      return put(channel, 'forward', say(channel.forward, event.forward, at, rank, 'earlier')) || isNew;
    case 'bridge-entered':
    case 'bridge-left':
      return put(channel, 'marks', addMark(channel.marks, markOf(event))) || isNew;
    case 'app':
      return put(channel, 'apps', addRun(channel.apps, runOf(event))) || isNew;
    case 'recording': {
      const told = { at, path: event.path, startedAt: [at] };
      return put(channel, 'recordings', addRecording(channel.recordings, told)) || isNew;
    }
    case 'variable':
      return put(channel, 'variables', addVariable(channel.variables, event.variable, event.value, at, rank)) || isNew;
    case 'pickup':
      return put(channel, 'pickedUp', channel.pickedUp ?? event.targetUniqueId) || isNew;
    case 'hung-up':
      isNew = put(channel, 'ended', better(channel.ended, at, rank, 'later')) || isNew;
      isNew = put(channel, 'cause', say(channel.cause, event.cause, at, rank, 'later')) || isNew;
      return put(channel, 'dialStatus', say(channel.dialStatus, event.dialStatus, at, rank, 'later')) || isNew;
    case 'connected-line':
      return put(channel, 'connectedNumber', say(channel.connectedNumber, event.number, at, rank, 'earlier')) || isNew;
    case 'hold':
      return put(channel, 'holds', addHold(channel.holds, { at, isHeld: event.isHeld })) || isNew;
    case 'blind-transfer': {
      const told = { at, kind: 'blind', to: event.toExten } as const;
      return put(channel, 'transfers', addTransfer(channel.transfers, told)) || isNew;
    }
    case 'attended-transfer':
      return put(channel, 'transfers', addTransfer(channel.transfers, { at, kind: 'attended', to: null })) || isNew;
    case 'call-ended':
      return isNew;
  }
}

const markOf = (event: PbxEvent & { type: 'bridge-entered' | 'bridge-left' }): BridgeMark => ({
  at: event.at,
  bridgeId: event.bridgeId,
  isEntry: event.type === 'bridge-entered',
  isFromCdr: event.origin === 'cdr',
  isFound: event.origin === 'resync',
});
const runOf = (event: PbxEvent & { type: 'app' }): AppRun => ({
  at: event.at,
  app: event.app,
  args: event.args,
  exten: event.exten,
  isLive: event.origin === 'ami',
  isFromCdr: event.origin === 'cdr',
});

function addMark(marks: ChannelFacts['marks'], mark: BridgeMark): ChannelFacts['marks'] {
  const isKnown = marks.some(
    (known) => known.at === mark.at && known.bridgeId === mark.bridgeId && known.isEntry === mark.isEntry,
  );
  return isKnown ? marks : insertByTime(marks, mark);
}

/** The same work told twice, by AMI and CEL or by each CEL row while it goes on, is one run. */
function addRun(runs: ChannelFacts['apps'], told: AppRun): ChannelFacts['apps'] {
  const known = runs.find(
    (run) =>
      run.app === told.app &&
      run.args === told.args &&
      (!isMomentary(run.app) || Math.abs(run.at - told.at) < sameMomentMs),
  );
  if (known === undefined) return insertByTime(runs, told);
  const { isFromCdr } = told;
  if (isFromCdr && !known.isFromCdr) return runs;
  const isLive = known.isLive || told.isLive;
  const isBetter =
    known.isFromCdr !== isFromCdr ||
    told.at < known.at ||
    // Of two words of one moment always the same, whatever was told first.
    (told.at === known.at && told.exten < known.exten);
  if (!isBetter && isLive === known.isLive) return runs;
  const rest = runs.filter((run) => run !== known);
  return insertByTime(rest, { ...(isBetter ? told : known), isLive });
}

function addHold(
  holds: ChannelFacts['holds'],
  mark: { readonly at: number; readonly isHeld: boolean },
): ChannelFacts['holds'] {
  const isKnown = holds.some((known) => known.at === mark.at && known.isHeld === mark.isHeld);
  return isKnown ? holds : insertByTime(holds, mark);
}

/** AMI and CEL tell of the same transfer, a moment apart. */
const sameTransferMs = 2_000;
function addTransfer(transfers: ChannelFacts['transfers'], mark: TransferMark): ChannelFacts['transfers'] {
  const known = transfers.find((other) => other.kind === mark.kind && Math.abs(other.at - mark.at) < sameTransferMs);
  if (known === undefined) return insertByTime(transfers, mark);
  if (known.at <= mark.at) return transfers;
  const rest = transfers.filter((other) => other !== known);
  return insertByTime(rest, mark);
}

/** Marks are set once; where one is set again, the first word stays whatever the order of arrival. */
function addVariable(
  known: ChannelFacts['variables'],
  name: string,
  value: string,
  at: number,
  rank: number,
): ChannelFacts['variables'] {
  const said = say(known[name] ?? null, value, at, rank, 'earlier');
  return said === null || said === known[name] ? known : { ...known, [name]: said };
}

/** A file is told once with its folder and once as the dialplan named it; the fuller name stays. */
function addRecording(known: readonly RecordingTold[], told: RecordingTold): readonly RecordingTold[] {
  if (told.path === '') return known;
  const same = known.find((other) => isSameFile(other.path, told.path));
  if (same === undefined) return insertByTime(known, told);
  const path = told.path.length > same.path.length ? told.path : same.path;
  const startedAt = [...new Set([...same.startedAt, ...told.startedAt])].sort((a, b) => a - b);
  if (path === same.path && startedAt.length === same.startedAt.length) return known;
  return insertByTime(
    known.filter((other) => other !== same),
    { at: startedAt[0]!, path, startedAt },
  );
}
/** A recording may be stopped and taken up again any number of times with the same words. */
const isMomentary = (app: string) => /^(?:stop)?mixmonitor$/i.test(app);
/** Of one run told twice; people who stop a recording and go on take longer. */
export const sameMomentMs = 1_000;
const isSameFile = (a: string, b: string) => a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);

/** One channel out of what is known under its name alone and what is known under its uniqueid. */
export function joinChannels(byName: ChannelFacts, byId: ChannelFacts): ChannelFacts {
  const moment = (a: Moment | null, b: Moment | null, pick: 'earlier' | 'later') =>
    a === null ? b : better(b, a.at, a.rank, pick);
  const said = <T extends string | number | boolean>(
    a: Said<T> | null,
    b: Said<T> | null,
    pick: 'earlier' | 'later',
  ) => (a === null ? b : say(b, a.value, a.at, a.rank, pick));
  return {
    ...byId,
    firstLinkedId: said(byName.firstLinkedId, byId.firstLinkedId, 'earlier'),
    names: byName.names.reduce((names, entry) => addName(names, entry.at, entry.name), byId.names),
    started: moment(byName.started, byId.started, 'earlier'),
    isCalling: said(byName.isCalling, byId.isCalling, 'earlier'),
    exten: said(byName.exten, byId.exten, 'earlier'),
    callerNumber: said(byName.callerNumber, byId.callerNumber, 'earlier'),
    callerName: said(byName.callerName, byId.callerName, 'earlier'),
    connectedNumber: said(byName.connectedNumber, byId.connectedNumber, 'earlier'),
    ringing: moment(byName.ringing, byId.ringing, 'earlier'),
    answered: moment(byName.answered, byId.answered, 'earlier'),
    ended: moment(byName.ended, byId.ended, 'later'),
    cause: said(byName.cause, byId.cause, 'later'),
    dialStatus: said(byName.dialStatus, byId.dialStatus, 'later'),
    dialed: moment(byName.dialed, byId.dialed, 'earlier'),
    dialedBy: said(byName.dialedBy, byId.dialedBy, 'earlier'),
    dialString: said(byName.dialString, byId.dialString, 'earlier'),
    outcome: said(byName.outcome, byId.outcome, 'later'),
    forward: said(byName.forward, byId.forward, 'earlier'),
    marks: byName.marks.reduce(addMark, byId.marks),
    apps: byName.apps.reduce(addRun, byId.apps),
    recordings: byName.recordings.reduce(addRecording, byId.recordings),
    variables: Object.entries(byName.variables).reduce(
      (known, [name, { value, at, rank }]) => addVariable(known, name, value, at, rank),
      byId.variables,
    ),
    holds: byName.holds.reduce(addHold, byId.holds),
    transfers: byName.transfers.reduce(addTransfer, byId.transfers),
  };
}

/** The channel's name at that moment. */
export function nameAt(channel: ChannelFacts, at: number): string {
  let name = channel.names[0]?.name ?? '';
  for (const entry of channel.names) {
    if (entry.at > at) break;
    name = entry.name;
  }
  return name;
}

export const firstName = (channel: ChannelFacts): string => channel.names[0]?.name ?? '';
export const lastName = (channel: ChannelFacts): string => channel.names[channel.names.length - 1]?.name ?? '';
