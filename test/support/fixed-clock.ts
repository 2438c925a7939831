import type { Clock } from '../../src/core/ports.ts';

/** A clock that stands still until it is moved. */
export class FixedClock implements Clock {
  #now: number;
  constructor(start: Date = new Date('2026-11-21T08:00:00.000Z')) {
    this.#now = start.getTime();
  }
  now(): Date {
    return new Date(this.#now);
  }
  advance(ms: number): void {
    this.#now += ms;
  }
}
