/** What may go wrong with the converter and the disk: the recording is heard all the same, and becomes an mp3 in the end. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recording } from '../../src/core/recording.ts';
import { forEachDatabase } from '../support/databases.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { listen } from '../support/tones.ts';
import { until } from '../support/until.ts';
import { RecordingsHouse } from './house.ts';
import { wavOf } from './wav.ts';

const path = '/var/spool/asterisk/monitor/a.wav';
const minute = 60_000;
const beep = wavOf([{ hertz: 440, seconds: 2 }]);

forEachDatabase((makeDatabase, kind) => {
  if (kind !== 'sqlite') return;
  describe('when', function () {
    this.timeout(30_000);
    let house: RecordingsHouse;
    let program: string;
    afterEach(() => house.stop());

    /** The converter is a script that can be changed. */
    async function open(
      script: string | null,
      { convert, ...config }: { convert?: Record<string, unknown>; keep?: Record<string, unknown> } = {},
    ): Promise<void> {
      const folder = mkdtempSync(join(tmpdir(), 'ringledger-recordings-'));
      program = join(folder, 'ffmpeg');
      house = new RecordingsHouse((await makeDatabase()).database, {
        folder,
        config: { convert: { program, timeoutMs: 500, slowTimeoutMs: 20_000, ...convert }, ...config },
      });
      if (script !== null) be(script);
      await house.start();
      house.write(path, beep);
    }
    function be(script: string): void {
      writeFileSync(program, `#!/bin/sh\n${script}\n`);
      chmodSync(program, 0o755);
    }
    const beWell = () => be('exec ffmpeg "$@"');

    async function assertHeardAs(recording: Recording, type: string): Promise<void> {
      const played = await house.play(recording);
      assert.deepEqual([played.status, played.type], [200, type]);
      const heard = listen(played.body);
      assert.ok(heard.strength(440, 0.2, 1.7) > 0.9 && Math.abs(heard.seconds - 2) < 0.2, String(heard.seconds));
    }
    async function becomesMp3(recording: Recording, afterMs: number): Promise<void> {
      house.clock.advance(afterMs);
      await until(async () => (await house.recordings.door.find(recording.id))!.state === 'ready', {
        timeoutMs: 15_000,
      });
      const ready = (await house.recordings.door.find(recording.id))!;
      await assertHeardAs(ready, 'audio/mpeg');
      // The CRM keeps the link that it has.
      assert.equal(house.linkOf(ready), house.linkOf(recording));
      assert.equal(house.attached.length, 1);
      assert.deepEqual(readdirSync(join(house.folder, 'converted', '.making')), []);
    }

    it('the conversion takes too long, the original is heard, and a slower one follows', async () => {
      await open('sleep 1; exec ffmpeg "$@"');
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'original');
      assert.match(recording!.reason!, /not converted within/);
      await assertHeardAs(recording!, 'audio/wav');
      await until(() => house.attached.length === 1);
      assert.equal((await house.status()).health, 'ok');
      await becomesMp3(recording!, minute);
    });

    it('the converter hangs for ever, the call is registered and its recording heard', async () => {
      await open('trap "" TERM; sleep 100 & while true; do sleep 100; done');
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'original');
      await assertHeardAs(recording!, 'audio/wav');
      await until(() => house.attached.length === 1);
      assert.deepEqual(await house.deliveries.counts(), [{ crm: 'crm', state: 'delivered', count: 2 }]);
      beWell();
      await becomesMp3(recording!, minute);
    });

    it('the converter crashes, it is tried three times more, and then left', async () => {
      await open('echo x >> "$0.tried"; kill -SEGV $$');
      const call = await house.end({ path });
      const [first] = await house.untilAll(call, 'original');
      assert.match(first!.reason!, /SIGSEGV/);
      assert.equal((await house.status()).health, 'warning');
      for (const attempts of [2, 3, 4]) {
        house.clock.advance(61 * minute);
        await until(async () => (await house.of(call))[0]!.attempts === attempts, { between: () => house.nudge(call) });
      }
      const [last] = await house.of(call);
      assert.deepEqual([last!.state, last!.dueAt], ['original', null]);
      await assertHeardAs(last!, 'audio/wav');
      assert.equal(house.attached.length, 1);
    });

    it('the converter is missing, the status says so, and all is converted once it is there', async () => {
      await open(null);
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'original');
      await assertHeardAs(recording!, 'audio/wav');
      const { health, message } = await house.status();
      assert.equal(health, 'warning');
      assert.match(message, /apt install ffmpeg/);
      await until(() => house.attached.length === 1);
      beWell();
      await becomesMp3(recording!, 6 * minute);
      assert.equal((await house.status()).health, 'ok');
    });

    it('many calls end at once, no more are converted at a time than was set, and each in its turn', async () => {
      const marks = `"$0.running"`;
      const script = `mkdir -p ${marks}; touch ${marks}/$$; ls ${marks} | wc -l >> "$0.counts"
ffmpeg "$@"; status=$?; rm ${marks}/$$; exit $status`;
      await open(script, { convert: { workers: 2, timeoutMs: 20_000 } });
      const calls = [];
      for (let serial = 1; serial <= 6; serial++) {
        const own = `/var/spool/asterisk/monitor/${serial}.wav`;
        house.write(own, beep);
        calls.push(await house.end({ path: own, serial }));
      }
      for (const call of calls) await house.untilAll(call, 'ready');
      const counts = readFileSync(`${program}.counts`, 'utf8').trim().split('\n').map(Number);
      assert.equal(counts.length, 6);
      assert.equal(Math.max(...counts), 2);
    });

    it('the service ends in the middle of a conversion, the next start does it again', async () => {
      await open('touch "$0.began"; exec sleep 100');
      const call = await house.end({ path });
      await until(() => existsSync(`${program}.began`));
      await house.halt();
      assert.deepEqual(
        (await house.of(call)).map(({ mp3 }) => mp3),
        [null],
      );
      beWell();
      const { folder, clock, database } = house;
      house = new RecordingsHouse(database, { folder, clock, config: { convert: { program } } });
      await house.start();
      clock.advance(minute);
      const [recording] = await house.untilAll(call, 'ready');
      await assertHeardAs(recording!, 'audio/mpeg');
    });

    it('the disk is full, nothing cut off is served, and it goes on by itself', async function () {
      await open('exec ffmpeg "$@"', { keep: { minFreeMegabytes: 0 } });
      const small = join(house.folder, 'converted');
      await house.halt();
      const disk = mountSmallDisk(small, '64k');
      if (disk === null) return this.skip();
      try {
        const { folder, clock, database } = house;
        house = new RecordingsHouse(database, {
          folder,
          clock,
          config: { convert: { program }, keep: { minFreeMegabytes: 0 } },
        });
        await house.start();
        const filler = disk.fill();
        const call = await house.end({ path });
        const [recording] = await house.untilAll(call, 'original');
        await assertHeardAs(recording!, 'audio/wav');
        const { health, message } = await house.status();
        assert.equal(health, 'error', message);
        await until(() => house.attached.length === 1);
        rmSync(filler);
        await becomesMp3(recording!, 6 * minute);
        assert.equal((await house.status()).health, 'ok');
        await house.halt();
      } finally {
        disk.unmount();
      }
    });

    it('the disk has less room than it should keep, nothing more is put onto it', async () => {
      await open('exec ffmpeg "$@"', { keep: { minFreeMegabytes: 1e9 } });
      const [recording] = await house.untilAll(await house.end({ path }), 'original');
      assert.match(recording!.reason!, /are free on the disk/);
      assert.equal((await house.status()).health, 'error');
    });

    it('a link is put where the recording was, its target is not served', async () => {
      await open('exec ffmpeg "$@"');
      const secret = join(house.folder, 'secret.wav');
      writeFileSync(secret, beep);
      rmSync(house.placeOf(path));
      symlinkSync(secret, house.placeOf(path));
      const [recording] = await house.untilAll(await house.end({ path }), 'unreadable');
      assert.equal((await house.play(recording!)).status, 404);
      assert.equal((await house.play(recording!, '&original=1')).status, 404);
    });
  });
});
