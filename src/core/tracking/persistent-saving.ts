/** A store that fails is tried again until it works: what happened on the telephone does not wait for a better moment. */
import type { CallChange, CallStore, Log } from '../ports.ts';

export class PersistentSaving {
  readonly #store: CallStore;
  readonly #log: Log;
  /** Waits between attempts; the last one repeats. */
  readonly #retryMs: readonly number[];
  readonly #wakes = new Set<() => void>();
  #isStopped = false;
  #failure: string | null = null;

  constructor(parts: { readonly store: CallStore; readonly log: Log; readonly retryMs: readonly number[] }) {
    this.#store = parts.store;
    this.#log = parts.log;
    this.#retryMs = parts.retryMs;
  }

  /** Why the last attempt failed; null when it worked. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Ends all waiting; nothing is tried again from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const wake of this.#wakes) wake();
  }

  /** Those that were saved. One call that the store refuses again and again must not keep all others from being saved. */
  async save<Entry extends { readonly change: CallChange }>(changes: readonly Entry[]): Promise<readonly Entry[]> {
    if (changes.length === 0) return [];
    const store = this.#store;
    if (await this.untilItWorks(() => store.save(changes.map((entry) => entry.change)), this.#retryMs.length))
      return changes;
    if (this.#isStopped) return [];
    const saved: Entry[] = [];
    let left = changes;
    for (;;) {
      const refused: Entry[] = [];
      for (const entry of left) {
        try {
          await store.save([entry.change]);
          saved.push(entry);
        } catch (error) {
          refused.push(entry);
          this.#log.error({ err: error, call: entry.change.call.linkedId }, 'a call cannot be saved');
        }
      }
      if (refused.length === 0 || this.#isStopped) return saved;
      // Nothing was taken after something had been refused before: the store works, and will not have these. They are
      // tried again when more is known of them.
      if (saved.length > 0 && refused.length === left.length) return saved;
      left = refused;
      await this.#pause(this.#retryMs.at(-1) ?? 1_000);
    }
  }

  /** True when it worked; false when the attempts ran out or it was stopped before it did. */
  async untilItWorks(work: () => Promise<void>, attempts = Infinity): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await work();
        this.#failure = null;
        return true;
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error);
        this.#log.error({ err: error, attempt }, 'the ledger cannot be written; trying again');
        if (this.#isStopped || attempt + 1 >= attempts) return false;
        await this.#pause(this.#retryMs[Math.min(attempt, this.#retryMs.length - 1)] ?? 1_000);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakes.add(wake);
    });
  }
}
