import assert from 'node:assert/strict';
import { AuthRequired, Rejected, Retryable } from '../../../src/core/errors.ts';
import { translateDatabaseFault, withFaults } from '../../../src/crm/local/faults.ts';

const fault = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('faults of the database', () => {
  for (const code of [
    'SQLITE_BUSY',
    'SQLITE_BUSY_SNAPSHOT',
    'SQLITE_FULL',
    'SQLITE_IOERR_FSYNC',
    '57P01',
    '08006',
    '40P01',
    '53300',
    'ECONNREFUSED',
    'ETIMEDOUT',
  ]) {
    it(`${code} is worth another try`, () => assert.ok(translateDatabaseFault(fault(code)) instanceof Retryable));
  }
  for (const message of [
    'Connection terminated unexpectedly',
    'Query read timeout',
    'Unable to acquire a connection',
    'The database thread ended',
  ]) {
    it(`“${message}” is worth another try`, () =>
      assert.ok(translateDatabaseFault(new Error(message)) instanceof Retryable));
  }
  for (const code of ['28P01', '28000']) {
    it(`${code} is a refusal of our access`, () =>
      assert.ok(translateDatabaseFault(fault(code)) instanceof AuthRequired));
  }
  for (const code of ['SQLITE_CONSTRAINT_FOREIGNKEY', '23503', '22021', '22001']) {
    it(`${code} will never be taken`, () => assert.ok(translateDatabaseFault(fault(code)) instanceof Rejected));
  }

  it('are left as they are when they are bugs', async () => {
    for (const bug of [fault('42P01', 'relation does not exist'), new TypeError('x is not a function'), 'text']) {
      assert.equal(translateDatabaseFault(bug), bug);
      await assert.rejects(
        withFaults(() => Promise.reject(bug)),
        (thrown) => thrown === bug,
      );
    }
  });
});
