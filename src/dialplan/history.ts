import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../files/replace-file.ts';
import { momentOfState, nameState } from '../files/state-names.ts';

/** One state of the folder that was in force, or that was found there and replaced. */
export interface Version {
  /** `20261121T085300.123Z-1f3a`; sorts by time. */
  readonly id: string;
  readonly savedAt: Date;
  /** `applied` by us; `found` in the folder and not ours, kept before it was replaced. */
  readonly origin: 'applied' | 'found';
  /** File name → text with header. */
  readonly files: ReadonlyMap<string, string>;
}

const keptVersions = 20;
const stored = z.strictObject({
  savedAt: z.iso.datetime(),
  origin: z.enum(['applied', 'found']),
  files: z.record(z.string().regex(/^[^/\0]+\.conf$/), z.string()),
});

/** All versions, oldest first. A file that cannot be read as one is passed over. */
export function listVersions(folder: string): Version[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && momentOfState(name.slice(0, -'.json'.length)) !== null)
    .sort()
    .flatMap((name) => {
      const parsed = stored.safeParse(readJson(join(folder, name)));
      if (!parsed.success) return [];
      const { savedAt, origin, files } = parsed.data;
      return [
        {
          id: name.slice(0, -'.json'.length),
          savedAt: new Date(savedAt),
          origin,
          files: new Map(Object.entries(files)),
        },
      ];
    });
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** Keeps a state of the folder, and of all of them the last twenty. The same state as the newest one is not kept twice. */
export async function saveVersion(folder: string, version: Omit<Version, 'id'>): Promise<Version> {
  const newest = listVersions(folder).at(-1);
  if (newest !== undefined && hasSameFiles(newest.files, version.files)) return newest;
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const { name: id, at } = nameState({
    now: version.savedAt,
    newest: newest?.savedAt ?? null,
    mark: randomBytes(2).toString('hex'),
  });
  const content = JSON.stringify({
    savedAt: at.toISOString(),
    origin: version.origin,
    files: Object.fromEntries(version.files),
  });
  await replaceFile(join(folder, `${id}.json`), { content, mode: 0o640 });
  for (const old of listVersions(folder).slice(0, -keptVersions))
    rmSync(join(folder, `${old.id}.json`), { force: true });
  return { ...version, id, savedAt: at };
}

/** True when both hold the same files with the same texts. */
export function hasSameFiles(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, text]) => other.get(name) === text);
}
