import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Knex } from 'knex';
import { Retryable } from '../../../core/errors.ts';
import { Turns } from '../../../core/turns.ts';

/** Our own database does not answer; the CRM has nothing to do with it. */
export async function withOwnDatabase<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new Retryable(`our own database does not answer: ${(error as Error).message}`, { cause: error });
  }
}

/** Several nodes share only a PostgreSQL database; an SQLite file has one process. */
export function isSharedDatabase(db: Knex): boolean {
  return (db.client as { driverName?: string }).driverName === 'pg';
}

const leaseMs = 60_000;
const patienceMs = 20_000;
const pollMs = 50;

/**
 * One at a time, over all workers of all nodes. A node that dies in the middle holds its lock for a minute; who waits
 * longer than 20 s is told to come back (`Retryable`).
 */
export class NodeLocks {
  readonly #db: Knex;
  readonly #isShared: boolean;
  readonly #turns = new Turns();
  readonly #owner = randomUUID();

  constructor(db: Knex) {
    this.#db = db;
    this.#isShared = isSharedDatabase(db);
  }

  hold<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(name, async () => {
      if (!this.#isShared) return work();
      await this.#acquire(name);
      const renewal = setInterval(() => void this.#renew(name).catch(() => undefined), leaseMs / 3);
      try {
        return await work();
      } finally {
        clearInterval(renewal);
        await this.#release(name).catch(() => undefined);
      }
    });
  }

  async #acquire(name: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      if (await withOwnDatabase(() => this.#try(name))) return;
      if (performance.now() > deadline) throw new Retryable(`another node is at work on ${name}`);
      await delay(pollMs);
    }
  }

  /** By the database's clock: those of the nodes may differ. */
  async #try(name: string): Promise<boolean> {
    const { rows } = await this.#db.raw<{ rows: unknown[] }>(
      `insert into crm_locks (name, owner, held_until)
       values (?, ?, (extract(epoch from clock_timestamp()) * 1000)::bigint + ?)
       on conflict (name) do update set owner = excluded.owner, held_until = excluded.held_until
       where crm_locks.held_until < (extract(epoch from clock_timestamp()) * 1000)::bigint
       returning name`,
      [name, this.#owner, leaseMs],
    );
    return rows.length > 0;
  }

  async #renew(name: string): Promise<void> {
    await this.#db.raw(
      `update crm_locks set held_until = (extract(epoch from clock_timestamp()) * 1000)::bigint + ?
       where name = ? and owner = ?`,
      [leaseMs, name, this.#owner],
    );
  }

  async #release(name: string): Promise<void> {
    await this.#db('crm_locks').where({ name, owner: this.#owner }).delete();
  }
}
