import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import type { PbxEventSink } from '../../src/core/ports.ts';
import { createSpool } from '../../src/storage/spool.ts';
import type { Spool } from '../../src/storage/spool.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { sampleEvent } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

const event = (n: number): PbxEvent => sampleEvent('L1', n);

/** A tracker whose database may be away: it then rejects, or keeps its callers waiting as the real one does. */
class FakeTracker implements PbxEventSink {
  state: 'up' | 'rejects' | 'waits' = 'up';
  readonly saved: unknown[] = [];
  #waiting: (() => void)[] = [];

  async #save(step: unknown): Promise<void> {
    if (this.state === 'rejects') throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    if (this.state === 'waits') await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.saved.push(step);
  }
  accept(events: readonly PbxEvent[]): Promise<void> {
    if (events.some((one) => one.channel === 'poison')) return Promise.reject(new TypeError('x is undefined'));
    return this.#save(events);
  }
  resynced(snapshot: { uniqueIds: ReadonlySet<string> }): Promise<void> {
    return this.#save(snapshot);
  }
  heal(): void {
    this.state = 'up';
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

describe('the spool', () => {
  let folder: string;
  let path: string;
  let spools: Spool[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-spool-'));
    path = join(folder, 'events.spool');
  });
  afterEach(async () => {
    for (const spool of spools.splice(0)) await spool.stop();
    rmSync(folder, { recursive: true });
  });

  async function open(sink: PbxEventSink, log = createKeptLog()): Promise<Spool> {
    const spool = createSpool({ sink, path, log, patienceMs: 20, retryMs: 5 });
    spools.push(spool);
    await spool.start();
    return spool;
  }

  it('is out of the way while the database takes everything', async () => {
    const tracker = new FakeTracker();
    const spool = await open(tracker);
    await spool.accept([event(1)]);
    await spool.resynced({ source: 'office', at: 5, uniqueIds: new Set(['a']) });
    assert.deepEqual(tracker.saved, [[event(1)], { source: 'office', at: 5, uniqueIds: new Set(['a']) }]);
    assert.equal(existsSync(path), false);
    assert.equal(spool.status().health, 'ok');
  });

  for (const state of ['rejects', 'waits'] as const) {
    it(`acknowledges from the file while the tracker ${state}, and replays in order afterwards`, async () => {
      const tracker = new FakeTracker();
      const spool = await open(tracker);
      tracker.state = state;
      for (let n = 1; n <= 50; n++) await spool.accept([event(n)]);
      await spool.resynced({ source: 'office', at: 5, uniqueIds: new Set(['a']) });
      assert.equal(readFileSync(path, 'utf8').trimEnd().split('\n').length, 51);
      assert.equal(spool.status().health, 'error');
      assert.deepEqual(tracker.saved, []);
      tracker.heal();
      await spool.accept([event(51)]);
      await until(() => spool.status().health === 'ok');
      await spool.accept([event(52)]);
      const steps = tracker.saved.map((step) => JSON.stringify(step));
      const expected = Array.from({ length: 52 }, (_, n) => JSON.stringify([event(n + 1)]));
      assert.deepEqual(
        [...new Set(steps)].filter((step) => step.startsWith('[')),
        expected,
      );
      assert.deepEqual(
        (tracker.saved as { uniqueIds?: unknown }[]).find((step) => step.uniqueIds)?.uniqueIds,
        new Set(['a']),
      );
      assert.equal(existsSync(path), false);
    });
  }

  it('lets readers of files wait, so that no stored position moves past what only this node has', async () => {
    const tracker = new FakeTracker();
    const spool = await open(tracker);
    tracker.state = 'rejects';
    let isAcknowledged = false;
    const accepted = spool.accept([{ ...event(1), origin: 'cel' }]).then(() => (isAcknowledged = true));
    await spool.accept([event(2)]);
    assert.equal(isAcknowledged, false);
    assert.equal(readFileSync(path, 'utf8').trimEnd().split('\n').length, 1);
    tracker.heal();
    await accepted;
    await until(() => spool.status().health === 'ok');
    assert.equal(tracker.saved.length, 2);
  });

  it('replays after a restart what an earlier run could not save, before anything newer', async () => {
    const tracker = new FakeTracker();
    tracker.state = 'waits';
    const before = await open(tracker);
    for (let n = 1; n <= 3; n++) await before.accept([event(n)]);
    await before.stop();
    const after = new FakeTracker();
    const spool = await open(after);
    await spool.accept([event(4)]);
    await until(() => spool.status().health === 'ok');
    assert.deepEqual(after.saved, [[event(1)], [event(2)], [event(3)], [event(4)]]);
  });

  it('lets nothing slip away between its stop and the database', async () => {
    const tracker = new FakeTracker();
    const before = await open(tracker);
    tracker.state = 'waits';
    const accepted = [before.accept([event(1)]), before.accept([event(2)])];
    await before.stop();
    await Promise.all(accepted);
    const after = new FakeTracker();
    const spool = await open(after);
    await until(() => spool.status().health === 'ok');
    assert.deepEqual(after.saved, [[event(1)], [event(2)]]);
  });

  it('takes a torn last line for what it is: never acknowledged', async () => {
    const tracker = new FakeTracker();
    tracker.state = 'rejects';
    const before = await open(tracker);
    await before.accept([event(1)]);
    await before.stop();
    appendFileSync(path, '{"events":[{"ty');
    const after = new FakeTracker();
    after.state = 'rejects';
    const spool = await open(after);
    await spool.accept([event(2)]);
    after.heal();
    await until(() => spool.status().health === 'ok');
    assert.deepEqual(after.saved, [[event(1)], [event(2)]]);
  });

  it('sets aside a step that fails by a fault of ours and goes on with the rest', async () => {
    const tracker = new FakeTracker();
    const spool = await open(tracker);
    tracker.state = 'rejects';
    await spool.accept([event(1)]);
    await spool.accept([{ ...event(2), channel: 'poison' }]);
    await spool.accept([event(3)]);
    tracker.heal();
    await until(() => spool.status().health === 'warning');
    assert.deepEqual(tracker.saved, [[event(1)], [event(3)]]);
    assert.match(readFileSync(`${path}.refused`, 'utf8'), /poison/);
    await assert.rejects(spool.accept([{ ...event(2), channel: 'poison' }]), TypeError);
  });

  it('acknowledges nothing that it can neither save nor write down', async () => {
    const tracker = new FakeTracker();
    const spool = await open(tracker);
    tracker.state = 'rejects';
    rmSync(folder, { recursive: true });
    await assert.rejects(spool.accept([event(1)]), /ENOENT/);
    folder = mkdtempSync(join(tmpdir(), 'ringledger-spool-'));
  });
});
