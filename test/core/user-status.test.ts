import assert from 'node:assert/strict';
import { CallRefused } from '../../src/core/click-to-call.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { Availability, PbxSource } from '../../src/core/ports.ts';
import { applyUserStatus } from '../../src/core/user-status.ts';
import { silentLog } from '../support/silent-log.ts';

const rules = { away: ['busy', 'dinner'], setsDnd: true, pausesQueues: true };

describe("a CRM user's state", () => {
  const employee = { email: null, deputies: [], mobile: null, isActive: true, workingHours: null };
  let directory: StaffDirectory;
  let set: [string, Availability][];
  beforeEach(() => {
    set = [];
    const employees = [
      { ...employee, id: 'anna', name: 'Anna', extensions: ['101', '111'] },
      { ...employee, id: 'boris', name: 'Boris', extensions: ['102'] },
    ];
    directory = new StaffDirectory({ employees, timeZone: 'UTC' });
    directory.setCrmUsers('shop', [{ id: '7', name: 'Anna', email: null, extensions: ['101'], isActive: true }]);
  });
  const source: PbxSource = {
    name: 'pbx',
    start: async () => undefined,
    stop: async () => undefined,
    status: () => [],
    setAvailability: async (extension, availability) => void set.push([extension, availability]),
  };
  const apply = (status: string, extension: string | null, userId: string | null = '7', change: object = {}) =>
    applyUserStatus(
      { crm: 'shop', userId, extension, status },
      { rules: { ...rules, ...change }, directory, sources: [source], log: silentLog },
    );

  it('takes his phone out while he is away, and back in', async () => {
    await apply('dinner', '101');
    await apply('free', '101');
    await apply('break', '101');
    assert.deepEqual(
      set.map(([extension, { isDisturbable, isInQueues, reason }]) => [extension, isDisturbable, isInQueues, reason]),
      [
        ['101', false, false, 'dinner'],
        ['101', true, true, 'free'],
        ['101', true, true, 'break'],
      ],
    );
  });

  it('counts for all his phones where none is named', async () => {
    await apply('busy', null);
    assert.deepEqual(
      set.map(([extension]) => extension),
      ['101', '111'],
    );
  });

  it('does only what the rules say', async () => {
    await apply('busy', '101', '7', { setsDnd: false });
    await apply('busy', '101', '7', { pausesQueues: false });
    assert.deepEqual(
      set.map(([, { isDisturbable, isInQueues }]) => [isDisturbable, isInQueues]),
      [
        [null, false],
        [false, null],
      ],
    );
  });

  it('reaches the other phones and phone systems when one of them is away', async () => {
    const away: PbxSource = {
      ...source,
      setAvailability: async () => {
        throw new Retryable('no connection');
      },
    };
    const change = { crm: 'shop', userId: '7', extension: null, status: 'busy' };
    const parts = { rules, directory, sources: [away, source], log: silentLog };
    await assert.rejects(applyUserStatus(change, parts), Retryable);
    assert.deepEqual(
      set.map(([extension]) => extension),
      ['101', '111'],
    );
  });

  it('never touches the phone of another', async () => {
    await assert.rejects(apply('busy', '102'), CallRefused);
    await assert.rejects(apply('busy', '101', '99'), CallRefused);
    await assert.rejects(apply('busy', null, null), CallRefused);
    assert.deepEqual(set, []);
  });
});
