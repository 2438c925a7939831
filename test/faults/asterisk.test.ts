import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Call } from '../../src/core/call.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { CannotProvision, provision } from '../support/lab/provision.ts';
import { answer, hangUp, neverAnswer, ring, stay, talk } from '../support/lab/script.ts';
import { readLedger } from '../support/reckoning.ts';
import { labConfig, RunningService } from '../support/running-service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const client = (number: number) => `7916333${String(number).padStart(4, '0')}`;
const isNear = (is: number, must: number, by: number) => Math.abs(is - must) <= by;

describe('faults beside a real Asterisk', function () {
  this.timeout(120_000);
  let lab: Lab;
  let folder: string;
  const closing: (() => Promise<unknown> | unknown)[] = [];
  before(async function () {
    this.timeout(600_000);
    try {
      await provision();
    } catch (error) {
      if (!(error instanceof CannotProvision)) throw error;
      console.warn(`      not run here: ${error.message}`);
      this.skip();
    }
    lab = await startLab();
  });
  after(() => lab?.stop());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-real-'));
    closing.push(() => rmSync(folder, { recursive: true }));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('a service killed while calls ring, are talked and end tells each once and truly', async () => {
    const config = labConfig(lab, folder);
    const storage = { kind: 'sqlite', path: join(folder, 'ringledger.db') } as const;
    let service = await ServiceProcess.start(folder, config);
    closing.push(() => service.kill());
    await lab.script({ '101': [ring(1), answer(), stay()], '102': [neverAnswer()] });
    const restart = async (downMs: number) => {
      await service.kill();
      await delay(downMs);
      service = await ServiceProcess.start(folder, config);
    };
    const begin = (number: number, to: string) =>
      lab.call({
        from: client(number),
        to,
        then: [talk(4), hangUp()],
        ...(to === '7000016' && { givesUpAfterSeconds: 3 }),
      });
    const placed = [await begin(1, '7000001'), await begin(2, '7000016')];
    await delay(500);
    await restart(0); // While both ring.
    await delay(700);
    placed.push(await begin(3, '7000001'));
    await delay(2_000);
    await restart(3_500); // While the first talks and ends, the second gives up, the third is answered.
    placed.push(await begin(4, '7000001'));
    await Promise.all(placed.map((call) => call.ended));
    await lab.quiet();
    const wanted = placed.length;
    await until(
      async () => {
        await delay(200);
        const { calls, notes } = await readLedger(storage);
        return calls.length === wanted && calls.every((call) => call.endedAt !== null) && notes.length >= wanted;
      },
      { timeoutMs: 20_000, what: 'all calls are in the ledger and in the CRM' },
    );
    await service.stop();
    const { calls, notes, tasks } = await readLedger(storage);
    const byClient = new Map(calls.map((call) => [call.client, call]));
    for (const number of [1, 3, 4]) {
      const call = byClient.get(`+${client(number)}`)!;
      const sent = call.conversations.filter((one) => one.registered);
      assert.deepEqual(
        sent.map(({ extension, result }) => [extension, result]),
        [['101', 'answered']],
      );
      const { duration, waiting } = sent[0]!;
      assert.ok(isNear(duration, 4, 1) && isNear(waiting, 1, 1), `client ${number}: ${duration} s after ${waiting} s`);
    }
    assert.equal(byClient.get(`+${client(2)}`)?.result, 'missed');
    assert.equal(new Set(notes).size, notes.length);
    assert.equal(notes.length, wanted);
    assert.deepEqual(tasks, [`+${client(2)}`]);
  });

  it('an Asterisk that dies in the middle of calls is followed again, and its calls are closed at that time', async () => {
    const service = await RunningService.start(lab, { folder });
    closing.push(() => service.stop());
    const isConnected = async () =>
      (await service.app.status()).some((part) => part.part === 'lab: AMI events' && part.health === 'ok');
    await until(isConnected);
    await lab.script({ '101': [ring(0.5), answer(), stay()], '102': [neverAnswer()] });
    await lab.call({ from: client(11), to: '7000001' });
    await lab.call({ from: client(12), to: '7000016' });
    const open = async (): Promise<readonly Call[]> => (await service.calls()).filter((call) => call.endedAt === null);
    await until(async () => (await open()).some((call) => call.result === 'answered') && (await open()).length === 2);
    await delay(2_500);
    const diedAt = Date.now();
    await lab.crashPbx();
    await until(isConnected, { timeoutMs: 60_000, what: 'the AMI session is connected again' });
    assert.ok(Date.now() - diedAt < 60_000);
    await lab.script({ '101': [ring(0.5), answer(), stay()] });
    const later = await lab.call({ from: client(13), to: '7000001', then: [talk(1), hangUp()] });
    await later.ended;
    await until(
      async () => {
        await delay(200);
        const calls = await service.calls();
        const paid = calls.flatMap((call) => call.conversations).flatMap((one) => one.deliveries);
        return calls.length === 3 && calls.every((call) => call.endedAt !== null) && paid.length === 3;
      },
      { timeoutMs: 45_000, what: 'the calls that broke off are closed' },
    );
    const calls = await service.calls();
    const [answered, rang, after] = [11, 12, 13].map((number) =>
      calls.find((call) => call.client === `+${client(number)}`)!,
    );
    assert.equal(answered!.result, 'answered');
    assert.equal(rang!.result, 'missed');
    assert.equal(after!.result, 'answered');
    for (const call of [answered!, rang!])
      assert.ok(isNear(call.endedAt!.getTime(), diedAt, 1_500), `${call.endedAt!.toISOString()}, died at ${diedAt}`);
    const talked = answered!.conversations.find((one) => one.registered)!;
    assert.ok(isNear(talked.duration, (diedAt - talked.answeredAt!.getTime()) / 1000, 1.5), `${talked.duration} s`);
  });
});
