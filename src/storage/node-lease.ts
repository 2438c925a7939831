import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Log } from '../core/ports.ts';
import type { Database } from './connection.ts';

export interface NodeLease {
  readonly isHeld: boolean;
  /** Gives the role up, calling `onLost` when it was held. */
  stop(): Promise<void>;
}

export interface NodeLeaseOptions {
  readonly database: Database;
  /** What only one node may do at a time, e.g. `pbx:office`. */
  readonly role: string;
  readonly log: Log;
  /** Both are awaited; a role is never granted again before `onLost` has settled. */
  readonly onHeld: () => Promise<void> | void;
  readonly onLost: () => Promise<void> | void;
  /** How often a node without the role asks for it; two seconds. */
  readonly retryMs?: number;
  /** How often the session is proved to be alive; two seconds. */
  readonly pingMs?: number;
}

/** A session that does not answer for this long is lost. Shorter than the server takes to notice (`serverPatience`). */
const pingDeadlineMs = 5_000;
/**
 * The server lets go of the lock of a node that vanished without a word about 20 s after its last one, and so later
 * than that node itself has noticed.
 */
const serverPatience = [
  'set tcp_keepalives_idle = 10',
  'set tcp_keepalives_interval = 3',
  'set tcp_keepalives_count = 3',
  'set tcp_user_timeout = 19000',
  'set idle_session_timeout = 0',
].join('; ');

async function ping(session: pg.Client): Promise<void> {
  const abort = new AbortController();
  const silence = delay(pingDeadlineMs, null, { signal: abort.signal }).then(
    () => Promise.reject(new Error('The database does not answer')),
    () => undefined,
  );
  try {
    await Promise.race([session.query('select 1'), silence]);
  } finally {
    abort.abort();
  }
}

/**
 * Lets one of the nodes that share a PostgreSQL database play a role, for as long as its session lives, and another
 * take over when it ends. On SQLite there is one node, which always has the role. Runs until `stop`.
 */
export function holdNodeLease(options: NodeLeaseOptions): NodeLease {
  const { database, role, log, onHeld, onLost, retryMs = 2_000, pingMs = 2_000 } = options;
  const stopping = new AbortController();
  let isHeld = false;

  const rest = (ms: number) => delay(ms, null, { signal: stopping.signal }).catch(() => undefined);

  /** Plays the role until the session is lost or the lease is stopped. */
  async function play(watch: () => Promise<void>): Promise<void> {
    isHeld = true;
    log.info({ role }, 'This node has the role');
    try {
      await onHeld();
      await watch();
    } finally {
      isHeld = false;
      await onLost();
    }
  }

  async function tryOnce(openSession: () => pg.Client): Promise<void> {
    const session = openSession();
    let lose: (error: Error) => void = () => undefined;
    const lost = new Promise<never>((_, reject) => {
      lose = reject;
    });
    lost.catch(() => undefined);
    session.on('error', lose);
    session.on('end', () => lose(new Error('The session ended')));
    try {
      await session.connect();
      await session.query(serverPatience);
      const { rows } = await session.query<{ granted: boolean }>(
        'select pg_try_advisory_lock(hashtextextended($1, 0)) as granted',
        [`ringledger ${role}`],
      );
      if (rows[0]?.granted !== true) return;
      await play(async () => {
        while (!stopping.signal.aborted) {
          await Promise.race([ping(session), lost]);
          await Promise.race([rest(pingMs), lost]);
        }
      });
    } finally {
      // Ends by itself when the server hears it; a server that does not is left behind.
      const connection = (session as unknown as { connection: { stream: { destroy(): void } } }).connection;
      await Promise.race([session.end().catch(() => undefined), delay(1_000)]);
      connection.stream.destroy();
    }
  }

  async function run(): Promise<void> {
    const { openSession } = database;
    if (openSession === null) {
      await play(() => new Promise((resolve) => stopping.signal.addEventListener('abort', () => resolve())));
      return;
    }
    while (!stopping.signal.aborted) {
      await tryOnce(openSession).catch((error: unknown) => {
        log.warn({ role, err: error }, 'The session that holds or asks for the role was lost');
      });
      await rest(retryMs);
    }
  }
  const ended = run().catch((error: unknown) => log.error({ role, err: error }, 'The role could not be played'));

  return {
    get isHeld() {
      return isHeld;
    },
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
