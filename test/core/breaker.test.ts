import assert from 'node:assert/strict';
import { Breaker } from '../../src/core/breaker.ts';

describe('the breaker', () => {
  function create() {
    const time = { now: 0 };
    return { time, breaker: new Breaker({ failures: 3, openMs: 1000 }, () => time.now) };
  }
  const fail = (breaker: Breaker, times: number) => {
    for (let time = 0; time < times; time += 1) breaker.failed();
  };

  it('opens after failures in a row, not after as many with a success between', () => {
    const { breaker } = create();
    fail(breaker, 2);
    breaker.succeeded();
    fail(breaker, 2);
    assert.equal(breaker.state, 'closed');
    breaker.failed();
    assert.equal(breaker.state, 'open');
    assert.equal(breaker.mayTry(), false);
  });

  it('lets one trial through after a while: its success closes, its failure opens again', () => {
    const { breaker, time } = create();
    fail(breaker, 3);
    time.now = 1000;
    assert.equal(breaker.state, 'half-open');
    assert.deepEqual([breaker.mayTry(), breaker.mayTry()], [true, false]);
    breaker.failed();
    assert.equal(breaker.state, 'open');
    time.now = 2000;
    assert.ok(breaker.mayTry());
    breaker.succeeded();
    assert.equal(breaker.state, 'closed');
    assert.deepEqual([breaker.mayTry(), breaker.mayTry()], [true, true]);
  });

  it('counts a trial that is never heard of again as lost', () => {
    const { breaker, time } = create();
    fail(breaker, 3);
    time.now = 1000;
    assert.ok(breaker.mayTry());
    time.now = 1999;
    assert.equal(breaker.mayTry(), false);
    time.now = 2000;
    assert.ok(breaker.mayTry());
  });

  it('opens at once when told so', () => {
    const { breaker } = create();
    breaker.trip();
    assert.equal(breaker.mayTry(), false);
  });
});
