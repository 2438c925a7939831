import type { Database } from './connection.ts';

/** One of the nodes that share the database. */
export interface RegisteredNode {
  readonly name: string;
  /** Digests of what it works with, by name. */
  readonly worksWith: Readonly<Record<string, string>>;
}

export interface NodeRegister {
  /** Says that this node lives, and what it works with; resolves with the others that live, by name. */
  meet(self: RegisteredNode): Promise<readonly RegisteredNode[]>;
  /** It ends. */
  leave(name: string): Promise<void>;
}

/** Who was not heard of for so long lives no more. */
const aliveMs = 60_000;
/** By the clock of the database: those of the nodes may differ. */
const now = '(extract(epoch from now()) * 1000)::bigint';

/** Who works on this database; null on SQLite, on which there is one node. */
export function createNodeRegister({ kind, knex }: Database): NodeRegister | null {
  if (kind === 'sqlite') return null;
  return {
    async meet({ name, worksWith }) {
      await knex('nodes')
        .insert({ name, works_with: JSON.stringify(worksWith), seen_at: knex.raw(now) })
        .onConflict('name')
        .merge();
      const rows: { name: string; works_with: string }[] = await knex('nodes')
        .whereRaw(`seen_at > ${now} - ?`, [aliveMs])
        .andWhereNot({ name })
        .orderBy('name')
        .select('name', 'works_with');
      return rows.map((row) => ({
        name: row.name,
        worksWith: JSON.parse(row.works_with) as RegisteredNode['worksWith'],
      }));
    },
    async leave(name) {
      await knex('nodes').where({ name }).delete();
    },
  };
}
