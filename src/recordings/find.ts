/** From what a phone system calls a file to the file itself, and never to anything else. */
import { constants } from 'node:fs';
import { lstat, open, readdir, realpath, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join, posix, sep } from 'node:path';
import type { Call, Conversation } from '../core/call.ts';
import { soundExtensions } from './sound-file.ts';

/** A folder as the phone system names it, and where this machine has it. */
export interface RecordingRoot {
  readonly asteriskPath: string;
  readonly path: string;
}

/** A place to look: below a root, never above it. */
export interface Candidate {
  readonly root: RecordingRoot;
  /** Relative, normalised, without `..`. */
  readonly below: string;
}

export interface OpenedRecording {
  readonly root: string;
  readonly path: string;
  readonly extension: string;
  readonly file: FileHandle;
}

/** There is something, but it must not be served; in words for people. */
export class ForbiddenFile extends Error {
  override readonly name = 'ForbiddenFile';
}

/** What is written within this is found at the next look. */
const listingMs = 1_000;

const isPathText = (text: string) => text !== '' && text.length < 4096 && !/[\0-\x1f]/.test(text);

/** Normalised and relative; null when it leads out. */
function stayBelow(path: string): string | null {
  if (!isPathText(path)) return null;
  const below = posix.normalize(path).replace(/^\/+/, '');
  return below === '' || below === '.' || below === '..' || below.startsWith('../') ? null : below;
}

export interface FinderSettings {
  readonly roots: readonly RecordingRoot[];
  /** Where recordings lie that nothing announces; see `docs/recordings.md`. */
  readonly templates: readonly string[];
  /** The phone system's, for the dates in paths. */
  readonly timeZone: string;
}

export class RecordingFinder {
  readonly #settings: FinderSettings;
  readonly #date: Intl.DateTimeFormat;
  /** Folder → its names, of this moment: one listing does for all calls that are looked for in it. */
  readonly #listings = new Map<string, { readonly at: number; readonly names: Promise<readonly string[]> }>();

  constructor(settings: FinderSettings) {
    this.#settings = settings;
    this.#date = new Intl.DateTimeFormat('en-CA', {
      timeZone: settings.timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    });
  }

  /** Places of a file that was announced, the likeliest first; empty when it lies outside of all roots. */
  candidatesOf(announced: string, startedAt: Date): Candidate[] {
    if (!isPathText(announced)) return [];
    if (announced.startsWith('/')) {
      const path = posix.normalize(announced);
      return this.#settings.roots.flatMap((root) => {
        const asteriskPath = posix.normalize(root.asteriskPath).replace(/\/$/, '');
        if (!path.startsWith(`${asteriskPath}/`)) return [];
        const below = stayBelow(path.slice(asteriskPath.length + 1));
        return below === null ? [] : [{ root, below }];
      });
    }
    const { year, month, day } = this.#dateParts(startedAt);
    const places = [announced, `${year}/${month}/${day}/${posix.basename(announced)}`];
    // A path that is not absolute is one below `monitor` to Asterisk.
    const below = [...places, ...places.map((place) => `monitor/${place}`)].map(stayBelow);
    return this.#settings.roots.flatMap((root) =>
      [...new Set(below)].flatMap((one) => (one === null ? [] : [{ root, below: one }])),
    );
  }

  /** The first of the places that holds a file, opened; null when none does. @throws ForbiddenFile */
  async openFirst(candidates: readonly Candidate[]): Promise<OpenedRecording | null> {
    let refusal: ForbiddenFile | null = null;
    for (const candidate of candidates) {
      // Most of these places do not exist, and they are looked at again and again while a file is late.
      if (await isAbsent(join(candidate.root.path, dirname(candidate.below)))) continue;
      for (const below of withOtherExtensions(candidate.below)) {
        if (await isAbsent(join(candidate.root.path, below))) continue;
        try {
          const opened = await openBelow(candidate.root.path, below);
          if (opened !== null) return opened;
        } catch (error) {
          if (!(error instanceof ForbiddenFile)) throw error;
          refusal ??= error;
        }
      }
    }
    if (refusal !== null) throw refusal;
    return null;
  }

  /** As the templates say, for a call without an announced file. */
  async findByTemplate(call: Call, conversation: Conversation | null): Promise<OpenedRecording | null> {
    for (const template of this.#settings.templates) {
      for (const pattern of this.#expand(template, call, conversation)) {
        for (const root of this.#settings.roots) {
          for (const below of await this.#listMatches(root.path, pattern)) {
            const opened = await openBelow(root.path, below);
            if (opened !== null) return opened;
          }
        }
      }
    }
    return null;
  }

  /** Names below the root that fit; `*` stands for anything within the last part of the path. */
  async #listMatches(root: string, pattern: string): Promise<string[]> {
    const folder = posix.dirname(pattern);
    const name = posix.basename(pattern);
    if (folder.includes('*')) return [];
    if (!name.includes('*')) return [pattern];
    const fits = new RegExp(
      `^${name
        .split('*')
        .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
    );
    const names = await this.#list(join(root, folder));
    return names
      .filter((one) => fits.test(one) && (soundExtensions as readonly string[]).includes(extname(one).slice(1)))
      .sort()
      .map((one) => posix.join(folder, one));
  }

  #list(folder: string): Promise<readonly string[]> {
    const at = performance.now();
    const known = this.#listings.get(folder);
    if (known !== undefined && at - known.at < listingMs) return known.names;
    for (const [path, listing] of this.#listings) if (at - listing.at >= listingMs) this.#listings.delete(path);
    const names = readdir(folder).catch(() => []);
    this.#listings.set(folder, { at, names });
    return names;
  }

  #expand(template: string, call: Call, conversation: Conversation | null): string[] {
    const ids = new Set([...(conversation === null ? [] : [conversation.uniqueId]), ...call.linkedIds]);
    const moments = new Set([call.startedAt, ...(conversation === null ? [] : [conversation.requestedAt])]);
    const patterns = new Set<string>();
    for (const uniqueid of ids) {
      for (const moment of moments) {
        const values: Record<string, string> = {
          ...this.#dateParts(moment),
          uniqueid,
          linkedid: call.linkedId,
          extension: conversation?.extension ?? '',
          client: call.client?.replace(/^\+/, '') ?? '',
          did: call.did ?? '',
          direction: { inbound: 'in', outbound: 'out', internal: 'internal' }[call.direction],
        };
        // Names and numbers come from outside: nothing in them may become a folder or a wildcard.
        const text = template.replace(/\{\{(\w+)\}\}/g, (_all, name: string) =>
          (values[name] ?? '').replace(/[^0-9A-Za-z.+_-]/g, '_'),
        );
        const below = stayBelow(text);
        if (below !== null) patterns.add(below);
      }
    }
    return [...patterns];
  }

  #dateParts(at: Date): Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', string> {
    const parts = new Map(this.#date.formatToParts(at).map(({ type, value }) => [type as string, value]));
    const part = (name: string) => parts.get(name) ?? '';
    return {
      year: part('year'),
      month: part('month'),
      day: part('day'),
      hour: part('hour'),
      minute: part('minute'),
      second: part('second'),
    };
  }
}

/** The name itself, then the same with what a PBX or a script that follows it makes of it. */
function withOtherExtensions(below: string): string[] {
  const extension = extname(below).slice(1);
  const isSound = (soundExtensions as readonly string[]).includes(extension) || extension.toLowerCase() === 'wav49';
  const stem = isSound ? below.slice(0, -extension.length - 1) : below;
  const others = soundExtensions.filter((one) => one !== extension).map((one) => `${stem}.${one}`);
  return isSound ? [below, ...others] : others;
}

const absent: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);

async function isAbsent(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return absent.has((error as NodeJS.ErrnoException).code);
  }
}

/**
 * Opens a regular file that really lies below the root; null when nothing is there. The path may change between any two
 * looks, so what was opened is compared with what was looked at.
 */
export async function openBelow(root: string, below: string): Promise<OpenedRecording | null> {
  const extension = extname(below).slice(1);
  if (!(soundExtensions as readonly string[]).includes(extension)) return null;
  if (stayBelow(below) === null) throw new ForbiddenFile('the path leads out of its folder');
  let file: FileHandle | null = null;
  try {
    const realRoot = await realpath(root);
    const path = join(realRoot, below);
    const realFolder = await realpath(dirname(path));
    if (realFolder !== realRoot && !realFolder.startsWith(realRoot + sep))
      throw new ForbiddenFile('a link leads out of its folder');
    const realPath = join(realFolder, basename(path));
    const seen = await lstat(realPath);
    if (!seen.isFile()) throw new ForbiddenFile('it is no regular file');
    // Also the way to somebody else's file.
    if (seen.nlink !== 1) throw new ForbiddenFile('the file has further names (hard links)');
    file = await open(realPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const opened = await file.stat();
    const isSame = opened.isFile() && opened.dev === seen.dev && opened.ino === seen.ino;
    if (!isSame || (await realpath(realPath)) !== realPath) throw new ForbiddenFile('it changed while it was opened');
    const found = { root, path: realPath, extension, file };
    file = null;
    return found;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (absent.has(code)) return null;
    if (code === 'ELOOP') throw new ForbiddenFile('it is a link');
    if (code === 'EACCES' || code === 'EPERM') throw new ForbiddenFile('this user may not read it');
    throw error;
  } finally {
    await file?.close();
  }
}
