import assert from 'node:assert/strict';
import { LocalTime, timeOfUniqueId } from '../../../../src/pbx/asterisk/csv/local-time.ts';

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

describe('times as Asterisk writes them', () => {
  it('are seconds since the epoch, with or without a fraction', () => {
    const time = new LocalTime('Europe/Moscow');
    assert.equal(time.parse('1795250429.734885'), 1795250429734.885);
    assert.equal(time.parse('1795250429'), 1795250429000);
  });

  it('are local times of the zone, with or without a fraction, through changes of the clock', () => {
    const moscow = new LocalTime('Europe/Moscow');
    assert.equal(iso(moscow.parse('2026-11-21 10:32:51')), '2026-11-21T07:32:51.000Z');
    assert.equal(moscow.parse('2026-11-21 10:32:51.123456'), Date.parse('2026-11-21T07:32:51.000Z') + 123.456);
    const berlin = new LocalTime('Europe/Berlin');
    assert.equal(iso(berlin.parse('2026-03-29 01:59:59')), '2026-03-29T00:59:59.000Z');
    assert.equal(iso(berlin.parse('2026-03-29 03:00:00')), '2026-03-29T01:00:00.000Z');
    assert.equal(iso(berlin.parse('2026-10-25 01:59:59')), '2026-10-24T23:59:59.000Z');
    assert.equal(iso(berlin.parse('2026-10-25 02:30:00')), '2026-10-25T00:30:00.000Z', 'the first pass');
    assert.equal(iso(berlin.parse('2026-10-25 03:00:00')), '2026-10-25T02:00:00.000Z');
  });

  it('may say their zone themselves', () => {
    const time = new LocalTime('Europe/Moscow');
    for (const text of [
      '2026-11-21T07:32:51+0000',
      '2026-11-21 07:32:51Z',
      '2026-11-21T12:32:51+05:00',
      '2026-11-21 02:32:51-0500',
    ])
      assert.equal(iso(time.parse(text)), '2026-11-21T07:32:51.000Z', text);
  });

  it('are nothing when they are nothing', () => {
    const time = new LocalTime('UTC');
    for (const text of ['', 'eventtime', '0', '2026-11-21', '2026-11-21 7:32', 'NaN', '12', '0000-00-00 00:00:00x'])
      assert.equal(time.parse(text), null, text);
    assert.throws(() => new LocalTime('Mars/Olympus'), RangeError);
  });

  it('are read as GMT, or in another zone, once a uniqueid shows it', () => {
    const uniqueId = `${Date.parse('2026-11-21T07:32:51Z') / 1000}.2`;
    for (const zone of ['Europe/Moscow', 'America/New_York', 'UTC']) {
      const time = new LocalTime(zone);
      time.learn('2026-11-21 07:32:51', uniqueId);
      assert.equal(iso(time.parse('2026-11-21 09:00:00')), '2026-11-21T09:00:00.000Z', zone);
    }
    const foreign = new LocalTime('Europe/Moscow');
    foreign.learn('2026-11-21 12:32:51', uniqueId);
    assert.equal(iso(foreign.parse('2026-11-21 14:00:00')), '2026-11-21T09:00:00.000Z');
  });

  it('are not taken for another zone by a later record of a long call, nor when the zone was given', () => {
    const uniqueId = `${Date.parse('2026-11-21T07:32:51Z') / 1000}.2`;
    const time = new LocalTime('Europe/Moscow');
    time.learn('2026-11-21 10:32:51', uniqueId);
    time.learn('2026-11-21 11:32:51', uniqueId);
    assert.equal(iso(time.parse('2026-11-21 11:32:51')), '2026-11-21T08:32:51.000Z');
    const given = new LocalTime('Europe/Moscow', { isCertain: true });
    given.learn('2026-11-21 07:32:51', uniqueId);
    assert.equal(iso(given.parse('2026-11-21 10:32:51')), '2026-11-21T07:32:51.000Z');
  });

  it('stand in uniqueids, with or without the name of the system', () => {
    assert.equal(timeOfUniqueId('1795250429.12'), 1795250429000);
    assert.equal(timeOfUniqueId('pbx-1-1795250429.12'), 1795250429000);
    assert.equal(timeOfUniqueId('chosen-by-somebody'), null);
  });
});
