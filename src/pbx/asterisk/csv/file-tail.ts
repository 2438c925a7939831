import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import type { CursorStore, Log } from '../../../core/ports.ts';
import { CsvFramer, type CsvRecord } from './csv-record.ts';

export interface FileTailSettings {
  readonly path: string;
  /** Name of the stored reading position. */
  readonly cursor: string;
  /** Where to begin when no position is stored: the file's start, its end, or rows since that time (ms since the epoch). */
  readonly startAt: 'start' | 'end' | number;
  /** How often to look for new rows. */
  readonly pollMs: number;
}

export interface FileTailParts {
  readonly cursors: CursorStore;
  readonly log: Log;
  /** Gets rows in order; the stored position moves past them once this resolves. Rejection: they are given again. */
  readonly onRows: (rows: readonly (readonly string[])[]) => Promise<void>;
  /** When a row was written; needed for a start by time. */
  readonly timeOf?: (row: readonly string[]) => Promise<number | null>;
}

export interface FileTailState {
  /** Null while all is well. */
  readonly fault: string | null;
  readonly isMissing: boolean;
  readonly rows: number;
  readonly position: number;
  /** Bytes in the file that were not read yet, when last looked. */
  readonly behindBytes: number;
}

/** The stored position: which file, how far, and its first bytes, since inode numbers are used again. */
interface Cursor {
  readonly dev: number;
  readonly ino: number;
  readonly offset: number;
  readonly headBytes: number;
  readonly headHash: string;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly dev: number;
  readonly ino: number;
  readonly framer: CsvFramer;
  /** Bytes read. */
  position: number;
  /** Where the last row ends that was given away; behind it may be half a row. */
  taken: number;
  head: { readonly bytes: number; readonly hash: string };
  /** When it was last written, where that is not the time of what is open. */
  readonly writtenAtMs?: number;
}

const chunkBytes = 256 * 1024;
const headLimit = 1024;

/**
 * Follows a CSV file that Asterisk appends to, across restarts of ours and rotations of the file: by rename, by copy and
 * truncation, with several rotations while we were down (rotated files stand beside it, under its name with something
 * added, plain or packed by gzip). Rows come at least once and in order; a half-written last row waits for its other half.
 */
export class FileTail {
  readonly #settings: FileTailSettings;
  readonly #parts: FileTailParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #file: OpenFile | null = null;
  #fault: string | null = null;
  #isMissing = false;
  #rows = 0;
  #behindBytes = 0;
  /** The stored position behind which rotated files were looked for while there is no new one. */
  #searchedBehind: string | null = null;
  /** Resolved at the end of the next pass through the file. */
  #awaited: (() => void)[] = [];
  #hasEnded = false;

  constructor(settings: FileTailSettings, parts: FileTailParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Resolves when a position is stored, so that what is written from now on is read, however soon all this ends; or could not be. */
  start(): Promise<void> {
    const placed = this.#place();
    this.#running = placed.then(() => this.#run());
    return placed;
  }
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Resolves when all that stands in the file now was given away, or could not be; at once when this is stopped. */
  catchUp(): Promise<void> {
    return this.#hasEnded ? Promise.resolve() : new Promise((resolve) => this.#awaited.push(resolve));
  }

  get state(): FileTailState {
    return {
      fault: this.#fault,
      isMissing: this.#isMissing,
      rows: this.#rows,
      position: this.#file?.position ?? 0,
      behindBytes: this.#behindBytes,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const awaited = this.#awaited.splice(0);
      try {
        await this.#readOn();
        this.#fault = null;
      } catch (error) {
        if (!signal.aborted) this.#report((error as Error).message);
        // Whatever was read and not taken is read again from the stored position.
        await this.#close();
      }
      for (const resolve of awaited) resolve();
      await delay(this.#settings.pollMs, undefined, { signal }).catch(() => {});
    }
    this.#hasEnded = true;
    for (const resolve of this.#awaited.splice(0)) resolve();
    await this.#close();
  }

  #report(fault: string): void {
    if (fault !== this.#fault)
      this.#parts.log.error({ file: this.#settings.path, error: fault }, 'A CSV file cannot be followed');
    this.#fault = fault;
  }

  /** Decides where to begin when the file is followed for the first time. */
  async #place(): Promise<void> {
    try {
      if ((await this.#parts.cursors.get(this.#settings.cursor)) === null) this.#file = await this.#resume();
    } catch (error) {
      // The first pass comes upon it again.
      this.#report((error as Error).message);
    }
  }

  /** Reads everything that is there now. */
  async #readOn(): Promise<void> {
    const { path } = this.#settings;
    this.#file ??= await this.#resume();
    if (this.#file === null) return;
    await this.#readToEnd(this.#file);
    const current = await statOrNull(path);
    this.#isMissing = current === null;
    // Between rename and the first row of the new file there is none; the old one may still get rows.
    if (current === null) return;
    if (current.ino !== this.#file.ino || current.dev !== this.#file.dev) {
      // Asterisk may have written between our reading and the rename.
      await this.#readToEnd(this.#file);
      await this.#finish(this.#file);
      for (const rotated of await this.#rotatedAfter(this.#file)) await this.#readWhole(rotated);
      await this.#close();
      await this.#begin();
    } else if (current.size < this.#file.position || !(await hasHead(this.#file.handle, this.#file.head))) {
      await this.#readCopyOf(this.#file, this.#file.taken);
      await this.#close();
      await this.#begin();
    }
  }

  /** Opens the file from its start and reads it. */
  async #begin(): Promise<void> {
    this.#file = await openAt(this.#settings.path, 0);
    if (this.#file !== null) {
      await this.#store(this.#file, 0);
      await this.#readToEnd(this.#file);
    }
  }

  /** Goes on where the stored position says, in whatever file that is now. Null: the file does not exist. */
  async #resume(): Promise<OpenFile | null> {
    const stored = await this.#parts.cursors.get(this.#settings.cursor);
    const current = await openAt(this.#settings.path, 0);
    this.#isMissing = current === null;
    try {
      return await this.#resumeIn(current, stored);
    } catch (error) {
      // It is opened anew at each try.
      await current?.handle.close();
      throw error;
    }
  }

  async #resumeIn(current: OpenFile | null, stored: string | null): Promise<OpenFile | null> {
    const { path } = this.#settings;
    if (stored === null) return this.#startFirst(current);
    const cursor = JSON.parse(stored) as Cursor;
    const head = { bytes: cursor.headBytes, hash: cursor.headHash };
    if (current !== null) {
      const { size } = await current.handle.stat();
      const isSame = current.ino === cursor.ino && current.dev === cursor.dev;
      if (isSame && size >= cursor.offset && (await hasHead(current.handle, head))) {
        await current.handle.close();
        return openAt(path, cursor.offset);
      }
    }
    // A number that no file has: the position was stored before the file existed.
    if (cursor.ino === 0) return current;
    // Once is enough until there is a new file: unpacking is work, and so is reading the same complaint.
    if (current === null && this.#searchedBehind === stored) return null;
    this.#searchedBehind = stored;
    await this.#readCopyOf({ ...cursor, head }, cursor.offset);
    if (current !== null) await this.#store(current, 0);
    return current;
  }

  async #startFirst(current: OpenFile | null): Promise<OpenFile | null> {
    const { startAt, path } = this.#settings;
    if (current === null) {
      // What appears later is new and is read from its start.
      await this.#parts.cursors.set(
        this.#settings.cursor,
        JSON.stringify({ dev: 0, ino: 0, offset: 0, headBytes: 0, headHash: hashOf(Buffer.alloc(0)) } satisfies Cursor),
      );
      return null;
    }
    if (startAt === 'start') return current;
    const offset = await findStart(current.handle, startAt === 'end' ? null : startAt, this.#parts.timeOf);
    await current.handle.close();
    const file = await openAt(path, offset);
    if (file !== null) await this.#store(file, offset);
    return file;
  }

  async #readToEnd(file: OpenFile): Promise<void> {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      // Thrown, since a file that was not read to its end must not count as read.
      this.#stopping.signal.throwIfAborted();
      const { bytesRead } = await file.handle.read(buffer, 0, chunkBytes, file.position);
      if (bytesRead === 0) break;
      const records: CsvRecord[] = [];
      // The framer keeps pieces of what it is given.
      file.framer.push(Buffer.from(buffer.subarray(0, bytesRead)), records);
      file.position += bytesRead;
      if (file.head.bytes < headLimit) file.head = await readHead(file.handle, Math.min(file.position, headLimit));
      await this.#give(file, records);
      this.#behindBytes = Math.max(0, (await file.handle.stat()).size - file.position);
    }
  }

  /** A file that gets no more rows: its last one may lack the line break. */
  async #finish(file: OpenFile): Promise<void> {
    const records: CsvRecord[] = [];
    file.framer.end(records);
    await this.#give(file, records);
  }

  async #give(file: OpenFile, records: readonly CsvRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#unlessStopped(this.#parts.onRows(records.map((record) => record.fields)));
    this.#rows += records.length;
    await this.#store(file, records.at(-1)!.endOffset);
  }

  /** Whoever takes rows may wait for a database that is away; a stop does not, and they are given again at the next start. */
  #unlessStopped(taken: Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(new Error('stopped'));
      if (signal.aborted) giveUp();
      signal.addEventListener('abort', giveUp, { once: true });
      taken.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    });
  }

  async #store(file: OpenFile, offset: number): Promise<void> {
    file.taken = offset;
    const head = file.head.bytes > offset ? await readHead(file.handle, Math.min(offset, headLimit)) : file.head;
    const cursor: Cursor = { dev: file.dev, ino: file.ino, offset, headBytes: head.bytes, headHash: head.hash };
    await this.#parts.cursors.set(this.#settings.cursor, JSON.stringify(cursor));
  }

  /** Reads the rest of a file that was rotated away, and the files that were rotated after it. */
  async #readCopyOf(known: Pick<OpenFile, 'dev' | 'ino' | 'head'>, offset: number): Promise<void> {
    const paths = await this.#rotatedFiles();
    // Those that cost nothing to look into first; of the packed ones ours is among the last.
    const packed = paths.filter((path) => isPacked.test(path)).reverse();
    for (const path of [...paths.filter((one) => !isPacked.test(one)), ...packed]) {
      const file = await this.#openRotated(path, offset);
      if (file === null) continue;
      try {
        const isRenamed = file.ino === known.ino && file.dev === known.dev;
        // Nothing was read of the file yet, so nothing tells it from others but its number.
        if (known.head.bytes === 0 && !isRenamed) continue;
        if ((await file.handle.stat()).size < offset || !(await hasHead(file.handle, known.head))) continue;
        await this.#readToEnd(file);
        await this.#finish(file);
        for (const later of await this.#rotatedAfter(file)) await this.#readWhole(later);
        return;
      } finally {
        await file.handle.close();
      }
    }
    this.#parts.log.warn(
      { file: this.#settings.path, offset },
      'The file was replaced and its former content is not beside it; rows between may be missing',
    );
  }

  async #readWhole(path: string): Promise<void> {
    const file = await this.#openRotated(path, 0);
    if (file === null) return;
    try {
      await this.#readToEnd(file);
      await this.#finish(file);
    } finally {
      await file.handle.close();
    }
  }

  /** Null: it is gone, or packed and damaged. */
  async #openRotated(path: string, offset: number): Promise<OpenFile | null> {
    if (!isPacked.test(path)) return openAt(path, offset);
    try {
      return await openPacked(path, offset, this.#stopping.signal);
    } catch (error) {
      this.#stopping.signal.throwIfAborted();
      this.#parts.log.warn({ file: path, error }, 'A rotated file cannot be unpacked; its rows may be missing');
      return null;
    }
  }

  /** Rotated files beside ours, the oldest first. */
  async #rotatedFiles(): Promise<string[]> {
    const folder = dirname(this.#settings.path);
    const name = basename(this.#settings.path);
    const all = await readdir(folder);
    const names = all.filter(
      (other) =>
        other !== name &&
        other.startsWith(name) &&
        /^[.-]/.test(other.slice(name.length)) &&
        !isUnreadable.test(other) &&
        // Where both are there the packed one is still being written.
        !(isPacked.test(other) && all.includes(other.replace(isPacked, ''))),
    );
    const dated = await Promise.all(
      names.map(async (other) => ({ path: join(folder, other), stats: await statOrNull(join(folder, other)) })),
    );
    return dated
      .filter(({ stats }) => stats?.isFile())
      .sort((a, b) => a.stats!.mtimeMs - b.stats!.mtimeMs)
      .map(({ path }) => path);
  }

  /** Those that were last written after this one was, and before the one that is written now. */
  async #rotatedAfter(file: OpenFile): Promise<string[]> {
    const mtimeMs = file.writtenAtMs ?? (await file.handle.stat()).mtimeMs;
    const later: string[] = [];
    for (const path of await this.#rotatedFiles()) {
      const stats = await statOrNull(path);
      if (stats !== null && stats.mtimeMs > mtimeMs && stats.ino !== file.ino) later.push(path);
    }
    return later;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.handle.close();
  }
}

const isPacked = /\.gz$/;
const isUnreadable = /\.(?:xz|bz2|zst)$/;

async function statOrNull(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function openAt(path: string, offset: number): Promise<OpenFile | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const { dev, ino } = await handle.stat();
  const head = await readHead(handle, Math.min(offset, headLimit));
  return { handle, dev, ino, framer: new CsvFramer({ startOffset: offset }), position: offset, taken: offset, head };
}

/** What a packed file holds, in a file that has no name any more. */
async function openPacked(path: string, offset: number, signal: AbortSignal): Promise<OpenFile | null> {
  const { mtimeMs } = await stat(path);
  const folder = await mkdtemp(join(tmpdir(), 'ringledger-unpacked-'));
  try {
    const plain = join(folder, 'plain');
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(plain, { mode: 0o600 }), { signal });
    const file = await openAt(plain, offset);
    return file && { ...file, writtenAtMs: mtimeMs };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readHead(handle: FileHandle, bytes: number): Promise<{ bytes: number; hash: string }> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await handle.read(buffer, 0, bytes, 0);
  return { bytes: bytesRead, hash: hashOf(buffer.subarray(0, bytesRead)) };
}
async function hasHead(handle: FileHandle, head: { readonly bytes: number; readonly hash: string }): Promise<boolean> {
  return (await readHead(handle, head.bytes)).hash === head.hash;
}
const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The offset of the first row not older than `since`, found by halving; null: behind the last whole row. */
async function findStart(handle: FileHandle, since: number | null, timeOf?: FileTailParts['timeOf']): Promise<number> {
  const { size } = await handle.stat();
  if (since === null || timeOf === undefined) return lastLineEnd(handle, size);
  let low = 0;
  let high = size;
  while (high - low > headLimit) {
    const middle = Math.floor((low + high) / 2);
    const row = await rowAfter(handle, middle, timeOf);
    // Only rows at or behind `middle` are known to be too new.
    if (row === null || row.at >= since) high = middle;
    else low = row.endOffset;
  }
  return low;
}

/** The first row with a time that begins behind `offset`. */
async function rowAfter(handle: FileHandle, offset: number, timeOf: NonNullable<FileTailParts['timeOf']>) {
  const buffer = Buffer.alloc(64 * 1024);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
  const lineEnd = buffer.subarray(0, bytesRead).indexOf(0x0a);
  if (lineEnd < 0) return null;
  const framer = new CsvFramer({ startOffset: offset + lineEnd + 1 });
  const records: CsvRecord[] = [];
  framer.push(buffer.subarray(lineEnd + 1, bytesRead), records);
  for (const { fields, endOffset } of records) {
    const at = await timeOf(fields);
    if (at !== null) return { at, endOffset };
  }
  return null;
}

async function lastLineEnd(handle: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(64 * 1024);
  for (let end = size; end > 0; end -= buffer.length) {
    const start = Math.max(0, end - buffer.length);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const lineEnd = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (lineEnd >= 0) return start + lineEnd + 1;
  }
  return 0;
}
