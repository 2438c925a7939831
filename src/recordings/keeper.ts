/** Looks for the recordings of ended calls until they are whole, and has them converted. One node at a time does this. */
import { relative } from 'node:path';
import { realpath } from 'node:fs/promises';
import type { Call } from '../core/call.ts';
import type { Hooks } from '../core/hooks.ts';
import type { CallStore, Clock, Log, NumberPlan, Transcoder } from '../core/ports.ts';
import { ConversionFailed, type Recording } from '../core/recording.ts';
import {
  findCallRecordings,
  isRecordable,
  type AnnouncedFile,
  type CallRecordings,
  type ConversationFiles,
} from '../core/recording/call-recordings.ts';
import { judgeFile, type FileLook } from '../core/recording/judge-file.ts';
import { keepUntil, type RetentionRule } from '../core/recording/keep-until.ts';
import { planPart } from '../core/recording/plan-part.ts';
import { ForbiddenFile, openBelow, type OpenedRecording, type RecordingFinder } from './find.ts';
import type { ConvertedFolder } from './folder.ts';
import { newRecordingId } from './links.ts';
import {
  durationOf,
  inspectSound,
  isStillThat,
  lookAt,
  plainOf,
  readSlice,
  sliceSound,
  UnreadableSound,
  type SoundFile,
} from './sound-file.ts';
import type { NewRecording, RecordingChange, RecordingStore, UnseenCall } from './store.ts';

export interface KeeperSettings {
  readonly workers: number;
  readonly timeoutMs: number;
  readonly slowTimeoutMs: number;
  readonly minFreeBytes: number;
  readonly quotaBytes: number | null;
  readonly retention: { readonly days: number | null; readonly rules: readonly RetentionRule[] };
  /** Ended calls of this time are looked at again after a start. */
  readonly lookBackMs: number;
}

export interface KeeperParts {
  readonly store: RecordingStore;
  readonly calls: Pick<CallStore, 'load'>;
  readonly plan: NumberPlan;
  readonly hooks: Pick<Hooks, 'process_record_file_path'>;
  readonly finder: RecordingFinder;
  readonly transcoder: Transcoder;
  readonly folder: ConvertedFolder;
  readonly clock: Clock;
  readonly log: Log;
  /** The CRMs that links are owed to. */
  readonly crms: readonly string[];
  /** Called when a link became owed. */
  readonly announce: () => void;
  /** Makes room when the quota is used up; false: it could not. */
  readonly makeRoom: () => Promise<boolean>;
  readonly settings: KeeperSettings;
}

const minute = 60_000;
/** Calls that are read from the ledger at once. */
const batchSize = 100;
/** When a conversion that broke off is tried again. */
const retryAfterMs = [minute, 10 * minute, 60 * minute];
const sweepEveryMs = minute;
const longestRestMs = 2_000;

/** What the last conversions say of the machine. */
export interface KeeperTrouble {
  readonly kind: ConversionFailed['kind'] | 'database';
  readonly message: string;
}

export class RecordingKeeper {
  readonly #parts: KeeperParts;
  readonly #looks = new Map<string, FileLook>();
  readonly #inWork = new Map<string, Promise<void>>();
  readonly #slowInWork = new Set<string>();
  #ended: UnseenCall[] = [];
  #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #endRest: () => void = () => undefined;
  #isWoken = false;
  #sweptAt = -Infinity;
  trouble: KeeperTrouble | null = null;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#sweptAt = -Infinity;
    await this.#parts.folder.prepare();
    this.#loop = this.#run();
  }

  /** Takes nothing new; conversions under way are broken off and begin anew after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#endRest();
    await this.#loop;
    await Promise.all(this.#inWork.values());
  }

  /** A call has ended and stands in the ledger. */
  callEnded(call: Call): void {
    const { clock, settings } = this.#parts;
    const isOld = call.endedAt !== null && clock.now().getTime() - call.endedAt.getTime() > settings.lookBackMs;
    if (isOld || !call.conversations.some(isRecordable)) return;
    this.#ended.push({ source: call.source, linkedId: call.linkedId });
    this.#wake();
  }

  #wake(): void {
    this.#isWoken = true;
    this.#endRest();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#isWoken = false;
      let restMs = longestRestMs;
      try {
        await this.#sweep();
        await this.#takeEnded();
        await this.#beginDue();
        restMs = await this.#restMs();
        if (this.trouble?.kind === 'database') this.trouble = null;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (this.trouble?.kind !== 'database')
          this.#parts.log.error({ err: error }, 'Recordings cannot be looked after');
        this.trouble = { kind: 'database', message };
      }
      if (this.#isWoken || this.#stopping.signal.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, restMs);
        this.#endRest = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async #restMs(): Promise<number> {
    if (this.#inWork.size - this.#slowInWork.size >= this.#parts.settings.workers) return longestRestMs;
    const next = await this.#parts.store.nextDueAt();
    if (next === null) return longestRestMs;
    return Math.min(longestRestMs, Math.max(50, next.getTime() - this.#parts.clock.now().getTime()));
  }

  /** Calls whose end nobody told us, because the service was down. */
  async #sweep(): Promise<void> {
    const at = performance.now();
    if (at - this.#sweptAt < sweepEveryMs) return;
    const { store, clock, settings } = this.#parts;
    const now = clock.now().getTime();
    const lookBackMs =
      this.#sweptAt === -Infinity ? settings.lookBackMs : Math.min(settings.lookBackMs, 24 * 60 * minute);
    const calls = await store.unseenCalls(new Date(now - lookBackMs), 500);
    this.#ended.push(...calls);
    const isMoreOwed = await store.oweForgotten(new Date(now - lookBackMs), this.#parts.crms);
    if (isMoreOwed || (await store.reviveSkipped()) > 0) this.#parts.announce();
    this.#sweptAt = calls.length < 500 ? at : at - sweepEveryMs + 2_000;
  }

  async #takeEnded(): Promise<void> {
    while (this.#ended.length > 0 && !this.#stopping.signal.aborted) {
      const { source } = this.#ended[0]!;
      const batch = this.#ended.filter((one) => one.source === source).slice(0, batchSize);
      const linkedIds = [...new Set(batch.map(({ linkedId }) => linkedId))];
      const stored = await this.#parts.calls.load(source, linkedIds);
      const expected = stored.flatMap((call) => this.#expected(findCallRecordings(call, this.#parts.plan)));
      await this.#parts.store.add(expected);
      this.#ended = this.#ended.filter((one) => !batch.includes(one));
    }
  }

  /** What should be there of an ended call; without an announcement, a file where the templates say. */
  #expected(found: CallRecordings | null): NewRecording[] {
    if (found === null || found.call.endedAt === null) return [];
    return found.conversations.flatMap((conversation) => {
      const files = conversation.files.length === 0 ? [{ path: '', spans: [] }] : conversation.files;
      return files.map((file, position) => this.#describe(found, { file, position, conversation }));
    });
  }

  #describe(
    { call }: CallRecordings,
    of: { file: AnnouncedFile; position: number; conversation: ConversationFiles | null },
  ): NewRecording {
    const { clock, settings } = this.#parts;
    const conversation = of.conversation?.conversation ?? null;
    const about = {
      direction: call.direction,
      extension: conversation?.extension ?? null,
      did: call.did,
      startedAt: conversation?.answeredAt ?? conversation?.requestedAt ?? call.startedAt,
    };
    return {
      ...about,
      id: newRecordingId(),
      source: call.source,
      linkedId: call.linkedId,
      uniqueId: conversation?.uniqueId ?? null,
      position: of.position,
      client: call.client,
      callEndedAt: call.endedAt ?? clock.now(),
      announcedPath: of.file.path,
      keepUntil: keepUntil(settings.retention, about),
      dueAt: clock.now(),
    };
  }

  async #beginDue(): Promise<void> {
    const { store, clock, settings } = this.#parts;
    const now = clock.now();
    const free = settings.workers - (this.#inWork.size - this.#slowInWork.size);
    const fast = free <= 0 ? [] : await store.due(now, { slow: false, limit: free + this.#inWork.size });
    for (const one of fast.filter(({ id }) => !this.#inWork.has(id)).slice(0, free)) this.#begin(one, false);
    if (this.#slowInWork.size > 0) return;
    const [slow] = await store.due(now, { slow: true, limit: 1 });
    if (slow !== undefined && !this.#inWork.has(slow.id)) this.#begin(slow, true);
  }

  #begin(recording: Recording, isSlow: boolean): void {
    if (isSlow) this.#slowInWork.add(recording.id);
    const { store, clock, log } = this.#parts;
    const done = this.#process(recording)
      .catch(async (error: unknown) => {
        log.error({ recording: recording.id, err: error }, 'A recording could not be looked after; it is tried again');
        const reason = error instanceof Error ? error.message : String(error);
        await store
          .change(recording.id, { reason, dueAt: new Date(clock.now().getTime() + minute) })
          .catch(() => undefined);
      })
      .finally(() => {
        this.#inWork.delete(recording.id);
        this.#slowInWork.delete(recording.id);
        this.#wake();
      });
    this.#inWork.set(recording.id, done);
  }

  async #process(recording: Recording): Promise<void> {
    const { store, clock } = this.#parts;
    const [stored] = await this.#parts.calls.load(recording.source, [recording.linkedId]);
    const found = stored === undefined ? null : findCallRecordings(stored, this.#parts.plan);
    // A file that was announced late is one more.
    const known = (await store.ofCall(recording.source, found?.call.linkedIds ?? [])).map(({ uniqueId, position }) =>
      [uniqueId, position].join(),
    );
    await store.add(
      this.#expected(found).filter(({ uniqueId, position }) => !known.includes([uniqueId, position].join())),
    );
    const conversation = found?.conversations.find((one) => one.conversation.uniqueId === recording.uniqueId) ?? null;
    if (found === null || (recording.uniqueId !== null && conversation === null)) {
      await store.change(recording.id, {
        state: 'missing',
        reason: 'the ledger has no such talk any more',
        dueAt: null,
      });
      return;
    }
    const file =
      recording.uniqueId === null
        ? { path: recording.announcedPath, spans: [] }
        : (conversation!.files[recording.position] ?? { path: recording.announcedPath, spans: [] });
    let opened: OpenedRecording | null = null;
    try {
      opened = await openKnown(recording);
      const named = opened === null ? await this.#nameOf(found, { file, conversation }) : file.path;
      opened ??= await this.#open(recording, found, { named, conversation });
      let sound = opened === null ? null : await inspectSound(opened.file, opened.extension, file.isInterleaved);
      // Converted before and lost: another sound in its file's place is not it.
      if (sound !== null && recording.peaks !== null && !isStillThat(recording, sound)) sound = null;
      const look = sound === null ? null : lookAt(sound, performance.now());
      const sinceEndMs = Math.max(0, clock.now().getTime() - recording.callEndedAt.getTime());
      const judgement = judgeFile(this.#looks.get(recording.id) ?? null, look, sinceEndMs, named !== '');
      if (judgement.state !== 'complete') {
        this.#remember(recording.id, look);
        const { state, reason, lookAgainMs } = judgement;
        const change = { state, reason, announcedPath: file.path, dueAt: this.#in(lookAgainMs) };
        if (state === 'waiting') await store.change(recording.id, change);
        else await this.#giveUp(recording, change);
        return;
      }
      this.#looks.delete(recording.id);
      await this.#settle(recording, { found, conversation, file, opened: opened!, sound: sound! });
    } catch (error) {
      if (!(error instanceof UnreadableSound) && !(error instanceof ForbiddenFile)) throw error;
      this.#parts.log.warn(
        { recording: recording.id, path: file.path, reason: error.message },
        'A recording is refused',
      );
      // Settings and rights may be mended.
      const isOld = clock.now().getTime() - recording.callEndedAt.getTime() > this.#parts.settings.lookBackMs;
      const dueAt = isOld ? null : this.#in(60 * minute);
      await this.#giveUp(recording, { state: 'unreadable', reason: error.message, announcedPath: file.path, dueAt });
    } finally {
      await opened?.file.close();
    }
  }

  /** There is none, as far as can be said now; another file of the talk may be its recording then. */
  async #giveUp(recording: Recording, change: RecordingChange): Promise<void> {
    const { store, crms, announce } = this.#parts;
    await store.settle(recording, change, crms);
    if (recording.state === 'waiting') announce();
  }

  /** Keeps the first look at an unchanged file, so that the time it has not changed adds up. */
  #remember(id: string, look: FileLook | null): void {
    const known = this.#looks.get(id);
    if (look === null) this.#looks.delete(id);
    else if (known === undefined || known.bytes !== look.bytes || known.isClosed !== look.isClosed)
      this.#looks.set(id, look);
  }

  #in(ms: number | null): Date | null {
    return ms === null ? null : new Date(this.#parts.clock.now().getTime() + ms);
  }

  /** What the phone system announced, as the hook has it; empty: nothing. */
  async #nameOf(
    { call }: CallRecordings,
    of: { file: AnnouncedFile; conversation: ConversationFiles | null },
  ): Promise<string> {
    const conversation = of.conversation?.conversation ?? null;
    return this.#parts.hooks.process_record_file_path({ call, conversation, path: of.file.path });
  }

  async #open(
    recording: Recording,
    { call }: CallRecordings,
    of: { named: string; conversation: ConversationFiles | null },
  ): Promise<OpenedRecording | null> {
    const { finder } = this.#parts;
    if (of.named !== '') {
      const candidates = finder.candidatesOf(of.named, call.startedAt);
      if (candidates.length === 0) throw new ForbiddenFile(`${of.named} lies outside of recordings.roots`);
      const opened = await finder.openFirst(candidates);
      if (opened !== null) return opened;
    }
    return recording.position === 0 ? finder.findByTemplate(call, of.conversation?.conversation ?? null) : null;
  }

  /** The file is whole: its part is converted, or else the original stands in. */
  async #settle(
    recording: Recording,
    of: {
      readonly found: CallRecordings;
      readonly conversation: ConversationFiles | null;
      readonly file: AnnouncedFile;
      readonly opened: OpenedRecording;
      readonly sound: SoundFile;
    },
  ): Promise<void> {
    const { store, clock, crms, announce, log } = this.#parts;
    const { found, conversation, file, opened, sound } = of;
    const writtenMs = file.spans.reduce((sum, span) => sum + span.to - span.from, 0);
    const part =
      conversation === null
        ? null
        : planPart({
            file,
            conversation: conversation.conversation,
            others: found.conversations,
            durationMs: durationOf(sound) ?? writtenMs,
          });
    if (part !== null) {
      await store.add([{ ...this.#describe(found, { file, position: 0, conversation: null }) }]);
      this.#wake();
    }
    const known: RecordingChange = {
      announcedPath: file.path,
      isInterleaved: file.isInterleaved === true,
      path: opened.path,
      root: opened.root,
      part,
      readyAt: recording.readyAt ?? clock.now(),
    };
    try {
      const made = await this.#convert(recording, { opened, sound, part });
      const ready: RecordingChange = { ...known, ...made, state: 'ready', reason: null, dueAt: null };
      // Removed while it was converted: nothing of it may stay.
      if (!(await store.settle(recording, ready, crms))) await this.#parts.folder.remove(made.mp3!.name);
      if (this.trouble?.kind !== 'database') this.trouble = null;
    } catch (error) {
      if (!(error instanceof ConversionFailed)) throw error;
      // Told to stop: the next start begins anew.
      if (this.#stopping.signal.aborted) return;
      const { kind, message } = error;
      log.warn({ recording: recording.id, path: opened.path, kind, reason: message }, 'A recording is served as it is');
      if (kind !== 'expired') this.trouble = { kind, message };
      const attempts = recording.attempts + (kind === 'missing' || kind === 'full' ? 0 : 1);
      await store.settle(
        recording,
        {
          ...known,
          durationMs: part === null ? durationOf(sound) : part.toMs - part.fromMs,
          state: 'original',
          reason: message,
          attempts,
          dueAt:
            kind === 'missing' || kind === 'full' ? this.#in(5 * minute) : this.#in(retryAfterMs[attempts - 1] ?? null),
        },
        crms,
      );
    }
    if (crms.length > 0) announce();
  }

  async #convert(
    recording: Recording,
    of: {
      readonly opened: OpenedRecording;
      readonly sound: SoundFile;
      readonly part: { readonly fromMs: number; readonly toMs: number } | null;
    },
  ): Promise<Pick<Recording, 'mp3' | 'durationMs' | 'peaks'>> {
    const { folder, transcoder, settings } = this.#parts;
    await this.#requireRoom();
    const { opened, sound } = of;
    const slice = sliceSound(sound, of.part);
    const name = folder.nameOf(recording);
    let output = '';
    try {
      output = await folder.makeRoom(recording.id);
      const { durationMs, peaks } = await transcoder.toMp3({
        input: {
          container: sound.container,
          channels: sound.channels,
          part: slice.isWhole ? of.part : null,
          plain: plainOf(sound, slice),
          open: () => readSlice(opened.file, slice),
        },
        output,
        timeoutMs: recording.attempts === 0 ? settings.timeoutMs : settings.slowTimeoutMs,
        signal: this.#stopping.signal,
      });
      const bytes = await folder.take(output, name);
      return { mp3: { name, bytes, isArchived: false }, durationMs, peaks };
    } catch (error) {
      if (output !== '') await folder.removeMade(output);
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT') throw new ConversionFailed('full', 'the disk is full');
      throw error;
    }
  }

  async #requireRoom(): Promise<void> {
    const { store, folder, settings, makeRoom } = this.#parts;
    if ((await folder.freeBytes()) < settings.minFreeBytes)
      throw new ConversionFailed(
        'full',
        `less than ${Math.round(settings.minFreeBytes / 1e6)} MB are free on the disk`,
      );
    if (settings.quotaBytes === null || (await store.convertedBytes()) < settings.quotaBytes) return;
    if (!(await makeRoom())) throw new ConversionFailed('full', 'the quota of recordings is used up');
  }
}

/** Where it was found before, if it still is there. */
async function openKnown({ root, path }: Recording): Promise<OpenedRecording | null> {
  return path === null || root === null ? null : openBelow(root, await belowRoot(root, path));
}

async function belowRoot(root: string, path: string): Promise<string> {
  return relative(await realpath(root).catch(() => root), path);
}
