/** Which files belong to which conversation of a call. */
import type { Call, CallResult, Conversation } from '../call.ts';
import type { NumberPlan, StoredCall } from '../ports.ts';
import { recordCall } from '../tracking/call-record.ts';
import { stateFromEvents } from '../tracking/call-tracker.ts';
import { viewCall, type CallView } from '../tracking/call-view.ts';
import { announcedOn, isInterleaved, isSameFile, isTalkOnly, runsInto } from './mix-monitor.ts';
import { writtenSpans, type Spans } from './written-spans.ts';

/** A file that the phone system announced, with the spans of time in which it wrote sound into it. */
export interface AnnouncedFile {
  readonly path: string;
  /** In order; empty where nobody knows. */
  readonly spans: Spans;
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

/** Less than this in common with a talk is a coincidence at its edge. */
export const leastTalkMs = 500;

/** True for a conversation that can have been recorded. */
export const isRecordable = (conversation: Conversation): boolean =>
  conversation.answeredAt !== null || conversation.result === ('voicemail' satisfies CallResult);

/** The call, its recordable conversations and the files of each; null while nothing is known of the call. */
export function findCallRecordings(stored: StoredCall, plan: NumberPlan): CallRecordings | null {
  const state = stateFromEvents(stored);
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
          spans: writtenSpans(channel, recording, view),
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
