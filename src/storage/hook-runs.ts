import { setTimeout as delay } from 'node:timers/promises';
import type { HookRun, HookRunQueries, NoteHookRun } from '../core/hook-runs.ts';
import type { HookName } from '../core/hooks.ts';
import type { Clock, Log } from '../core/ports.ts';
import type { Database } from './connection.ts';
import { insertRows, type ColumnType } from './insert-rows.ts';

export interface HookRunBook extends HookRunQueries {
  readonly note: NoteHookRun;
  /** Writes what was noted, and takes no more. */
  stop(): Promise<void>;
}

interface RunRow {
  readonly at: number;
  readonly hook: string;
  readonly crm: string | null;
  readonly about: string;
  readonly source: string | null;
  readonly unique_id: string | null;
  readonly took_us: number;
  readonly has_changed: boolean;
  readonly fault: string | null;
  readonly message: string | null;
}
const columns: { readonly [Column in keyof RunRow]: ColumnType } = {
  at: 'bigint',
  hook: 'text',
  crm: 'text',
  about: 'text',
  source: 'text',
  unique_id: 'text',
  took_us: 'bigint',
  has_changed: 'boolean',
  fault: 'text',
  message: 'text',
};

const writeEveryMs = 2_000;
/** More than this between two writings is forgotten: memory and the database belong to calls. */
const mostWaiting = 2_000;
const longestMessage = 500;
const longestAbout = 200;
const mostShown = 1_000;
/** Removed with each writing, so that no statement keeps calls from being saved. */
const removedAtOnce = 2_000;

/**
 * Runs of hooks, written in batches some time after they ended. `keepDays` 0: none is kept. What fails is tried once more with the
 * next batch, within the limit of what may wait.
 */
export function createHookRunBook(parts: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly keepDays: number;
  readonly keepRuns?: number;
}): HookRunBook {
  const { database, clock, log, keepDays, keepRuns = 500_000 } = parts;
  const { knex, reader } = database;
  const stopping = new AbortController();
  let waiting: HookRun[] = [];
  let forgotten = 0;
  let writing: Promise<void> | null = null;

  async function writeBatch(): Promise<void> {
    const batch = waiting;
    waiting = [];
    try {
      await insertRows(knex, { table: 'hook_runs', columns, rows: batch.map(toRow), onConflict: 'do nothing' });
      if (forgotten > 0) log.warn({ forgotten }, 'some runs of hooks are missing in the list of the calls');
      forgotten = 0;
    } catch (error) {
      waiting = [...batch, ...waiting].slice(0, mostWaiting);
      log.warn({ error: (error as Error).message }, 'the runs of hooks could not be written down');
      return;
    }
    await removeOld().catch((error: Error) => {
      log.warn({ error: error.message }, 'old runs of hooks could not be removed');
    });
  }

  async function removeOld(): Promise<void> {
    const before = clock.now().getTime() - keepDays * 86_400_000;
    const old = knex('hook_runs').where('at', '<', before).orderBy('at').limit(removedAtOnce).select('id');
    await knex('hook_runs').whereIn('id', old).delete();
    const newest = await knex('hook_runs').max<{ id: number | null }>({ id: 'id' }).first();
    const tooMany = knex('hook_runs')
      .where('id', '<=', (newest?.id ?? 0) - keepRuns)
      .orderBy('id')
      .limit(removedAtOnce)
      .select('id');
    await knex('hook_runs').whereIn('id', tooMany).delete();
  }

  async function writeLater(): Promise<void> {
    await delay(writeEveryMs, undefined, { ref: false, signal: stopping.signal }).catch(() => undefined);
    await writeBatch();
    writing = null;
  }

  return {
    note(run) {
      if (keepDays === 0 || stopping.signal.aborted) return;
      if (waiting.length >= mostWaiting) {
        forgotten += 1;
        return;
      }
      waiting.push(run);
      writing ??= writeLater();
    },

    async hookRunsOf({ source, linkedIds, conversations }) {
      const clicks = conversations.flatMap(({ requestId }) => requestId ?? []);
      const rows: RunRow[] = await reader('hook_runs')
        .whereIn('about', [...linkedIds, ...clicks])
        .where((either) => void either.whereNull('source').orWhere({ source }))
        .orderBy([{ column: 'at' }, { column: 'id' }])
        .limit(mostShown);
      return rows.map(toRun);
    },

    async stop() {
      stopping.abort();
      await writing;
      if (waiting.length > 0) await writeBatch();
    },
  };
}

const toRow = (run: HookRun): RunRow => ({
  at: run.at.getTime(),
  hook: run.hook,
  crm: run.crm,
  about: run.about.slice(0, longestAbout),
  source: run.source,
  unique_id: run.uniqueId,
  took_us: Math.round(run.tookMs * 1000),
  has_changed: run.hasChanged,
  fault: run.fault,
  message: run.message?.slice(0, longestMessage) ?? null,
});

const toRun = (row: RunRow): HookRun => ({
  at: new Date(row.at),
  hook: row.hook as HookName,
  crm: row.crm,
  about: row.about,
  source: row.source,
  uniqueId: row.unique_id,
  tookMs: row.took_us / 1000,
  hasChanged: Boolean(row.has_changed),
  fault: row.fault,
  message: row.message,
});
