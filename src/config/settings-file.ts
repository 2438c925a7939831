import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A state of the configuration file that was replaced. */
export interface FormerSettings {
  /** `20261121T085300.123Z-1f3a`; sorts by time. */
  readonly id: string;
  readonly savedAt: Date;
  readonly bytes: number;
}

/** Somebody else changed the file since it was read. */
export class SettingsChanged extends Error {
  override readonly name = 'SettingsChanged';
}

const keptVersions = 30;
const idForm = /^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}$/;
export const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/**
 * Whether the file can be replaced by this process: null, or the reason as the system gives it (`EROFS`: systemd shows the
 * folder read-only; `EACCES`: it belongs to somebody else).
 */
export function whyNotWritable(file: string): string | null {
  try {
    const place = existsSync(file) ? realpathSync(file) : file;
    if (existsSync(place)) accessSync(place, constants.W_OK);
    accessSync(dirname(place), constants.W_OK);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Beside its place, synced, and renamed over it: a reader sees the old text or the new one. Mode and owner stay. */
export function replaceFile(file: string, text: string, newMode = 0o640): void {
  const place = existsSync(file) ? realpathSync(file) : file;
  const former = existsSync(place) ? statSync(place) : null;
  const temporary = join(dirname(place), `.${basename(place)}.${randomBytes(6).toString('hex')}`);
  const handle = openSync(temporary, 'wx', 0o600);
  try {
    try {
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    if (former !== null) giveTo(temporary, former);
    chmodSync(temporary, former === null ? newMode : former.mode & 0o777);
    renameSync(temporary, place);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(place));
}

/** A secret alone in its file: readable by its owner and nobody else, whatever it was before. */
export function replaceSecretFile(file: string, secret: string): void {
  const place = existsSync(file) ? realpathSync(file) : file;
  if (existsSync(place)) chmodIfOurs(place);
  else mkdirSync(dirname(place), { recursive: true, mode: 0o750 });
  replaceFile(place, `${secret}\n`, 0o600);
  chmodSync(place, 0o600);
}

function chmodIfOurs(file: string): void {
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

/** Who is not root may give a file to a group of his; else it becomes the service's own, which reads it. */
function giveTo(file: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const now = statSync(file);
  if (now.uid === uid && now.gid === gid) return;
  for (const owner of [uid, now.uid]) {
    try {
      chownSync(file, owner, gid);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The configuration file with its former states, which are kept apart from it because they may hold secrets. */
export class SettingsFile {
  readonly path: string;
  readonly #history: string;

  constructor(path: string, history: string) {
    this.path = path;
    this.#history = history;
  }

  /** A file that does not exist yet is empty. */
  read(): { readonly text: string; readonly hash: string } {
    const text = existsSync(this.path) ? readFileSync(this.path, 'utf8') : '';
    return { text, hash: hashOf(text) };
  }

  /** Keeps what was there and puts the text in its place. Throws `SettingsChanged` when that is not what `hash` names. */
  save(text: string, hash: string, now: Date): void {
    const { text: present, hash: found } = this.read();
    if (found !== hash) throw new SettingsChanged(`${this.path} was changed meanwhile by somebody else`);
    if (text === present) return;
    if (present !== '') this.#keep(present, now);
    replaceFile(this.path, text);
  }

  /** Newest first. */
  list(): readonly FormerSettings[] {
    if (!existsSync(this.#history)) return [];
    return readdirSync(this.#history)
      .filter((name) => name.endsWith('.yaml') && idForm.test(name.slice(0, -'.yaml'.length)))
      .sort()
      .reverse()
      .map((name) => {
        const id = name.slice(0, -'.yaml'.length);
        const savedAt = id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z).*$/, '$1-$2-$3T$4:$5:$6');
        return { id, savedAt: new Date(savedAt), bytes: statSync(join(this.#history, name)).size };
      });
  }

  /** Null when there is no such state. */
  readFormer(id: string): string | null {
    const file = join(this.#history, `${id}.yaml`);
    return idForm.test(id) && existsSync(file) ? readFileSync(file, 'utf8') : null;
  }

  #keep(text: string, now: Date): void {
    mkdirSync(this.#history, { recursive: true, mode: 0o700 });
    const newest = this.list()[0]?.savedAt.getTime() ?? 0;
    // Two in one millisecond, or a clock that was set back, must not change the order.
    const at = new Date(Math.max(now.getTime(), newest + 1));
    const id = `${at.toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(2).toString('hex')}`;
    replaceFile(join(this.#history, `${id}.yaml`), text, 0o600);
    for (const old of this.list().slice(keptVersions)) rmSync(join(this.#history, `${old.id}.yaml`), { force: true });
  }
}
