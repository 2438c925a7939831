/**
 * What a recording is and what is decided of it: which files belong to a conversation, which part of a file it is, when
 * a file is whole, and how long it is kept. Pure: looks at no disk and no clock.
 */
import type { Call, CallResult, Conversation, Direction } from './call.ts';
import type { NumberPlan, StoredCall } from './ports.ts';
import { newCall, nextState, type CallState } from './tracking/call-machine.ts';
import { recordCall } from './tracking/call-record.ts';
import { viewCall, type CallView } from './tracking/call-view.ts';
import {
  endOfChannel,
  sameMomentMs,
  type BridgeMark,
  type ChannelFacts,
  type RecordingTold,
} from './tracking/channel-facts.ts';
import { countedMarks } from './tracking/talk.ts';

/**
 * - `waiting`: the file is not there or not whole yet; looked for again on a schedule.
 * - `ready`: converted; the mp3 is served.
 * - `original`: whole, but not converted (yet); the PBX's own file is served, and `reason` says why.
 * - `missing`: not there a quarter of an hour after the call; still looked for, rarely.
 * - `empty`: there, without a sound in it (a header alone); still looked at, rarely.
 * - `unreadable`: there, but no recording, or nothing that may be served; `reason` says why.
 * - `removed`: deleted by retention, quota or on request; the links answer 410.
 */
export type RecordingState = 'waiting' | 'ready' | 'original' | 'missing' | 'empty' | 'unreadable' | 'removed';

/** One recording as people and programs see it: a conversation's part of a file, or the whole file that was cut. */
export interface Recording {
  /** Random; the one in the link. */
  readonly id: string;
  readonly source: string;
  readonly linkedId: string;
  /** Null: the whole file, of which other recordings are parts. */
  readonly uniqueId: string | null;
  /** 0 is the conversation's main recording, the one that CRMs are given. */
  readonly position: number;
  readonly direction: Direction;
  readonly client: string | null;
  readonly extension: string | null;
  readonly did: string | null;
  readonly startedAt: Date;
  readonly callEndedAt: Date;
  readonly state: RecordingState;
  readonly reason: string | null;
  /** When it is looked at next; null: nothing more happens by itself. */
  readonly dueAt: Date | null;
  /** Conversions that failed. */
  readonly attempts: number;
  /** As the phone system named it; empty while nothing was announced. */
  readonly announcedPath: string;
  /** The file on this machine, and the root it was found under. */
  readonly path: string | null;
  readonly root: string | null;
  /** The part of the file, null for all of it. */
  readonly part: { readonly fromMs: number; readonly toMs: number } | null;
  readonly durationMs: number | null;
  /** Two channels in a file without a header. */
  readonly isInterleaved: boolean;
  /** Loudness for drawing, one list per channel, 0 to 255; null while not converted. */
  readonly peaks: readonly (readonly number[])[] | null;
  readonly mp3: { readonly name: string; readonly bytes: number; readonly isArchived: boolean } | null;
  readonly readyAt: Date | null;
  /** Null: for ever. */
  readonly keepUntil: Date | null;
  readonly linkVersion: number;
  readonly createdAt: Date;
}

/** What a recording needs to be made into bytes for a browser. */
export interface RecordingContent {
  readonly contentType: string;
  readonly fileName: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Bytes `from` to `to`, both included; a few at once, many as a stream. */
  read(from: number, to: number): Promise<Uint8Array | NodeJS.ReadableStream>;
  close(): Promise<void>;
}

/** How a link is answered. */
export type RecordingAnswer =
  | { readonly kind: 'content'; readonly recording: Recording; readonly content: RecordingContent }
  | { readonly kind: 'not-ready'; readonly retryAfterSeconds: number }
  | { readonly kind: 'not-found' | 'expired' | 'revoked' | 'removed' | 'missing' | 'empty' };

/** Who listens, for the audit. */
export interface RecordingPlay {
  readonly address: string;
  readonly forwardedFor: string | null;
  readonly agent: string | null;
}
export interface StoredPlay extends RecordingPlay {
  readonly at: Date;
}

/** What the web server offers of recordings. */
export interface RecordingDoor {
  /** What a link opens. `query` holds whatever stood behind the question mark; parameters that are not ours are ignored. */
  open(id: string, query: Readonly<Record<string, unknown>>): Promise<RecordingAnswer>;
  /** Notes that somebody listens; several requests of one player within a minute are one play. */
  played(recording: Recording, play: RecordingPlay): Promise<void>;
  ofCall(source: string, linkedId: string): Promise<readonly Recording[]>;
  find(id: string): Promise<Recording | null>;
  plays(id: string): Promise<readonly StoredPlay[]>;
  /** The link as a CRM would be given it now. */
  linkOf(recording: Recording): string;
  /** Makes all links given out so far invalid; null: there is no such recording. */
  revokeLinks(id: string): Promise<Recording | null>;
  /** Deletes everything recorded with this client (normalised number), here and in the archive, and cuts the links. */
  forgetNumber(number: string): Promise<{ readonly removed: number }>;
}

/** `missing`: there is no converter; `full`: no room on the disk; `expired`: not in time; `failed`: it broke off. */
export class ConversionFailed extends Error {
  override readonly name = 'ConversionFailed';
  readonly kind: 'missing' | 'full' | 'expired' | 'failed';
  constructor(kind: ConversionFailed['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

// ---------------------------------------------------------------- which files

/** A file that the phone system announced, with the spans of time in which it wrote sound into it. */
export interface AnnouncedFile {
  readonly path: string;
  /** Milliseconds since the epoch, in order; empty where nobody knows. */
  readonly spans: readonly { readonly from: number; readonly to: number }[];
  /** True where it was written only while somebody talked, so that all spans are full of sound. */
  readonly isTalkOnly?: boolean;
  /** True where the two sides were written in turns, sample by sample, into a file that cannot say so. */
  readonly isInterleaved?: boolean;
}

export interface ConversationFiles {
  readonly conversation: Conversation;
  /** The main one first. */
  readonly files: readonly AnnouncedFile[];
}

export interface CallRecordings {
  readonly call: Call;
  readonly conversations: readonly ConversationFiles[];
}

const isSameFile = (a: string, b: string) => a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);

/** True for a conversation that can have been recorded. */
export const isRecordable = (conversation: Conversation): boolean =>
  conversation.answeredAt !== null || conversation.result === ('voicemail' satisfies CallResult);

/** The call, its recordable conversations and the files of each; null while nothing is known of the call. */
export function findCallRecordings(stored: StoredCall, plan: NumberPlan): CallRecordings | null {
  let state: CallState = { ...newCall(stored.source, stored.linkedId), linkedIds: [...stored.linkedIds] };
  for (const event of stored.events) state = nextState(state, event);
  const call = recordCall(state, plan);
  const view = viewCall(state, plan);
  if (call === null || view === null) return null;
  const conversations = call.conversations
    .filter(isRecordable)
    .map((conversation) => ({ conversation, files: filesOf(conversation, view) }));
  return { call, conversations };
}

/** The main one is the ledger's; then those of the employee's own channel; then those of others that ran during the talk. */
function filesOf(conversation: Conversation, view: CallView): AnnouncedFile[] {
  const found: AnnouncedFile[] = [];
  const add = (file: AnnouncedFile) => {
    if (!found.some((known) => isSameFile(known.path, file.path))) found.push(file);
  };
  const all = view.channels
    .flatMap((channel) =>
      announcedOn(channel).map((recording) => ({
        isOwn: channel.id === conversation.uniqueId,
        // A CDR row names the file of its call too, on a channel that need not be the recorded one.
        isSure: runsInto(channel, recording.path).length > 0,
        file: {
          path: recording.path,
          spans: spansOf(channel, recording, view),
          isTalkOnly: isTalkOnly(runsInto(channel, recording.path)),
          isInterleaved: isInterleaved(channel, recording.path),
        },
      })),
    )
    .sort((a, b) => Number(b.isSure) - Number(a.isSure));
  const from = conversation.answeredAt?.getTime() ?? Infinity;
  const to = conversation.endedAt?.getTime() ?? Infinity;
  const isDuring = ({ file }: (typeof all)[number]) =>
    file.spans.some((span) => Math.min(span.to, to) - Math.max(span.from, from) >= leastTalkMs);
  const isElsewhere = ({ isSure, file }: (typeof all)[number]) =>
    isSure && file.spans.length > 0 && to - from >= leastTalkMs;
  const main = conversation.recording;
  if (main !== null && main !== '') {
    const named = all.find(({ file }) => isSameFile(file.path, main));
    if (named === undefined) add({ path: main, spans: [] });
    // One that was over before they talked is another's, and so is one that was begun anew after they did.
    else if (isDuring(named) || !(all.some(isDuring) || isElsewhere(named))) add(named.file);
  }
  for (const { file } of all.filter((one) => one.isOwn && isDuring(one))) add(file);
  for (const { file } of all.filter((one) => !one.isOwn && isDuring(one))) add(file);
  return found;
}
/** Less than this in common with a talk is a coincidence at its edge. */
const leastTalkMs = 500;

type AppRun = ChannelFacts['apps'][number];
const isMixMonitor = ({ app }: AppRun) => app.toLowerCase() === 'mixmonitor';
/** `file.wav,abr(in.wav)` → its file and its options. */
function readMixMonitor({ args }: AppRun): { readonly path: string; readonly options: string } {
  const [path = '', options = ''] = args.split(',', 2);
  return { path, options };
}
/** With `r(…)` and `t(…)` each side is written into a file of its own as well. */
const sidesOf = (run: AppRun) =>
  [...readMixMonitor(run).options.matchAll(/[rt]\(([^()]+)\)/g)].map(([, path]) => ({
    at: run.at,
    path: path!,
    startedAt: [run.at],
  }));
/** `abi(ID)` → `abi`. */
const lettersOf = (run: AppRun) => readMixMonitor(run).options.replace(/\([^)]*\)/g, '');
const isTalkOnly = (runs: readonly AppRun[]) => runs.length > 0 && runs.every((run) => lettersOf(run).includes('b'));

/** With option `D`; the files of each side are as always. */
const isInterleaved = (channel: ChannelFacts, path: string) =>
  runsInto(channel, path).some((run) => lettersOf(run).includes('D') && isSameFile(readMixMonitor(run).path, path));

/** The files of a channel, mixed ones first. */
function announcedOn(channel: ChannelFacts): ChannelFacts['recordings'] {
  return [...channel.recordings, ...channel.apps.filter(isMixMonitor).flatMap(sidesOf)];
}
/** The runs of the recorder that wrote this file of the channel; none where only somebody else names the file. */
export function runsInto(channel: ChannelFacts, path: string): readonly AppRun[] {
  return channel.apps.filter(
    (run) =>
      isMixMonitor(run) &&
      [readMixMonitor(run).path, ...sidesOf(run).map((side) => side.path)].some(
        (one) => one !== '' && isSameFile(one, path),
      ),
  );
}

/** The moments at which writing into the file began, and with which options. */
function startsOf(
  channel: ChannelFacts,
  recording: RecordingTold,
  stops: readonly AppRun[],
): readonly { readonly at: number; readonly letters: string }[] {
  const runs = runsInto(channel, recording.path).map((run) => ({ at: run.at, letters: lettersOf(run) }));
  // Begun over AMI, a recording tells no options; nobody takes one up to wipe out what there is.
  const letters = `${runs[0]?.letters ?? ''}a`;
  const others = recording.startedAt
    .filter((at) => !runs.some((run) => Math.abs(run.at - at) < sameMomentMs))
    .map((at) => ({ at, letters }));
  return [...runs, ...others]
    .sort((one, other) => one.at - other.at)
    .filter(
      // One that nothing was stopped before is the same one, told again.
      ({ at }, index, all) => index === 0 || stops.some((stop) => stop.at > all[index - 1]!.at && stop.at <= at),
    );
}

/**
 * When sound was written: from the start of the recording to its stop or the channel's end, and again where it was taken
 * up later; with MixMonitor's option `b` only while the channel was in a bridge.
 */
function spansOf(channel: ChannelFacts, recording: RecordingTold, view: CallView): AnnouncedFile['spans'] {
  const stops = channel.apps.filter(({ app }) => app.toLowerCase() === 'stopmixmonitor');
  const lastAt = endOfChannel(channel)?.at ?? channel.ended?.at ?? view.endedAt ?? view.lastAt;
  let spans: AnnouncedFile['spans'] = [];
  for (const { at: from, letters } of startsOf(channel, recording, stops)) {
    const to = Math.min(stops.find(({ at }) => at > from)?.at ?? Infinity, lastAt);
    if (to <= from) continue;
    const written = letters.includes('b') ? bridgedSpans(countedMarks(channel), from, to) : [{ from, to }];
    // Without `a` the file is begun anew.
    spans = letters.includes('a') ? [...spans, ...written] : written;
  }
  return spans;
}

function bridgedSpans(marks: readonly BridgeMark[], from: number, to: number): AnnouncedFile['spans'] {
  const spans: { from: number; to: number }[] = [];
  let enteredAt: number | null = null;
  let bridgeId = '';
  for (const mark of marks) {
    if (mark.isEntry) {
      enteredAt ??= mark.at;
      bridgeId = mark.bridgeId;
    } else if (enteredAt !== null && mark.bridgeId === bridgeId) {
      spans.push({ from: enteredAt, to: mark.at });
      enteredAt = null;
    }
  }
  if (enteredAt !== null) spans.push({ from: enteredAt, to });
  return spans
    .map((span) => ({ from: Math.max(span.from, from), to: Math.min(span.to, to) }))
    .filter((span) => span.to > span.from);
}

// ---------------------------------------------------------------- which part

/**
 * The conversation's part of a file that several conversations share, in milliseconds of the file; null: all of it.
 *
 * Counted back from the file's end, which is the end of the recording to the tick, where its beginning is not: nothing is
 * written before the first sound, however early the recording was started. A file of nothing but talks is shorter only by
 * what was lost under way, anywhere: by that its time runs slower than that of the events.
 */
export function planPart(options: {
  readonly file: AnnouncedFile;
  readonly conversation: Conversation;
  readonly others: readonly ConversationFiles[];
  readonly durationMs: number;
}): { readonly fromMs: number; readonly toMs: number } | null {
  const { file, conversation, others, durationMs } = options;
  const isShared = others.some(
    (other) =>
      other.conversation.uniqueId !== conversation.uniqueId &&
      other.conversation.answeredAt !== null &&
      other.files.some((one) => isSameFile(one.path, file.path)),
  );
  const { answeredAt, endedAt } = conversation;
  if (!isShared || answeredAt === null || file.spans.length === 0) return null;
  const writtenAfter = (at: number) =>
    file.spans.reduce((sum, span) => sum + Math.max(0, span.to - Math.max(span.from, at)), 0);
  const pace = file.isTalkOnly === true ? durationMs / writtenAfter(-Infinity) : 1;
  const usedPace = Math.abs(pace - 1) < mostLost ? pace : 1;
  const place = (at: number) => Math.round(Math.min(durationMs, Math.max(0, durationMs - writtenAfter(at) * usedPace)));
  const fromMs = place(answeredAt.getTime());
  const toMs = endedAt === null ? Math.round(durationMs) : place(endedAt.getTime());
  return toMs - fromMs < leastTalkMs ? null : { fromMs, toMs };
}

/** A file that lacks a larger part lacks it in one place, e.g. because the disk was full. */
const mostLost = 0.1;

// ---------------------------------------------------------------- when it is whole

/** What was seen of a file at one moment. */
export interface FileLook {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly bytes: number;
  /** False: its header says that it is still being written; null: such files do not tell. */
  readonly isClosed: boolean | null;
  readonly hasSound: boolean;
}

export type FileJudgement =
  | { readonly state: 'complete' }
  | { readonly state: 'waiting' | 'missing' | 'empty'; readonly reason: string; readonly lookAgainMs: number | null };

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** How long a recording may be late before a call is taken to have none. */
export const patienceMs = 15 * minute;
/** After this nothing is looked for any more. */
const givenUpAfterMs = 7 * 24 * hour;
/** So long a file must not have changed. */
const stableMs = 700;
/** The same of one whose format has no end: a program that makes it out of another may pause for longer. */
const stableWithoutEndMs = 3 * second;
/** A file whose header was never closed is taken as it is after this: the PBX was killed. */
const abandonedMs = minute;

/**
 * Whether the file is whole, and if not, what is said of it and when to look again. `sinceEndMs` is the time since the
 * call's end. Without an announcement most calls have no file at all, so that is looked for less often.
 */
export function judgeFile(
  previous: FileLook | null,
  look: FileLook | null,
  sinceEndMs: number,
  isAnnounced = true,
): FileJudgement {
  if (look === null) return notYet('missing', 'there is no file', { sinceEndMs, isAnnounced });
  if (!look.hasSound) return notYet('empty', 'the file has a header and no sound', { sinceEndMs, isAnnounced: true });
  const isSame = previous !== null && previous.bytes === look.bytes && previous.isClosed === look.isClosed;
  const unchangedMs = isSame ? look.at - previous.at : 0;
  if (look.isClosed === false) {
    if (isSame && unchangedMs >= abandonedMs) return { state: 'complete' };
    const lookAgainMs = isSame
      ? Math.max(abandonedMs - unchangedMs, 100)
      : Math.min(pauseAfter(sinceEndMs), 5 * second);
    return { state: 'waiting', reason: 'the file is still being written', lookAgainMs };
  }
  const stillMs = look.isClosed === null ? stableWithoutEndMs : stableMs;
  if (isSame && unchangedMs >= stillMs) return { state: 'complete' };
  const reason = isSame || previous === null ? 'is looked at once more' : 'the file is still growing';
  return { state: 'waiting', reason, lookAgainMs: isSame ? stillMs - unchangedMs : stillMs };
}

function notYet(
  state: 'missing' | 'empty',
  reason: string,
  { sinceEndMs, isAnnounced }: { readonly sinceEndMs: number; readonly isAnnounced: boolean },
): FileJudgement {
  if (sinceEndMs < patienceMs) {
    const pauseMs = pauseAfter(sinceEndMs);
    return { state: 'waiting', reason, lookAgainMs: isAnnounced ? pauseMs : Math.min(4 * pauseMs, minute) };
  }
  return { state, reason, lookAgainMs: sinceEndMs >= givenUpAfterMs ? null : isAnnounced ? hour : 24 * hour };
}

function pauseAfter(sinceEndMs: number): number {
  if (sinceEndMs < 10 * second) return 500;
  if (sinceEndMs < minute) return 3 * second;
  if (sinceEndMs < 5 * minute) return 10 * second;
  return 30 * second;
}

// ---------------------------------------------------------------- how long it is kept

/** All that is given must hold. */
export interface RetentionRule {
  /** Null: for ever. */
  readonly days: number | null;
  readonly directions: readonly Direction[] | null;
  readonly extensions: readonly string[] | null;
  readonly dids: readonly string[] | null;
}

/** When the recording is to be deleted; null: never. The first rule that fits decides, else `days`. */
export function keepUntil(
  retention: { readonly days: number | null; readonly rules: readonly RetentionRule[] },
  recording: Pick<Recording, 'direction' | 'extension' | 'did' | 'startedAt'>,
): Date | null {
  const isIn = (value: string | null, list: readonly string[] | null) =>
    list === null || (value !== null && list.includes(value));
  const rule = retention.rules.find(
    ({ directions, extensions, dids }) =>
      isIn(recording.direction, directions) && isIn(recording.extension, extensions) && isIn(recording.did, dids),
  );
  const days = rule === undefined ? retention.days : rule.days;
  return days === null ? null : new Date(recording.startedAt.getTime() + days * 24 * hour);
}
