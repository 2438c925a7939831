import { open, truncate, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../files/replace-file.ts';

/** How much is read at a time; a line may be longer. */
const readBytes = 1024 * 1024;
const lineEnd = 0x0a;

/** A file of lines that is only appended to. A line counts once its end is on the disk; a torn last line never did. */
export class SpoolFile {
  readonly path: string;
  #handle: FileHandle | null = null;
  #bytes = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Cuts off a torn last line; returns how many lines there are. */
  async repair(): Promise<number> {
    let lines = 0;
    let position = 0;
    for (;;) {
      const read = await this.readFrom(position);
      if (read.lines.length === 0) break;
      lines += read.lines.length;
      position = read.nextPosition;
    }
    this.#bytes = position;
    if (lines > 0) await truncate(this.path, position);
    else await this.remove();
    return lines;
  }

  /** Resolves when the line is on the disk; rejects, and leaves the file as it was, when it cannot be written. */
  async append(line: string): Promise<void> {
    if (this.#handle === null) {
      this.#handle = await open(this.path, 'a', 0o640);
      await syncFolder(dirname(this.path));
    }
    const bytes = Buffer.from(`${line}\n`);
    try {
      await this.#handle.appendFile(bytes);
      await this.#handle.datasync();
    } catch (error) {
      // Otherwise the next line would be glued to the beginning of this one.
      await this.#handle.truncate(this.#bytes);
      throw error;
    }
    this.#bytes += bytes.length;
  }

  /** Whole lines from a byte position that was a `nextPosition`, or 0; none at the end or without a file. */
  async readFrom(position: number): Promise<{ readonly lines: readonly string[]; readonly nextPosition: number }> {
    const file = await open(this.path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (file === null) return { lines: [], nextPosition: position };
    try {
      let bytes = Buffer.alloc(0);
      let end = -1;
      while (end === -1) {
        const chunk = Buffer.alloc(readBytes);
        const { bytesRead } = await file.read(chunk, 0, readBytes, position + bytes.length);
        if (bytesRead === 0) return { lines: [], nextPosition: position };
        bytes = Buffer.concat([bytes, chunk.subarray(0, bytesRead)]);
        end = bytes.lastIndexOf(lineEnd);
      }
      return { lines: bytes.toString('utf8', 0, end).split('\n'), nextPosition: position + end + 1 };
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }

  /** Removes the file for good. */
  async remove(): Promise<void> {
    await this.close();
    this.#bytes = 0;
    await unlink(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await syncFolder(dirname(this.path));
  }
}
