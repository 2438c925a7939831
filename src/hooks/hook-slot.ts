import { Breaker, type BreakerSettings } from '../core/breaker.ts';
import type { HookName } from '../core/hooks.ts';
import type { Clock, Log, PartStatus } from '../core/ports.ts';
import { HookFault, type HookFaultKind } from './hook-fault.ts';
import { HookStats, type HookFigures } from './hook-stats.ts';
import type { LoadedHook } from './loaded-hook.ts';

export interface SlotParts {
  readonly hook: HookName;
  readonly crm: string | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly breaker: BreakerSettings;
  /** Runs at once; as many as `maxWaiting` more wait for their turn, within their deadline. */
  readonly concurrency: number;
}

const maxWaiting = 200;
/** Failures in a row after which the status warns: one odd call is no reason, and none of a hook that has worked is two. */
const warnAfter = { ofOneThatWorked: 3, ofOneThatNeverDid: 2 };
const costly: ReadonlySet<HookFaultKind> = new Set(['timeout', 'crash', 'memory', 'flood', 'garbage', 'start']);
/** One failure a second is told to the log; all of them are counted. */
const logEveryMs = 1_000;

/** One installed hook: the version in force, what its runs cost, and whether it is asked at all. */
export class HookSlot {
  readonly stats = new HookStats();
  readonly #parts: SlotParts;
  readonly #breaker: Breaker;
  #loaded: LoadedHook | null = null;
  #running = 0;
  readonly #turns: (() => void)[] = [];
  #loggedAtMs = -Infinity;
  /** Why the file as it stands is not what runs; null: it is. */
  trouble: string | null = null;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#breaker = new Breaker(parts.breaker, () => performance.now());
  }

  get hook(): HookName {
    return this.#parts.hook;
  }
  get crm(): string | null {
    return this.#parts.crm;
  }
  get loaded(): LoadedHook | null {
    return this.#loaded;
  }

  /** From now on this version runs; runs under way end with the one before. */
  swap(loaded: LoadedHook): void {
    const before = this.#loaded;
    this.#loaded = loaded;
    this.trouble = null;
    this.#breaker.succeeded();
    this.stats.began();
    before?.retire();
  }

  /**
   * The `data` of the hook's answer as `read` understood it. Rejects with `HookFault` within the deadline, and the fault is counted
   * and told.
   */
  async run<Result>(
    input: () => object,
    options: {
      readonly deadlineMs: number;
      readonly linkedId: string | null;
      /** Throws what is wrong with the answer. */
      readonly read: (answer: unknown) => Result;
    },
  ): Promise<Result> {
    const startedAtMs = performance.now();
    try {
      if (!this.#breaker.mayTry())
        throw new HookFault('paused', 'is not asked for a while, after hangs or crashes in a row');
      const output = await this.#runInTurn(input(), startedAtMs + options.deadlineMs);
      // The process did what it should, whatever the answer is worth.
      this.#breaker.succeeded();
      const result = readAnswer(output, options.read);
      this.stats.succeeded(this.#parts.clock.now(), performance.now() - startedAtMs);
      return result;
    } catch (error) {
      const fault = error instanceof HookFault ? error : new HookFault('invalid', (error as Error).message);
      if (costly.has(fault.kind)) this.#breaker.failed();
      else if (fault.kind === 'error') this.#breaker.succeeded();
      this.#tell(fault, options.linkedId);
      throw fault;
    }
  }

  async #runInTurn(input: object, untilMs: number): Promise<unknown> {
    if (this.#running >= this.#parts.concurrency) await this.#waitForTurn(untilMs);
    else this.#running += 1;
    try {
      if (this.#loaded === null) throw new HookFault('start', this.trouble ?? 'is not loaded');
      return await this.#loaded.run(input, Math.max(1, untilMs - performance.now()));
    } finally {
      const next = this.#turns.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #waitForTurn(untilMs: number): Promise<void> {
    const busy = new HookFault('busy', `${this.#parts.concurrency} runs are under way already`);
    if (this.#turns.length >= maxWaiting) return Promise.reject(busy);
    return new Promise((resolve, reject) => {
      const take = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#turns.splice(this.#turns.indexOf(take), 1);
        reject(busy);
      }, untilMs - performance.now());
      this.#turns.push(take);
    });
  }

  #tell(fault: HookFault, linkedId: string | null): void {
    const { hook, crm, clock, log } = this.#parts;
    const { kind, message } = fault;
    this.stats.failed({ at: clock.now(), kind, message: message.slice(0, 2000), linkedId });
    if (kind === 'paused' || performance.now() - this.#loggedAtMs < logEveryMs) return;
    this.#loggedAtMs = performance.now();
    log.warn(
      { hook, crm, kind, linkedId, reason: message.slice(0, 2000) },
      'a hook failed; the core goes on without it',
    );
  }

  status(): PartStatus {
    const part = `hook ${this.#parts.crm === null ? '' : `${this.#parts.crm}/`}${this.#parts.hook}`;
    const figures = this.stats.figures;
    const details = { hook: this.hook, crm: this.crm, version: this.#loaded?.version.id ?? null, ...figures };
    if (this.trouble !== null) {
      const instead =
        this.#loaded === null ? 'the core does without it' : `the version of ${describeAge(this.#loaded)} goes on`;
      return { part, health: 'warning', message: `The file cannot be used, ${instead}: ${this.trouble}`, ...details };
    }
    if (this.#breaker.state !== 'closed') {
      const [last] = figures.errors.filter(({ kind }) => kind !== 'paused');
      const message = `Hung or crashed too often and is not asked for a while; it is tried again by itself. Last: ${last?.message ?? ''}`;
      return { part, health: 'warning', message, ...details };
    }
    const patience = figures.hasOnlyFailed ? warnAfter.ofOneThatNeverDid : warnAfter.ofOneThatWorked;
    const health = figures.failuresInRow >= patience ? 'warning' : 'ok';
    return { part, health, message: describeFigures(figures), ...details };
  }

  async close(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = null;
    await loaded?.close();
  }
}

function readAnswer<Result>(output: unknown, read: (answer: unknown) => Result): Result {
  try {
    return read(output);
  } catch (error) {
    if (error instanceof HookFault) throw error;
    throw new HookFault('invalid', (error as Error).message);
  }
}

const describeAge = (loaded: LoadedHook) => loaded.version.keptAt.toISOString();

function describeFigures({ runs, failures, failuresInRow, p50Ms, p99Ms, errors }: HookFigures): string {
  if (runs === 0) return 'loaded; was not needed yet';
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const times = p50Ms === null ? '' : `, p50 ${p50Ms} ms, p99 ${p99Ms} ms`;
  const last = errors[0] === undefined ? '' : `; last failure ${errors[0].at.toISOString()}: ${errors[0].message}`;
  const latest = failuresInRow === 0 ? '' : `${failuresInRow} of them the last in a row`;
  return `${runs} runs${times}, ${failed} failed${latest === '' ? '' : `, ${latest}`}${last}`;
}
