export interface BackoffSettings {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Half a second, doubled up to 15 seconds: a PBX that restarts is followed again within a minute. */
export const defaultBackoff: BackoffSettings = { firstMs: 500, maxMs: 15_000 };

/** Waits between attempts that double up to a cap, each shortened by up to a half at random so that many do not knock at once. */
export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #random: () => number;
  #failures = 0;

  constructor(settings: BackoffSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const { firstMs, maxMs } = this.#settings;
    const full = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures++, 30));
    return Math.round(full * (0.5 + this.#random() / 2));
  }

  reset(): void {
    this.#failures = 0;
  }
}
