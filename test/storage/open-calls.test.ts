import assert from 'node:assert/strict';
import { createCallStore } from '../../src/storage/call-store.ts';
import { readOpenCalls } from '../../src/storage/open-calls.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { sampleCall } from '../support/ledger-samples.ts';

describe('calls without an end', () => {
  forEachDatabase((makeDatabase) => {
    it('are read whole, of the sources that are asked for', async () => {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: new FixedClock() });
      const calls = ['office', 'branch', 'plant'].flatMap((source) => [
        sampleCall({ source, linkedId: '1.1', linkedIds: ['1.1'], endedAt: null }),
        sampleCall({ source, linkedId: '1.2', linkedIds: ['1.2'], conversations: [] }),
      ]);
      await store.save(calls.map((call) => ({ call, newEvents: [], absorbed: [], owed: [] })));
      const open = await readOpenCalls(database, ['plant', 'office']);
      assert.deepEqual(
        open.map((call) => JSON.stringify(call)).sort(),
        [calls[0], calls[4]].map((call) => JSON.stringify(call)).sort(),
      );
    });
  });
});
