import assert from 'node:assert/strict';
import fc from 'fast-check';
import { clocksWithin, dayAfter, endOfLocal, momentOfLocal, offsetMinutes } from '../../src/web/local-time.ts';

describe('local times of a span', () => {
  const from = (text: string, zone: string) => momentOfLocal(text, zone)?.toISOString();
  const to = (text: string, zone: string) => endOfLocal(text, zone)?.toISOString();

  it('are read by the clocks of the zone; a day at the end is wholly within, a time is not', () => {
    assert.equal(from('2026-11-21', 'Europe/Moscow'), '2026-11-20T21:00:00.000Z');
    assert.equal(to('2026-11-21', 'Europe/Moscow'), '2026-11-21T21:00:00.000Z');
    assert.equal(from('2026-11-21T14:00', 'Europe/Moscow'), '2026-11-21T11:00:00.000Z');
    assert.equal(to('2026-11-21T15:30', 'Europe/Moscow'), '2026-11-21T12:30:00.000Z');
    assert.equal(from('2026-11-21T14:00', 'Asia/Kolkata'), '2026-11-21T08:30:00.000Z');
  });

  it('give the day of a clock change its 23 or 25 hours', () => {
    const hours = (day: string, zone: string) =>
      (endOfLocal(day, zone)!.getTime() - momentOfLocal(day, zone)!.getTime()) / 3_600_000;
    assert.deepEqual(
      [hours('2026-03-29', 'Europe/Berlin'), hours('2026-10-25', 'Europe/Berlin')],
      [23, 25],
      'by an hour in the night',
    );
    // Where midnight itself is left out or comes twice.
    assert.deepEqual([hours('2026-09-06', 'America/Santiago'), hours('2026-04-04', 'America/Santiago')], [23, 25]);
    assert.equal(hours('2026-10-04', 'Australia/Lord_Howe'), 23.5);
  });

  it('hold both passes of an hour that comes twice', () => {
    assert.equal(from('2026-10-25T02:30', 'Europe/Berlin'), '2026-10-25T00:30:00.000Z');
    assert.equal(to('2026-10-25T02:30', 'Europe/Berlin'), '2026-10-25T01:30:00.000Z');
  });

  it('that a clock change leaves out are read by the clock as it went before', () => {
    assert.equal(from('2026-03-29T02:30', 'Europe/Berlin'), '2026-03-29T01:30:00.000Z');
    assert.equal(to('2026-03-29T02:30', 'Europe/Berlin'), '2026-03-29T01:30:00.000Z');
  });

  it('lie in spans of clocks that go on evenly', () => {
    const shown = (first: string, last: string, zone: string) =>
      clocksWithin({ from: momentOfLocal(first, zone)!, to: endOfLocal(last, zone)! }, zone).map(
        ({ from, aheadMs }) => `${from.toISOString()} ${aheadMs / 60_000}`,
      );
    assert.deepEqual(shown('2026-03-01', '2026-11-30', 'Europe/Berlin'), [
      '2026-02-28T23:00:00.000Z 60',
      '2026-03-29T01:00:00.000Z 120',
      '2026-10-25T01:00:00.000Z 60',
    ]);
    assert.deepEqual(shown('2026-10-04', '2026-10-04', 'Australia/Lord_Howe'), [
      '2026-10-03T13:30:00.000Z 630',
      '2026-10-03T15:30:00.000Z 660',
    ]);
    assert.deepEqual(shown('2026-01-01', '2026-12-31', 'Europe/Moscow'), ['2025-12-31T21:00:00.000Z 180']);
  });

  it('show the same on the clocks of any zone, at any minute that there is', () => {
    const zones = ['Europe/Moscow', 'Europe/Berlin', 'America/Santiago', 'Australia/Lord_Howe', 'Asia/Almaty', 'UTC'];
    const minute = fc.integer({ min: Date.UTC(2024, 0) / 60_000, max: Date.UTC(2028, 0) / 60_000 });
    fc.assert(
      fc.property(minute, fc.constantFrom(...zones), (count, zone) => {
        const instant = count * 60_000;
        const wall = new Date(instant + offsetMinutes(new Date(instant), zone) * 60_000).toISOString().slice(0, 16);
        const first = momentOfLocal(wall, zone)!.getTime();
        const last = momentOfLocal(wall, zone, 'to')!.getTime();
        assert.ok(instant === first || instant === last, `${wall} in ${zone}`);
        assert.ok(last - first <= 3_600_000);
      }),
      { numRuns: 3_000 },
    );
  });

  it('that are none are refused', () => {
    const wrong = [
      '',
      '2026-02-30',
      '2026-11-21T24:00',
      '2026-11-21T14',
      '2026-11-21 14:00',
      '21.11.2026',
      '2026-13-01',
    ];
    for (const text of wrong) assert.deepEqual([from(text, 'UTC'), to(text, 'UTC')], [undefined, undefined], text);
  });

  it('know the day so many days later', () => {
    assert.equal(dayAfter('2026-02-27T23:59', 2), '2026-03-01');
    assert.equal(dayAfter('2026-01-01', -1), '2025-12-31');
  });
});
