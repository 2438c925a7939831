import assert from 'node:assert/strict';
import type { Call } from '../../src/core/call.ts';
import { createOpenCalls, readOpenCalls, type OpenCallsParts } from '../../src/installation/service/open-calls.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createLedgerQueries } from '../../src/storage/ledger-queries.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { sampleCall } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

const call = (source: string) => ({ source, linkedId: `${source}.1` }) as unknown as Call;
/** Has one open call of each source. */
const ledgerOf = (onAsked: () => void): OpenCallsParts['ledger'] => ({
  async listCalls({ source, isOpen }) {
    onAsked();
    assert.equal(isOpen, true);
    return { items: [call(source!)], nextCursor: null };
  },
});
const sourcesOf = (calls: readonly Call[]) => calls.map(({ source }) => source);

describe('the calls of now on a node', () => {
  it('are those that it follows and, soon after, those that another node does', async () => {
    let notFollowed = ['branch'];
    let asked = 0;
    const openCalls = createOpenCalls({
      followed: () => [call('office')],
      notFollowed: () => notFollowed,
      ledger: ledgerOf(() => void asked++),
      log: createKeptLog(),
    });
    assert.deepEqual(sourcesOf(openCalls()), ['office']);
    await until(() => openCalls().length === 2);
    assert.deepEqual(sourcesOf(openCalls()), ['office', 'branch']);
    for (let look = 0; look < 100; look++) openCalls();
    assert.equal(asked, 1, 'the database is asked once a second');
    // It takes over, and knows better from now on.
    notFollowed = [];
    assert.deepEqual(sourcesOf(openCalls()), ['office']);
  });

  it('are no longer those of another node when the database has been away for a while, and come back with it', async () => {
    let isAway = false;
    const openCalls = createOpenCalls({
      followed: () => [],
      notFollowed: () => ['branch'],
      ledger: ledgerOf(() => {
        if (isAway) throw new Error('the database is away');
      }),
      log: createKeptLog(),
      everyMs: 10,
      trustedMs: 100,
    });
    await until(() => openCalls().length === 1);
    isAway = true;
    await until(() => openCalls().length === 0);
    isAway = false;
    await until(() => openCalls().length === 1);
  });
});

describe('calls without an end', () => {
  forEachDatabase((makeDatabase) => {
    it('are read whole, of the source that is asked for', async () => {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: new FixedClock() });
      const calls = ['office', 'branch', 'plant'].flatMap((source) => [
        sampleCall({ source, linkedId: '1.1', linkedIds: ['1.1'], endedAt: null }),
        sampleCall({ source, linkedId: '1.2', linkedIds: ['1.2'], conversations: [] }),
      ]);
      await store.save(calls.map((call) => ({ call, newEvents: [], absorbed: [], owed: [] })));
      const ledger = createLedgerQueries(database);
      assert.deepEqual(await readOpenCalls(ledger, 'plant'), [calls[4]]);
      assert.deepEqual(await readOpenCalls(ledger, 'office'), [calls[0]]);
    });

    it('are read to the last, however many they are', async () => {
      const { database } = await makeDatabase();
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: new FixedClock() });
      const ids = Array.from({ length: 620 }, (_, index) => `1.${index}`);
      const calls = ids.map((id) => sampleCall({ linkedId: id, linkedIds: [id], endedAt: null, conversations: [] }));
      await store.save(calls.map((call) => ({ call, newEvents: [], absorbed: [], owed: [] })));
      const open = await readOpenCalls(createLedgerQueries(database), calls[0]!.source);
      assert.deepEqual(open.map(({ linkedId }) => linkedId).sort(), ids.sort());
    });
  });
});
