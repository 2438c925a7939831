/** What becomes of recordings in time: deleted by rule, by quota or on request, moved to the archive, originals removed. */
import { readFile, unlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { realpath } from 'node:fs/promises';
import type { Clock, CursorStore, Log } from '../core/ports.ts';
import { Rejected } from '../core/errors.ts';
import type { Recording } from '../core/recording.ts';
import { keepUntil, type RetentionRule } from '../core/recording/keep-until.ts';
import type { RecordingArchive } from './archive.ts';
import { ForbiddenFile, openBelow, type RecordingFinder } from './find.ts';
import type { ConvertedFolder } from './folder.ts';
import { inspectSound, isStillThat, UnreadableSound } from './sound-file.ts';
import type { RecordingStore } from './store.ts';

export interface RetentionSettings {
  readonly days: number | null;
  readonly rules: readonly RetentionRule[];
  readonly originals: 'keep' | 'remove';
  readonly quotaBytes: number | null;
  readonly whenFull: 'alarm' | 'remove-oldest';
  readonly archiveAfterMs: number;
}

export interface RetentionParts {
  readonly store: RecordingStore;
  readonly folder: ConvertedFolder;
  readonly archive: RecordingArchive | null;
  readonly finder: RecordingFinder;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: RetentionSettings;
}

const hour = 3_600_000;
const pageSize = 200;
/** Of the call's end; until then a late part of it may still turn up. */
const originalGraceMs = hour;
const rulesCursor = 'recordings:retention';

/** The system does not let this user delete it. */
const isRefusal = (error: unknown) =>
  ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');

/** Files that should be gone and may not be deleted, by the folder they lie in. */
export interface Undeletable {
  readonly folder: string;
  readonly count: number;
}

export class RecordingRetention {
  readonly #parts: RetentionParts;
  /** Path → its folder. */
  readonly #undeletable = new Map<string, string>();
  /** Of those, what the present round has not met yet; what it does not meet is gone or kept by now. */
  #unmet = new Set<string>();
  /** Clients that were to be forgotten, of whom something could not be deleted. */
  readonly #unforgotten = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;
  archiveTrouble: string | null = null;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(everyMs = 10 * 60_000): void {
    this.#isStopped = false;
    const round = () => {
      this.#round = this.#round
        .then(() => this.runOnce())
        .catch((error: unknown) => {
          this.#parts.log.error({ err: error }, 'Old recordings could not be looked after; it is tried again');
        });
    };
    this.#timer = setInterval(round, everyMs);
    round();
  }
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#round;
  }

  /** What the last round, or a request, could not delete for lack of rights; the folder with the most files first. */
  undeletable(): readonly Undeletable[] {
    const counts = new Map<string, number>();
    for (const folder of this.#undeletable.values()) counts.set(folder, (counts.get(folder) ?? 0) + 1);
    return [...counts].map(([folder, count]) => ({ folder, count })).sort((a, b) => b.count - a.count);
  }

  /** One round of everything. */
  async runOnce(): Promise<void> {
    this.#unmet = new Set(this.#undeletable.keys());
    for (const client of [...this.#unforgotten]) await this.#forget(client);
    await this.#applyRules();
    await this.#removeExpired();
    await this.#archiveOld();
    await this.#removeOriginals();
    if (!this.#isStopped) for (const path of this.#unmet) this.#undeletable.delete(path);
  }

  /**
   * Deletes everything recorded with this client, the PBX's own files included. Rejects when something could not be
   * deleted; for lack of rights only after all else is gone, and what is left is tried again with each round.
   */
  async forgetNumber(client: string): Promise<number> {
    const { removed, left } = await this.#forget(client);
    if (left > 0)
      throw new Rejected(
        `${left} of the recordings cannot be deleted: this user may not. ${removed} are gone. The status says which folder; ` +
          'once it is mended, the rest goes by itself within ten minutes.',
      );
    return removed;
  }

  async #forget(client: string): Promise<{ readonly removed: number; readonly left: number }> {
    const recordings = await this.#parts.store.ofClient(client);
    let left = 0;
    for (const recording of recordings) {
      const isGone =
        recording.path !== null && recording.root !== null
          ? await this.#removeFile(recording.root, recording.path, [recording])
          : recording.announcedPath === '' || (await this.#removeAnnounced(recording));
      if (!isGone || !(await this.#remove(recording, 'removed on request'))) left += 1;
    }
    if (left > 0) this.#unforgotten.add(client);
    else this.#unforgotten.delete(client);
    return { removed: recordings.length - left, left };
  }

  /** Removes the oldest until a tenth of the quota is free; false: it is not wanted, or nothing is left to remove. */
  async makeRoom(): Promise<boolean> {
    const { store, settings, clock } = this.#parts;
    if (settings.whenFull !== 'remove-oldest' || settings.quotaBytes === null) return false;
    let excess = (await store.convertedBytes()) - settings.quotaBytes * 0.9;
    while (excess > 0) {
      const oldest = await store.oldestConverted({ readyBefore: clock.now(), limit: pageSize });
      if (oldest.length === 0) return false;
      for (const recording of oldest) {
        if (excess <= 0) break;
        if (!(await this.#remove(recording, 'removed for newer ones: the quota was used up'))) return false;
        excess -= recording.mp3?.bytes ?? 0;
      }
    }
    return true;
  }

  /** Where the rules were changed, when each recording ends is reckoned anew. */
  async #applyRules(): Promise<void> {
    const { store, cursors, settings } = this.#parts;
    const rules = JSON.stringify([settings.days, settings.rules]);
    if ((await cursors.get(rulesCursor)) === rules) return;
    for (let after = ''; !this.#isStopped;) {
      const page = await store.page({ after, limit: 500 });
      for (const recording of page) {
        const until = keepUntil(settings, recording);
        if (until?.getTime() !== recording.keepUntil?.getTime()) await store.change(recording.id, { keepUntil: until });
      }
      if (page.length < 500) break;
      after = page.at(-1)!.id;
    }
    if (!this.#isStopped) await cursors.set(rulesCursor, rules);
  }

  async #removeExpired(): Promise<void> {
    const { store, clock } = this.#parts;
    for (let after = ''; ;) {
      const expired = await store.expired(clock.now(), { after, limit: pageSize });
      for (const recording of expired) {
        if (this.#isStopped) return;
        await this.#remove(recording, 'kept as long as the rules say');
      }
      if (expired.length < pageSize) return;
      after = expired.at(-1)!.id;
    }
  }

  async #archiveOld(): Promise<void> {
    const { store, folder, archive, settings, clock } = this.#parts;
    if (archive === null) return;
    const readyBefore = new Date(clock.now().getTime() - settings.archiveAfterMs);
    for (;;) {
      const old = await store.oldestConverted({ readyBefore, limit: pageSize });
      for (const recording of old) {
        if (this.#isStopped) return;
        const { name } = recording.mp3!;
        try {
          const content = await readFile(join(folder.path, name));
          await archive.put(name, content);
          if (!(await store.change(recording.id, { mp3: { name, bytes: content.length, isArchived: true } }))) {
            await archive.remove(name);
          }
          await folder.remove(name);
          this.archiveTrouble = null;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            // Somebody removed it; converted anew where the original is still there.
            await store.change(recording.id, { state: 'waiting', mp3: null, dueAt: clock.now() });
            continue;
          }
          this.archiveTrouble = error instanceof Error ? error.message : String(error);
          this.#parts.log.warn(
            { reason: this.archiveTrouble },
            'Recordings cannot be moved to the archive; they stay here',
          );
          return;
        }
      }
      if (old.length < pageSize) return;
    }
  }

  async #removeOriginals(): Promise<void> {
    const { store, clock, settings } = this.#parts;
    if (settings.originals !== 'remove') return;
    const endedBefore = new Date(clock.now().getTime() - originalGraceMs);
    for (let after = ''; ;) {
      const files = await store.spentFiles(endedBefore, { after, limit: pageSize });
      for (const { root, path } of files) {
        if (this.#isStopped) return;
        if (await this.#removeFile(root, path, await store.ofFile(path))) await store.forgetFile(path);
      }
      if (files.length < pageSize) return;
      after = files.at(-1)!.path;
    }
  }

  /** False: it could not be deleted for lack of rights, and stays. */
  async #remove(recording: Recording, reason: string): Promise<boolean> {
    const { store, folder, archive } = this.#parts;
    const { mp3 } = recording;
    if (mp3 !== null && mp3.isArchived) await archive?.remove(mp3.name);
    // Also one that is just being put there.
    const name = mp3?.name ?? folder.nameOf(recording);
    if (!(await this.#isDeleted(join(folder.path, name), () => folder.remove(name)))) return false;
    await store.remove(recording.id, reason);
    this.#parts.log.info({ recording: recording.id, reason }, 'A recording was removed');
    return true;
  }

  /** Notes what may not be deleted instead of failing with it: the rest is not to suffer. */
  async #isDeleted(path: string, remove: () => Promise<void>): Promise<boolean> {
    try {
      await remove();
      this.#undeletable.delete(path);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#undeletable.set(path, dirname(path));
      this.#unmet.delete(path);
      return false;
    }
  }

  /** The original of a recording that is still waited for, or that could not be read; false: it may not be deleted. */
  async #removeAnnounced({ announcedPath, startedAt }: Recording): Promise<boolean> {
    const { finder } = this.#parts;
    try {
      const opened = await finder.openFirst(finder.candidatesOf(announcedPath, startedAt));
      if (opened === null) return true;
      await opened.file.close();
      return await this.#isDeleted(opened.path, () => unlink(opened.path));
    } catch (error) {
      if (!(error instanceof ForbiddenFile)) throw error;
      return true;
    }
  }

  /** Only what may be opened may be deleted, and only while it is what these were made of; false: it may not be deleted. */
  async #removeFile(root: string, path: string, made: readonly Recording[]): Promise<boolean> {
    try {
      const opened = await openBelow(root, relative(await realpath(root), path));
      if (opened === null) return true;
      try {
        const sound = await inspectSound(
          opened.file,
          opened.extension,
          made.some(({ isInterleaved }) => isInterleaved),
        );
        if (!made.some((recording) => isStillThat(recording, sound))) return true;
      } catch (error) {
        if (!(error instanceof UnreadableSound)) throw error;
      } finally {
        await opened.file.close();
      }
      return await this.#isDeleted(opened.path, () => unlink(opened.path));
    } catch (error) {
      if (error instanceof ForbiddenFile || (error as NodeJS.ErrnoException).code === 'ENOENT') return true;
      throw error;
    }
  }
}
