import assert from 'node:assert/strict';
import { CrmChecks } from '../../src/core/crm-checks.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { PartStatus } from '../../src/core/ports.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

describe('what CRMs say of themselves', () => {
  it('is known without waiting for them, also when one fails', async () => {
    const clock = new FixedClock();
    const lines: PartStatus[] = [{ part: 'crm:amo', health: 'ok', message: 'connected' }];
    const crms = [
      { name: 'amo', check: async () => lines },
      { name: 'other', check: () => Promise.reject(new Retryable('down')) },
      { name: 'slow', check: () => new Promise<never>((_, reject) => setTimeout(reject, 100, new Retryable('late'))) },
    ];
    const checks = new CrmChecks({ crms, clock, log: silentLog });
    assert.deepEqual(checks.status(), []);
    checks.start();
    await until(() => checks.status().length === 2);
    const checkedAt = clock.now();
    assert.deepEqual(checks.status(), [
      { part: 'crm:amo', health: 'ok', message: 'connected', checkedAt },
      { part: 'crm:other', health: 'warning', message: 'cannot be checked: down', checkedAt },
    ]);
    await checks.stop();
    assert.equal(checks.status().length, 3, 'what was under way was waited for');
  });
});
