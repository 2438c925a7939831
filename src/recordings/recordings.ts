/** Recordings as the house uses them: found, converted, linked, given to the CRMs, kept. */
import type { Knex } from 'knex';
import type { DeliveryHandler } from '../core/delivery/crm-loop.ts';
import type { Hooks } from '../core/hooks.ts';
import type {
  CallStore,
  CallWatcher,
  Clock,
  CrmAdapter,
  CursorStore,
  LedgerReader,
  Log,
  NumberPlan,
  PartStatus,
} from '../core/ports.ts';
import type { Recording, RecordingAnswer, RecordingContent, RecordingDoor } from '../core/recording.ts';
import { ensureSecretFile } from '../files/secret-file.ts';
import { createS3Archive } from './archive.ts';
import { createRecordingHandler, withRecordingLinks } from './attach.ts';
import type { RecordingsConfig } from './config.ts';
import { openConverted, openOriginal } from './content.ts';
import { RecordingFinder } from './find.ts';
import { ConvertedFolder } from './folder.ts';
import { RecordingKeeper } from './keeper.ts';
import { isRecordingId, RecordingLinks } from './links.ts';
import { RecordingRetention, type Undeletable } from './retention.ts';
import { RecordingStore } from './store.ts';

export interface RecordingsParts {
  readonly config: RecordingsConfig;
  readonly db: Knex;
  readonly calls: Pick<CallStore, 'load'>;
  readonly cursors: CursorStore;
  readonly plan: NumberPlan;
  readonly hooks: Pick<Hooks, 'process_record_file_path'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The phone system's. */
  readonly timeZone: string;
  /** Where browsers reach this server. */
  readonly publicUrl: () => string;
  /** Of the converted recordings, where the configuration names none. */
  readonly folder: string;
  /** Of the secret for links, where the configuration has none. */
  readonly secretFile: string;
  /** The CRMs that take links. */
  readonly crms: readonly string[];
  /** Called when a link became owed to a CRM. */
  readonly announce: () => void;
}

export interface Recordings {
  /** Looks after recordings until `stop`; on several nodes one at a time does. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly watcher: CallWatcher;
  readonly door: RecordingDoor;
  /** Attaches links in this CRM. */
  deliveryHandler(crm: CrmAdapter): DeliveryHandler;
  /** The ledger with links in place of paths, as this CRM is told it. */
  ledgerFor(crm: CrmAdapter, ledger: LedgerReader): LedgerReader;
  status(): Promise<readonly PartStatus[]>;
}

const playSpanMs = 60_000;
/** So long after a change on another node a link may still be answered as before. */
const recentMs = 1_000;
const dayMs = 86_400_000;
const megabyte = 1_000_000;

export function createRecordings(parts: RecordingsParts): Recordings {
  const { config, clock, log } = parts;
  const store = new RecordingStore({ db: parts.db, now: () => clock.now() });
  const folder = new ConvertedFolder(config.folder ?? parts.folder);
  const secrets = config.links.secrets.map(({ secret }) => secret);
  const [first = ensureSecretFile(parts.secretFile, { what: 'secret', atLeast: 32 }), ...older] = secrets;
  const { expireDays } = config.links;
  const links = new RecordingLinks({ publicUrl: parts.publicUrl, secrets: [first, ...older], expireDays });
  const archive = config.archive === null ? null : createS3Archive(config.archive);
  const { keep } = config;
  const quotaBytes = keep.quotaMegabytes === null ? null : keep.quotaMegabytes * megabyte;
  const finder = new RecordingFinder({
    roots: config.roots.map(({ asteriskPath, path }) => ({ asteriskPath: asteriskPath ?? path, path })),
    templates: config.templates,
    timeZone: parts.timeZone,
  });
  const retention = new RecordingRetention({
    store,
    finder,
    folder,
    archive,
    cursors: parts.cursors,
    clock,
    log,
    settings: { ...keep, quotaBytes, archiveAfterMs: (config.archive?.afterDays ?? 0) * dayMs },
  });
  const keeper = new RecordingKeeper({
    store,
    calls: parts.calls,
    plan: parts.plan,
    hooks: parts.hooks,
    finder,
    transcoder: {
      // Loaded for the first recording that is converted.
      toMp3: async (work) => (await import('./convert.ts')).createTranscoder(config.convert).toMp3(work),
    },
    folder,
    clock,
    log,
    crms: parts.crms,
    announce: parts.announce,
    makeRoom: () => retention.makeRoom(),
    settings: {
      ...config.convert,
      minFreeBytes: keep.minFreeMegabytes * megabyte,
      quotaBytes,
      retention: keep,
      lookBackMs: 7 * dayMs,
    },
  });

  const attach = (crm: CrmAdapter) => ({ crm, store, links, clock });
  return {
    async start() {
      await keeper.start();
      retention.start();
    },
    async stop() {
      await keeper.stop();
      await retention.stop();
    },
    watcher: {
      onStage(stage, call) {
        if (stage === 'call_ended') keeper.callEnded(call);
      },
    },
    door: createDoor({
      ...parts,
      store,
      links,
      retention,
      open: createOpener({ folder, archive, store, clock, keeper }),
    }),
    deliveryHandler: (crm) => createRecordingHandler(attach(crm)),
    ledgerFor: (crm, ledger) => withRecordingLinks(ledger, attach(crm)),
    status: async () => [await describeState({ store, keeper, retention, quotaBytes })],
  };
}

/** Opens what is served of a recording: what was asked for if it is there, else what there is. */
function createOpener(of: {
  readonly folder: ConvertedFolder;
  readonly archive: ReturnType<typeof createS3Archive> | null;
  readonly store: RecordingStore;
  readonly clock: Clock;
  readonly keeper: RecordingKeeper;
}) {
  return async (recording: Recording, wantsOriginal: boolean): Promise<RecordingContent | null> => {
    if (wantsOriginal) return openOriginal(recording);
    const converted = await openConverted(of, recording);
    if (converted !== null || recording.state !== 'ready' || recording.mp3?.isArchived !== false)
      return converted ?? openOriginal(recording);
    // Somebody removed it from the folder: it is made anew, and the original is heard meanwhile.
    if (await of.store.loseConverted(recording, of.clock.now())) return openOriginal(recording);
    // Or it has gone to the archive since this was read.
    const now = await of.store.find(recording.id);
    if (now === null || (now.state !== 'ready' && now.state !== 'original')) return null;
    return (await openConverted(of, now)) ?? openOriginal(now);
  };
}

function createDoor(
  parts: RecordingsParts & {
    readonly store: RecordingStore;
    readonly links: RecordingLinks;
    readonly retention: RecordingRetention;
    readonly open: ReturnType<typeof createOpener>;
  },
): RecordingDoor {
  const { store, links, retention, clock, log, open } = parts;
  const lastPlays = new Map<string, number>();
  const recent = new Map<string, { readonly recording: Recording; readonly at: number }>();

  /** A player asks for many parts one after another: what was read for one does for those of the next moment. */
  async function find(id: string): Promise<Recording | null> {
    const now = performance.now();
    const known = recent.get(id);
    if (known !== undefined && now - known.at < recentMs) return known.recording;
    recent.delete(id);
    const recording = await store.find(id);
    if (recording?.state === 'ready') {
      recent.set(id, { recording, at: now });
      if (recent.size > 500) recent.delete(recent.keys().next().value!);
    }
    return recording;
  }

  async function answer(recording: Recording, wantsOriginal: boolean): Promise<RecordingAnswer> {
    switch (recording.state) {
      case 'waiting':
        return { kind: 'not-ready', retryAfterSeconds: retryAfter(recording, clock.now()) };
      case 'removed':
      case 'missing':
      case 'empty':
        return { kind: recording.state };
      case 'unreadable':
        return { kind: 'missing' };
      case 'ready':
      case 'original': {
        const content = await open(recording, wantsOriginal);
        if (content === null) recent.delete(recording.id);
        if (content !== null) return { kind: 'content', recording, content };
        return recording.state === 'original' && recording.dueAt !== null && !wantsOriginal
          ? { kind: 'not-ready', retryAfterSeconds: retryAfter(recording, clock.now()) }
          : { kind: 'missing' };
      }
    }
  }

  return {
    async open(id, query) {
      const check = links.check(id, query, clock.now());
      if (check.result === 'bad') return { kind: 'not-found' };
      const recording = await find(id);
      if (recording === null) return { kind: 'not-found' };
      if (recording.state === 'removed') return { kind: 'removed' };
      if (check.version !== recording.linkVersion) return { kind: 'revoked' };
      if (check.result === 'expired') return { kind: 'expired' };
      return answer(recording, query['original'] !== undefined);
    },
    async played(recording, play) {
      const key = `${recording.id} ${play.address} ${play.forwardedFor ?? ''}`;
      const now = performance.now();
      const last = lastPlays.get(key);
      lastPlays.delete(key);
      lastPlays.set(key, now);
      if (lastPlays.size > 5000) lastPlays.delete(lastPlays.keys().next().value!);
      if (last !== undefined && now - last < playSpanMs) return;
      log.info(
        { recording: recording.id, linkedId: recording.linkedId, address: play.address },
        'A recording is played',
      );
      await store.addPlay(recording.id, play);
    },
    ofCall: async (source, linkedId) => {
      const [stored] = await parts.calls.load(source, [linkedId]);
      return store.ofCall(source, stored?.linkedIds ?? [linkedId]);
    },
    find: (id) => (isRecordingId(id) ? store.find(id) : Promise.resolve(null)),
    plays: (id) => store.plays(id),
    linkOf: (recording) => links.linkOf(recording, clock.now()),
    async revokeLinks(id) {
      if (!isRecordingId(id) || !(await store.revokeLinks(id))) return null;
      recent.delete(id);
      return store.find(id);
    },
    async forgetNumber(number) {
      const removed = await retention.forgetNumber(number);
      recent.clear();
      return { removed };
    },
  };
}

const countOf = (undeletable: readonly Undeletable[]) => undeletable.reduce((sum, { count }) => sum + count, 0);

function explainUndeletable(undeletable: readonly Undeletable[]): string {
  const [first, ...others] = undeletable as [Undeletable, ...Undeletable[]];
  const more = others.length === 0 ? '' : ` and ${countOf(others)} in ${others.length} more`;
  const shared =
    undeletable
      .map(({ folder }) => folder.split('/'))
      .reduce(commonStart)
      .join('/') || '/';
  return (
    `What should be deleted may not be by this user: ${first.count} in the folder ${first.folder}${more}. ` +
    `setfacl -R -m u:ringledger:rwX,d:u:ringledger:rwX ${shared}; with systemd also ReadWritePaths=${shared}. ` +
    'It is tried again every ten minutes.'
  );
}

function commonStart(a: readonly string[], b: readonly string[]): string[] {
  const length = a.findIndex((part, index) => part !== b[index]);
  return a.slice(0, length === -1 ? a.length : length);
}

function retryAfter({ dueAt }: Recording, now: Date): number {
  const ms = dueAt === null ? 60_000 : dueAt.getTime() - now.getTime();
  return Math.min(300, Math.max(2, Math.ceil(ms / 1000)));
}

async function describeState(of: {
  readonly store: RecordingStore;
  readonly keeper: RecordingKeeper;
  readonly retention: RecordingRetention;
  readonly quotaBytes: number | null;
}): Promise<PartStatus> {
  const counts = await of.store.counts();
  const bytes = await of.store.convertedBytes();
  const details = { counts: Object.fromEntries(counts), convertedMegabytes: Math.round(bytes / megabyte) };
  const part = 'recordings';
  const { trouble } = of.keeper;
  if (trouble !== null) {
    const advice = {
      missing: 'Originals are served meanwhile. Install it: apt install ffmpeg, or set recordings.convert.program.',
      full: 'Originals are served meanwhile. Make room, or change recordings.keep; it goes on by itself.',
      expired: '',
      failed: 'The originals of those are served.',
      database: 'It is tried again by itself.',
    }[trouble.kind];
    const health = trouble.kind === 'full' || trouble.kind === 'database' ? 'error' : 'warning';
    return { part, health, message: `${trouble.message}. ${advice}`, ...details };
  }
  const undeletable = of.retention.undeletable();
  if (undeletable.length > 0)
    return {
      part,
      health: 'warning',
      message: explainUndeletable(undeletable),
      ...details,
      undeletable: countOf(undeletable),
    };
  const { archiveTrouble } = of.retention;
  if (archiveTrouble !== null)
    return { part, health: 'warning', message: `${archiveTrouble}. Recordings stay on this disk.`, ...details };
  if (of.quotaBytes !== null && bytes >= of.quotaBytes * 0.9) {
    const used = Math.round((bytes / of.quotaBytes) * 100);
    const message = `${used} % of the quota are used. Raise recordings.keep.quotaMegabytes, or keep them for fewer days.`;
    return { part, health: 'warning', message, ...details };
  }
  const waiting = counts.get('waiting') ?? 0;
  const message = waiting === 0 ? 'All are converted or accounted for' : `${waiting} are waited for or converted now`;
  return { part, health: 'ok', message, ...details };
}
