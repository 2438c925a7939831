/** Where hooks are written: their files are read, put in place, taken out and put back as they were. */
import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access, lstat, mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Rejected } from '../core/errors.ts';
import { hookNames, type HookName } from '../core/hooks.ts';
import { Turns } from '../core/turns.ts';
import { createFile, replaceFile } from '../files/replace-file.ts';
import { findHooks, placeOf, plannedFile, type FoundHooks, type HookFile } from './hook-files.ts';
import { writeNewHook, type HookLanguage } from './new-hook.ts';
import { HookVersions, type HookVersion } from './versions.ts';

/** A hook's file as it is read. */
export interface DeskFile {
  readonly file: HookFile;
  /** Null: it is no text that a person could edit here. */
  readonly text: string | null;
  /** Changes with the content: who saves says what he began with. */
  readonly stamp: string;
}

/** Which hook, and for which CRM alone; null: for all. */
export interface HookPlace {
  readonly hook: HookName;
  readonly crm: string | null;
}

/** The file is not as it was when the writer began. */
export class ChangedMeanwhile extends Error {
  override readonly name = 'ChangedMeanwhile';
}

/** Longer hooks are written elsewhere. */
export const longestHookBytes = 256 * 1024;
const writableByAll = 0o002;

export class HookDesk {
  readonly folder: string;
  readonly #crms: readonly string[];
  readonly #versions: HookVersions;
  readonly #turns = new Turns();

  constructor(parts: { readonly folder: string; readonly versionsFolder: string; readonly crms: readonly string[] }) {
    this.folder = parts.folder;
    this.#crms = parts.crms;
    this.#versions = new HookVersions(parts.versionsFolder);
  }

  find(): Promise<FoundHooks> {
    return findHooks(this.folder, this.#crms);
  }

  /** Null: none is installed there. */
  async read(place: HookPlace): Promise<DeskFile | null> {
    this.#requirePlace(place);
    const file = (await this.find()).files.get(placeOf(place.hook, place.crm));
    if (file === undefined) return null;
    const content = await readFile(file.path);
    return { file, text: readText(content), stamp: stampOf(content) };
  }

  /** The file that a new hook of this language is to become. */
  draft(place: HookPlace, language: HookLanguage): { readonly file: HookFile; readonly text: string } {
    this.#requirePlace(place);
    const { fileName, text, isExecutable } = writeNewHook(place.hook, language);
    const path = join(this.#folderOf(place.crm), fileName);
    return { file: plannedFile({ ...place, path, isExecutable }), text };
  }

  /**
   * Puts the text where the file stands, whole or not at all. `basedOn`: the stamp that the writer began with; null: there was no file.
   * Rejects with `ChangedMeanwhile`, or with `Rejected` when nothing can be written.
   */
  async save(file: HookFile, text: string, basedOn: string | null): Promise<void> {
    if (Buffer.byteLength(text) > longestHookBytes)
      throw new Rejected(`A hook may have at most ${longestHookBytes / 1024} KB here.`);
    await this.#turns.take(file.path, () =>
      inWords(file.path, () => (basedOn === null ? create(file, text) : replace(file, text, basedOn))),
    );
  }

  /** Takes the hook out: the file stays beside, with `.off` after its name. */
  async switchOff(place: HookPlace, basedOn: string): Promise<string> {
    const { file } = await this.#requireFile(place);
    return this.#turns.take(file.path, () =>
      inWords(file.path, async () => {
        await requireUnchanged(file.path, basedOn);
        const kept = `${file.path}.off`;
        await rename(file.path, kept);
        return kept;
      }),
    );
  }

  /** Oldest first. */
  versions(place: HookPlace): Promise<readonly HookVersion[]> {
    this.#requirePlace(place);
    return this.#versions.list(placeOf(place.hook, place.crm));
  }

  /** A kept version: the file that it would be again, and its text. */
  async version(
    place: HookPlace,
    id: string,
  ): Promise<{ readonly version: HookVersion; readonly file: HookFile; readonly text: string }> {
    const version = (await this.versions(place)).find((one) => one.id === id);
    if (version === undefined) throw new Rejected(`${placeOf(place.hook, place.crm)} has no kept version ${id}.`);
    const path = join(this.#folderOf(place.crm), version.fileName);
    const file: HookFile = { ...place, path, kind: version.kind, stamp: '' };
    return { version, file, text: await readFile(join(version.folder, version.fileName), 'utf8') };
  }

  /** Puts a kept version back in place. `basedOn` as with `save`; left out: whatever stands there now. */
  async restore(place: HookPlace, id: string, basedOn?: string | null): Promise<HookFile> {
    const { file, text } = await this.version(place, id);
    const present = await this.read(place);
    if (present !== null && present.file.path !== file.path)
      throw new Rejected(`${present.file.path} stands in its place; take it out first.`);
    // A file that is not taken as it is, say for its rights, stands there all the same.
    const stamp = present?.stamp ?? (await stampOfFile(file.path));
    await this.save(file, text, basedOn === undefined ? stamp : basedOn);
    return file;
  }

  /** Why nothing can be saved; null: it can. */
  async findObstacle(): Promise<string | null> {
    for (let folder = this.folder; ; folder = dirname(folder)) {
      try {
        await access(folder, constants.W_OK | constants.X_OK);
        return null;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' || dirname(folder) === folder)
          return describeObstacle(this.folder, code) || `${this.folder} cannot be written.`;
      }
    }
  }

  #folderOf(crm: string | null): string {
    return crm === null ? this.folder : join(this.folder, crm);
  }

  async #requireFile(place: HookPlace): Promise<DeskFile> {
    const found = await this.read(place);
    if (found === null) throw new Rejected(`${placeOf(place.hook, place.crm)} is not installed.`);
    return found;
  }

  /** Names of files are made of these two, and of nothing else that comes from outside. */
  #requirePlace({ hook, crm }: HookPlace): void {
    if (!hookNames.includes(hook)) throw new Rejected(`There is no hook ${hook}.`);
    if (crm === null) return;
    if (!this.#crms.includes(crm)) throw new Rejected(`There is no CRM ${crm}; they are: ${this.#crms.join(', ')}.`);
    if (crm.startsWith('.') || basename(crm) !== crm) throw new Rejected(`${crm} cannot be the name of a folder.`);
  }
}

export const stampOf = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');
const stampOfFile = async (path: string) => {
  const content = await readFile(path).catch(() => null);
  return content === null ? null : stampOf(content);
};

/** Null for what is no text, or too long for an editor. */
function readText(content: Buffer): string | null {
  if (content.length > longestHookBytes || content.includes(0)) return null;
  const text = content.toString('utf8');
  return Buffer.from(text).equals(content) ? text : null;
}

async function create(file: HookFile, text: string): Promise<void> {
  await makeFolder(dirname(file.path));
  try {
    // Never takes the place of a file that somebody else has just made.
    await createFile(file.path, { content: text, mode: file.kind === 'executable' ? 0o755 : 0o644 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new ChangedMeanwhile(`${file.path} exists already.`);
  }
}

/** With those above it. Node's own way never ends where a folder cannot be made though the one above is there, as in /proc. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    await makeFolder(dirname(folder));
    await mkdir(folder);
  }
}

async function replace(file: HookFile, text: string, basedOn: string): Promise<void> {
  const details = await lstat(file.path).catch(() => null);
  if (details?.isSymbolicLink() === true)
    throw new Rejected(`${file.path} is a link to a file elsewhere; change it there.`);
  await requireUnchanged(file.path, basedOn);
  const mode = (details?.mode ?? 0o644) & 0o777 & ~writableByAll;
  await replaceFile(file.path, {
    content: text,
    mode: file.kind === 'executable' ? mode | 0o100 : mode,
    confirm: () => requireUnchanged(file.path, basedOn),
  });
}

async function requireUnchanged(path: string, basedOn: string): Promise<void> {
  const stamp = await stampOfFile(path);
  if (stamp === basedOn) return;
  throw new ChangedMeanwhile(
    stamp === null ? `${path} was taken out meanwhile.` : `${path} was changed by somebody else meanwhile.`,
  );
}

async function inWords<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new Rejected(describeObstacle(dirname(path), code) || `${path} cannot be written: ${message}`, {
      cause: error,
    });
  }
}

function describeObstacle(folder: string, code: string | undefined): string {
  if (code === 'EROFS')
    return `The service may not write to ${folder}: it is read only for it. With systemd: ReadWritePaths=-${folder} in the unit, and the folder must exist.`;
  if (code === 'EACCES' || code === 'EPERM')
    return `The service may not write to ${folder}: give it the right, e.g. chgrp ringledger ${folder} && chmod 2770 ${folder}.`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return `The disk of ${folder} is full.`;
  return code === 'ENOTDIR' ? `${folder} is no folder.` : '';
}
