import assert from 'node:assert/strict';
import { momentOfState, nameState } from '../../src/files/state-names.ts';

describe('the name of a kept state', () => {
  const now = new Date('2026-11-21T08:53:00.123Z');

  it('tells its moment', () => {
    const { name, at } = nameState({ now, newest: null, mark: '1f3a' });
    assert.equal(name, '20261121T085300.123Z-1f3a');
    assert.deepEqual([at, momentOfState(name)], [now, now]);
    assert.deepEqual(momentOfState('20261121T085300.123Z-1f3a5b7c'), now);
  });

  it('sorts by time, though two are kept in one millisecond or the clock is set back', () => {
    const names: string[] = [];
    let newest: Date | null = null;
    for (const backMs of [0, 0, 3_600_000, -5, 0]) {
      const kept: ReturnType<typeof nameState> = nameState({
        now: new Date(now.getTime() - backMs),
        newest,
        // Falls, so that it is not this that sorts them.
        mark: (0xffff - names.length).toString(16),
      });
      names.push(kept.name);
      newest = kept.at;
    }
    assert.deepEqual([...names].sort(), names);
    assert.equal(new Set(names).size, 5);
  });

  it('is taken for none when it is something else, say a path', () => {
    const others = [
      '',
      '.lock',
      '../20261121T085300.123Z-1f3a',
      '20261121T085300.123Z-1f3a/..',
      '20261121T085300Z-1f3a',
    ];
    const bent = ['20261121T085300.123Z-1F3A', '20261121T085300.123Z-1f3a5', '20261321T085300.123Z-1f3a', 'x.json'];
    for (const name of [...others, ...bent]) assert.equal(momentOfState(name), null, name);
  });
});
