import type { Database } from './connection.ts';

/** Rows of an index that are looked at: enough to tell a selective one from one that is not, whatever the ledger's size. */
const rowsLookedAt = 1_000;
/** Also of tables that this connection has not asked yet; https://www.sqlite.org/pragma.html#pragma_optimize */
const everyTable = 0x10002;

/**
 * Lets SQLite see how its tables have grown; without that it takes every index for as good as any other, and a list of a
 * long ledger may walk the wrong one. A moment's work where little has changed. PostgreSQL does this by itself.
 */
export async function refreshStatistics({ kind, knex }: Database): Promise<void> {
  if (kind !== 'sqlite') return;
  await knex.raw(`pragma analysis_limit = ${rowsLookedAt}`);
  await knex.raw(`pragma optimize = ${everyTable}`);
}
