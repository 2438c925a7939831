import type { Knex } from 'knex';
import { Rejected } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { withOwnDatabase, type NodeLocks } from './access/node-locks.ts';
import { NotDone } from './access/pace.ts';

export type CreationKind = 'contact' | 'lead' | 'request' | 'task' | 'call' | 'recording';

interface Row {
  key: string;
  entity_id: string | null;
  started_at: number | string;
}

/** How much the CRM's clock may be behind ours. */
const skewMs = 600_000;
/** For so long a CRM may not show by its own search what it was given. */
const settlingMs = 600_000;

/**
 * The CRM has no idempotency keys, so we keep what was begun and what came of it: one entity per key, whatever gets
 * lost. Before each creation its key is written down; when the outcome stays unknown, the next attempt looks for what
 * the one before may have made.
 */
export class Creations {
  readonly #db: Knex;
  readonly #crm: string;
  readonly #locks: NodeLocks;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly crm: string; readonly locks: NodeLocks; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#crm = parts.crm;
    this.#locks = parts.locks;
    this.#clock = parts.clock;
  }

  /** The id of the one entity of this key. `subject`: whom it is about; one at a time is made for each. */
  once(
    identity: { readonly kind: CreationKind; readonly key: string; readonly subject: string | null },
    steps: {
      /** Looks for what an attempt begun at or after that moment made, when its answer was lost. */
      readonly recover: (since: Date) => Promise<string | null>;
      /** Whether what was made for the same subject minutes ago still serves; the CRM may not yet find it by itself. */
      readonly reuse?: (entityId: string) => Promise<string | null>;
      readonly create: () => Promise<string>;
    },
  ): Promise<string> {
    const { kind, key, subject } = identity;
    return this.#locks.hold(`${this.#crm}:${kind}:${subject ?? key}`, async () => {
      const own = await this.#read({ kind, key });
      if (own !== undefined && own.entity_id !== null) return own.entity_id;
      const recent = subject === null ? [] : await this.#listRecent({ kind, subject });
      const lost = [own, ...recent].filter((row) => row !== undefined && row.entity_id === null) as Row[];
      if (own === undefined) await this.#begin(identity);

      let found: string | null = null;
      if (lost.length > 0) {
        const since = Math.min(...lost.map((row) => Number(row.started_at)));
        found = await steps.recover(new Date(since - skewMs));
      }
      const made = recent.find((row) => row.entity_id !== null);
      if (found === null && made !== undefined) found = (await steps.reuse?.(made.entity_id!)) ?? null;
      try {
        found ??= await steps.create();
      } catch (error) {
        const isKnownUndone = error instanceof NotDone || error instanceof Rejected;
        if (isKnownUndone && own === undefined) await this.#forget({ kind, key });
        throw error;
      }
      await this.#keep({ kind, key }, found);
      return found;
    });
  }

  /** True when this entity is already the outcome of a creation of ours. */
  async has(kind: CreationKind, entityId: string): Promise<boolean> {
    return (await this.keyOf(kind, entityId)) !== null;
  }

  /** The key that an entity was made under; null: it is none of ours. */
  async keyOf(kind: CreationKind, entityId: string): Promise<string | null> {
    const row: { key: string } | undefined = await withOwnDatabase(() =>
      this.#db('crm_creations').where({ crm: this.#crm, kind, entity_id: entityId }).first('key'),
    );
    return row?.key ?? null;
  }

  /** The entity made last for the subject, at any time. */
  async latest(kind: CreationKind, subject: string): Promise<string | null> {
    const row: { entity_id: string } | undefined = await withOwnDatabase(() =>
      this.#db('crm_creations')
        .where({ crm: this.#crm, kind, subject })
        .whereNotNull('entity_id')
        .orderBy('started_at', 'desc')
        .first('entity_id'),
    );
    return row?.entity_id ?? null;
  }

  async #read(identity: { kind: CreationKind; key: string }): Promise<Row | undefined> {
    return withOwnDatabase((): Promise<Row | undefined> =>
      this.#db('crm_creations')
        .where({ crm: this.#crm, ...identity })
        .first('key', 'entity_id', 'started_at'),
    );
  }

  async #listRecent(about: { kind: CreationKind; subject: string }): Promise<Row[]> {
    const since = this.#clock.now().getTime() - settlingMs;
    return withOwnDatabase((): Promise<Row[]> =>
      this.#db('crm_creations')
        .where({ crm: this.#crm, ...about })
        .where('started_at', '>=', since)
        .orderBy('started_at', 'desc')
        .select('key', 'entity_id', 'started_at'),
    );
  }

  async #begin(identity: { kind: CreationKind; key: string; subject: string | null }): Promise<void> {
    const row = { crm: this.#crm, ...identity, entity_id: null, started_at: this.#clock.now().getTime() };
    await withOwnDatabase(async () => this.#db('crm_creations').insert(row));
  }

  async #keep(identity: { kind: CreationKind; key: string }, entityId: string): Promise<void> {
    await withOwnDatabase(async () =>
      this.#db('crm_creations')
        .where({ crm: this.#crm, ...identity })
        .update({ entity_id: entityId }),
    );
  }

  async #forget(identity: { kind: CreationKind; key: string }): Promise<void> {
    await withOwnDatabase(async () =>
      this.#db('crm_creations')
        .where({ crm: this.#crm, ...identity })
        .delete(),
    );
  }
}
