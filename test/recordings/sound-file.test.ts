import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  durationOf,
  inspectSound,
  readSlice,
  sliceSound,
  UnreadableSound,
  type SoundFile,
} from '../../src/recordings/sound-file.ts';
import { wavHeader, wavOf } from './wav.ts';

describe('a sound file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-sound-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function inspect(content: Buffer, extension = 'wav'): Promise<SoundFile> {
    const path = join(folder, `file.${extension}`);
    writeFileSync(path, content);
    const file = await open(path, 'r');
    try {
      return await inspectSound(file, extension);
    } finally {
      await file.close();
    }
  }
  async function cut(content: Buffer, part: { fromMs: number; toMs: number } | null): Promise<Buffer> {
    const path = join(folder, 'cut.wav');
    writeFileSync(path, content);
    const file = await open(path, 'r');
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of readSlice(file, sliceSound(await inspectSound(file, 'wav'), part))) {
        chunks.push(chunk as Buffer);
      }
      return Buffer.concat(chunks);
    } finally {
      await file.close();
    }
  }

  it('is as long as its samples, and closed when its header says so', async () => {
    const whole = await inspect(wavOf([{ hertz: 440, seconds: 1.5 }]));
    assert.deepEqual([whole.isClosed, whole.hasSound, durationOf(whole)], [true, true, 1500]);
    const open = await inspect(wavOf([{ hertz: 440, seconds: 1.5 }], { toldBytes: 0 }));
    assert.deepEqual([open.isClosed, open.hasSound, durationOf(open)], [false, true, 1500]);
    const beyond = await inspect(wavOf([{ hertz: 440, seconds: 1.5 }], { toldBytes: 99_999 }));
    assert.deepEqual([beyond.isClosed, durationOf(beyond)], [false, 1500]);
  });

  it('without a header holds two channels in turns where it is known to, and lasts half as long', async () => {
    const path = join(folder, 'both.raw');
    writeFileSync(path, Buffer.alloc(8000 * 2 * 2 * 3));
    const file = await open(path, 'r');
    try {
      const [one, both] = [await inspectSound(file, 'raw'), await inspectSound(file, 'raw', true)];
      assert.deepEqual([one.channels, durationOf(one)], [1, 6000]);
      assert.deepEqual([both.channels, durationOf(both)], [2, 3000]);
      const { head, offset, bytes } = sliceSound(both, { fromMs: 1000, toMs: 2000 });
      assert.deepEqual([head.readUInt16LE(22), head.readUInt32LE(24), head.readUInt16LE(32)], [2, 8000, 4]);
      assert.deepEqual([offset, bytes], [32_000, 32_000]);
    } finally {
      await file.close();
    }
  });

  it('is empty with a header alone, or without one', async () => {
    for (const content of [
      Buffer.alloc(0),
      Buffer.from('RIFF'),
      wavHeader({ bytes: 0 }),
      wavHeader({ bytes: 0 }).subarray(0, 20),
    ]) {
      const sound = await inspect(content);
      assert.deepEqual([sound.hasSound, sound.isClosed], [false, true]);
    }
  });

  it('is refused where it is something else, or coded as no phone system does', async () => {
    const refused: [string, Buffer][] = [
      ['a playlist', Buffer.from('#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n')],
      ['a list of files', Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n".padEnd(200))],
      ['a web page', Buffer.from('<html>'.padEnd(100))],
      ['an mp3 inside', Buffer.concat([wavHeader({ bytes: 100, tag: 0x55 }), Buffer.alloc(100)])],
      ['seven channels', Buffer.concat([wavHeader({ bytes: 140, channels: 7 }), Buffer.alloc(140)])],
      ['a million samples a second', Buffer.concat([wavHeader({ bytes: 100, rate: 1_000_000 }), Buffer.alloc(100)])],
      ['half a sample', Buffer.concat([wavHeader({ bytes: 100, bits: 12 }), Buffer.alloc(100)])],
    ];
    for (const [name, content] of refused) await assert.rejects(inspect(content), UnreadableSound, name);
    await assert.rejects(inspect(Buffer.from('#EXTM3U\n'), 'mp3'), UnreadableSound);
    await assert.rejects(inspect(Buffer.from('text'), 'txt'), UnreadableSound);
  });

  it('is cut to the sample, under a header of our own', async () => {
    const content = wavOf([
      { hertz: 400, seconds: 1 },
      { hertz: 600, seconds: 1 },
    ]);
    const part = await cut(content, { fromMs: 500, toMs: 750 });
    assert.deepEqual(part.subarray(44), content.subarray(44 + 8000, 44 + 12_000));
    const sound = await inspect(part);
    assert.deepEqual([sound.isClosed, durationOf(sound)], [true, 250]);
    assert.deepEqual(await cut(content, null), content);
    // What stands behind the samples, and before them, is left out.
    const noted = Buffer.concat([content, Buffer.from('LIST\x04\0\0\0SECR')]);
    assert.deepEqual(await cut(noted, null), content);
  });

  it('gives any bytes of a part, header and samples alike', async () => {
    const path = join(folder, 'ranges.wav');
    writeFileSync(path, wavOf([{ hertz: 440, seconds: 0.1 }]));
    const first = await open(path, 'r');
    const slice = sliceSound(await inspectSound(first, 'wav'), { fromMs: 20, toMs: 80 });
    await first.close();
    const read = async (from: number, to: number) => {
      const file = await open(path, 'r');
      const chunks: Buffer[] = [];
      for await (const chunk of readSlice(file, slice, from, to)) chunks.push(chunk as Buffer);
      await file.close();
      return Buffer.concat(chunks);
    };
    const size = slice.head.length + slice.bytes;
    const all = await read(0, size - 1);
    await fc.assert(
      fc.asyncProperty(fc.nat(size - 1), fc.nat(size - 1), async (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        assert.deepEqual(await read(from, to), all.subarray(from, to + 1));
      }),
      { numRuns: 60 },
    );
  });

  it('of 3,000 broken ones is refused in words or read within its bounds', async () => {
    const good = wavOf([{ hertz: 440, seconds: 0.05 }]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        fc.nat(good.length),
        async (changes, length) => {
          const content = Buffer.from(good);
          for (const [at, value] of changes) content[at] = value;
          let sound: SoundFile;
          try {
            sound = await inspect(content.subarray(0, length));
          } catch (error) {
            assert.ok(error instanceof UnreadableSound, String(error));
            return;
          }
          const slice = sliceSound(sound, { fromMs: 0, toMs: 1e9 });
          assert.ok(slice.offset + slice.bytes <= length || slice.bytes === 0);
          assert.ok(slice.head.length < 100);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
