import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { diceOfThisRun } from '../support/random-seed.ts';
import { readRecordedStories } from '../support/recorded-traffic.ts';
import { cleanRun, differencesFrom, readLedger, untilSettled } from '../support/reckoning.ts';
import { ReplayedPbx, replayedConfig } from '../support/replayed-pbx.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

/** Those whose outcome hangs on settings of single employees are left out. */
const stories = readRecordedStories('asterisk-22').filter((story) => story.mobiles.length === 0);

describe('a service that is killed again and again in the middle of calls', () => {
  let folder: string;
  const closing: (() => Promise<unknown>)[] = [];
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-kills-'))));
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    rmSync(folder, { recursive: true });
  });

  it('loses no call, counts none twice, tells true times, and is ready again within three seconds', async function () {
    this.timeout(240_000);
    const kills = 50;
    const dice = diceOfThisRun();
    const storage = { kind: 'sqlite', path: join(folder, 'ledger.db') } as const;
    const pbx = await ReplayedPbx.start(join(folder, 'cel.csv'));
    closing.push(() => pbx.stop());
    const config = replayedConfig(pbx, storage);
    let service = await ServiceProcess.start(folder, config);
    closing.push(() => service.kill());
    let serial = 0;
    const readyAfter: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      // Each story at least once, begun at any moment of a life.
      for (let begun = 0; begun < 3 && serial < 160; begun++) {
        serial++;
        pbx.play(stories[serial % stories.length]!, { serial });
      }
      // The first dies as soon as it has said that it is ready.
      if (kill > 0) await delay(dice() * 700);
      await service.kill();
      await delay(dice() * 200);
      service = await ServiceProcess.start(folder, config);
      readyAfter.push(service.readyAfterMs);
    }
    await until(() => pbx.isQuiet, { timeoutMs: 30_000, what: 'all stories are told' });
    const clean = await cleanRun(pbx.played);
    await untilSettled(storage, clean);
    assert.deepEqual(differencesFrom(await readLedger(storage), clean), []);
    readyAfter.sort((a, b) => a - b);
    const [median, slowest] = [readyAfter[kills >> 1]!, readyAfter.at(-1)!];
    assert.ok(median < 3_000, `ready again after ${median} ms, at worst ${slowest} ms`);
  });
});
