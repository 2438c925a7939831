/** How long recordings are kept, and where: rules, quota, originals, the archive, and being forgotten. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import S3rver from 's3rver';
import type { Call } from '../../src/core/call.ts';
import type { Recording } from '../../src/core/recording.ts';
import { forEachDatabase } from '../support/databases.ts';
import { listen } from '../support/tones.ts';
import { until } from '../support/until.ts';
import { RecordingsHouse } from './house.ts';
import { wavOf } from './wav.ts';

const day = 86_400_000;
const hour = 3_600_000;
const sound = (hertz: number, seconds = 1) => wavOf([{ hertz, seconds }]);

forEachDatabase((makeDatabase, kind) => {
  describe('a kept recording', function () {
    this.timeout(30_000);
    let house: RecordingsHouse;
    /** What does not hang on the database. */
    const onSqlite = kind === 'sqlite' ? it : () => undefined;
    const open = async (config: Record<string, unknown>) => {
      house = new RecordingsHouse((await makeDatabase()).database, { config });
      await house.start();
    };
    afterEach(() => house.stop());

    /** The same installation with other settings, or looked at once more. */
    async function restart(config: Record<string, unknown>): Promise<void> {
      const { folder, clock, database } = house;
      await house.halt();
      house = new RecordingsHouse(database, { folder, clock, config });
      await house.start();
    }
    async function record(options: {
      serial: number;
      extension?: string;
      hertz?: number;
      seconds?: number;
      client?: string;
    }) {
      const { serial, extension = '101', hertz = 440, seconds = 1, client } = options;
      const path = `/var/spool/asterisk/monitor/${serial}.wav`;
      house.write(path, sound(hertz, seconds));
      const call = await house.end({
        path,
        serial,
        talks: [{ extension, from: 1, to: 1 + seconds }],
        ...(client === undefined ? {} : { client }),
      });
      const [recording] = await house.untilAll(call, 'ready');
      await until(() => house.attached.length > 0);
      return { call, recording: recording!, path };
    }
    const fileOf = (recording: Recording) => join(house.folder, 'converted', recording.mp3!.name);
    const stateOf = async (call: Call) => (await house.of(call)).map(({ state }) => state);

    it('is deleted when its days are over, by the first rule that fits, also one made later', async () => {
      const rules = [{ extensions: ['102'], days: null }];
      await open({ keep: { days: 10, rules } });
      const [usual, special] = [await record({ serial: 1 }), await record({ serial: 2, extension: '102' })];
      house.clock.advance(11 * day);
      await restart({ keep: { days: 10, rules } });
      await until(async () => (await stateOf(usual.call))[0] === 'removed');
      assert.ok(!existsSync(fileOf(usual.recording)));
      assert.equal((await house.play(usual.recording)).status, 410);
      assert.equal((await house.play(special.recording)).status, 200);
      // What the PBX keeps is the PBX's.
      assert.ok(existsSync(house.placeOf(usual.path)));
      await restart({ keep: { days: 10 } });
      await until(async () => (await stateOf(special.call))[0] === 'removed');
      // And is not found again.
      house.nudge(usual.call);
      assert.deepEqual(await stateOf(usual.call), ['removed']);
    });

    onSqlite('gives an alarm before the quota is used up; what comes after is heard as it is', async () => {
      await open({ keep: { quotaMegabytes: 0.013 } });
      await record({ serial: 1, seconds: 4 });
      const { health, message } = await house.status();
      assert.deepEqual([health, /quota/.test(message)], ['warning', true]);
      const path = '/var/spool/asterisk/monitor/2.wav';
      house.write(path, sound(440, 4));
      await record({ serial: 3, seconds: 1 });
      const [later] = await house.untilAll(await house.end({ path, serial: 2 }), 'original');
      assert.match(later!.reason!, /quota/);
      assert.equal((await house.status()).health, 'error');
      assert.equal((await house.play(later!)).type, 'audio/wav');
    });

    onSqlite('makes room for newer ones where that was set', async () => {
      await open({ keep: { quotaMegabytes: 0.013, whenFull: 'remove-oldest' } });
      const first = await record({ serial: 1, seconds: 4 });
      await record({ serial: 2, seconds: 1 });
      const third = await record({ serial: 3, seconds: 2 });
      assert.deepEqual(await stateOf(first.call), ['removed']);
      assert.deepEqual(await stateOf(third.call), ['ready']);
    });

    it('costs the PBX its file where that was set, once all of it is converted', async () => {
      await open({ keep: { originals: 'remove' } });
      const path = '/var/spool/asterisk/monitor/shared.wav';
      house.write(path, sound(440, 5));
      const talks = [
        { extension: '101', from: 1, to: 3 },
        { extension: '103', from: 4, to: 6 },
      ];
      const call = await house.end({ path, talks });
      await until(async () => (await house.of(call)).length === 3, { between: () => house.nudge(call) });
      await house.untilAll(call, 'ready');
      assert.ok(existsSync(house.placeOf(path)));
      house.clock.advance(2 * hour);
      await restart({ keep: { originals: 'remove' } });
      await until(() => !existsSync(house.placeOf(path)));
      for (const recording of await house.of(call)) {
        assert.equal((await house.play(recording)).status, 200);
        assert.equal((await house.play(recording, '&original=1')).status, 404);
      }
    });

    it('is forgotten with its client’s number: mp3, original and link, and stays so', async () => {
      await open({});
      const theirs = await record({ serial: 1, client: '79165550001' });
      const others = await record({ serial: 2, client: '79165550002' });
      const answer = await house.web.request('/api/v1/recordings/forget', {
        method: 'POST',
        json: { number: '8 (916) 555-00-01' },
      });
      assert.deepEqual(await answer.json(), { removed: 1 });
      assert.ok(!existsSync(fileOf(theirs.recording)) && !existsSync(house.placeOf(theirs.path)));
      assert.equal((await house.play(theirs.recording)).status, 410);
      assert.equal((await house.play(others.recording)).status, 200);
      const row = JSON.stringify(await house.database.knex('recordings').where({ id: theirs.recording.id }).first());
      assert.ok(!row.includes('.wav') && !row.includes('.mp3'), row);
      await restart({});
      house.nudge(theirs.call);
      assert.deepEqual(await stateOf(theirs.call), ['removed']);
    });

    describe('that may not be deleted', () => {
      let closed: string[] = [];
      /** Nothing in the folder can be removed, not even by root; false: this machine cannot do that. */
      const close = (folder: string): boolean => {
        mkdirSync(folder, { recursive: true });
        try {
          if (process.getuid!() === 0) execFileSync('chattr', ['+i', folder], { stdio: 'pipe' });
          else chmodSync(folder, 0o555);
          closed.push(folder);
          return true;
        } catch {
          return false;
        }
      };
      const openAgain = () => {
        for (const folder of closed) {
          if (process.getuid!() === 0) execFileSync('chattr', ['-i', folder]);
          else chmodSync(folder, 0o755);
        }
        closed = [];
      };
      afterEach(openAgain);

      onSqlite('stays, is told with its folder in the status, and keeps nothing else from going', async function () {
        await open({ keep: { originals: 'remove' } });
        const theirs = await record({ serial: 1, client: '79165550001' });
        const other = '/var/spool/asterisk/other/2.wav';
        house.write(other, sound(440, 1));
        const free = await house.end({ path: other, serial: 2 });
        await house.untilAll(free, 'ready');
        const monitor = house.placeOf('/var/spool/asterisk/monitor');
        if (!close(monitor)) return this.skip();
        house.clock.advance(2 * hour);
        await restart({ keep: { originals: 'remove' } });
        await until(() => !existsSync(house.placeOf(other)));
        await until(async () => (await house.status()).health === 'warning');
        const { message, undeletable } = (await house.status()) as { message: string; undeletable?: number };
        assert.equal(undeletable, 1);
        assert.ok(message.includes(`1 in the folder ${monitor}.`), message);
        assert.match(message, /setfacl .*ReadWritePaths=/);

        const ask = () =>
          house.web.request('/api/v1/recordings/forget', { method: 'POST', json: { number: '+79165550001' } });
        const refused = await ask();
        assert.equal(refused.status, 422);
        assert.match(JSON.stringify(await refused.json()), /1 of the recordings cannot be deleted/);
        assert.deepEqual(await stateOf(theirs.call), ['ready']);
        openAgain();
        assert.deepEqual(await (await ask()).json(), { removed: 1 });
        assert.equal((await house.status()).health, 'ok');
      });

      onSqlite('is deleted when its days are over and it may be, the others before', async function () {
        await open({ keep: { days: 10 } });
        const early = await record({ serial: 1 });
        const late = await record({ serial: 2 });
        const folder = join(fileOf(early.recording), '..');
        if (!close(folder)) return this.skip();
        house.clock.advance(11 * day);
        await restart({ keep: { days: 10 } });
        await until(async () => (await house.status()).health === 'warning');
        assert.match((await house.status()).message, /2 in the folder/);
        assert.deepEqual(await stateOf(early.call), ['ready']);
        openAgain();
        await restart({ keep: { days: 10 } });
        await until(async () => (await stateOf(early.call))[0] === 'removed');
        await until(async () => (await stateOf(late.call))[0] === 'removed');
        assert.equal((await house.status()).health, 'ok');
      });
    });

    onSqlite('is forgotten while it is still waited for, with the file that is there', async () => {
      await open({});
      const path = '/var/spool/asterisk/monitor/late.wav';
      // Asterisk has begun the file and not written it: it stays waited for.
      house.write(path, Buffer.alloc(44));
      const call = await house.end({ path, client: '+79165550003' });
      await house.untilAll(call, 'waiting');
      assert.deepEqual(await house.recordings.door.forgetNumber('+79165550003'), { removed: 1 });
      assert.ok(!existsSync(house.placeOf(path)));
      assert.deepEqual(await stateOf(call), ['removed']);
    });

    describe('in an archive', () => {
      let storage: S3rver | null = null;
      let port = 0;
      const startStorage = async (folder: string) => {
        storage = new S3rver({
          address: '127.0.0.1',
          port,
          silent: true,
          directory: folder,
          configureBuckets: [{ name: 'calls' }],
        });
        ({ port } = await storage.run());
      };
      const stopStorage = async () => {
        await storage?.close();
        storage = null;
      };
      beforeEach(() => {
        port = 0;
      });
      afterEach(stopStorage);
      const archive = (accessId = 'S3RVER') => ({
        archive: {
          url: `http://127.0.0.1:${port}`,
          bucket: 'calls',
          accessId,
          accessSecret: 'S3RVER',
          afterDays: 1,
          timeoutMs: 2000,
        },
      });
      const objects = (folder: string) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.mp3.*object$/.test(name));

      it('is played from any position through the same link, and deleted there', async () => {
        await open({});
        const folder = join(house.folder, 's3');
        await startStorage(folder);
        const { call, recording } = await record({ serial: 1, hertz: 700, seconds: 2 });
        const before = (await house.play(recording)).body;
        await restart(archive());
        assert.equal((await house.of(call))[0]!.mp3!.isArchived, false);
        house.clock.advance(2 * day);
        await restart(archive());
        await until(async () => (await house.of(call))[0]!.mp3!.isArchived);
        await until(() => !existsSync(fileOf(recording)));
        assert.equal(objects(folder).length, 1);
        const [archived] = await house.of(call);
        const played = await house.play(archived!);
        assert.deepEqual([played.status, played.body.equals(before)], [200, true]);
        assert.ok(listen(played.body).strength(700, 0.2, 1.8) > 0.9);
        const part = await fetch(house.linkOf(archived!), { headers: { range: 'bytes=100-299' } });
        assert.equal(part.status, 206);
        assert.deepEqual(Buffer.from(await part.arrayBuffer()), before.subarray(100, 300));
        // The storage away: an error in words, and no half of a recording.
        await stopStorage();
        const away = await fetch(house.linkOf(archived!));
        assert.equal(away.status, 503);
        await startStorage(folder);
        assert.equal((await house.play(archived!)).status, 200);
        assert.deepEqual(await house.recordings.door.forgetNumber('+79161110002'), { removed: 1 });
        assert.equal(objects(folder).length, 0);
      });

      onSqlite('is heard while it is moved there, also where nothing else of it is left', async () => {
        await open({});
        await startStorage(join(house.folder, 's3'));
        const { call, recording, path } = await record({ serial: 1, hertz: 700, seconds: 2 });
        await restart(archive());
        rmSync(house.placeOf(path));
        house.clock.advance(2 * day);
        const types = new Set<string | null>();
        const listening = until(
          async () => {
            types.add((await house.play(recording)).type);
            return !existsSync(fileOf(recording));
          },
          { what: 'the recording was moved' },
        );
        await house.recordings.stop();
        await house.recordings.start();
        await listening;
        types.add((await house.play(recording)).type);
        assert.deepEqual([...types], ['audio/mpeg']);
        assert.deepEqual(
          (await house.of(call)).map(({ state, mp3 }) => [state, mp3!.isArchived]),
          [['ready', true]],
        );
      });

      onSqlite('that refuses or is away, it stays here and the status says so', async () => {
        await open({});
        await startStorage(join(house.folder, 's3'));
        const { call, recording } = await record({ serial: 1 });
        house.clock.advance(2 * day);
        await restart(archive('wrong'));
        await until(async () => (await house.status()).health === 'warning');
        assert.match((await house.status()).message, /archive answered 403/);
        assert.equal((await house.play(recording)).status, 200);
        await stopStorage();
        await restart(archive());
        await until(async () => /archive does not answer/.test((await house.status()).message), { timeoutMs: 15_000 });
        assert.deepEqual([existsSync(fileOf(recording)), await stateOf(call)], [true, ['ready']]);
      });
    });
  });
});
