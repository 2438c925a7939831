/** How a breaker judges. */
export interface BreakerSettings {
  /** Failures in a row after which it opens. */
  readonly failures: number;
  /** How long nothing is tried once open; then one trial decides. */
  readonly openMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Keeps calls from waiting for a system that does not answer. After some failures in a row it opens: nothing is tried
 * for a while. Then it lets a single trial through: its success closes the breaker, its failure opens it again. A trial
 * whose outcome is never told counts as lost after another `openMs`.
 */
export class Breaker {
  readonly #settings: BreakerSettings;
  readonly #monotonicMs: () => number;
  #failuresInRow = 0;
  /** Nothing is tried before then; null while closed. */
  #blockedUntilMs: number | null = null;

  constructor(settings: BreakerSettings, monotonicMs: () => number) {
    this.#settings = settings;
    this.#monotonicMs = monotonicMs;
  }

  get state(): BreakerState {
    if (this.#blockedUntilMs === null) return 'closed';
    return this.#monotonicMs() < this.#blockedUntilMs ? 'open' : 'half-open';
  }

  /** True when the caller may try now, and must then tell the outcome. Half open, only the first to ask may. */
  mayTry(): boolean {
    if (this.state === 'closed') return true;
    if (this.state === 'open') return false;
    this.#blockedUntilMs = this.#monotonicMs() + this.#settings.openMs;
    return true;
  }

  succeeded(): void {
    this.#failuresInRow = 0;
    this.#blockedUntilMs = null;
  }

  failed(): void {
    this.#failuresInRow += 1;
    if (this.#failuresInRow >= this.#settings.failures) this.trip();
  }

  /** Opens at once, for failures that will not go away by themselves (access revoked). */
  trip(): void {
    this.#failuresInRow = Math.max(this.#failuresInRow, this.#settings.failures);
    this.#blockedUntilMs = this.#monotonicMs() + this.#settings.openMs;
  }
}
