import assert from 'node:assert/strict';
import { CallRefused } from '../../src/core/click-to-call.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { Availability, PbxSource, ToldState, ToldStates } from '../../src/core/ports.ts';
import { applyUserStatus, UserStatuses } from '../../src/core/user-status.ts';
import { silentLog } from '../support/silent-log.ts';

/** As the database's. */
function createToldStatesInMemory(): ToldStates {
  const states = new Map<string, ToldState>();
  const keyOf = ({ crm, userId, extension }: ToldState) => JSON.stringify([crm, userId, extension]);
  return {
    put: async (state) => void states.set(keyOf(state), state),
    async settle(state) {
      const known = states.get(keyOf(state));
      if (known?.toldAt.getTime() === state.toldAt.getTime() && known.status === state.status)
        states.set(keyOf(state), { ...known, isOwed: false });
    },
    list: async () => [...states.values()],
  };
}

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

  it('that the phone system could not be told is told when it is back, the newest alone', async () => {
    let isAway = true;
    const weak: PbxSource = {
      ...source,
      async setAvailability(extension, availability) {
        if (isAway) throw new Retryable('no connection');
        set.push([extension, availability]);
      },
    };
    const statuses = new UserStatuses({
      store: createToldStatesInMemory(),
      clock: { now: () => new Date() },
      rulesOf: () => rules,
      directory,
      sources: [weak],
      log: silentLog,
    });
    const tell = (status: string) => statuses.change({ crm: 'shop', userId: '7', extension: '101', status });
    await assert.rejects(tell('dinner'), Retryable);
    await assert.rejects(tell('busy'), Retryable);
    await statuses.catchUp();
    assert.equal(set.length, 0);
    isAway = false;
    await statuses.catchUp();
    await statuses.catchUp();
    assert.deepEqual(
      set.map(([extension, { reason }]) => [extension, reason]),
      [['101', 'busy']],
    );
    // What came in between is not overtaken by what is older.
    isAway = true;
    await assert.rejects(tell('dinner'), Retryable);
    isAway = false;
    await Promise.all([statuses.catchUp(), tell('free')]);
    await statuses.catchUp();
    assert.equal(set.at(-1)![1].reason, 'free');
    // What is refused is not tried again.
    const stranger = { crm: 'shop', userId: '7', extension: '102', status: 'busy' };
    await assert.rejects(statuses.change(stranger), CallRefused);
    const before = set.length;
    await statuses.catchUp();
    assert.equal(set.length, before);
  });

  it('is asked for once, however many are owed, and no older one overtakes a newer one that comes meanwhile', async () => {
    const count = 20;
    const names = Array.from({ length: count }, (_, index) => String(200 + index));
    const many = new StaffDirectory({
      employees: names.map((name) => ({ ...employee, id: name, name, extensions: [name] })),
      timeZone: 'UTC',
    });
    many.setCrmUsers(
      'shop',
      names.map((name) => ({ id: name, name, email: null, extensions: [name], isActive: true })),
    );
    let isAway = true;
    let asked = 0;
    let whenFirstIsTold = (): Promise<unknown> => Promise.resolve();
    const store = createToldStatesInMemory();
    const statuses = new UserStatuses({
      store: { ...store, list: () => ((asked += 1), store.list()) },
      clock: { now: () => new Date() },
      rulesOf: () => rules,
      directory: many,
      sources: [
        {
          ...source,
          async setAvailability(extension, availability) {
            if (isAway) throw new Retryable('no connection');
            set.push([extension, availability]);
            if (extension === names[0]) await whenFirstIsTold();
          },
        },
      ],
      log: silentLog,
    });
    const tell = (name: string, status: string) =>
      statuses.change({ crm: 'shop', userId: name, extension: null, status });
    for (const name of names) await assert.rejects(tell(name, 'dinner'), Retryable);
    isAway = false;
    const [last] = names.slice(-1);
    whenFirstIsTold = () => tell(last!, 'free');
    await statuses.catchUp();
    assert.equal(asked, 1);
    assert.deepEqual(
      set.map(([extension, { reason }]) => `${extension} ${reason}`).sort(),
      names.map((name) => `${name} ${name === last ? 'free' : 'dinner'}`),
    );
    await statuses.catchUp();
    assert.deepEqual([asked, set.length], [2, count], 'nothing is owed any more');
  });
});
