import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ConversionFailed } from '../../src/core/recording.ts';
import { createTranscoder, type TranscoderSettings } from '../../src/recordings/convert.ts';
import { inspectSound, plainOf, readSlice, sliceSound } from '../../src/recordings/sound-file.ts';
import { listen } from '../support/tones.ts';
import { until } from '../support/until.ts';
import { wavOf } from './wav.ts';

const usual: TranscoderSettings = { program: 'ffmpeg', kilobits: 24, sampleRate: 8000, niceness: 10 };

describe('a conversion', function () {
  this.timeout(30_000);
  let folder: string;
  let output: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-convert-'));
    output = join(folder, 'out.mp3');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const signal = new AbortController().signal;
  async function convert(path: string, options: { settings?: TranscoderSettings; timeoutMs?: number } = {}) {
    const file = await open(path, 'r');
    try {
      const sound = await inspectSound(file, path.slice(path.lastIndexOf('.') + 1));
      const slice = sliceSound(sound, null);
      const input = { ...sound, part: null, plain: plainOf(sound, slice), open: () => readSlice(file, slice) };
      const { timeoutMs = 10_000, settings = usual } = options;
      return await createTranscoder(settings).toMp3({ input, output, timeoutMs, signal });
    } finally {
      await file.close();
    }
  }
  function make(name: string, ...options: string[]): string {
    const path = join(folder, name);
    const made = spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=440:duration=3', ...options, path]);
    assert.equal(made.status, 0, made.stderr.toString());
    return path;
  }
  function fakeProgram(script: string): TranscoderSettings {
    const program = join(folder, 'fake-ffmpeg');
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
    return { ...usual, program };
  }
  const failsAs = (kind: ConversionFailed['kind']) => (error: unknown) => {
    assert.ok(error instanceof ConversionFailed, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  };

  for (const [name, file, options] of [
    ['16-bit samples at 8 kHz', 'a.wav', ['-ar', '8000', '-ac', '1']],
    ['16-bit samples at 16 kHz', 'a.wav', ['-ar', '16000', '-ac', '1']],
    ['A-law', 'a.wav', ['-ar', '8000', '-ac', '1', '-c:a', 'pcm_alaw']],
    ['µ-law', 'a.wav', ['-ar', '8000', '-ac', '1', '-c:a', 'pcm_mulaw']],
    ['ADPCM', 'a.wav', ['-ar', '8000', '-ac', '1', '-c:a', 'adpcm_ima_wav']],
    ['plain samples without a header', 'a.sln', ['-ar', '8000', '-ac', '1', '-f', 's16le']],
    ['plain samples at 16 kHz', 'a.sln16', ['-ar', '16000', '-ac', '1', '-f', 's16le']],
    ['plain samples at 48 kHz', 'a.sln48', ['-ar', '48000', '-ac', '1', '-f', 's16le']],
    ['plain samples named raw', 'a.raw', ['-ar', '8000', '-ac', '1', '-f', 's16le']],
    ['a wav at 16 kHz under its own ending', 'a.wav16', ['-ar', '16000', '-ac', '1', '-f', 'wav']],
    ['A-law without a header', 'a.alaw', ['-ar', '8000', '-ac', '1', '-f', 'alaw']],
    ['µ-law without a header', 'a.ulaw', ['-ar', '8000', '-ac', '1', '-f', 'mulaw']],
    ['GSM', 'a.gsm', ['-ar', '8000', '-ac', '1', '-c:a', 'libgsm', '-f', 'gsm']],
    ['GSM in a wav', 'a.wav', ['-ar', '8000', '-ac', '1', '-c:a', 'libgsm_ms']],
    ['an mp3 of the PBX', 'a.mp3', ['-ar', '8000', '-ac', '1', '-b:a', '16k']],
    ['Opus', 'a.opus', ['-ar', '8000', '-ac', '1', '-c:a', 'libopus']],
    ['G.722', 'a.g722', ['-ar', '16000', '-ac', '1', '-c:a', 'g722', '-f', 'g722']],
  ] as const) {
    it(`plays ${name}`, async () => {
      const { durationMs, peaks } = await convert(make(file, ...options));
      assert.ok(Math.abs(durationMs - 3000) < 100, String(durationMs));
      const heard = listen(readFileSync(output));
      assert.ok(Math.abs(heard.seconds - 3) < 0.2, String(heard.seconds));
      assert.ok(heard.strength(440, 0.3, 2.7) > 0.9);
      assert.equal(peaks.length, 1);
      assert.ok(peaks[0]!.length >= 29 && Math.max(...peaks[0]!) > 20);
    });
  }

  it('keeps the two sides of a talk apart', async () => {
    const path = join(folder, 'two.wav');
    const sides = spawnSync('ffmpeg', [
      ...[
        '-v',
        'error',
        '-f',
        'lavfi',
        '-i',
        'sine=400:duration=2:r=8000',
        '-f',
        'lavfi',
        '-i',
        'sine=600:duration=1:r=8000',
      ],
      ...['-filter_complex', '[1]apad=whole_dur=2[b];[0][b]join=inputs=2:channel_layout=stereo', path],
    ]);
    assert.equal(sides.status, 0, sides.stderr.toString());
    const { peaks } = await convert(path);
    const side = (channel: string) => {
      const args = ['-v', 'error', '-i', output, '-af', `pan=mono|c0=${channel}`, '-f', 'mp3', 'pipe:1'];
      const { stdout } = spawnSync('ffmpeg', args);
      return listen(stdout);
    };
    assert.ok(side('c0').strength(400, 0.2, 1.8) > 0.9 && side('c1').strength(600, 0.2, 0.8) > 0.9);
    assert.ok(side('c1').loudness(1.3, 1.8) < 0.01);
    const [left, right] = peaks as [number[], number[]];
    assert.ok(left.at(-2)! > 20 && right.at(-2)! < 3, JSON.stringify(peaks));
  });

  it('has the size of a telephone recording: 24 kbit/s, 8 kHz', async () => {
    await convert(make('long.wav', '-ar', '44100', '-af', 'aloop=20:size=132300'));
    const { size } = { size: readFileSync(output).length };
    const seconds = listen(readFileSync(output)).seconds;
    assert.ok(Math.abs((size * 8) / seconds - 24_000) < 1500, `${(size * 8) / seconds} bit/s`);
  });

  it('leaves the machine to the calls: it runs as nicely as was set', async () => {
    const seen = join(folder, 'niceness');
    const program = `for at in 1 2 3 4 5; do [ "$(ps -o ni= -p $$ | tr -d ' ')" = 13 ] && break; sleep 0.1; done
ps -o ni= -p $$ > ${seen}
exec ffmpeg "$@"`;
    await convert(make('a.wav'), { settings: { ...fakeProgram(program), niceness: 13 } });
    assert.equal(readFileSync(seen, 'utf8').trim(), '13');
  });

  it('hears nothing of what is loud or soft elsewhere: peaks follow the sound', async () => {
    const path = join(folder, 'loud.wav');
    writeFileSync(
      path,
      wavOf([
        { hertz: 440, seconds: 1 },
        { hertz: 0, seconds: 1 },
        { hertz: 440, seconds: 1 },
      ]),
    );
    const { peaks } = await convert(path);
    const third = (index: number) => peaks[0]!.slice(index * 10 + 1, index * 10 + 9);
    assert.ok(
      Math.min(...third(0)) > 60 && Math.max(...third(1)) < 3 && Math.min(...third(2)) > 60,
      JSON.stringify(peaks),
    );
  });

  describe('ends in time and leaves nothing behind', () => {
    const children = (mark: string) =>
      spawnSync('ps', ['-eo', 'pid,args'])
        .stdout.toString()
        .split('\n')
        .filter((line) => line.includes(mark));

    it('when the converter hangs and is deaf, with all that it started', async () => {
      const mark = `${process.pid}${Date.now()}`.slice(-9);
      const settings = fakeProgram(
        `trap '' TERM INT HUP\nsleep 1${mark} &\nsleep 2${mark} &\nwhile true; do sleep 3${mark}; done`,
      );
      const startedAt = performance.now();
      await assert.rejects(convert(make('a.wav'), { settings, timeoutMs: 400 }), failsAs('expired'));
      assert.ok(performance.now() - startedAt < 2000);
      await until(() => children(mark).length === 0, { what: 'all processes are gone' });
    });

    it('when it is stopped like a program on a terminal', async () => {
      const settings = fakeProgram('kill -STOP $$');
      await assert.rejects(convert(make('a.wav'), { settings, timeoutMs: 300 }), failsAs('expired'));
    });

    it('when it crashes, at once or half-way', async () => {
      await assert.rejects(convert(make('a.wav'), { settings: fakeProgram('exit 3') }), failsAs('failed'));
      const halfway = fakeProgram('head -c 1000 >/dev/null; echo "it broke" >&2; kill -SEGV $$');
      await assert.rejects(convert(make('b.wav'), { settings: halfway }), failsAs('failed'));
    });

    it('when it says that all is well and made nothing', async () => {
      await assert.rejects(convert(make('a.wav'), { settings: fakeProgram('cat >/dev/null') }), failsAs('failed'));
    });

    it('when there is none', async () => {
      const settings = { ...usual, program: join(folder, 'nothing') };
      await assert.rejects(convert(make('a.wav'), { settings }), failsAs('missing'));
    });

    it('when the disk is full', async () => {
      const settings = fakeProgram(
        'cat >/dev/null; echo "av_interleaved_write_frame(): No space left on device" >&2; exit 1',
      );
      await assert.rejects(convert(make('a.wav'), { settings }), failsAs('full'));
    });

    it('and never writes over what is there', async () => {
      writeFileSync(output, 'precious');
      await assert.rejects(convert(make('a.wav')), failsAs('failed'));
      assert.equal(readFileSync(output, 'utf8'), 'precious');
    });
  });

  describe('of something hostile', () => {
    let server: Server;
    let asked = 0;
    before(async () => {
      server = createServer((_request, response) => {
        asked++;
        response.end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    after(() => server.close());

    it('reaches no other file and no network, even if it came past the look at its header', async () => {
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/secret.wav`;
      const secret = join(folder, 'secret.wav');
      writeFileSync(secret, wavOf([{ hertz: 440, seconds: 1 }]));
      const hostile = [
        `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${url}\n#EXTINF:1,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
        `ffconcat version 1.0\nfile '${secret}'\nfile '${url}'\n`,
        `<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>${url}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
        `v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio ${port} RTP/AVP 0\n`,
      ];
      for (const container of ['wav', 'mp3', 'ogg', 'gsm', 'g722'] as const) {
        for (const text of hostile) {
          rmSync(output, { force: true });
          const input = {
            container,
            channels: 1 as const,
            part: null,
            plain: null,
            open: () => Readable.from([Buffer.from(text)]),
          };
          const made = await createTranscoder(usual)
            .toMp3({ input, output, timeoutMs: 5000, signal })
            .catch(failsAs('failed'));
          // Taken for sound it is a click; a second of the secret it is not.
          if (typeof made === 'object') assert.ok(made.durationMs < 300, `${container} ${made.durationMs}`);
        }
      }
      assert.equal(asked, 0);
    });

    it('is given a pipe and nothing else to read from', async () => {
      const place = join(folder, 'log');
      mkdirSync(place);
      const settings = fakeProgram(`printf '%s\\n' "$@" > ${place}/arguments\nexec ffmpeg "$@"`);
      await convert(make('a.wav'), { settings });
      const given = readFileSync(join(place, 'arguments'), 'utf8').trim().split('\n');
      assert.deepEqual(given[given.indexOf('-i') + 1], 'pipe:0');
      assert.equal(given.filter((one) => one === '-i').length, 1);
      assert.equal(given[given.indexOf('-protocol_whitelist') + 1], 'pipe');
      assert.ok(given.indexOf('-f') < given.indexOf('-i'));
      assert.ok(given.every((one) => !one.includes('a.wav')));
      assert.ok(existsSync(output));
    });
  });
});
