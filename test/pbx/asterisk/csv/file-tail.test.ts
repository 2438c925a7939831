import assert from 'node:assert/strict';
import {
  appendFile,
  copyFile,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CursorStore } from '../../../../src/core/ports.ts';
import { FileTail, type FileTailParts, type FileTailSettings } from '../../../../src/pbx/asterisk/csv/file-tail.ts';
import { createKeptLog } from '../../../support/kept-log.ts';
import { silentLog } from '../../../support/silent-log.ts';
import { until } from '../../../support/until.ts';

class MemoryCursors implements CursorStore {
  readonly values = new Map<string, string>();
  async get(name: string): Promise<string | null> {
    return this.values.get(name) ?? null;
  }
  async set(name: string, value: string): Promise<void> {
    this.values.set(name, value);
  }
}

const row = (number: number) => `"row ${number}","a","b","c","d","${'x'.repeat(40)}"\n`;
const rows = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => row(from + i)).join('');
const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `row ${from + i}`);

describe('a followed CSV file', () => {
  let folder: string;
  let path: string;
  let cursors: MemoryCursors;
  let taken: string[];
  let tails: FileTail[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ringledger-tail-'));
    path = join(folder, 'Master.csv');
    cursors = new MemoryCursors();
    taken = [];
    tails = [];
  });
  afterEach(async () => {
    for (const tail of tails) await tail.stop();
    await rm(folder, { recursive: true });
  });

  function follow(settings: Partial<FileTailSettings> = {}, parts: Partial<FileTailParts> = {}): FileTail {
    const tail = new FileTail(
      { path, cursor: 'cel', startAt: 'start', pollMs: 5, ...settings },
      { cursors, log: silentLog, onRows: async (batch) => void taken.push(...batch.map(([name]) => name!)), ...parts },
    );
    tails.push(tail);
    tail.start();
    return tail;
  }
  const isTaken = (count: number) => until(() => taken.length >= count, { what: `${count} rows are taken` });

  it('gives rows as they are appended, and a half-written one when it is whole', async () => {
    await writeFile(path, rows(1, 3) + '"row 4","a');
    const tail = follow();
    await isTaken(3);
    await appendFile(path, 'a","b","c","d","e"\n');
    await isTaken(4);
    assert.deepEqual(taken, names(1, 4));
    assert.equal(tail.state.fault, null);
  });

  it('stops at once while whoever takes the rows waits for a database, and gives them again at the next start', async () => {
    await writeFile(path, rows(1, 3));
    let isAsked = false;
    const tail = follow({}, { onRows: () => new Promise(() => (isAsked = true)) });
    await until(() => isAsked);
    await tail.stop();
    follow();
    await isTaken(3);
    assert.deepEqual(taken, names(1, 3));
  });

  it('waits for a file that does not exist yet, and then reads it from its start', async () => {
    const tail = follow({ startAt: 'end' });
    await until(() => tail.state.isMissing && cursors.values.size > 0);
    await writeFile(path, rows(1, 2));
    await isTaken(2);
    assert.deepEqual(taken, names(1, 2));
    assert.equal(tail.state.isMissing, false);
  });

  it('begins behind the last whole row at its first start, and never again', async () => {
    await writeFile(path, rows(1, 5) + '"row 6","a"');
    const first = follow({ startAt: 'end' });
    await until(() => cursors.values.size > 0);
    await first.stop();
    await appendFile(path, ',"b","c","d","e"\n' + rows(7, 8));
    follow({ startAt: 'end' });
    await isTaken(3);
    assert.deepEqual(taken, names(6, 8));
  });

  it('has stored where it begins once it has started, however soon it dies', async () => {
    await writeFile(path, rows(1, 3));
    const dying = new FileTail(
      { path, cursor: 'cel', startAt: 'end', pollMs: 60_000 },
      { cursors, log: silentLog, onRows: () => new Promise(() => {}) },
    );
    tails.push(dying);
    await dying.start();
    await appendFile(path, rows(4, 5));
    follow({ startAt: 'end' });
    await isTaken(2);
    assert.deepEqual(taken, names(4, 5));
  });

  it('begins with the rows since a given time at its first start', async () => {
    await writeFile(path, rows(1, 20_000));
    follow({ startAt: 12_345 }, { timeOf: async ([name]) => Number(name!.slice(4)) });
    await isTaken(7_656);
    assert.ok(Number(taken[0]!.slice(4)) <= 12_345 && Number(taken[0]!.slice(4)) > 12_300, taken[0]);
    assert.deepEqual(taken.slice(-7_656), names(12_345, 20_000));
  });

  it('goes on where it stopped after a restart', async () => {
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    await appendFile(path, rows(4, 6));
    follow();
    await isTaken(6);
    assert.deepEqual(taken, names(1, 6));
  });

  it('gives rows again that were not taken, before any later ones', async () => {
    await writeFile(path, rows(1, 3));
    let failures = 3;
    const tail = follow(
      {},
      {
        async onRows(batch) {
          if (failures-- > 0) throw new Error('disk full');
          taken.push(...batch.map(([name]) => name!));
        },
      },
    );
    await until(() => tail.state.fault === 'disk full');
    await appendFile(path, rows(4, 5));
    await isTaken(5);
    assert.deepEqual(taken, names(1, 5));
  });

  it('moves its stored position only past rows that were taken', async () => {
    await writeFile(path, rows(1, 3));
    let isReached = false;
    follow(
      {},
      {
        async onRows() {
          isReached = true;
          throw new Error('killed');
        },
      },
    );
    await until(() => isReached);
    assert.equal(cursors.values.size, 0);
  });

  it('survives rotation by rename while it runs', async () => {
    await writeFile(path, rows(1, 3));
    follow();
    await isTaken(3);
    for (let round = 0; round < 10; round++) {
      const next = taken.length + 1;
      await appendFile(path, rows(next, next + 1));
      await rename(path, `${path}.${round}`);
      await appendFile(`${path}.${round}`, row(next + 2));
      await writeFile(path, rows(next + 3, next + 4));
      await isTaken(next + 4);
    }
    assert.deepEqual(taken, names(1, 53));
  });

  it('takes the last row of a rotated file that lacks its line break, running or not', async () => {
    await writeFile(path, rows(1, 2) + row(3).trimEnd());
    const first = follow();
    await isTaken(2);
    await rename(path, `${path}.2`);
    await writeFile(path, row(4) + row(5).trimEnd());
    await isTaken(4);
    await first.stop();
    await rename(path, `${path}.1`);
    const seconds = Date.now() / 1000;
    for (const age of [2, 1]) await utimes(`${path}.${age}`, seconds - age * 10, seconds - age * 10);
    await writeFile(path, row(6));
    follow();
    await isTaken(6);
    assert.deepEqual(taken, names(1, 6));
  });

  it('survives several rotations by rename while it is down', async () => {
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    await appendFile(path, rows(4, 5));
    await rename(path, `${path}.2`);
    await writeFile(`${path}.1`, rows(6, 8));
    await writeFile(`${path}.3`, rows(901, 905));
    const seconds = Date.now() / 1000;
    await utimes(`${path}.3`, seconds - 300, seconds - 300);
    await utimes(`${path}.2`, seconds - 200, seconds - 200);
    await utimes(`${path}.1`, seconds - 100, seconds - 100);
    await writeFile(path, rows(9, 10));
    follow();
    await isTaken(10);
    assert.deepEqual(taken, names(1, 10));
  });

  it('loses no row and tears none when it is stopped while it reads rotated files', async () => {
    /** What was taken, over starts that each end as soon as a position is stored. */
    const followInBits = async () => {
      for (let start = 0; start < 20; start += 1) {
        let isStopped = false;
        const bit = follow(
          {},
          {
            cursors: {
              get: (name) => cursors.get(name),
              async set(name, value) {
                await cursors.set(name, value);
                isStopped = true;
                void bit.stop();
              },
            },
          },
        );
        await bit.catchUp();
        await bit.stop();
        if (!isStopped) return;
      }
    };
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    // Longer than what is read at a time, and short ones behind it.
    await appendFile(path, rows(4, 9_000));
    await rename(path, `${path}.3`);
    await writeFile(`${path}.2`, rows(9_001, 9_003));
    await writeFile(`${path}.1`, rows(9_004, 9_006));
    const seconds = Date.now() / 1000;
    for (const age of [3, 2, 1]) await utimes(`${path}.${age}`, seconds - age, seconds - age);
    await writeFile(path, rows(9_007, 9_008));
    await followInBits();
    assert.deepEqual([...new Set(taken)], names(1, 9_008));
  });

  it('survives rotations while it is down whose files were packed meanwhile', async () => {
    await writeFile(path, rows(1, 30));
    const first = follow();
    await isTaken(30);
    await first.stop();
    const pack = async (file: string, content: string | Buffer, age: number) => {
      await writeFile(file, typeof content === 'string' ? gzipSync(content) : content);
      const seconds = Date.now() / 1000;
      await utimes(file, seconds - age, seconds - age + 0.000123);
    };
    await pack(`${path}.4.gz`, rows(9_001, 9_040), 400);
    await pack(`${path}.3.gz`, rows(1, 40), 300);
    await pack(`${path}.2.gz`, rows(41, 50), 200);
    await writeFile(`${path}.1`, rows(51, 60));
    const half = gzipSync(rows(51, 60));
    // Being packed just now, and one that a full disk cut off.
    await pack(`${path}.1.gz`, half.subarray(0, half.length / 2), 100);
    await pack(`${path}.9.gz`, half.subarray(0, half.length / 2), 150);
    await rm(path);
    await writeFile(path, rows(61, 62));
    const second = follow();
    await isTaken(62);
    await second.catchUp();
    assert.deepEqual(taken, names(1, 62));
    await second.stop();
    await appendFile(path, row(63));
    await pack(`${path}-20261127.gz`, await readFile(path, 'utf8'), 0);
    await rm(path);
    // Rotated, and no call since: what was written before is not held back until there is one.
    const third = follow();
    await isTaken(63);
    await third.catchUp();
    await writeFile(path, row(64));
    await isTaken(64);
    assert.deepEqual(taken, names(1, 64));
  });

  it('says once that the former content is gone, however long there is no new file', async () => {
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    await rm(path);
    const log = createKeptLog();
    const tail = follow({}, { log });
    for (let pass = 0; pass < 5; pass += 1) await tail.catchUp();
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      ['The file was replaced and its former content is not beside it; rows between may be missing'],
    );
    assert.equal(tail.state.isMissing, true);
  });

  it('leaves no file open, however often rows of a rotated file are refused', async () => {
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    await appendFile(path, row(4));
    await rename(path, `${path}.1`);
    await writeFile(path, row(5));
    const tail = follow({}, { onRows: () => Promise.reject(new Error('database away')) });
    for (let pass = 0; pass < 10; pass += 1) await tail.catchUp();
    await tail.stop();
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    assert.deepEqual(
      open.filter((file) => file.startsWith(folder)),
      [],
    );
  });

  it('survives rotation before anything of the new file was read', async () => {
    await writeFile(path, '');
    const first = follow({ startAt: 'end' });
    await until(() => cursors.values.size > 0);
    await first.stop();
    await appendFile(path, rows(1, 2));
    await rename(path, `${path}-20261121`);
    await writeFile(path, rows(3, 4));
    follow({ startAt: 'end' });
    await isTaken(4);
    assert.deepEqual(taken, names(1, 4));
  });

  it('survives copying and truncation, while it runs and while it is down', async () => {
    await writeFile(path, rows(1, 30));
    const first = follow();
    await isTaken(30);
    await first.stop();
    await appendFile(path, rows(31, 33));
    await copyFile(path, `${path}.1`);
    await truncate(path);
    // Longer than before: only its first bytes tell that it is another content.
    await appendFile(path, rows(34, 80));
    const second = follow();
    await isTaken(80);
    await appendFile(path, row(81));
    await isTaken(81);
    await copyFile(path, `${path}.1`);
    await truncate(path);
    await until(() => second.state.position === 0);
    await appendFile(path, rows(82, 83));
    await isTaken(83);
    assert.deepEqual(taken, names(1, 83));
  });

  it('goes on with the new file when the old one is nowhere to be found', async () => {
    await writeFile(path, rows(1, 3));
    const first = follow();
    await isTaken(3);
    await first.stop();
    await rm(path);
    await writeFile(`${path}.keep`, 'so that the number of the old file is not used again');
    await writeFile(path, rows(4, 5));
    follow();
    await isTaken(5);
    assert.deepEqual(taken, names(1, 5));
  });

  it('reports a file that cannot be read and goes on when it can', async () => {
    const tail = follow({ path: join(folder, 'file', 'Master.csv') });
    await writeFile(join(folder, 'file'), '');
    await until(() => tail.state.fault !== null);
    assert.match(tail.state.fault!, /ENOTDIR/);
  });
});
