import assert from 'node:assert/strict';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { Database } from '../../src/storage/connection.ts';
import { keepStatistics, refreshStatistics } from '../../src/storage/statistics.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { numberedChange } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

describe('the statistics of the database', () => {
  forEachDatabase((makeDatabase, kind) => {
    async function makeLedger(): Promise<Database> {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: { now: () => new Date() } });
      await store.save(Array.from({ length: 500 }, (_, n) => numberedChange(n)));
      return database;
    }
    const selectivityOfResults = async ({ knex }: Database) => {
      if (!(await knex.schema.hasTable('sqlite_stat1'))) return null;
      const [line] = await knex('sqlite_stat1').where({ idx: 'calls_by_result' }).select<{ stat: string }[]>('stat');
      return line?.stat ?? null;
    };
    /** What is asked of the database; each statement waits until `letOn` has come. */
    function watch({ knex, ...database }: Database, letOn: Promise<unknown>) {
      const asked: string[] = [];
      const raw = async (sql: string) => {
        asked.push(sql);
        await letOn;
        return knex.raw(sql);
      };
      return { asked, database: { ...database, knex: { raw } as unknown as Database['knex'] } };
    }

    it('tell how selective an index of the ledger is, where the database does not see to it itself', async () => {
      const database = await makeLedger();
      await refreshStatistics(database);
      await refreshStatistics(database);
      // One result for all calls: 500 rows, 500 for each result.
      if (kind === 'sqlite') assert.match((await selectivityOfResults(database))!, /^500 500 /);
    });

    it('are kept beside everything else', async () => {
      const database = await makeLedger();
      const log = createKeptLog();
      const statistics = keepStatistics({ database, log });
      await until(() => log.lines.length > 0);
      await statistics.stop();
      assert.deepEqual(
        log.lines.map(({ level, message }) => [level, message]),
        [['debug', 'the statistics of the database are fresh']],
      );
      if (kind === 'sqlite') assert.match((await selectivityOfResults(database))!, /^500 500 /);
    });

    if (kind === 'postgres') return;

    it('let others have their turn between the tables', async () => {
      const { asked, database } = watch(await makeLedger(), Promise.resolve());
      await refreshStatistics(database);
      const tables = asked.filter((sql) => /^ANALYZE "main"\."\w+"$/.test(sql));
      assert.ok(tables.length > 1, asked.join('\n'));
      assert.equal(asked.length, tables.length + 2);
    });

    it('are left as they are by a stop, which waits for the statement under way and lets no other follow', async () => {
      const ledger = await makeLedger();
      let letOn: (value?: unknown) => void = () => undefined;
      const { asked, database } = watch(ledger, new Promise((resolve) => (letOn = resolve)));
      const log = createKeptLog();
      const statistics = keepStatistics({ database, log });
      let isStopped = false;
      const stopped = statistics.stop().then(() => (isStopped = true));
      await new Promise(setImmediate);
      assert.equal(isStopped, false);
      letOn();
      await stopped;
      assert.deepEqual(
        asked.filter((sql) => sql.startsWith('ANALYZE')),
        [],
      );
      assert.equal(await selectivityOfResults(ledger), null);
      assert.deepEqual(
        log.lines.filter(({ level }) => level === 'warn'),
        [],
      );
    });

    it('cost no more than a line in the log when the database will not have it', async () => {
      const refusal = Promise.reject(new Error('disk I/O error'));
      refusal.catch(() => undefined);
      const { database } = watch(await makeLedger(), refusal);
      const log = createKeptLog();
      const statistics = keepStatistics({ database, log });
      await until(() => log.lines.length > 0);
      await statistics.stop();
      assert.deepEqual(log.lines, [
        {
          level: 'warn',
          fields: { error: 'disk I/O error' },
          message: 'the statistics of the database could not be refreshed',
        },
      ]);
    });
  });
});
