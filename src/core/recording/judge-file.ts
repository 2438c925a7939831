/** When a file is whole, and when it is looked at again while it is not. */

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
