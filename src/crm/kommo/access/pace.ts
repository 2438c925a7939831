import { AuthRequired, Retryable } from '../../../core/errors.ts';

/** `live`: a caller hears it ring meanwhile; `card`: an employee looks at his screen; then what is owed; then the mirror. */
export type Urgency = 'live' | 'card' | 'delivery' | 'sync';
const urgencies: readonly Urgency[] = ['live', 'card', 'delivery', 'sync'];

/** The account's next free moment, shared by all nodes. */
export interface SharedSlots {
  /** Takes the next one; how long to wait for it. */
  take(spacingMs: number): Promise<number>;
  /** Nobody sends before that. */
  postpone(ms: number): Promise<void>;
}

/** Certainly not done: nothing was sent, or the CRM said that it did not look at it. */
export class NotDone extends Retryable {}

interface Waiting {
  readonly sinceMs: number;
  start(): void;
  fail(error: Error): void;
}

const longestBackOffMs = 60_000;
/** Requests sent evenly may arrive a little closer together. */
const safety = 1.04;

/**
 * Lets requests of one account go at an even pace, the most urgent first (but see `#next`). After a 429 nobody goes for 1 s, 2 s, 4 s … a
 * minute; while access is gone nobody goes at all, but once in a while one request tries.
 */
export class RequestPace {
  readonly #spacingMs: number;
  readonly #shared: SharedSlots | null;
  readonly #firstBackOffMs: number;
  readonly #queues = new Map<Urgency, Set<Waiting>>(urgencies.map((urgency) => [urgency, new Set()]));
  #nextAtMs = 0;
  #isRunning = false;
  #refusals = 0;
  #turn = 0;
  #backOffUntilMs = 0;
  #halt: { readonly reason: string; readonly untilMs: number } | null = null;

  constructor(options: {
    readonly requestsPerSecond: number;
    readonly shared: SharedSlots | null;
    /** The wait after the first 429, doubled with each further one; a second. */
    readonly firstBackOffMs?: number;
  }) {
    this.#spacingMs = (1_000 / options.requestsPerSecond) * safety;
    this.#firstBackOffMs = options.firstBackOffMs ?? 1_000;
    this.#shared = options.shared;
  }

  /** Resolves when the request may be sent. Rejects with `NotDone` when nobody waits for it any more or it would be late. */
  async take(urgency: Urgency, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new NotDone('the request was given up before it was sent', { cause: signal.reason });
    this.#throwWhenHalted();
    const backOffMs = this.#backOffUntilMs - performance.now();
    if (backOffMs > 0) {
      const retryAfterMs = Math.ceil(backOffMs);
      throw new NotDone(`the CRM has asked for fewer requests; next one in ${retryAfterMs} ms`, { retryAfterMs });
    }
    const queue = this.#queues.get(urgency)!;
    await new Promise<void>((resolve, reject) => {
      const settle = () => {
        queue.delete(waiting);
        signal.removeEventListener('abort', giveUp);
      };
      const waiting: Waiting = {
        sinceMs: performance.now(),
        start: () => {
          settle();
          resolve();
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      const giveUp = () => waiting.fail(new NotDone('too many requests wait for their turn', { cause: signal.reason }));
      signal.addEventListener('abort', giveUp, { once: true });
      queue.add(waiting);
      void this.#run();
    });
  }

  /** The CRM answered 429. Returns how long everybody waits now. */
  slowDown(retryAfterMs: number | null): number {
    this.#refusals += 1;
    const ms = Math.min(
      Math.max(this.#firstBackOffMs * 2 ** (this.#refusals - 1), retryAfterMs ?? 0),
      longestBackOffMs,
    );
    this.#backOffUntilMs = Math.max(this.#backOffUntilMs, performance.now() + ms);
    // Another node learns it sooner or later by itself.
    this.#shared?.postpone(ms).catch(() => undefined);
    this.#failAll(() => new NotDone('the CRM has asked for fewer requests', { retryAfterMs: ms }));
    return ms;
  }

  /** The CRM took a request. */
  wentWell(): void {
    this.#refusals = 0;
    this.#halt = null;
  }

  /** Access is gone: nothing is sent for this long; then one request tries again. */
  stopFor(ms: number, reason: string): void {
    this.#halt = { reason, untilMs: performance.now() + ms };
    this.#failAll(() => new AuthRequired(reason));
  }

  /** Why nothing is sent now; null: it is. */
  get haltReason(): string | null {
    return this.#halt === null || performance.now() >= this.#halt.untilMs ? null : this.#halt.reason;
  }

  #throwWhenHalted(): void {
    if (this.#halt === null) return;
    if (performance.now() < this.#halt.untilMs) throw new AuthRequired(this.#halt.reason);
    // This one tries; the others wait for what it learns.
    this.#halt = { reason: this.#halt.reason, untilMs: performance.now() + 5_000 };
  }

  #failAll(makeError: () => Error): void {
    for (const queue of this.#queues.values()) for (const waiting of [...queue]) waiting.fail(makeError());
  }

  /** The most urgent; each fourth time whoever waits longest, so that a stream of questions starves nobody. */
  #next(): Waiting | null {
    const heads = urgencies.flatMap((urgency) => [...this.#queues.get(urgency)!].slice(0, 1));
    const [first] = heads;
    if (first === undefined || heads.length === 1) return first ?? null;
    this.#turn += 1;
    return this.#turn % 4 === 0 ? heads.reduce((a, b) => (b.sinceMs < a.sinceMs ? b : a)) : first;
  }

  get #isEmpty(): boolean {
    return [...this.#queues.values()].every((queue) => queue.size === 0);
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (!this.#isEmpty) {
        const now = performance.now();
        const ownMs = this.#nextAtMs - now;
        const sharedMs = (await this.#shared?.take(this.#spacingMs).catch(() => 0)) ?? 0;
        const waitMs = Math.max(ownMs - (performance.now() - now), sharedMs);
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        this.#nextAtMs = performance.now() + this.#spacingMs;
        // Chosen only now: somebody more urgent may have come.
        this.#next()?.start();
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
