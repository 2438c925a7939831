import assert from 'node:assert/strict';
import type { Call } from '../../src/core/call.ts';
import { createOpenCalls } from '../../src/installation/service/open-calls.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';

const call = (source: string) => ({ source, linkedId: `${source}.1` }) as unknown as Call;
const sourcesOf = (calls: readonly Call[]) => calls.map(({ source }) => source);

describe('the calls of now on a node', () => {
  it('are those that it follows and, soon after, those that another node does', async () => {
    let notFollowed = ['branch'];
    let asked = 0;
    const openCalls = createOpenCalls({
      followed: () => [call('office')],
      notFollowed: () => notFollowed,
      read: async (sources) => {
        asked++;
        return sources.map(call);
      },
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
      read: async (sources) => {
        if (isAway) throw new Error('the database is away');
        return sources.map(call);
      },
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
