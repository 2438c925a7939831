import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../core/ports.ts';
import { addHeader, readFolder, writeFolder } from './files.ts';
import { hasSameFiles, listVersions, saveVersion, type Version } from './history.ts';
import { parseDialplan, parseShownContext, type ShownStep } from './parse.ts';
import type { RenderedFile } from './render.ts';

/** What applying needs of Asterisk; the control session gives it. */
export interface DialplanControl {
  /** `dialplan reload`; resolves when Asterisk has done it. */
  reload(): Promise<void>;
  /**
   * What Asterisk prints for `dialplan show NAME`. AMI answers with an error when there is no such context; that too
   * resolves, with the text or empty.
   */
  showContext(name: string): Promise<string>;
}

export interface Installation {
  /** The folder of the generated files. */
  readonly folder: string;
  readonly historyFolder: string;
  readonly clock: Clock;
  /** Null: Asterisk cannot be asked; files are written, and somebody else reloads. */
  readonly control: DialplanControl | null;
}

/** Why the dialplan was not changed. Nothing was written. */
export class ApplyRefused extends Error {
  override readonly name = 'ApplyRefused';
  /** Because of files that somebody else wrote or changed: `isForced` would replace them. */
  readonly isAboutForeignFiles: boolean;
  constructor(message: string, options: { readonly isAboutForeignFiles: boolean } = { isAboutForeignFiles: false }) {
    super(message);
    this.isAboutForeignFiles = options.isAboutForeignFiles;
  }
}

/** Asterisk did not load what was written. */
export class ApplyFailed extends Error {
  override readonly name = 'ApplyFailed';
  /** True: the files are as before and Asterisk has loaded them again. */
  readonly isRolledBack: boolean;
  constructor(message: string, options: { readonly isRolledBack: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.isRolledBack = options.isRolledBack;
  }
}

export interface Applied {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Contexts that were read back from Asterisk and are as written; null: Asterisk was not asked. */
  readonly verifiedContexts: number | null;
  readonly version: string;
}

/**
 * Puts the rendered files into force: keeps what was there, writes, reloads, reads every context back from Asterisk. When
 * Asterisk does not show what was written, the former files are put back and reloaded, and `ApplyFailed` is thrown.
 * Throws `ApplyRefused` when the folder holds files that somebody else wrote or changed, unless `isForced`; those are then
 * kept as a version.
 */
export async function applyDialplan(
  rendered: readonly RenderedFile[],
  installation: Installation,
  options: { readonly isForced: boolean },
): Promise<Applied> {
  const files = new Map(rendered.map((file) => [file.name, addHeader(file)]));
  const { historyFolder, clock } = installation;
  return withLock(historyFolder, async () => {
    const applied = await putInForce(files, installation, options);
    const version = await saveVersion(historyFolder, { savedAt: clock.now(), origin: 'applied', files });
    return { ...applied, version: version.id };
  });
}

/**
 * Puts an earlier version into force: the one named, else the one before the version that is in force now. Throws as
 * `applyDialplan` does, and `ApplyRefused` when there is no such version.
 */
export async function rollBackDialplan(
  installation: Installation,
  options: { readonly isForced: boolean; readonly version: string | null },
): Promise<Applied> {
  return withLock(installation.historyFolder, async () => {
    const versions = listVersions(installation.historyFolder);
    const version =
      options.version === null
        ? versionBefore(installation.folder, versions)
        : versions.find(({ id }) => id === options.version);
    if (version === undefined) {
      throw new ApplyRefused(
        options.version === null
          ? 'there is no earlier version to go back to'
          : `there is no version '${options.version}'`,
      );
    }
    return { ...(await putInForce(version.files, installation, options)), version: version.id };
  });
}

/** Two at once would each take the other's files for the former state. A lock of a process that is gone is taken over. */
async function withLock<T>(historyFolder: string, action: () => Promise<T>): Promise<T> {
  mkdirSync(historyFolder, { recursive: true, mode: 0o750 });
  const lock = join(historyFolder, '.lock');
  const take = () => writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o640 });
  try {
    take();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const owner = Number(readFileSync(lock, 'utf8'));
    if (isRunning(owner)) throw new ApplyRefused(`the dialplan is being applied already (process ${owner}, ${lock})`);
    rmSync(lock, { force: true });
    take();
  }
  try {
    return await action();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function versionBefore(folder: string, versions: readonly Version[]): Version | undefined {
  const now = new Map(readFolder(folder).map(({ name, text }) => [name, text]));
  const current = versions.findLastIndex(({ files }) => hasSameFiles(files, now));
  // A folder in a state that was never kept was changed by hand: the newest version is the one before that.
  return current === -1 ? versions.at(-1) : versions[current - 1];
}

async function putInForce(
  files: ReadonlyMap<string, string>,
  { folder, historyFolder, clock, control }: Installation,
  { isForced }: { readonly isForced: boolean },
): Promise<Omit<Applied, 'version'>> {
  const before = readFolder(folder);
  const notOurs = before.filter(({ state }) => state !== 'generated');
  if (notOurs.length > 0 && !isForced) {
    const list = notOurs.map(
      ({ name, state }) => `${name} (${state === 'edited' ? 'changed by hand' : 'not generated'})`,
    );
    throw new ApplyRefused(
      `${folder} holds what would be lost: ${list.join(', ')}. Move it elsewhere, put it into a template of your own, or use --force`,
      { isAboutForeignFiles: true },
    );
  }
  const former = new Map(before.map(({ name, text }) => [name, text]));
  const versions = listVersions(historyFolder);
  const isKept = versions.some((version) => hasSameFiles(version.files, former));
  if (former.size > 0 && !isKept) {
    await saveVersion(historyFolder, {
      savedAt: clock.now(),
      origin: notOurs.length > 0 ? 'found' : 'applied',
      files: former,
    });
  }
  try {
    await writeFolder(folder, files);
  } catch (error) {
    // A disk that is full may have taken some of the files; Asterisk must never load a mixture.
    if (former.size > 0 || readFolder(folder).length > 0) await writeFolder(folder, former);
    throw error;
  }
  const verifiedContexts = control === null ? null : await loadOrRestore(files, former, folder, control);
  return {
    written: [...files].filter(([name, text]) => former.get(name) !== text).map(([name]) => name),
    removed: [...former.keys()].filter((name) => !files.has(name)),
    verifiedContexts,
  };
}

async function loadOrRestore(
  files: ReadonlyMap<string, string>,
  former: ReadonlyMap<string, string>,
  folder: string,
  control: DialplanControl,
): Promise<number> {
  let faults: readonly string[];
  let cause: unknown = null;
  try {
    await control.reload();
    faults = await findUnloaded(files, control);
  } catch (error) {
    cause = error;
    faults = [`Asterisk could not be asked: ${(error as Error).message}`];
  }
  if (faults.length === 0) return contextsOf(files).size;
  await writeFolder(folder, former);
  const told = `Asterisk did not load the new dialplan: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? `; and ${faults.length - 5} more` : ''}.`;
  try {
    await control.reload();
  } catch (error) {
    throw new ApplyFailed(
      `${told} The former files are back, but Asterisk could not be told so (${(error as Error).message}): run "asterisk -rx 'dialplan reload'"`,
      { isRolledBack: false, cause },
    );
  }
  throw new ApplyFailed(`${told} The former dialplan is in force again.`, { isRolledBack: true, cause });
}

const contextsOf = (files: ReadonlyMap<string, string>) =>
  parseDialplan([...files].map(([name, text]) => ({ name, text }))).contexts;

/** What Asterisk does not show as it stands in the files; steps of other files in the same contexts are nobody's business here. */
async function findUnloaded(files: ReadonlyMap<string, string>, control: DialplanControl): Promise<string[]> {
  const faults: string[] = [];
  for (const context of contextsOf(files).values()) {
    if (context.steps.length === 0) continue;
    const shown = parseShownContext(await control.showContext(context.name), context.name);
    if (shown === null) {
      faults.push(`there is no context ${context.name}`);
      continue;
    }
    const loaded = new Map(shown.map((step) => [`${step.exten},${step.priority}`, step]));
    for (const { exten, priority, app, args } of context.steps) {
      const step = loaded.get(`${exten},${priority}`);
      if (step === undefined) faults.push(`${context.name},${exten},${priority} is missing`);
      else if (!isShownAs(step, `${app}(${args})`))
        faults.push(`${context.name},${exten},${priority} is ${step.call} and should be ${app}(${args})`);
    }
  }
  return faults;
}

/** `dialplan show` cuts a step at 255 bytes of "priority. App(args)". */
function isShownAs({ call, priority }: ShownStep, expected: string): boolean {
  if (call === expected) return true;
  const length = Buffer.byteLength(`${priority}. ${call}`);
  return length >= 250 && expected.startsWith(call);
}
