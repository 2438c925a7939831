import assert from 'node:assert/strict';
import { isWithinHours, StaffDirectory } from '../../src/core/employees.ts';
import type { CrmUser, Employee, WorkingHours } from '../../src/core/ports.ts';
import { employeeOf } from '../support/caller-lookup.ts';

const directoryOf = (...employees: Employee[]) => new StaffDirectory({ employees, timeZone: 'Europe/Moscow' });
const userOf = (fields: Partial<CrmUser> & { id: string }): CrmUser => ({
  name: `User ${fields.id}`,
  email: null,
  extensions: [],
  isActive: true,
  ...fields,
});

describe('the staff', () => {
  it('is found by id, extension and mobile', () => {
    const directory = directoryOf(employeeOf({ id: '1', extensions: ['101', '201'], mobile: '+79160000001' }));
    for (const found of [
      directory.byId('1'),
      directory.byExtension('101'),
      directory.byExtension('201'),
      directory.byMobile('+79160000001'),
    ]) {
      assert.equal(found?.id, '1');
    }
    assert.equal(directory.byExtension('102'), null);
    assert.equal(directory.byId('constructor'), null);
  });

  it('gives the extension of a dismissed employee to the one who has it now', () => {
    const directory = directoryOf(
      employeeOf({ id: '1', isActive: false }),
      employeeOf({ id: '2', extensions: ['101'] }),
    );
    assert.equal(directory.byExtension('101')?.id, '2');
  });

  it("knows a CRM's users by extension, then e-mail, then id, and makes employees of the rest who have a phone", () => {
    const directory = directoryOf(
      employeeOf({ id: '1' }),
      employeeOf({ id: '2', email: 'Anna@Example.com' }),
      employeeOf({ id: '3' }),
    );
    directory.setCrmUsers('kommo', [
      userOf({ id: '901', extensions: ['101'], email: 'anna@example.com' }),
      userOf({ id: '902', email: 'anna@example.com' }),
      userOf({ id: '3' }),
      userOf({ id: '904', extensions: ['150'] }),
      userOf({ id: '905' }),
    ]);
    assert.equal(directory.byCrmUser('kommo', '901')?.id, '1');
    assert.equal(directory.byCrmUser('kommo', '902')?.id, '2');
    assert.equal(directory.byCrmUser('kommo', '3')?.id, '3');
    assert.equal(directory.byExtension('150')?.id, 'kommo:904');
    assert.equal(directory.byCrmUser('kommo', '905'), null);
    assert.equal(directory.userIdOf('kommo', '101'), '901');
    assert.equal(directory.userIdOf('kommo', '102'), '902');
    assert.equal(directory.userIdOf('kommo', '199'), null);
    assert.equal(directory.userIdOf('other', '101'), null);
    assert.equal(directory.all().length, 4);
  });

  it("gives a dismissed CRM user's extension to the one who has it now, in whatever order the CRM lists them", () => {
    const users = [
      userOf({ id: '904', extensions: ['150'], isActive: false }),
      userOf({ id: '905', extensions: ['150'] }),
    ];
    for (const listed of [users, [...users].reverse()]) {
      const directory = directoryOf();
      directory.setCrmUsers('kommo', listed);
      assert.equal(directory.byExtension('150')?.id, 'kommo:905');
      assert.equal(directory.byExtension('150')?.isActive, true);
      assert.equal(directory.userIdOf('kommo', '150'), '905');
    }
  });

  it("takes a CRM's user ids for employees' ids only until its list is known", () => {
    const directory = directoryOf(employeeOf({ id: '1' }));
    assert.equal(directory.byCrmUser('kommo', '1')?.id, '1');
    directory.setCrmUsers('kommo', [userOf({ id: '5', extensions: ['101'] })]);
    assert.equal(directory.byCrmUser('kommo', '1'), null);
    assert.equal(directory.byCrmUser('kommo', '5')?.id, '1');
  });

  it('walks deputies breadth first, each once, loops or not, and skips who does not exist', () => {
    const directory = directoryOf(
      employeeOf({ id: '1', deputies: ['2', 'gone', '3', '1'] }),
      employeeOf({ id: '2', deputies: ['4', '1'] }),
      employeeOf({ id: '3', deputies: ['2', '5'] }),
      employeeOf({ id: '4' }),
      employeeOf({ id: '5', deputies: ['1'] }),
    );
    assert.deepEqual(
      directory.deputiesOf(directory.byId('1')!).map(({ id }) => id),
      ['2', '3', '4', '5'],
    );
    assert.deepEqual(directory.deputiesOf(directory.byId('4')!), []);
  });

  it('refuses a time zone that does not exist', () => {
    assert.throws(() => new StaffDirectory({ employees: [], timeZone: 'Europe/Moskau' }), RangeError);
  });
});

describe('working hours', () => {
  const at = (text: string) => new Date(text);
  const weekdays: WorkingHours = {
    days: Object.fromEntries(
      [1, 2, 3, 4, 5].map((day) => [
        day,
        [
          { from: 540, to: 780 },
          { from: 840, to: 1080 },
        ],
      ]),
    ),
    holidays: ['2026-11-04'],
  };

  it('are told by the clocks of the installation, `to` exclusive', () => {
    const isOpen = (text: string) => isWithinHours(weekdays, at(text), 'Europe/Moscow');
    assert.ok(isOpen('2026-11-20T06:00:00Z'), '09:00 on a Friday');
    assert.ok(!isOpen('2026-11-20T05:59:59Z'), '08:59');
    assert.ok(!isOpen('2026-11-20T10:00:00Z'), '13:00');
    assert.ok(isOpen('2026-11-20T14:59:59Z'), '17:59');
    assert.ok(!isOpen('2026-11-20T15:00:00Z'), '18:00');
    assert.ok(!isOpen('2026-11-21T09:00:00Z'), 'Saturday');
    assert.ok(!isOpen('2026-11-04T09:00:00Z'), 'holiday');
  });

  it('follow summer time', () => {
    const berlin = (text: string) => isWithinHours(weekdays, at(text), 'Europe/Berlin');
    assert.ok(berlin('2026-07-01T07:00:00Z') && !berlin('2026-07-01T06:59:00Z'));
    assert.ok(berlin('2026-12-01T08:00:00Z') && !berlin('2026-12-01T07:59:00Z'));
  });

  it('may go past midnight, from Sunday into Monday too, and belong to the day they begin on', () => {
    const night: WorkingHours = {
      days: { 7: [{ from: 22 * 60, to: 6 * 60 }], 3: [{ from: 1320, to: 1800 }] },
      holidays: ['2026-11-19'],
    };
    const isOpen = (text: string) => isWithinHours(night, at(text), 'UTC');
    assert.ok(isOpen('2026-11-22T23:00:00Z') && isOpen('2026-11-23T05:59:00Z') && !isOpen('2026-11-23T06:00:00Z'));
    assert.ok(isOpen('2026-11-19T05:00:00Z'), 'the shift began the day before the holiday');
    assert.ok(!isOpen('2026-11-20T05:00:00Z'));
    const onHoliday = { ...night, holidays: ['2026-11-18'] };
    assert.ok(isWithinHours(night, at('2026-11-19T05:00:00Z'), 'UTC'));
    assert.ok(!isWithinHours(onHoliday, at('2026-11-18T23:00:00Z'), 'UTC'));
    assert.ok(
      !isWithinHours(onHoliday, at('2026-11-19T05:00:00Z'), 'UTC'),
      'the shift would have begun on the holiday',
    );
  });

  it('cover a whole day from midnight to midnight', () => {
    const always: WorkingHours = { days: { 6: [{ from: 0, to: 1440 }] }, holidays: [] };
    assert.ok(isWithinHours(always, at('2026-11-21T00:00:00Z'), 'UTC'));
    assert.ok(isWithinHours(always, at('2026-11-21T23:59:59Z'), 'UTC'));
    assert.ok(!isWithinHours(always, at('2026-11-22T00:00:00Z'), 'UTC'));
  });
});
