import assert from 'node:assert/strict';
import { CrmGate, retryDelayMs, retryScheduleMs } from '../../src/core/delivery/retry-schedule.ts';

describe('the retry schedule', () => {
  it('grows from seconds to an hour and stays there', () => {
    const delays = Array.from({ length: 30 }, (_, n) => retryDelayMs(n + 1, { random: () => 0 }));
    assert.equal(delays[0], 5_000);
    assert.equal(delays.at(-1), 3_600_000);
    assert.deepEqual(
      delays,
      [...delays].sort((a, b) => a - b),
    );
    assert.deepEqual(delays.slice(0, retryScheduleMs.length), retryScheduleMs);
  });

  it('spreads what failed together by up to a fifth', () => {
    assert.equal(retryDelayMs(1, { random: () => 1 }), 6_000);
    assert.equal(retryDelayMs(1, { random: () => 0.5 }), 5_500);
  });

  it('never undercuts what the CRM asked for', () => {
    assert.equal(retryDelayMs(1, { retryAfterMs: 61_234, random: () => 1 }), 61_234);
    assert.equal(retryDelayMs(1, { retryAfterMs: 100, random: () => 0 }), 5_000);
    assert.equal(retryDelayMs(20, { retryAfterMs: 7_200_000, random: () => 0 }), 7_200_000);
  });
});

describe('the gate of a CRM', () => {
  const makeGate = () => new CrmGate({ concurrency: 2, random: () => 0 });

  it('stays open while some attempts succeed', () => {
    const gate = makeGate();
    for (let n = 0; n < 10; n++) {
      gate.failed(n, null);
      assert.equal(gate.isOpen(n), true);
      assert.equal(gate.answered(n), false);
    }
  });

  it('shuts for growing spans, at most a minute, when nothing succeeds', () => {
    const gate = makeGate();
    const spans: number[] = [];
    let now = 0;
    for (let round = 0; round < 8; round++) {
      gate.failed(now, null);
      gate.failed(now, null);
      let span = 0;
      while (!gate.isOpen(now + span)) span += 1_000;
      spans.push(span);
      now += span;
    }
    assert.deepEqual(spans, [5_000, 15_000, 30_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
  });

  it('is opened by an answer to what was asked after it had opened, not by a straggler', () => {
    const gate = makeGate();
    gate.failed(1_000, null);
    gate.failed(1_000, null);
    assert.equal(gate.answered(1_500), false);
    assert.equal(gate.isOpen(1_500), false);
    assert.equal(gate.answered(6_000), true);
    assert.equal(gate.isDown, false);
  });

  it('is not kept shut by a clock that is set back', () => {
    const gate = makeGate();
    gate.failed(10_000_000, 60_000);
    assert.equal(gate.isOpen(10_059_999), false);
    assert.equal(gate.isOpen(10_060_000), true);
    const setBack = 10_000_000 - 3_600_000;
    assert.equal(gate.isOpen(setBack), true);
    gate.failed(setBack, 1_000);
    assert.equal(gate.isOpen(setBack + 999), false);
    assert.equal(gate.isOpen(setBack + 15_000), true);
  });
});
