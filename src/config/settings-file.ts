import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { giveTo } from '../files/owner.ts';
import { replaceFile } from '../files/replace-file.ts';
import { momentOfState, nameState } from '../files/state-names.ts';

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

/** Puts the text in the place of the file's, or of the file that the link leads to. Mode and, where it may, owner stay. */
export async function replaceText(file: string, text: string, newMode = 0o640): Promise<void> {
  const place = existsSync(file) ? realpathSync(file) : file;
  const former = existsSync(place) ? statSync(place) : null;
  await replaceFile(place, {
    content: text,
    mode: former === null ? newMode : former.mode & 0o777,
    // A file that cannot be given to its former group becomes the service's own, which reads it.
    prepare: async (path) => void (former !== null && (await giveTo(path, former))),
  });
}

/** A secret alone in its file: readable by its owner and nobody else, whatever it was before. */
export async function replaceSecretFile(file: string, secret: string): Promise<void> {
  const place = existsSync(file) ? realpathSync(file) : file;
  if (existsSync(place)) chmodIfOurs(place);
  else mkdirSync(dirname(place), { recursive: true, mode: 0o750 });
  await replaceText(place, `${secret}\n`, 0o600);
  chmodSync(place, 0o600);
}

function chmodIfOurs(file: string): void {
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
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

  /**
   * Keeps what was there and puts the text in its place. Rejects with `SettingsChanged` when that is not what `hash` names.
   * Whoever saves waits until an earlier save has ended: it looks once, at the beginning.
   */
  async save(text: string, hash: string, now: Date): Promise<void> {
    const { text: present, hash: found } = this.read();
    if (found !== hash) throw new SettingsChanged(`${this.path} was changed meanwhile by somebody else`);
    if (text === present) return;
    if (present !== '') await this.#keep(present, now);
    await replaceText(this.path, text);
  }

  /** Newest first. */
  list(): readonly FormerSettings[] {
    if (!existsSync(this.#history)) return [];
    return readdirSync(this.#history)
      .filter((name) => name.endsWith('.yaml'))
      .sort()
      .reverse()
      .flatMap((name) => {
        const id = name.slice(0, -'.yaml'.length);
        const savedAt = momentOfState(id);
        return savedAt === null ? [] : [{ id, savedAt, bytes: statSync(join(this.#history, name)).size }];
      });
  }

  /** Null when there is no such state. */
  readFormer(id: string): string | null {
    const file = join(this.#history, `${id}.yaml`);
    return momentOfState(id) !== null && existsSync(file) ? readFileSync(file, 'utf8') : null;
  }

  async #keep(text: string, now: Date): Promise<void> {
    mkdirSync(this.#history, { recursive: true, mode: 0o700 });
    const newest = this.list()[0]?.savedAt ?? null;
    const { name } = nameState({ now, newest, mark: randomBytes(2).toString('hex') });
    await replaceText(join(this.#history, `${name}.yaml`), text, 0o600);
    for (const old of this.list().slice(keptVersions)) rmSync(join(this.#history, `${old.id}.yaml`), { force: true });
  }
}
