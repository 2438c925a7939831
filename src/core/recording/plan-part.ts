/** Which part of a file is a conversation's. */
import type { Conversation } from '../call.ts';
import { leastTalkMs, type AnnouncedFile, type ConversationFiles } from './call-recordings.ts';
import { isSameFile } from './mix-monitor.ts';

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
