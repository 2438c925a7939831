import { setTimeout as delay } from 'node:timers/promises';
import type { PbxEvent } from '../core/pbx-event.ts';
import type { Log, PartStatus, PbxEventSink } from '../core/ports.ts';
import { isUnavailable } from './errors.ts';
import { SpoolFile } from './spool-file.ts';

/** One line of the file. `snapshot` is what `resynced` was given, its set as a list. */
type SpooledStep =
  | { readonly events: readonly PbxEvent[] }
  | { readonly snapshot: Omit<Snapshot, 'uniqueIds'> & { readonly uniqueIds: readonly string[] } };
type Snapshot = Parameters<PbxEventSink['resynced']>[0];

export interface SpoolOptions {
  /** Where the events go: the tracker. It may reject while the database is away, or not answer until it is back. */
  readonly sink: PbxEventSink;
  /** On the local disk, in a folder that exists. */
  readonly path: string;
  readonly log: Log;
  /** A step that is not durable after this is written to the file; a second. */
  readonly patienceMs?: number;
  /** How often a sink that rejects is tried again; two seconds. */
  readonly retryMs?: number;
}

/** A sink that does not lose what the database cannot take. */
export interface Spool extends PbxEventSink {
  /** Replays what an earlier run left behind, in the background. To be called before the first event. */
  start(): Promise<void>;
  /** To be called after the readers have stopped and before the tracker does. What is not saved stays in the file. */
  stop(): Promise<void>;
  status(): PartStatus;
}

/**
 * What CEL and CDR tell stands in a file already. Their readers wait for the database: acknowledged before that, the
 * stored position would move past events that only this node has, and a node that takes over would never see them.
 */
const standsInFile = (event: PbxEvent) => event.origin === 'cel' || event.origin === 'cdr';

/**
 * Stands between the readers and the tracker. A step that the tracker cannot make durable in time is written to a file
 * and synced, and then acknowledged; what follows goes to the file alone, so that readers go on and nothing piles up in
 * memory. Meanwhile the file is replayed in order from its beginning, one step at a time, which goes on as soon as the
 * database takes it; when the end is reached the way leads past the file again. Steps that reach the tracker twice are
 * saved once. A step that fails for another reason than the database is set aside in `<path>.refused`, never lost.
 */
export function createSpool({ sink, path, log, patienceMs = 1_000, retryMs = 2_000 }: SpoolOptions): Spool {
  const file = new SpoolFile(path);
  const refusals = new SpoolFile(`${path}.refused`);
  const stopping = new AbortController();
  const stopped = new Promise<false>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(false));
  });
  /** True from the first line written until the file is removed. */
  let isSpooling = false;
  let waiting = 0;
  let refused = 0;
  let replaying: Promise<void> = Promise.resolve();
  /** Steps that are neither durable nor written down yet. */
  const inFlight = new Set<Promise<void>>();
  /** Changes of the file and of `isSpooling`, one after another. */
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  }

  /** True when the step is durable, false when the database is away. Rejects with any other error. */
  async function pass(step: SpooledStep): Promise<boolean> {
    try {
      if ('events' in step) await sink.accept(step.events);
      else await sink.resynced({ ...step.snapshot, uniqueIds: new Set(step.snapshot.uniqueIds) });
      return true;
    } catch (error) {
      if (isUnavailable(error)) return false;
      throw error;
    }
  }

  /** True when the step is out of the way: saved, or refused for good and set aside. */
  async function replayStep(line: string): Promise<boolean> {
    try {
      return await Promise.race([pass(JSON.parse(line) as SpooledStep), stopped]);
    } catch (error) {
      await refusals.append(line);
      refused++;
      log.error({ err: error, file: refusals.path }, 'A spooled step could not be followed and was set aside');
      return true;
    }
  }

  /** Replays the file from its beginning until it is empty; steps that arrive meanwhile join its end. */
  async function replay(): Promise<void> {
    let position = 0;
    while (!stopping.signal.aborted) {
      const { lines, nextPosition } = await file.readFrom(position);
      for (const line of lines) {
        while (!(await replayStep(line))) {
          if (stopping.signal.aborted) return;
          await delay(retryMs, null, { signal: stopping.signal }).catch(() => undefined);
        }
        waiting--;
      }
      position = nextPosition;
      if (lines.length > 0) continue;
      const isDone = await inTurn(async () => {
        if ((await file.readFrom(position)).lines.length > 0) return false;
        await file.remove();
        isSpooling = false;
        return true;
      });
      if (!isDone) continue;
      log.info({ path }, 'What was spooled while the database was away is saved');
      return;
    }
  }

  function beginReplay(): void {
    isSpooling = true;
    replaying = replay().catch((error: unknown) => {
      log.error({ err: error, path }, 'The spool cannot be replayed; it is kept for the next start');
    });
  }

  function write(step: SpooledStep): Promise<void> {
    return inTurn(async () => {
      await file.append(JSON.stringify(step));
      waiting++;
      if (isSpooling) return;
      log.warn({ path }, 'The database cannot be written; events are spooled');
      beginReplay();
    });
  }

  function take(step: SpooledStep): Promise<void> {
    const taken = saveOrWrite(step).finally(() => inFlight.delete(taken));
    inFlight.add(taken);
    return taken;
  }

  async function saveOrWrite(step: SpooledStep): Promise<void> {
    if (isSpooling) return write(step);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, patienceMs, false);
    });
    const isSaved = await Promise.race([pass(step), patience]).finally(() => clearTimeout(timer));
    if (!isSaved) await write(step);
  }

  /** Whoever waits for this at the stop gives it up. */
  async function save(events: readonly PbxEvent[]): Promise<void> {
    while (!(await pass({ events }))) {
      if (stopping.signal.aborted) throw new Error('Stopped before the events were saved; they are read again');
      await delay(retryMs, null, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  return {
    accept: (events) => (events.every(standsInFile) ? save(events) : take({ events })),
    resynced: (snapshot) => take({ snapshot: { ...snapshot, uniqueIds: [...snapshot.uniqueIds] } }),

    async start() {
      refused = await refusals.repair();
      waiting = await file.repair();
      if (waiting === 0) return;
      log.warn({ path, steps: waiting }, 'Events that an earlier run spooled are saved now');
      beginReplay();
    },

    async stop() {
      stopping.abort();
      await Promise.allSettled(inFlight);
      await replaying;
      await turn;
      await file.close();
      await refusals.close();
    },

    status() {
      const details = { waiting, refused };
      if (isSpooling) {
        const message = 'The database is away; events are kept in a file until it is back';
        return { part: 'spool', health: 'error', message, ...details };
      }
      if (refused > 0) {
        const message = `Some events could not be followed; please send ${refusals.path} to the makers`;
        return { part: 'spool', health: 'warning', message, ...details };
      }
      return { part: 'spool', health: 'ok', message: 'Empty', ...details };
    },
  };
}
