import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Log } from '../core/ports.ts';
import type { Database } from './connection.ts';

export interface NodeLease {
  readonly isHeld: boolean;
  /** Resolves when the role was first taken and `onHeld` has settled, or could not be had. */
  readonly asked: Promise<void>;
  /** Gives the role up, calling `onLost` when it was held. */
  stop(): Promise<void>;
}

export interface NodeLeaseOptions {
  readonly database: Database;
  /** What only one node may do at a time, e.g. `pbx:office`. */
  readonly role: string;
  readonly log: Log;
  /** Both are awaited; the role is not asked for again before `onLost` has settled. */
  readonly onHeld: () => Promise<void> | void;
  readonly onLost: () => Promise<void> | void;
  /** How often a node without the role asks for it; two seconds. */
  readonly retryMs?: number;
  /** How often the session is proved to be alive; two seconds. */
  readonly pingMs?: number;
  /** How long after the loss of its session a node lets another have the role without giving it up; 30 seconds. */
  readonly surrenderMs?: number;
}

/** So many times `retryMs` a node without the role waits after the database was away. */
const precedence = 3;
/** A session that does not answer for this long is lost. */
const pingDeadlineMs = 5_000;
/**
 * The server lets go of the lock of a node that vanished without a word after about 20 s. `surrenderMs` is longer, so
 * that a node whose line broke does not give way to its own former session.
 */
const serverPatience = [
  'set tcp_keepalives_idle = 10',
  'set tcp_keepalives_interval = 3',
  'set tcp_keepalives_count = 3',
  'set tcp_user_timeout = 19000',
].join('; ');

/** A session of our own outside the pool; `lost` rejects when it ends. */
class LeaseSession {
  readonly #client: pg.Client;
  readonly lost: Promise<never>;

  constructor(client: pg.Client) {
    this.#client = client;
    this.lost = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('The session ended')));
    });
    this.lost.catch(() => undefined);
  }

  async connect(): Promise<void> {
    await this.#client.connect();
    await this.#inTime(this.#client.query(serverPatience));
  }
  async tryLock(name: string): Promise<boolean> {
    const sql = 'select pg_try_advisory_lock(hashtextextended($1, 0)) as granted';
    const { rows } = await this.#inTime(this.#client.query<{ granted: boolean }>(sql, [name]));
    return rows[0]!.granted;
  }
  async ping(): Promise<void> {
    await this.#inTime(this.#client.query('select 1'));
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The database does not answer')), pingDeadlineMs);
    });
    return Promise.race([answer, silence, this.lost]).finally(() => clearTimeout(timer));
  }

  /** A server that does not hear the farewell is left behind. */
  async close(): Promise<void> {
    const leave = new AbortController();
    const patience = delay(1_000, null, { signal: leave.signal }).catch(() => undefined);
    await Promise.race([this.#client.end().catch(() => undefined), patience]);
    leave.abort();
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

/**
 * Lets one of the nodes that share a PostgreSQL database play a role, and another take over when it stops or dies. On
 * SQLite there is one node, which always has the role. Runs until `stop`.
 *
 * A node that loses the database keeps the role until it finds it with another node: while the database is down nobody
 * else can have it, and following a phone system twice for a while does little harm, because saving is idempotent and
 * both read the same CEL, where not following it at all would lose what only the live events tell.
 */
export function holdNodeLease(options: NodeLeaseOptions): NodeLease {
  const { database, role, onHeld, onLost, retryMs = 2_000, pingMs = 2_000, surrenderMs = 30_000 } = options;
  const log = options.log.child({ role });
  const stopping = new AbortController();
  let isHeld = false;
  let sessionLostAt = 0;
  let wasDatabaseAway = false;

  const stopped = new Promise((resolve) => stopping.signal.addEventListener('abort', resolve));
  let answerFirst = () => {};
  const asked = new Promise<void>((resolve) => (answerFirst = resolve));

  const rest = (ms: number) => delay(ms, null, { signal: stopping.signal }).catch(() => undefined);

  async function lose(): Promise<void> {
    isHeld = false;
    await onLost();
  }
  async function gain(): Promise<void> {
    isHeld = true;
    log.info({}, 'This node has the role');
    try {
      await onHeld();
    } catch (error) {
      await lose();
      throw error;
    } finally {
      answerFirst();
    }
  }

  /** Holds the lock for as long as the session lives, if it is free. */
  async function holdOnce(session: LeaseSession): Promise<void> {
    await session.connect();
    if (wasDatabaseAway && !isHeld) {
      // Whoever had the role before kept it meanwhile, and asks first.
      await Promise.race([rest(retryMs * precedence), session.lost]);
      if (stopping.signal.aborted) return;
    }
    wasDatabaseAway = false;
    if (!(await session.tryLock(`ringledger ${role}`))) {
      if (!isHeld || performance.now() - sessionLostAt < surrenderMs) return;
      log.warn({}, 'Another node has the role by now');
      return lose();
    }
    if (!isHeld) await gain();
    try {
      while (!stopping.signal.aborted) {
        await session.ping();
        await Promise.race([rest(pingMs), session.lost]);
      }
    } finally {
      sessionLostAt = performance.now();
    }
  }

  async function run(): Promise<void> {
    const { openSession } = database;
    if (openSession === null) {
      while (!stopping.signal.aborted) {
        await gain().catch((error: unknown) => log.error({ err: error }, 'The role cannot be played; trying again'));
        await (isHeld ? stopped : rest(retryMs));
      }
      if (isHeld) await lose();
      return;
    }
    while (!stopping.signal.aborted) {
      const session = new LeaseSession(openSession());
      try {
        await holdOnce(session);
      } catch (error) {
        wasDatabaseAway = true;
        log.warn({ err: error }, isHeld ? 'The database is away; the role is kept' : 'The role cannot be asked for');
      } finally {
        answerFirst();
        // Given up before the lock is: the next node begins when this one has ended.
        if (stopping.signal.aborted && isHeld) await lose();
        await session.close();
      }
      await rest(retryMs);
    }
    if (isHeld) await lose();
  }
  const ended = run()
    .catch((error: unknown) => log.error({ err: error }, 'The role could not be played'))
    .finally(answerFirst);

  return {
    asked,
    get isHeld() {
      return isHeld;
    },
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
