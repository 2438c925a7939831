const second = 1_000;
const minute = 60 * second;

/** Waits after the first, second, … failed attempt; the last one is repeated for ever. */
export const retryScheduleMs: readonly number[] = [
  5 * second,
  15 * second,
  30 * second,
  minute,
  2 * minute,
  5 * minute,
  10 * minute,
  20 * minute,
  30 * minute,
  60 * minute,
];
/** A wait is stretched by up to this part, so that what failed together does not come back together. */
const jitter = 0.2;

/** When to try again. `retryAfterMs` is a floor that is met to the millisecond or exceeded, never undercut. */
export function retryDelayMs(
  failedAttempts: number,
  options: { readonly retryAfterMs?: number | null; readonly random?: () => number } = {},
): number {
  const { retryAfterMs = null, random = Math.random } = options;
  const step = retryScheduleMs[Math.min(Math.max(failedAttempts, 1), retryScheduleMs.length) - 1]!;
  return Math.ceil(Math.max(step * (1 + jitter * random()), retryAfterMs ?? 0));
}

/** While a CRM answers nobody it is asked no less often than this, so that a backlog starts soon after it is back. */
const longestSilenceMs = minute;

/**
 * What one CRM's answers say about the CRM as a whole: when as many attempts as run side by side have failed with no
 * success between, it is taken to be down and left alone for growing spans of at most a minute. What the CRM asks for
 * itself (Retry-After) holds for all of its deliveries.
 */
export class CrmGate {
  readonly #concurrency: number;
  readonly #random: () => number;
  #failures = 0;
  #closed = { from: 0, until: 0 };

  constructor(options: { readonly concurrency: number; readonly random: () => number }) {
    this.#concurrency = options.concurrency;
    this.#random = options.random;
  }

  get failures(): number {
    return this.#failures;
  }
  get isDown(): boolean {
    return this.#failures >= this.#concurrency;
  }
  /** A clock that was set back opens the gate rather than keeping it shut for the difference. */
  isOpen(now: number): boolean {
    return now >= this.#closed.until || now < this.#closed.from;
  }

  failed(now: number, retryAfterMs: number | null): void {
    this.#failures++;
    const rounds = Math.floor(this.#failures / this.#concurrency);
    const silenceMs = this.isDown ? Math.min(longestSilenceMs, retryDelayMs(rounds, { random: this.#random })) : 0;
    const stillUntil = this.isOpen(now) ? 0 : this.#closed.until;
    this.#closed = { from: now, until: Math.max(stillUntil, now + silenceMs, now + (retryAfterMs ?? 0)) };
  }

  /** True when this is the answer that ends a time of silence. An answer to what was asked before says nothing. */
  answered(askedAt: number): boolean {
    if (!this.isOpen(askedAt)) return false;
    const wasDown = this.isDown;
    this.#failures = 0;
    this.#closed = { from: 0, until: 0 };
    return wasDown;
  }
}
