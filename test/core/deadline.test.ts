import assert from 'node:assert/strict';
import { startDeadline } from '../../src/core/deadline.ts';
import { until } from '../support/until.ts';

describe('a deadline', () => {
  it('comes with a TimeoutError', async () => {
    const { signal } = startDeadline(5);
    await until(() => signal.aborted);
    assert.equal((signal.reason as DOMException).name, 'TimeoutError');
  });

  it('comes early with the reason of the signal it was given', () => {
    const given = new AbortController();
    const deadline = startDeadline(60_000, given.signal);
    given.abort(new Error('nobody waits any more'));
    assert.equal((deadline.signal.reason as Error).message, 'nobody waits any more');
    deadline.clear();
    const late = startDeadline(60_000, given.signal);
    assert.equal(late.signal.aborted, true);
    late.clear();
  });

  it('does not come after it was cleared', () => {
    const given = new AbortController();
    const deadline = startDeadline(60_000, given.signal);
    deadline.clear();
    given.abort();
    assert.equal(deadline.signal.aborted, false);
  });
});
