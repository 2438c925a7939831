import assert from 'node:assert/strict';
import { createCallStore } from '../../src/storage/call-store.ts';
import { refreshStatistics } from '../../src/storage/statistics.ts';
import { forEachDatabase } from '../support/databases.ts';
import { numberedChange } from '../support/ledger-samples.ts';

describe('the statistics of the database', () => {
  forEachDatabase((makeDatabase, kind) => {
    it('tell how selective an index of the ledger is, where the database does not see to it itself', async () => {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: { now: () => new Date() } });
      await store.save(Array.from({ length: 500 }, (_, n) => numberedChange(n)));
      await refreshStatistics(database);
      await refreshStatistics(database);
      if (kind === 'postgres') return;
      const [line] = await database
        .knex('sqlite_stat1')
        .where({ idx: 'calls_by_result' })
        .select<{ stat: string }[]>('stat');
      // One result for all calls: 500 rows, 500 for each result.
      assert.match(line!.stat, /^500 500 /);
    });
  });
});
