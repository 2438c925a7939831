import type { Knex } from 'knex';
import { Retryable } from '../../core/errors.ts';

/** Certainly not done: nothing was sent, or the CRM said that it did not look at it. */
export class NotDone extends Retryable {}

interface Waiting {
  start(): void;
  fail(error: Error): void;
}

const longestBackOffMs = 60_000;
/** Requests sent evenly may arrive closer together: a busy machine sends one late and the next in time. */
const safety = 1.2;

/**
 * Lets the requests of one key go at an even pace, those that a caller waits for first; with PostgreSQL over all nodes.
 * After an answer that asks for fewer requests nobody goes for 1 s, 2 s, 4 s … a minute.
 */
export class RequestPace {
  readonly #spacingMs: number;
  readonly #takeShared: ((spacingMs: number) => Promise<number>) | null;
  readonly #urgent = new Set<Waiting>();
  readonly #patient = new Set<Waiting>();
  readonly #firstBackOffMs: number;
  #nextAtMs = 0;
  #isRunning = false;
  #refusals = 0;
  #backOffUntilMs = 0;

  constructor(options: {
    readonly requestsPerSecond: number;
    readonly db: Knex;
    readonly name: string;
    /** 1 s. */
    readonly firstBackOffMs?: number | undefined;
  }) {
    this.#firstBackOffMs = options.firstBackOffMs ?? 1_000;
    this.#spacingMs = (1_000 / options.requestsPerSecond) * safety;
    this.#takeShared = shareSlots(options.db, options.name);
  }

  /** Resolves when the request may be sent. Rejects with `NotDone` when nobody waits for it any more. */
  async take(isUrgent: boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new NotDone('the request was given up before it was sent', { cause: signal.reason });
    const backOffMs = this.#backOffUntilMs - performance.now();
    if (backOffMs > 0) {
      const retryAfterMs = Math.ceil(backOffMs);
      throw new NotDone(`the CRM has asked for fewer requests; next one in ${retryAfterMs} ms`, { retryAfterMs });
    }
    const queue = isUrgent ? this.#urgent : this.#patient;
    await new Promise<void>((resolve, reject) => {
      const settle = () => {
        queue.delete(waiting);
        signal.removeEventListener('abort', giveUp);
      };
      const waiting: Waiting = {
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

  /** The CRM asks for fewer requests. Returns how long everybody waits now. */
  slowDown(): number {
    this.#refusals += 1;
    const ms = Math.min(this.#firstBackOffMs * 2 ** (this.#refusals - 1), longestBackOffMs);
    this.#backOffUntilMs = Math.max(this.#backOffUntilMs, performance.now() + ms);
    const error = () => new NotDone('the CRM has asked for fewer requests', { retryAfterMs: ms });
    for (const waiting of [...this.#urgent, ...this.#patient]) waiting.fail(error());
    return ms;
  }

  /** The CRM took a request. */
  wentWell(): void {
    this.#refusals = 0;
  }

  get #next(): Waiting | undefined {
    for (const waiting of this.#urgent) return waiting;
    for (const waiting of this.#patient) return waiting;
    return undefined;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#next !== undefined) {
        const startedAt = performance.now();
        const sharedMs = (await this.#takeShared?.(this.#spacingMs).catch(() => 0)) ?? 0;
        const waitMs = Math.max(this.#nextAtMs - performance.now(), sharedMs - (performance.now() - startedAt));
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        this.#nextAtMs = performance.now() + this.#spacingMs;
        // Chosen only now: somebody more urgent may have come.
        this.#next?.start();
      }
    } finally {
      this.#isRunning = false;
    }
  }
}

const nowMs = '(extract(epoch from clock_timestamp()) * 1000)::bigint';

/** Takes the next free moment of all nodes, by the database's clock; null where there is one process only. */
function shareSlots(db: Knex, name: string): ((spacingMs: number) => Promise<number>) | null {
  if ((db.client as { driverName?: string }).driverName !== 'pg') return null;
  return async (spacingMs) => {
    const spacing = Math.ceil(spacingMs);
    const { rows } = await db.raw<{ rows: { wait: number }[] }>(
      `insert into crm_request_slots (crm, next_at) values (?, ${nowMs} + ?)
       on conflict (crm) do update
       set next_at = greatest(crm_request_slots.next_at, ${nowMs}) + ?
       returning next_at - ? - ${nowMs} as wait`,
      [name, spacing, spacing, spacing],
    );
    return Math.max(0, Number(rows[0]!.wait));
  };
}
