/** What becomes of recordings in time: deleted by rule, by quota or on request, moved to the archive, originals removed. */
import { readFile, unlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { realpath } from 'node:fs/promises';
import type { Clock, CursorStore, Log } from '../core/ports.ts';
import { keepUntil, type Recording, type RetentionRule } from '../core/recording.ts';
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

export class RecordingRetention {
  readonly #parts: RetentionParts;
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

  /** One round of everything. */
  async runOnce(): Promise<void> {
    await this.#applyRules();
    await this.#removeExpired();
    await this.#archiveOld();
    await this.#removeOriginals();
  }

  /** Deletes everything recorded with this client, the PBX's own files included. Rejects when something could not be deleted. */
  async forgetNumber(client: string): Promise<number> {
    const recordings = await this.#parts.store.ofClient(client);
    for (const recording of recordings) {
      if (recording.path !== null && recording.root !== null)
        await this.#removeFile(recording.root, recording.path, [recording]);
      else if (recording.announcedPath !== '') await this.#removeAnnounced(recording);
      await this.#remove(recording, 'removed on request');
    }
    return recordings.length;
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
        await this.#remove(recording, 'removed for newer ones: the quota was used up');
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
      const page = await store.page(after, 500);
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
    for (;;) {
      const expired = await store.expired(clock.now(), pageSize);
      for (const recording of expired) {
        if (this.#isStopped) return;
        await this.#remove(recording, 'kept as long as the rules say');
      }
      if (expired.length < pageSize) return;
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
    for (;;) {
      const files = await store.spentFiles(new Date(clock.now().getTime() - originalGraceMs), pageSize);
      for (const { root, path } of files) {
        if (this.#isStopped) return;
        await this.#removeFile(root, path, await store.ofFile(path));
        await store.forgetFile(path);
      }
      if (files.length < pageSize) return;
    }
  }

  async #remove(recording: Recording, reason: string): Promise<void> {
    const { store, folder, archive } = this.#parts;
    const { mp3 } = recording;
    if (mp3 !== null && mp3.isArchived) await archive?.remove(mp3.name);
    // Also one that is just being put there.
    await folder.remove(mp3?.name ?? folder.nameOf(recording));
    await store.remove(recording.id, reason);
    this.#parts.log.info({ recording: recording.id, reason }, 'A recording was removed');
  }

  /** The original of a recording that is still waited for, or that could not be read. */
  async #removeAnnounced({ announcedPath, startedAt }: Recording): Promise<void> {
    const { finder } = this.#parts;
    try {
      const opened = await finder.openFirst(finder.candidatesOf(announcedPath, startedAt));
      if (opened === null) return;
      await opened.file.close();
      await unlink(opened.path);
    } catch (error) {
      if (!(error instanceof ForbiddenFile)) throw error;
    }
  }

  /** Only what may be opened may be deleted, and only while it is what these were made of. */
  async #removeFile(root: string, path: string, made: readonly Recording[]): Promise<void> {
    try {
      const opened = await openBelow(root, relative(await realpath(root), path));
      if (opened === null) return;
      try {
        const sound = await inspectSound(opened.file, opened.extension);
        if (!made.some((recording) => isStillThat(recording, sound))) return;
      } catch (error) {
        if (!(error instanceof UnreadableSound)) throw error;
      } finally {
        await opened.file.close();
      }
      await unlink(opened.path);
    } catch (error) {
      if (error instanceof ForbiddenFile || (error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
  }
}
