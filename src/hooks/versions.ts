/** The working versions of each hook: what runs is run from here, so that saving a file changes nothing until it has passed. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile, chmod } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { putFolderInPlace } from '../files/replace-file.ts';
import { momentOfState, nameState } from '../files/state-names.ts';
import type { HookFile, HookFileKind } from './hook-files.ts';

export interface HookVersion {
  /** `20261121T094500.123Z-1f3a5b7c`: when it was kept, and the beginning of its hash; sorts by time. */
  readonly id: string;
  readonly keptAt: Date;
  readonly kind: HookFileKind;
  readonly hash: string;
  /** The name of the file that was saved; a copy of it stands in the folder. */
  readonly fileName: string;
  /** The folder that holds it. */
  readonly folder: string;
  /** What is run: the compiled module, or the copy of the file. */
  readonly entry: string;
}

const keptVersions = 20;
const isId = (name: string) => momentOfState(name) !== null;
const described = z.object({
  keptAt: z.iso.datetime(),
  kind: z.enum(['module', 'action', 'executable']),
  hash: z.string(),
  file: z.string(),
  entry: z.string(),
});

export class HookVersions {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Of one place, oldest first; what cannot be read is passed over. */
  async list(place: string): Promise<readonly HookVersion[]> {
    const folder = this.#folderOf(place);
    const ids = (await readdir(folder).catch(() => [])).filter(isId).sort();
    const versions = await Promise.all(ids.map((id) => readVersion(join(folder, id))));
    return versions.flatMap((version) => version ?? []);
  }

  /**
   * Sets out what is to be tried, in a folder that `keep` makes a version and `drop` removes. The same content as the
   * newest version is that version. `text`: as if this stood in the file.
   */
  async prepare(file: HookFile, compiled: string | null, now: Date, text?: string): Promise<HookVersion> {
    const content = text ?? (await readFile(file.path));
    const hash = createHash('sha256')
      .update(compiled ?? content)
      .digest('hex');
    const place = file.crm === null ? file.hook : `${file.crm}/${file.hook}`;
    const newest = (await this.list(place)).at(-1);
    if (newest?.hash === hash && newest.kind === file.kind && basename(newest.entry) === entryName(file, compiled)) {
      await linkNeighbours(file, newest.folder);
      return newest;
    }
    const above = this.#folderOf(place);
    await mkdir(above, { recursive: true, mode: 0o750 });
    const { name: id, at: keptAt } = nameState({ now, newest: newest?.keptAt ?? null, mark: hash.slice(0, 8) });
    const folder = join(above, `.trial-${randomBytes(4).toString('hex')}`);
    await mkdir(folder, { mode: 0o750 });
    const copy = join(folder, basename(file.path));
    if (text === undefined) await copyFile(file.path, copy);
    else await writeFile(copy, text);
    await chmod(copy, file.kind === 'executable' ? 0o750 : 0o640);
    if (compiled !== null) await writeFile(join(folder, entryName(file, compiled)), compiled, { mode: 0o640 });
    await linkNeighbours(file, folder);
    const entry = entryName(file, compiled);
    await writeFile(
      join(folder, 'version.json'),
      JSON.stringify({ keptAt: keptAt.toISOString(), kind: file.kind, hash, file: basename(file.path), entry }),
    );
    return { id, keptAt, kind: file.kind, hash, fileName: basename(file.path), folder, entry: join(folder, entry) };
  }

  /** The trial has passed. The oldest versions beyond the last twenty go. */
  async keep(trial: HookVersion): Promise<HookVersion> {
    const above = dirname(trial.folder);
    const folder = join(above, trial.id);
    if (folder !== trial.folder) await putFolderInPlace(trial.folder, folder);
    const ids = (await readdir(above)).filter(isId).sort();
    for (const id of ids.slice(0, -keptVersions)) await rm(join(above, id), { recursive: true, force: true });
    return { ...trial, folder, entry: join(folder, basename(trial.entry)) };
  }

  /** The trial has failed. A kept version stays. */
  async drop(trial: HookVersion): Promise<void> {
    if (isId(basename(trial.folder))) return;
    await rm(trial.folder, { recursive: true, force: true });
  }

  #folderOf(place: string): string {
    const [crm, hook] = place.includes('/') ? place.split('/') : [null, place];
    return crm === null ? join(this.#folder, 'all', hook!) : join(this.#folder, 'crm', crm!, hook!);
  }
}

function entryName(file: HookFile, compiled: string | null): string {
  return compiled === null ? basename(file.path) : `${file.hook}.compiled.mjs`;
}

/** Files beside the hook are found beside its copy as well. */
export async function linkNeighbours(file: Pick<HookFile, 'kind' | 'path'>, folder: string): Promise<void> {
  if (file.kind === 'module') return;
  const home = dirname(resolve(file.path));
  for (const name of await readdir(home).catch(() => [])) {
    if (name === basename(file.path) || name === 'version.json') continue;
    await symlink(join(home, name), join(folder, name)).catch(() => undefined);
  }
}

async function readVersion(folder: string): Promise<HookVersion | null> {
  try {
    const { keptAt, kind, hash, file, entry } = described.parse(
      JSON.parse(await readFile(join(folder, 'version.json'), 'utf8')),
    );
    return {
      id: basename(folder),
      keptAt: new Date(keptAt),
      kind,
      hash,
      fileName: basename(file),
      folder,
      entry: join(folder, basename(entry)),
    };
  } catch {
    return null;
  }
}
