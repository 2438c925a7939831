/**
 * Conversions against bare ffmpeg with the same settings; the time from the end of a call to a link that plays; parts of
 * a recording served, against a bare server of files. Run: node --import tsx bench/recordings.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTranscoder } from '../src/recordings/convert.ts';
import { ConvertedFolder } from '../src/recordings/folder.ts';
import { inspectSound, plainOf, readSlice, sliceSound } from '../src/recordings/sound-file.ts';
import { openDatabase } from '../src/storage/connection.ts';
import { migrateDatabase } from '../src/storage/migrate.ts';
import { RecordingsHouse } from '../test/recordings/house.ts';
import { wavOf } from '../test/recordings/wav.ts';
import { report } from './figure.ts';

const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-recordings-'));
const settings = { program: 'ffmpeg', kilobits: 24, sampleRate: 8000, niceness: 0 } as const;
const transcoder = createTranscoder(settings);
const converted = new ConvertedFolder(join(folder, 'converted'));
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Speech-like: tones that change, so that the coder has something to do. */
function talk(seconds: number): Buffer {
  const sounds = Array.from({ length: seconds * 4 }, (_, index) => ({
    hertz: 200 + ((index * 137) % 1500),
    seconds: 0.25,
  }));
  return wavOf(sounds);
}

let count = 0;
/** As the service does it: checked, converted, measured, synced and put in its place. */
async function convert(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const sound = await inspectSound(file, 'wav');
    const slice = sliceSound(sound, null);
    const id = `c${count++}`;
    const output = await converted.makeRoom(id);
    const input = { ...sound, part: null, plain: plainOf(sound, slice), open: () => readSlice(file, slice) };
    await transcoder.toMp3({ input, output, timeoutMs: 60_000, signal: new AbortController().signal });
    await converted.take(output, `${id}.mp3`);
  } finally {
    await file.close();
  }
}
async function convertBare(path: string): Promise<void> {
  const target = join(folder, `bare-${count++}.mp3`);
  const child = spawn('ffmpeg', [
    ...['-hide_banner', '-nostats', '-loglevel', 'error', '-y', '-f', 'wav', '-i', path],
    ...['-c:a', 'libmp3lame', '-b:a', '24k', '-ar', '8000', '-ac', '1', '-f', 'mp3', target],
  ]);
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
}
async function secondsOf(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

async function benchConversions(): Promise<void> {
  await converted.prepare();
  const long = join(folder, 'long.wav');
  writeFileSync(long, talk(600));
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < 9; round++) {
    times.bare.push(await secondsOf(() => convertBare(long)));
    times.ours.push(await secondsOf(() => convert(long)));
  }
  report({
    what: 'a recording of ten minutes converted',
    value: 600 / median(times.ours),
    unit: 's of talk/s',
    peer: { name: 'bare ffmpeg', value: 600 / median(times.bare) },
    target: { isOfRatio: true, atLeast: 0.95 },
  });

  const short = Array.from({ length: 100 }, (_, index) => join(folder, `short-${index}.wav`));
  const content = talk(10);
  for (const path of short) writeFileSync(path, content);
  const [ours, bare] = [[] as number[], [] as number[]];
  for (const path of short) {
    bare.push(await secondsOf(() => convertBare(path)));
    ours.push(await secondsOf(() => convert(path)));
  }
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  report({
    what: '100 recordings of ten seconds converted, one after the other',
    value: 100 / total(ours),
    unit: 'recordings/s',
    peer: { name: 'bare ffmpeg', value: 100 / total(bare) },
    target: { isOfRatio: true, atLeast: 0.8 },
  });
}

async function benchLinks(): Promise<void> {
  const database = await openDatabase({ kind: 'sqlite', path: join(folder, 'ledger.db') });
  await migrateDatabase(database);
  const house = new RecordingsHouse(database, { folder: join(folder, 'house') });
  await house.start();
  const content = talk(60);
  const waits: Promise<number>[] = [];
  for (let serial = 1; serial <= 60; serial++) {
    const path = `/var/spool/asterisk/monitor/${serial}.wav`;
    house.write(path, content);
    const endedAt = performance.now();
    const call = await house.end({
      path,
      serial,
      talks: [{ extension: '101', from: 1, to: 61 }],
      startedAt: new Date(house.clock.now().getTime() - 61_000),
    });
    waits.push(
      (async () => {
        for (;;) {
          const [recording] = await house.of(call);
          if (recording !== undefined) {
            const response = await fetch(house.linkOf(recording), { method: 'HEAD' });
            if (response.status === 200 && response.headers.get('content-type') === 'audio/mpeg')
              return performance.now() - endedAt;
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })(),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const sorted = (await Promise.all(waits)).sort((a, b) => a - b);
  report({
    what: 'from the end of a call to a link that plays, p95 (two calls/s of a minute each)',
    value: sorted[Math.floor(sorted.length * 0.95)]!,
    unit: 'ms',
    target: { atMost: 5_000 },
  });

  const path = '/var/spool/asterisk/monitor/long.wav';
  house.write(path, talk(600));
  const [recording] = await house.untilAll(await house.end({ path, serial: 1000 }), 'ready');
  await benchRanges(house.linkOf(recording!), join(house.folder, 'converted', recording!.mp3!.name));
  await house.stop();
  await database.close();
}

async function benchRanges(link: string, file: string): Promise<void> {
  const { size } = statSync(file);
  const server = createServer((request, response) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.map(Number) as [number, number, number];
    response.writeHead(206, {
      'content-type': 'audio/mpeg',
      'content-length': to - from + 1,
      'content-range': `bytes ${from}-${to}/${size}`,
    });
    createReadStream(file, { start: from, end: to }).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bare = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const span = 256 * 1024;
  const ask = (url: string, index: number) =>
    new Promise<void>((resolve, reject) => {
      const from = (index * 7919 * 64) % (size - span);
      get(url, { agent, headers: { range: `bytes=${from}-${from + span - 1}` } }, (response) => {
        let received = 0;
        response.on('data', (chunk: Buffer) => (received += chunk.length));
        response.on('end', () =>
          received === span ? resolve() : reject(new Error(`${response.statusCode} ${received}`)),
        );
      }).on('error', reject);
    });
  const run = async (url: string, requests: number): Promise<number> => {
    let next = 0;
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (next < requests) await ask(url, next++);
      }),
    );
    return (requests * span) / 1e6 / ((performance.now() - startedAt) / 1000);
  };
  for (const url of [bare, link]) await run(url, 200);
  const [ours, peers] = [[] as number[], [] as number[]];
  for (let round = 0; round < 5; round++) {
    peers.push(await run(bare, 400));
    ours.push(await run(link, 400));
  }
  agent.destroy();
  server.close();
  report({
    what: 'parts of 256 KB of a recording served',
    value: median(ours),
    unit: 'MB/s',
    peer: { name: 'bare Node server of files', value: median(peers) },
    target: { isOfRatio: true, atLeast: 0.7 },
  });
  // What was read is what is there.
  if (readFileSync(file).length !== size) throw new Error('the recording changed');
}

try {
  await benchConversions();
  await benchLinks();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
