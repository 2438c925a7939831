import type { HookFaultKind } from './hook-fault.ts';

export interface HookError {
  readonly at: Date;
  readonly kind: HookFaultKind;
  readonly message: string;
  /** The call that it was about; null: none. */
  readonly linkedId: string | null;
}

export interface HookFigures {
  readonly runs: number;
  readonly failures: Readonly<Partial<Record<HookFaultKind, number>>>;
  /** Of the last thousand runs that were answered, in milliseconds; null: none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly lastRunAt: Date | null;
  /** Of the version in force, up to its newest run. */
  readonly failuresInRow: number;
  /** The version in force was run and has not answered once. */
  readonly hasOnlyFailed: boolean;
  /** The last twenty, newest first. */
  readonly errors: readonly HookError[];
}

const keptErrors = 20;
const keptDurations = 1_000;

/** What became of a hook's runs since the service started. */
export class HookStats {
  #runs = 0;
  #failuresInRow = 0;
  #hasSucceeded = false;
  #lastRunAt: Date | null = null;
  readonly #failures: Partial<Record<HookFaultKind, number>> = {};
  readonly #durations: number[] = [];
  #errors: HookError[] = [];

  /** Another version is in force: what its runs come to is not known yet. */
  began(): void {
    this.#failuresInRow = 0;
    this.#hasSucceeded = false;
  }

  succeeded(at: Date, durationMs: number): void {
    this.#durations[this.#runs % keptDurations] = durationMs;
    this.#runs += 1;
    this.#failuresInRow = 0;
    this.#hasSucceeded = true;
    this.#lastRunAt = at;
  }

  failed(error: HookError): void {
    this.#failures[error.kind] = (this.#failures[error.kind] ?? 0) + 1;
    this.#lastRunAt = error.at;
    this.#failuresInRow += 1;
    this.#errors = [error, ...this.#errors].slice(0, keptErrors);
  }

  get figures(): HookFigures {
    const sorted = this.#durations.filter((one) => one !== undefined).sort((a, b) => a - b);
    const quantile = (part: number) => {
      const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
      return value === undefined ? null : Math.round(value * 100) / 100;
    };
    const failed = Object.values(this.#failures).reduce((sum, count) => sum + count, 0);
    return {
      runs: this.#runs + failed,
      failures: { ...this.#failures },
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      lastRunAt: this.#lastRunAt,
      failuresInRow: this.#failuresInRow,
      hasOnlyFailed: this.#failuresInRow > 0 && !this.#hasSucceeded,
      errors: this.#errors,
    };
  }
}
