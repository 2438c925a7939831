const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export interface RequestLimits {
  /** Of one employee. */
  readonly perMinute: number;
  readonly perHour: number;
  /** Of everybody together. */
  readonly allPerHour: number;
}

/** Counts calls that were asked for; a stolen key must not become a telephone bill. */
export class RequestCounter {
  readonly #limits: RequestLimits;
  readonly #askedAt = new Map<string, number[]>();

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Counts one more of this employee; null: it may go on, else which limit is reached. */
  take(extension: string, nowMs: number): string | null {
    let total = 0;
    for (const [key, moments] of this.#askedAt) {
      const recent = moments.filter((at) => nowMs - at < hourMs);
      if (recent.length === 0) this.#askedAt.delete(key);
      else this.#askedAt.set(key, recent);
      total += recent.length;
    }
    const own = this.#askedAt.get(extension) ?? [];
    const { perMinute, perHour, allPerHour } = this.#limits;
    if (own.filter((at) => nowMs - at < minuteMs).length >= perMinute) return `${perMinute} a minute for one employee`;
    if (own.length >= perHour) return `${perHour} an hour for one employee`;
    if (total >= allPerHour) return `${allPerHour} an hour for everybody together`;
    this.#askedAt.set(extension, [...own, nowMs]);
    return null;
  }
}
