import type { PartStatus } from '../core/ports.ts';
import type { Database } from './connection.ts';

/** Longer than this for a trivial read means that saving is in trouble. */
const slowMs = 1_000;

/** One line for `/status`: whether the database answers, and how fast. Never rejects. */
export async function checkDatabase(database: Database): Promise<PartStatus> {
  const part = 'database';
  const startedAt = performance.now();
  try {
    await database.knex('cursors').limit(1).select('name');
    const answerMs = Math.round(performance.now() - startedAt);
    const details = { kind: database.kind, place: database.place, answerMs };
    if (answerMs <= slowMs) return { part, health: 'ok', message: `${database.place} answers`, ...details };
    const message = `${database.place} took ${answerMs} ms for a small read. Look at the load of its disk.`;
    return { part, health: 'warning', message, ...details };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const cure =
      database.kind === 'sqlite'
        ? 'Look for a full disk, wrong rights of the folder, or another program that holds the file.'
        : 'Look whether PostgreSQL runs and lets this node in. Calls are kept in the spool meanwhile.';
    return { part, health: 'error', message: `${database.place}: ${reason}. ${cure}`, kind: database.kind };
  }
}

/** Reads every page of a SQLite file, which takes a while on a large one; null when it is whole, else what is wrong. */
export async function findDamage(database: Database): Promise<string | null> {
  if (database.kind !== 'sqlite') return null;
  const rows: { quick_check: string }[] = await database.reader.raw('pragma quick_check(10)');
  const findings = rows.map((row) => row.quick_check);
  return findings.length === 1 && findings[0] === 'ok' ? null : findings.join('; ');
}
