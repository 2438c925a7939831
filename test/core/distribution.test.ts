import assert from 'node:assert/strict';
import { chooseExtensions, type DistributionPolicy } from '../../src/core/distribution.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import type { DeviceState, Employee } from '../../src/core/ports.ts';
import { employeeOf } from '../support/caller-lookup.ts';

const friday = new Date('2026-11-20T09:00:00Z');

function choose(
  employees: readonly Employee[],
  states: Readonly<Record<string, DeviceState>> = {},
  policy: Partial<DistributionPolicy> = {},
  at = friday,
) {
  const directory = new StaffDirectory({ employees, timeZone: 'Europe/Moscow' });
  const choice = chooseExtensions({
    responsible: employees[0]!,
    directory,
    stateOf: (extension) => states[extension] ?? 'idle',
    policy: { ringsWhileTalking: false, ringsUnknown: true, ...policy },
    at,
  });
  return choice && [choice.extension, ...choice.deputies];
}

const withDeputy = (fields: Partial<Employee>) => [
  employeeOf({ id: '1', deputies: ['2'], ...fields }),
  employeeOf({ id: '2' }),
];

describe('distribution', () => {
  it('rings the responsible, and has the deputies ready', () => {
    assert.deepEqual(choose(withDeputy({})), ['101', '102']);
  });

  for (const state of ['in_use', 'ringing', 'on_hold', 'busy', 'unavailable', 'dnd'] as const) {
    it(`goes to the deputy when the responsible's phone is ${state}`, () => {
      assert.deepEqual(choose(withDeputy({}), { '101': state }), ['102']);
    });
  }

  it('goes to the deputy when the responsible is dismissed, has no extension, or is not at work', () => {
    const hours = { days: { 1: [{ from: 0, to: 1440 }] }, holidays: [] };
    assert.deepEqual(choose(withDeputy({ isActive: false })), ['102']);
    assert.deepEqual(choose(withDeputy({ extensions: [] })), ['102']);
    assert.deepEqual(choose(withDeputy({ workingHours: hours })), ['102']);
    assert.deepEqual(choose(withDeputy({ workingHours: hours }), {}, {}, new Date('2026-11-23T09:00:00Z')), [
      '101',
      '102',
    ]);
  });

  it('takes the default route when nobody can', () => {
    assert.equal(choose(withDeputy({}), { '101': 'busy', '102': 'unavailable' }), null);
  });

  it('takes the phone of an employee that is on, when another is off', () => {
    const states = { '101': 'unavailable', '201': 'idle' } as const;
    assert.deepEqual(choose([employeeOf({ id: '1', extensions: ['101', '201'] })], states), ['201']);
    assert.deepEqual(choose([employeeOf({ id: '1', extensions: ['101', '201'] })], { '101': 'dnd' }), ['201']);
  });

  it('does not ring the second phone of somebody who talks on the first, unless a second call may ring', () => {
    const employee = employeeOf({ id: '1', extensions: ['101', '201'] });
    assert.equal(choose([employee], { '101': 'in_use' }), null);
    assert.deepEqual(choose([employee], { '101': 'in_use' }, { ringsWhileTalking: true }), ['201']);
    assert.deepEqual(choose([employee], { '101': 'in_use', '201': 'unavailable' }, { ringsWhileTalking: true }), [
      '101',
    ]);
    assert.equal(choose([employee], { '101': 'busy', '201': 'unavailable' }, { ringsWhileTalking: true }), null);
  });

  it('rings a phone of which nothing is known unless told not to, and a free one before it', () => {
    const employee = employeeOf({ id: '1', extensions: ['101', '201'] });
    assert.deepEqual(choose([employee], { '101': 'unknown' }), ['201']);
    assert.deepEqual(choose([employee], { '101': 'unknown', '201': 'unknown' }), ['101']);
    assert.equal(choose([employee], { '101': 'unknown', '201': 'unknown' }, { ringsUnknown: false }), null);
  });

  it('hands on at most five deputies and no extension twice', () => {
    const ids = Array.from({ length: 12 }, (_, index) => String(index + 1));
    const employees = ids.map((id) => employeeOf({ id, extensions: [`${100 + Number(id)}`], deputies: ids }));
    assert.equal(choose(employees)!.length, 6);
    const shared = ids.map((id) => employeeOf({ id, extensions: ['100'], deputies: ids }));
    assert.deepEqual(choose(shared), ['100']);
  });

  it('never hands the dialplan an extension that is more than one', () => {
    for (const extension of ['500&SIP/itsp/1416', '101-102', '101,tT', '', '101@x', 'a b', '${EXTEN}']) {
      assert.equal(choose([employeeOf({ id: '1', extensions: [extension] })]), null, extension);
    }
  });
});
