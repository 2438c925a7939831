import assert from 'node:assert/strict';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { Availability, PbxSource } from '../../src/core/ports.ts';
import { UserStatuses } from '../../src/core/user-status.ts';
import type { Database } from '../../src/storage/connection.ts';
import { createToldStates } from '../../src/storage/told-states.ts';
import { forEachDatabase } from '../support/databases.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { silentLog } from '../support/silent-log.ts';

describe('what CRMs told of their users', () => {
  forEachDatabase((makeDatabase) => {
    let database: Database;
    let set: [string, boolean | null, string][];
    let since: Date | null;
    const clock = new FixedClock();
    const employee = { email: null, deputies: [], mobile: null, isActive: true, workingHours: null };
    beforeEach(async () => {
      ({ database } = await makeDatabase());
      set = [];
      since = clock.now();
    });

    const source: PbxSource = {
      name: 'pbx',
      start: async () => undefined,
      stop: async () => undefined,
      status: () => [],
      commandedSince: () => since,
      async setAvailability(extension: string, { isInQueues, reason }: Availability) {
        if (since === null) throw new Retryable('no connection');
        set.push([extension, isInQueues, reason]);
      },
    };
    /** The service, started anew. */
    const start = () => {
      const directory = new StaffDirectory({
        employees: [{ ...employee, id: 'anna', name: 'Anna', extensions: ['101'] }],
        timeZone: 'UTC',
      });
      directory.setCrmUsers('shop', [{ id: '7', name: 'Anna', email: null, extensions: ['101'], isActive: true }]);
      return new UserStatuses({
        store: createToldStates(database),
        clock,
        rulesOf: (crm) => (crm === 'shop' ? { away: ['dinner'], setsDnd: true, pausesQueues: true } : null),
        directory,
        sources: [source],
        log: silentLog,
      });
    };
    const anna = (status: string) => ({ crm: 'shop', userId: '7', extension: null, status });
    const comeBack = () => {
      clock.advance(1_000);
      since = clock.now();
    };

    it('is still owed after a restart of ours, the newest alone', async () => {
      since = null;
      await assert.rejects(start().change(anna('dinner')), Retryable);
      clock.advance(1_000);
      await assert.rejects(start().change(anna('free')), Retryable);
      const statuses = start();
      await statuses.catchUp();
      comeBack();
      await statuses.catchUp();
      await statuses.catchUp();
      assert.deepEqual(set, [['101', true, 'free']]);
      await start().catchUp();
      assert.equal(set.length, 1, 'who is there is not told again: he may have gone out by himself');
    });

    it('is told again to a phone system that has come back: who is away', async () => {
      const statuses = start();
      await statuses.change(anna('dinner'));
      await statuses.catchUp();
      const before = set.length;
      await statuses.catchUp();
      assert.equal(set.length, before, 'while the connection lasts it is told no more');
      since = null;
      await statuses.catchUp();
      comeBack();
      await statuses.catchUp();
      assert.deepEqual(set.slice(before), [['101', false, 'dinner']]);
      // Also when it was we who were away.
      await start().catchUp();
      assert.deepEqual(set.slice(before + 1), [['101', false, 'dinner']]);
      clock.advance(1_000);
      await statuses.change(anna('free'));
      const free = set.length;
      comeBack();
      await statuses.catchUp();
      assert.equal(set.length, free);
    });

    it('is forgotten when the CRM tells no states any more', async () => {
      await createToldStates(database).put({ ...anna('dinner'), crm: 'gone', toldAt: clock.now(), isOwed: true });
      await start().catchUp();
      assert.deepEqual(set, []);
      assert.deepEqual(
        (await createToldStates(database).list()).map(({ isOwed }) => isOwed),
        [false],
      );
    });
  });
});
