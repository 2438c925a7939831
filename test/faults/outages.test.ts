import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PartStatus } from '../../src/core/ports.ts';
import { askAgi } from '../support/agi-client.ts';
import { diceOfThisRun } from '../support/random-seed.ts';
import { readRecordedStories } from '../support/recorded-traffic.ts';
import { cleanRun, differencesFrom, readLedger, untilSettled } from '../support/reckoning.ts';
import { ReplayedPbx, replayedConfig } from '../support/replayed-pbx.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const stories = readRecordedStories('asterisk-22').filter((story) => story.mobiles.length === 0);
const short = stories.filter((story) =>
  ['inbound-answered', 'caller-gives-up', 'ring-group', 'no-answer', 'outbound-answered', 'queue-answered'].includes(
    story.name,
  ),
);

describe('outages', function () {
  this.timeout(120_000);
  let folder: string;
  let pbx: ReplayedPbx;
  const closing: (() => Promise<unknown> | unknown)[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-outages-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    pbx = await ReplayedPbx.start(join(folder, 'cel.csv'));
    closing.push(() => pbx.stop());
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  const storageIn = (place: string) => ({ kind: 'sqlite', path: join(place, 'ledger.db') }) as const;
  async function start(config: object): Promise<ServiceProcess> {
    const service = await ServiceProcess.start(folder, config);
    closing.push(() => service.kill());
    return service;
  }
  async function statusOf(service: ServiceProcess, place: string): Promise<readonly PartStatus[]> {
    const token = readFileSync(join(place, 'api-token'), 'utf8').trim();
    const response = await fetch(`http://127.0.0.1:${service.httpPort}/status`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(5_000),
    });
    return ((await response.json()) as { parts: PartStatus[] }).parts;
  }
  const hasFault = (parts: readonly PartStatus[], part: string) =>
    parts.some((one) => one.part.includes(part) && one.health === 'error');

  it('of the service of two hours, with fifty calls, are made good with true times', async () => {
    const storage = storageIn(folder);
    const config = replayedConfig(pbx, storage);
    pbx.play(short[0]!, { serial: 1, agoMs: 3 * 3_600_000 });
    const before = await start(config);
    await before.stop();
    for (let serial = 2; serial <= 51; serial++)
      pbx.play(stories[serial]!, { serial, agoMs: 7_200_000 - serial * 120_000 });
    await until(() => pbx.isQuiet);
    const again = await start(config);
    const clean = await cleanRun(pbx.played.slice(1));
    assert.ok(clean.length >= 50);
    await untilSettled(storage, clean);
    await again.stop();
    assert.deepEqual(differencesFrom(await readLedger(storage), clean), []);
  });

  it('of the AMI link, half open or cut, are noticed within 15 s and healed without a trace', async () => {
    const storage = storageIn(folder);
    const proxy = await TcpProxy.start(pbx.ami.port);
    closing.push(() => proxy.stop());
    const service = await start(replayedConfig(pbx, storage, { amiPort: proxy.port }));
    const isLost = async () => hasFault(await statusOf(service, folder), 'AMI events');
    await until(async () => !(await isLost()));
    const dice = diceOfThisRun();
    let serial = 0;
    const playSome = () => {
      for (let begun = 0; begun < 12; begun++)
        pbx.play(stories[Math.floor(dice() * stories.length)]!, { serial: ++serial });
    };
    playSome();
    await delay(3_000);
    proxy.isSilent = true;
    const silentAt = performance.now();
    await until(isLost, { timeoutMs: 20_000, what: 'the half-open link is noticed' });
    const noticedAfter = performance.now() - silentAt;
    assert.ok(noticedAfter <= 15_000, `noticed after ${noticedAfter} ms`);
    playSome();
    proxy.isSilent = false;
    const healedAt = performance.now();
    proxy.cut();
    await until(async () => !(await isLost()), { timeoutMs: 60_000, what: 'it is connected again' });
    assert.ok(performance.now() - healedAt <= 60_000);
    for (let cut = 0; cut < 4; cut++) {
      playSome();
      await delay(dice() * 1_500);
      proxy.cut();
    }
    await until(() => pbx.isQuiet, { timeoutMs: 30_000 });
    const clean = await cleanRun(pbx.played);
    await untilSettled(storage, clean);
    await service.stop();
    assert.deepEqual(differencesFrom(await readLedger(storage), clean), []);
  });

  it('of the disk, when it is full, keep no caller waiting and heal by themselves', async function () {
    const place = join(folder, 'small');
    mkdirSync(place);
    const disk = mountSmallDisk(place, '8m');
    if (disk === null) return this.skip();
    closing.push(() => disk.unmount());
    const storage = storageIn(place);
    const service = await start(replayedConfig(pbx, storage));
    pbx.play(short[0]!, { serial: 1 });
    await until(() => pbx.isQuiet, { timeoutMs: 20_000 });
    const filler = disk.fill();
    for (let serial = 2; serial <= 60; serial++) pbx.play(short[serial % short.length]!, { serial });
    await until(async () => (await statusOf(service, place)).some((part) => part.health === 'error'), {
      timeoutMs: 20_000,
      what: 'the status says error',
    });
    const { variables, tookMs } = await askAgi({ port: service.agiPort, script: 'distribute' });
    assert.ok(tookMs < 1_500, `answered after ${tookMs} ms`);
    assert.notEqual(variables['RL_STATUS'], undefined);
    await until(() => pbx.isQuiet, { timeoutMs: 30_000 });
    rmSync(filler);
    const clean = await cleanRun(pbx.played);
    await untilSettled(storage, clean);
    await until(async () => !(await statusOf(service, place)).some((part) => part.health === 'error'), {
      timeoutMs: 20_000,
      what: 'no part is in error',
    });
    await service.stop();
    assert.deepEqual(differencesFrom(await readLedger(storage), clean), []);
  });

  it('do not come of a storm of 2,000 events a second for 20 s', async () => {
    const storage = storageIn(folder);
    const service = await start(replayedConfig(pbx, storage));
    const story = stories.find(({ name }) => name === 'inbound-answered')!;
    const callsEachSecond = Math.ceil(2_000 / story.ami.length);
    const residentMb = () =>
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))![1]) / 1024;
    let most = 0;
    let serial = 0;
    for (let second = 0; second < 20; second++) {
      for (let begun = 0; begun < callsEachSecond; begun++) pbx.play(story, { serial: ++serial });
      await delay(1_000);
      most = Math.max(most, residentMb());
    }
    await until(() => pbx.isQuiet, { timeoutMs: 20_000 });
    const toldAt = performance.now();
    const clean = await cleanRun(pbx.played);
    const wanted = clean.length;
    await until(
      async () => {
        await delay(100);
        const { calls } = await readLedger(storage);
        return calls.length === wanted && calls.every((call) => call.endedAt !== null);
      },
      { timeoutMs: 30_000, what: 'every call of the storm has ended in the ledger' },
    );
    const lagMs = performance.now() - toldAt;
    most = Math.max(most, residentMb());
    assert.ok(most < 300, `${most} MB`);
    assert.ok(lagMs < 5_000, `${lagMs} ms behind`);
    await untilSettled(storage, clean, 60_000);
    await service.stop();
    assert.deepEqual(differencesFrom(await readLedger(storage), clean), []);
  });
});
