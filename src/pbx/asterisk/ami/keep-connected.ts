import { setTimeout as delay } from 'node:timers/promises';
import { LoginRefused } from './ami-link.ts';
import { Backoff, type BackoffSettings } from './backoff.ts';

/** Why there is no connection: the login was refused, or anything else. */
export type ConnectionEnd = 'refused' | 'lost';

/** Holds one connection after another until the signal says to stop, and resolves then. Never rejects. */
export async function keepConnected(
  signal: AbortSignal,
  parts: {
    readonly backoff: BackoffSettings;
    /** Wait between logins after a refused one. */
    readonly refusedRetryMs: number;
    /** One connection, from its making to its end; resolves with why it ended, or rejects. */
    readonly hold: (signal: AbortSignal) => Promise<string>;
    readonly onEnd: (end: ConnectionEnd, reason: string) => void;
    /** Before the wait for the next one; not after a stop. */
    readonly onWait: (reason: string, retryInMs: number) => void;
  },
): Promise<void> {
  const backoff = new Backoff(parts.backoff);
  while (!signal.aborted) {
    const startedAt = performance.now();
    let end: ConnectionEnd = 'lost';
    let reason: string;
    try {
      reason = await parts.hold(signal);
    } catch (error) {
      if (error instanceof LoginRefused) end = 'refused';
      reason = (error as Error).message;
    }
    parts.onEnd(end, reason);
    if (signal.aborted) return;
    // A connection that lived is a new beginning; one that dies at once is another failure.
    if (performance.now() - startedAt > parts.backoff.maxMs) backoff.reset();
    const waitMs = end === 'refused' ? parts.refusedRetryMs : backoff.next();
    parts.onWait(reason, waitMs);
    await delay(waitMs, undefined, { signal }).catch(() => {});
  }
}
