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

export interface BridgeMark {
  readonly at: number;
  readonly bridgeId: string;
  readonly isEntry: boolean;
  /** Made from a CDR row: whole seconds, used only where nothing finer is known of the channel. */
  readonly isCoarse: boolean;
}

export interface AppRun {
  readonly at: number;
  readonly app: string;
  readonly args: string;
  readonly exten: string;
}

export interface ChannelFacts {
  /** The uniqueid; the channel's name as long as only that is known. */
  readonly id: string;
  /** Names by time; more than one after a masquerade (pickup, transfer). */
  readonly names: readonly { readonly at: number; readonly name: string }[];
  readonly started: Moment | null;
  readonly isCalling: boolean | null;
  readonly context: string;
  readonly exten: string;
  readonly callerNumber: string;
  readonly callerName: string;
  readonly ringing: Moment | null;
  readonly answered: Moment | null;
  readonly ended: Moment | null;
  readonly cause: number | null;
  /** The status of the dialling that this channel did, where its hang-up tells (CEL, CDR). */
  readonly dialStatus: string | null;
  readonly dialed: Moment | null;
  readonly dialedBy: string | null;
  readonly dialString: string | null;
  /** The outcome of dialling this channel. */
  readonly outcome: string | null;
  readonly forward: string | null;
  readonly marks: readonly BridgeMark[];
  readonly apps: readonly AppRun[];
  readonly recordings: readonly { readonly at: number; readonly path: string }[];
  readonly variables: Readonly<Record<string, string>>;
  /** The uniqueid of the channel that this one picked up. */
  readonly pickedUp: string | null;
}

/** How much the time of an event is worth: the PBX's own events, then CDR's whole seconds, then what a resync infers. */
export function rankOf(origin: EventOrigin): number {
  return origin === 'cdr' ? 1 : origin === 'resync' ? 0 : 2;
}

export function emptyChannel(id: string): ChannelFacts {
  return {
    id,
    names: [],
    started: null,
    isCalling: null,
    context: '',
    exten: '',
    callerNumber: '',
    callerName: '',
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
  };
}

/** Keeps the better-ranked moment; of two equal ones the earlier (`pick` = min) or the later (max). */
function better(known: Moment | null, at: number, rank: number, pick: 'earlier' | 'later'): Moment {
  if (known === null || rank > known.rank) return { at, rank };
  if (rank < known.rank) return known;
  return (pick === 'earlier' ? at < known.at : at > known.at) ? { at, rank } : known;
}

function insertByTime<T extends { readonly at: number }>(list: readonly T[], item: T): readonly T[] {
  const last = list[list.length - 1];
  if (last === undefined || last.at <= item.at) return [...list, item];
  const index = list.findIndex((other) => other.at > item.at);
  return [...list.slice(0, index), item, ...list.slice(index)];
}

/**
 * A name belongs to a channel from `at` on. Only changes are kept; a report of the same name inside its span adds
 * nothing, and one from before its span moves the beginning.
 */
function addName(names: ChannelFacts['names'], at: number, name: string): ChannelFacts['names'] {
  if (name === '') return names;
  let index = names.length - 1;
  while (index >= 0 && names[index]!.at > at) index--;
  if (names[index]?.name === name) return names;
  const next = names[index + 1];
  if (next?.name === name) return names.map((entry, position) => (position === index + 1 ? { at, name } : entry));
  return [...names.slice(0, index + 1), { at, name }, ...names.slice(index + 1)];
}

/** Two reports of the same thing by AMI and CEL lie milliseconds apart. */
const sameRunMs = 1500;

/** The channel with this event folded in; the same object when the event says nothing new. */
export function foldChannel(channel: ChannelFacts, event: PbxEvent): ChannelFacts {
  const rank = rankOf(event.origin);
  const names = addName(channel.names, event.at, event.channel);
  const named = names === channel.names ? channel : { ...channel, names };
  switch (event.type) {
    case 'started': {
      const started = better(named.started, event.at, rank, 'earlier');
      const isFirst = named.started === null || started !== named.started;
      const next = {
        started,
        isCalling: named.isCalling ?? event.isCalling,
        // The earliest report has the channel before the dialplan moved it on.
        context: isFirst && event.context !== '' ? event.context : named.context || event.context,
        exten: isFirst && event.exten !== '' ? event.exten : named.exten || event.exten,
        callerNumber: isFirst && event.callerNumber !== '' ? event.callerNumber : named.callerNumber || event.callerNumber,
        callerName: isFirst && event.callerName !== '' ? event.callerName : named.callerName || event.callerName,
      };
      return change(named, next);
    }
    case 'ringing':
      return change(named, { ringing: better(named.ringing, event.at, rank, 'earlier') });
    case 'answered':
      return change(named, { answered: better(named.answered, event.at, rank, 'earlier') });
    case 'dialed':
      return change(named, {
        dialed: better(named.dialed, event.at, rank, 'earlier'),
        dialedBy: named.dialedBy ?? event.byUniqueId,
        dialString: named.dialString ?? (event.dialString || null),
      });
    case 'dial-ended':
      return change(named, {
        // A CDR row knows the outcome of the whole attempt only; it speaks where nobody else did.
        outcome: event.origin === 'cdr' ? (named.outcome ?? event.status) : event.status || named.outcome,
        forward: event.forward ?? named.forward,
      });
    case 'bridge-entered':
    case 'bridge-left': {
      const mark: BridgeMark = {
        at: event.at,
        bridgeId: event.bridgeId,
        isEntry: event.type === 'bridge-entered',
        isCoarse: event.origin === 'cdr',
      };
      const isKnown = named.marks.some(
        (known) => known.at === mark.at && known.bridgeId === mark.bridgeId && known.isEntry === mark.isEntry,
      );
      return isKnown ? named : { ...named, marks: insertByTime(named.marks, mark) };
    }
    case 'app': {
      const isKnown = named.apps.some(
        (run) => run.app === event.app && run.args === event.args && Math.abs(run.at - event.at) < sameRunMs,
      );
      if (isKnown) return named;
      const run = { at: event.at, app: event.app, args: event.args, exten: event.exten };
      return { ...named, apps: insertByTime(named.apps, run) };
    }
    case 'recording': {
      if (event.path === '' || named.recordings.some((known) => known.path === event.path)) return named;
      return { ...named, recordings: insertByTime(named.recordings, { at: event.at, path: event.path }) };
    }
    case 'variable':
      if (event.value === '' || named.variables[event.variable] === event.value) return named;
      return { ...named, variables: { ...named.variables, [event.variable]: event.value } };
    case 'pickup':
      return change(named, { pickedUp: named.pickedUp ?? event.targetUniqueId });
    case 'hung-up':
      return change(named, {
        ended: better(named.ended, event.at, rank, 'later'),
        cause: named.cause ?? event.cause,
        dialStatus: named.dialStatus ?? event.dialStatus,
      });
    case 'connected-line':
    case 'blind-transfer':
    case 'attended-transfer':
    case 'call-ended':
      return named;
  }
}

function change(channel: ChannelFacts, fields: Partial<ChannelFacts>): ChannelFacts {
  for (const key of Object.keys(fields) as (keyof ChannelFacts)[]) {
    if (fields[key] !== channel[key]) return { ...channel, ...fields };
  }
  return channel;
}

/** One channel out of what was known under its name alone and what is known under its uniqueid. */
export function joinChannels(byName: ChannelFacts, byId: ChannelFacts): ChannelFacts {
  const joinMoment = (a: Moment | null, b: Moment | null, pick: 'earlier' | 'later') =>
    a === null ? b : b === null ? a : better(a, b.at, b.rank, pick);
  return {
    ...byId,
    names: byName.names.reduce((names, entry) => addName(names, entry.at, entry.name), byId.names),
    started: joinMoment(byId.started, byName.started, 'earlier'),
    isCalling: byId.isCalling ?? byName.isCalling,
    ringing: joinMoment(byId.ringing, byName.ringing, 'earlier'),
    answered: joinMoment(byId.answered, byName.answered, 'earlier'),
    ended: joinMoment(byId.ended, byName.ended, 'later'),
    cause: byId.cause ?? byName.cause,
    dialStatus: byId.dialStatus ?? byName.dialStatus,
    dialed: joinMoment(byId.dialed, byName.dialed, 'earlier'),
    dialedBy: byId.dialedBy ?? byName.dialedBy,
    dialString: byId.dialString ?? byName.dialString,
    outcome: byId.outcome ?? byName.outcome,
    forward: byId.forward ?? byName.forward,
    marks: byName.marks.reduce((marks, mark) => insertByTime(marks, mark), byId.marks),
    apps: byName.apps.reduce((apps, run) => insertByTime(apps, run), byId.apps),
    recordings: byName.recordings.reduce((all, recording) => insertByTime(all, recording), byId.recordings),
    variables: { ...byName.variables, ...byId.variables },
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
