import { constants } from 'node:fs';
import { mkdir, open, rm, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { putInPlace } from '../files/replace-file.ts';

/** The folder of the converted recordings: a file is there whole or not at all, whatever happens meanwhile. */
export class ConvertedFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder and removes what a killed conversion left. */
  async prepare(): Promise<void> {
    await rm(this.#making, { recursive: true, force: true });
    await mkdir(this.#making, { recursive: true, mode: 0o750 });
  }
  get #making(): string {
    return join(this.path, '.making');
  }

  /** Where the recording will stand, relative to the folder. */
  nameOf(recording: { readonly id: string; readonly startedAt: Date }): string {
    return `${recording.startedAt.toISOString().slice(0, 10).replaceAll('-', '/')}/${recording.id}.mp3`;
  }

  /** A path that is free, for a converter to write to. */
  async makeRoom(id: string): Promise<string> {
    await mkdir(this.#making, { recursive: true, mode: 0o750 });
    const path = join(this.#making, `${id}.mp3`);
    await rm(path, { force: true });
    return path;
  }

  /** Puts a finished file into its place, durably; resolves with its size. */
  async take(made: string, name: string): Promise<number> {
    const target = join(this.path, name);
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    const { size } = await stat(made);
    await putInPlace(made, target, { mode: 0o640 });
    return size;
  }

  async removeMade(made: string): Promise<void> {
    await rm(made, { force: true });
  }

  /** Null when it is not there. */
  async open(name: string): Promise<FileHandle | null> {
    try {
      return await open(join(this.path, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }
  async remove(name: string): Promise<void> {
    try {
      // Unlike `rm`, which tells of a missing right as if the file were a folder.
      await unlink(join(this.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }
}
