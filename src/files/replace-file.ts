/** Files that are there whole or not at all, whatever happens meanwhile: a reader, a crash, a power cut, a full disk. */
import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What is to stand in a file. */
export interface FileContent {
  readonly content: string | Uint8Array;
  /** Exactly these rights: the umask takes none away. */
  readonly mode: number;
  /** Is handed the file before it counts, to give it to its owner. What it throws leaves everything as it was. */
  readonly prepare?: (path: string) => Promise<void>;
  /** Is asked last of all, when the content is on the disk already. What it throws leaves everything as it was. */
  readonly confirm?: () => Promise<void>;
}

/**
 * Puts the content where the path says, in place of what stands there. Others read the former content or the new one and
 * never a part, and so they do after a crash at any moment. Once it resolves, the new one also outlives a power cut.
 *
 * A link is itself replaced and not followed. What could not be written, for the disk was full say, leaves the former file
 * as it was and nothing beside it; only a process that is killed leaves its hidden `.NAME.HEX`, readable by its owner alone.
 * Rejects with the system's own error. An error of the last step, which makes the folder's entry durable, leaves the new
 * content in place.
 */
export async function replaceFile(path: string, file: FileContent): Promise<void> {
  await writeBeside(path, file, (beside) => rename(beside, path));
}

/** As `replaceFile` where nothing stands yet, not even a link; else it rejects with `EEXIST` and touches nothing. */
export async function createFile(path: string, file: FileContent): Promise<void> {
  await writeBeside(path, file, (beside) => link(beside, path));
}

/**
 * Puts a finished file that another program has written, on the same file system, into its place: with all of
 * `replaceFile`'s promises, but that on failure the file stays where it was made.
 */
export async function putInPlace(made: string, path: string, { mode }: { readonly mode: number }): Promise<void> {
  const handle = await open(made, 'r+');
  try {
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(made, path);
  await syncFolder(dirname(path));
}

/**
 * Puts a finished folder of files into its place, where nothing stands or an empty folder: all that is in it is on the disk
 * before it has its name. Links in it are not followed, folders in it not looked into.
 */
export async function putFolderInPlace(made: string, path: string): Promise<void> {
  for (const entry of await readdir(made, { withFileTypes: true })) {
    if (entry.isFile()) await sync(join(made, entry.name));
  }
  await sync(made);
  await rename(made, path);
  await syncFolder(dirname(path));
}

/** Makes what was made, renamed and removed in the folder outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await sync(folder);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeBeside(
  path: string,
  { content, mode, prepare, confirm }: FileContent,
  take: (beside: string) => Promise<void>,
): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const handle = await open(beside, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(content);
      await prepare?.(beside);
      // After the owner, because giving a file away may take rights from it.
      await handle.chmod(mode);
      // A disk that is full may say so here and not before.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await confirm?.();
    await take(beside);
  } finally {
    await rm(beside, { force: true });
  }
  await syncFolder(dirname(path));
}
