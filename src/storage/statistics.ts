import type { Log } from '../core/ports.ts';
import type { Database } from './connection.ts';

/** Rows of an index that are looked at: enough to tell a selective one from one that is not, whatever the ledger's size. */
const rowsLookedAt = 1_000;
/**
 * Also of tables that this connection has not asked yet, and only named: what is due is done table by table, so that
 * calls that are written meanwhile wait for one of them at most; https://www.sqlite.org/pragma.html#pragma_optimize
 */
const dueOfEveryTable = 0x10003;
/** A ledger grows little in so long a time. */
const refreshEveryMs = 24 * 3_600_000;

/**
 * Lets SQLite see how its tables have grown; without that it takes every index for as good as any other, and a list of a
 * long ledger may walk the wrong one. A moment's work where little has changed, a second where all has. PostgreSQL does
 * this by itself. Ends early when the signal says so.
 */
export async function refreshStatistics({ kind, knex }: Database, signal?: AbortSignal): Promise<void> {
  if (kind !== 'sqlite') return;
  await knex.raw(`pragma analysis_limit = ${rowsLookedAt}`);
  const due = await knex.raw<readonly { readonly optimize: string }[]>(`pragma optimize = ${dueOfEveryTable}`);
  for (const { optimize } of due) {
    if (signal?.aborted === true) return;
    await knex.raw(optimize);
  }
}

/**
 * Refreshes the statistics from now on, beside everything else: at once and every day. Old ones only make lists slower, so
 * a failure is logged and no more. Once `stop` resolves nothing of it asks the database.
 */
export function keepStatistics({ database, log }: { readonly database: Database; readonly log: Log }): {
  stop(): Promise<void>;
} {
  const stopping = new AbortController();
  const refresh = async () => {
    const startedAt = performance.now();
    try {
      await refreshStatistics(database, stopping.signal);
      log.debug({ tookMs: Math.round(performance.now() - startedAt) }, 'the statistics of the database are fresh');
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'the statistics of the database could not be refreshed');
    }
  };
  let refreshing = refresh();
  const timer = setInterval(() => {
    refreshing = refreshing.then(refresh);
  }, refreshEveryMs);
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await refreshing;
    },
  };
}
