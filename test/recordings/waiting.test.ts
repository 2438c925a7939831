/** A recording is used when it is whole, however it comes about; a good link is never replaced by nothing. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { forEachDatabase } from '../support/databases.ts';
import { listen } from '../support/tones.ts';
import { until } from '../support/until.ts';
import { RecordingsHouse, type HouseOptions } from './house.ts';
import { recordedChange } from './recorded-call.ts';
import { samplesOf, wavHeader, wavOf } from './wav.ts';

const path = '/var/spool/asterisk/monitor/2026/11/21/call.wav';
const minute = 60_000;
const beep = [{ hertz: 440, seconds: 2 }];

forEachDatabase((makeDatabase, kind) => {
  describe('the recording of an ended call', function () {
    this.timeout(30_000);
    let house: RecordingsHouse;
    /** What does not hang on the database. */
    const onSqlite = kind === 'sqlite' ? it : () => undefined;
    const open = async (options: HouseOptions = {}) => {
      house = new RecordingsHouse((await makeDatabase()).database, options);
      await house.start();
      return house;
    };
    afterEach(() => house.stop());

    it('is converted, served and given to the CRM once', async () => {
      await open();
      house.write(path, wavOf(beep));
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'ready');
      assert.ok(Math.abs(recording!.durationMs! - 2000) < 150, String(recording!.durationMs));
      const { status, type, body } = await house.play(recording!);
      assert.deepEqual([status, type], [200, 'audio/mpeg']);
      assert.ok(listen(body).strength(440, 0.2, 1.8) > 0.9);
      await until(() => house.attached.length === 1);
      const { uniqueId } = call.conversations[0]!;
      assert.deepEqual(house.attached[0], {
        crmId: `note-${uniqueId}`,
        link: house.linkOf(recording!),
        key: `recording:office:${uniqueId}`,
      });
      // Told again, nothing is done again.
      house.nudge(call);
      await house.recordings.stop();
      await house.recordings.start();
      house.nudge(call);
      const again = await house.untilAll(call, 'ready');
      assert.deepEqual(again, [recording]);
      assert.equal(house.attached.length, 1);
    });

    onSqlite('may come late', async () => {
      await open();
      const call = await house.end({ path });
      await house.untilAll(call, 'waiting');
      const [waiting] = await house.of(call);
      const page = await house.play(waiting!);
      assert.equal(page.status, 503);
      assert.equal(page.type, 'text/html; charset=utf-8');
      assert.match(page.body.toString(), /not ready yet/);
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await fetch(house.linkOf(waiting!), { method });
        const seconds = Number(headers.get('retry-after'));
        assert.ok(status === 503 && seconds >= 2 && seconds <= 300, `${status} ${seconds}`);
      }
      house.clock.advance(12 * minute);
      await until(async () => (await house.of(call))[0]!.dueAt!.getTime() > house.clock.now().getTime(), {
        between: () => house.nudge(call),
      });
      assert.equal((await house.of(call))[0]!.state, 'waiting');
      house.write(path, wavOf(beep));
      house.clock.advance(minute);
      await house.untilAll(call, 'ready');
      await until(() => house.attached.length === 1);
    });

    onSqlite('may be missing; the CRM has the conversation and no link, until it turns up after all', async () => {
      await open();
      const call = await house.end({ path });
      await house.untilAll(call, 'waiting');
      house.clock.advance(15 * minute);
      const [missing] = await house.untilAll(call, 'missing');
      assert.match(missing!.reason!, /no file/);
      assert.equal((await house.play(missing!)).status, 404);
      assert.deepEqual(house.attached, []);
      const counts = await house.deliveries.counts();
      assert.deepEqual(counts, [{ crm: 'crm', state: 'delivered', count: 1 }]);
      house.write(path, wavOf(beep));
      house.clock.advance(61 * minute);
      await house.untilAll(call, 'ready');
      await until(() => house.attached.length === 1);
    });

    for (const [name, content] of [
      ['no byte', Buffer.alloc(0)],
      ['the 44 bytes of a header', wavHeader({ bytes: 0 })],
    ] as const) {
      onSqlite(`may be ${name} and is no recording then`, async () => {
        await open();
        house.write(path, content);
        const call = await house.end({ path });
        await house.untilAll(call, 'waiting');
        house.clock.advance(15 * minute);
        const [empty] = await house.untilAll(call, 'empty');
        assert.equal((await house.play(empty!)).status, 404);
        assert.deepEqual(house.attached, []);
      });
    }

    onSqlite('is left alone while it grows', async () => {
      await open();
      const samples = samplesOf(beep);
      // As Asterisk writes: the header tells nothing yet.
      house.write(path, Buffer.concat([wavHeader({ bytes: 0 }), samples.subarray(0, 8000)]));
      const call = await house.end({ path });
      for (let at = 8000; at < samples.length; at += 4000) {
        house.clock.advance(5_000);
        await until(async () => /written/.test((await house.of(call))[0]?.reason ?? ''), {
          between: () => house.nudge(call),
        });
        appendFileSync(house.placeOf(path), samples.subarray(at, at + 4000));
        assert.equal((await house.of(call))[0]!.state, 'waiting');
      }
      house.write(path, wavOf(beep));
      house.clock.advance(10_000);
      const [recording] = await house.untilAll(call, 'ready');
      assert.ok(Math.abs(recording!.durationMs! - 2000) < 150);
    });

    onSqlite('may lie under another name or with another ending by then', async () => {
      await open();
      house.write(path.replace(/wav$/, 'WAV'), wavOf(beep));
      await house.untilAll(await house.end({ path, serial: 1 }), 'ready');
      // Without a folder, as a CDR names it.
      house.write('/var/spool/asterisk/2026/11/21/named.wav', wavOf(beep));
      await house.untilAll(await house.end({ path: 'named.wav', serial: 2 }), 'ready');
    });

    onSqlite('is found by its id where nothing was announced, as FreePBX lays it', async () => {
      await open();
      const call = await house.end({ path: null }, false);
      house.write(`/var/spool/asterisk/monitor/2026/11/21/in-7000001-79161110002-x-${call.linkedId}.wav`, wavOf(beep));
      house.nudge(call);
      await house.untilAll(call, 'ready');
    });

    it('has each side on its own channel where the phone system wrote both in turns, as with option D', async () => {
      await open({ config: { keep: { originals: 'remove' } } });
      const raw = '/var/spool/asterisk/monitor/2026/11/21/call.raw';
      const sides = [samplesOf(beep), samplesOf([{ hertz: 1000, seconds: 2 }])] as const;
      const both = Buffer.alloc(sides[0].length * 2);
      for (let at = 0; at < sides[0].length; at += 2) {
        both.writeInt16LE(sides[0].readInt16LE(at), at * 2);
        both.writeInt16LE(sides[1].readInt16LE(at), at * 2 + 2);
      }
      house.write(raw, both);
      const call = await house.end({ path: raw, options: 'D' });
      const [recording] = await house.untilAll(call, 'ready');
      assert.ok(Math.abs(recording!.durationMs! - 2000) < 150, String(recording!.durationMs));
      assert.equal(recording!.peaks!.length, 2);
      const { body } = await house.play(recording!);
      assert.ok(listen(body).strength(440, 0.2, 1.8) > 0.4);
      assert.ok(listen(body).strength(1000, 0.2, 1.8) > 0.4);
      const original = await house.play(recording!, '&original=1');
      assert.deepEqual([original.status, original.body.readUInt16LE(22)], [200, 2]);
      assert.deepEqual(original.body.subarray(44), both);
      // It is known again as what the recording was made of, and goes.
      house.clock.advance(120 * minute);
      await house.recordings.stop();
      await house.recordings.start();
      await until(() => !existsSync(house.placeOf(raw)));
    });

    onSqlite(
      'is looked for once a day where nothing was announced, and at once when it is announced after all',
      async () => {
        await open();
        const call = await house.end({ path: null });
        await house.untilAll(call, 'waiting');
        house.clock.advance(15 * minute);
        const [missing] = await house.untilAll(call, 'missing');
        const restMs = missing!.dueAt!.getTime() - house.clock.now().getTime();
        assert.ok(restMs > 23 * 60 * minute && restMs <= 24 * 60 * minute, String(restMs));
        house.write(path, wavOf(beep));
        await house.end({ path });
        const [found] = await house.untilAll(call, 'ready');
        assert.equal(found!.id, missing!.id);
        await until(() => house.attached.length === 1);
      },
    );

    onSqlite('goes by what the hook says, and never out of the roots', async () => {
      await open({
        process_record_file_path: async ({ path: told, conversation }) =>
          conversation!.extension === '101' ? told.replace('/monitor/', '/moved/') : '/etc/passwd',
      });
      house.write(path.replace('/monitor/', '/moved/'), wavOf(beep));
      await house.untilAll(await house.end({ path, serial: 1 }), 'ready');
      const talks = [{ extension: '102', from: 1, to: 4 }];
      const [refused] = await house.untilAll(await house.end({ path, serial: 2, talks }), 'unreadable');
      assert.match(refused!.reason!, /outside of recordings.roots/);
      assert.equal((await house.play(refused!)).status, 404);
    });

    onSqlite(
      'moved away after it was served as it is, is found again or missed; converted, it is heard for ever',
      async () => {
        await open({ config: { convert: { program: '/nonexistent/ffmpeg' } } });
        house.write(path, wavOf(beep));
        const call = await house.end({ path });
        const [original] = await house.untilAll(call, 'original');
        assert.equal((await house.play(original!)).status, 200);
        const moved = join(house.spool, 'elsewhere.wav');
        renameSync(house.placeOf(path), moved);
        assert.notEqual((await house.play(original!)).status, 200);
        renameSync(moved, house.placeOf(path));
        assert.equal((await house.play(original!)).status, 200);
      },
    );

    onSqlite('stays when the file of the PBX goes away', async () => {
      await open();
      house.write(path, wavOf(beep));
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'ready');
      rmSync(house.placeOf(path));
      house.nudge(call);
      assert.equal((await house.play(recording!)).status, 200);
      assert.deepEqual(await house.of(call), [recording]);
      assert.equal((await house.play(recording!, '&original=1')).status, 404);
    });

    onSqlite(
      'is not what takes the place of its file, as a mailbox’s next message does: neither heard nor deleted',
      async () => {
        await open();
        const message = '/var/spool/asterisk/voicemail/default/101/INBOX/msg0000.wav';
        house.write(message, wavOf(beep));
        const call = await house.end({ path: message });
        const [recording] = await house.untilAll(call, 'ready');
        assert.equal((await house.play(recording!, '&original=1')).status, 200);
        house.write(message, wavOf([{ hertz: 700, seconds: 5 }]));
        assert.equal((await house.play(recording!, '&original=1')).status, 404);
        assert.equal((await house.play(recording!)).status, 200);
        await house.recordings.door.forgetNumber(recording!.client!);
        assert.ok(existsSync(house.placeOf(message)));
      },
    );

    onSqlite('is made anew when it vanished from our folder', async () => {
      await open();
      house.write(path, wavOf(beep));
      const call = await house.end({ path });
      const [recording] = await house.untilAll(call, 'ready');
      rmSync(join(house.folder, 'converted', recording!.mp3!.name));
      const meanwhile = await house.play(recording!);
      assert.deepEqual([meanwhile.status, meanwhile.type], [200, 'audio/wav']);
      await house.untilAll(call, 'ready');
      assert.equal((await house.play(recording!)).type, 'audio/mpeg');
    });

    it('is each part of a file that several share, and the whole; their originals are parts too', async () => {
      await open();
      const talks = [
        { extension: '101', from: 1, to: 3 },
        { extension: '103', from: 4, to: 6 },
      ];
      house.write(
        path,
        wavOf([
          { hertz: 400, seconds: 2 },
          { hertz: 1000, seconds: 1 },
          { hertz: 600, seconds: 2 },
        ]),
      );
      const call = await house.end({ path, talks });
      await until(async () => (await house.of(call)).length === 3, { between: () => house.nudge(call) });
      const recordings = await house.untilAll(call, 'ready');
      const bytes = new Map<string, number[]>();
      for (const recording of recordings) {
        const extension = recording.uniqueId === null ? 'whole' : recording.extension!;
        for (const query of ['', '&original=1']) {
          const { body, status } = await house.play(recording, query);
          assert.equal(status, 200);
          const heard = listen(body);
          const own = { '101': [400, 600], '103': [600, 400], whole: [400, 440] }[extension]!;
          const [from, to] = extension === 'whole' ? [0.1, 1.8] : [0.1, heard.seconds - 0.15];
          assert.ok(heard.strength(own[0]!, from, to) > 0.9, `${extension}${query}`);
          assert.ok(heard.strength(own[1]!, from, to) < 0.02, `${extension}${query}`);
          assert.ok(Math.abs(heard.seconds - (extension === 'whole' ? 5 : 2)) < 0.2);
          bytes.set(extension, [...(bytes.get(extension) ?? []), body.length]);
        }
      }
      assert.equal(bytes.size, 3);
      await until(() => house.attached.length === 2);
    });

    it('is all of several files; the CRM is given the first', async () => {
      await open();
      house.write(path, wavOf(beep));
      house.write('/var/spool/asterisk/queue/own.wav', wavOf([{ hertz: 700, seconds: 1 }]));
      const call = await house.end({ path, ownFiles: ['/var/spool/asterisk/queue/own.wav'] });
      await until(async () => (await house.of(call)).length === 2, { between: () => house.nudge(call) });
      const recordings = await house.untilAll(call, 'ready');
      const tones = await Promise.all(
        recordings.map(async (one) => listen((await house.play(one)).body).strength(700, 0.1, 0.8) > 0.9),
      );
      assert.deepEqual(tones, [true, false]);
      await until(() => house.attached.length === 1);
      await until(async () => (await house.deliveries.counts()).every(({ state }) => state === 'delivered'));
      assert.deepEqual(
        house.attached.map(({ link }) => link),
        [house.linkOf(recordings[0]!)],
      );
    });

    it('waits for a conversation that the CRM does not take yet, and is not lost with a refused one', async () => {
      let isUp = false;
      await open({
        register: async (uniqueId) => {
          if (!isUp) throw new Error('the CRM is down');
          return `note-${uniqueId}`;
        },
      });
      house.write(path, wavOf(beep));
      const call = await house.end({ path });
      await house.untilAll(call, 'ready');
      assert.deepEqual(house.attached, []);
      isUp = true;
      house.clock.advance(minute);
      await until(() => house.attached.length === 1);
    });

    it('is looked for after a restart though nobody told of the call', async () => {
      await open();
      await house.halt();
      const call = await house.end({ path }, false);
      house.write(path, wavOf(beep));
      mkdirSync(join(house.folder, 'converted', '.making'), { recursive: true });
      writeFileSync(join(house.folder, 'converted', '.making', 'left-over.mp3'), 'half');
      const next = new RecordingsHouse(house.database, { folder: house.folder, clock: house.clock });
      house = next;
      await house.start();
      await house.untilAll(call, 'ready');
      await until(() => house.attached.length === 1);
      assert.deepEqual(readdirSync(join(house.folder, 'converted', '.making')), []);
    });

    it('is given to a CRM also where the conversation is owed only afterwards', async () => {
      await open();
      house.write(path, wavOf(beep));
      const change = recordedChange({ path });
      await house.calls.save([{ ...change, owed: [] }]);
      house.nudge(change.call);
      await house.untilAll(change.call, 'ready');
      await house.calls.save([change]);
      await house.recordings.stop();
      await house.recordings.start();
      await until(() => house.attached.length === 1);
    });

    onSqlite('is heard as a wav named without an ending, like a mailbox’s message', async () => {
      await open();
      const message = '/var/spool/asterisk/voicemail/default/101/INBOX/msg0000';
      house.write(`${message}.wav`, wavOf(beep));
      await house.untilAll(await house.end({ path: message }), 'ready');
    });
  });
});
