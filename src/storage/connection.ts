import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import knex from 'knex';
import type { Knex } from 'knex';
import pg from 'pg';
import type { z } from 'zod';
import { databaseConfigSchema } from './config.ts';
import type { DatabaseConfig } from './config.ts';
import { DatabaseUnusable, isDamaged } from './errors.ts';
import { openSqlite } from './sqlite-connection.ts';
import type { SqliteConnection } from './sqlite-connection.ts';

/** An open database. All stores are built from it; whoever opened it closes it. */
export interface Database {
  readonly kind: 'sqlite' | 'postgres';
  /** In words for people, without secrets: the file, or host and name. */
  readonly place: string;
  /** For everything that writes, and short reads. On SQLite one connection: statements queue. */
  readonly knex: Knex;
  /** For lists and reports: on SQLite a second connection that cannot write and does not hold up the first. */
  readonly reader: Knex;
  /** Opens a PostgreSQL session outside the pool, for locks that live as long as a session. */
  readonly openSession: (() => pg.Client) | null;
  close(): Promise<void>;
}

const connectTimeoutMs = 5_000;
const busyTimeoutMs = 5_000;

/** Knex prints what it also throws; whoever catches it logs it. Its warnings of lost connections follow from the same. */
const quiet: Knex.Logger = { warn() {}, error() {}, debug() {}, deprecate() {} };

/** What knex hands to a dialect's `_query` and takes back. */
interface Query {
  sql: string;
  bindings?: readonly unknown[];
  /** `rows`: lists of bindings, for each of which the statement is run. */
  options?: { readonly rows?: readonly (readonly unknown[])[] };
  response?: unknown;
  context?: { lastID: number | undefined; changes: number | undefined };
}
interface Dialect extends Knex.Client {
  _formatBindings(bindings: readonly unknown[] | undefined): readonly unknown[];
  _query(connection: unknown, query: Query): Promise<Query>;
}
type DialectClass = new (config: Knex.Config) => Dialect;

const require = createRequire(import.meta.url);
const BetterSqlite3Dialect = require('knex/lib/dialects/better-sqlite3/index.js') as DialectClass;
const PostgresDialect = require('knex/lib/dialects/postgres/index.js') as DialectClass;

function sqliteDialect(options: { readonly path: string; readonly isReader: boolean }): DialectClass {
  return class extends BetterSqlite3Dialect {
    override acquireRawConnection(): Promise<SqliteConnection> {
      return openSqlite({ ...options, busyTimeoutMs });
    }
    override async destroyRawConnection(connection: SqliteConnection): Promise<void> {
      await connection.close();
    }
    override async _query(connection: SqliteConnection, query: Query): Promise<Query> {
      const answer = await (query.options?.rows === undefined
        ? connection.ask(query.sql, this._formatBindings(query.bindings))
        : connection.askEach(query.sql, query.options.rows));
      query.response = answer.rows ?? [];
      query.context = { lastID: answer.lastId, changes: answer.changes };
      return query;
    }
  };
}

class DeadlinePostgresDialect extends PostgresDialect {
  override async _query(connection: pg.Client & { __knex__disposed?: unknown }, query: Query): Promise<Query> {
    try {
      return await super._query(connection, query);
    } catch (error) {
      if (error instanceof Error && error.message === 'Query read timeout') {
        // The server may still be busy with it, or gone: what is sent after it on this connection would wait as well.
        connection.__knex__disposed = error;
        (connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      }
      throw error;
    }
  }
}

type PostgresSettings = Extract<z.output<typeof databaseConfigSchema>, { kind: 'postgres' }>;

/** int8 and numeric as numbers: our ids, times and counts stay far below 2^53. Only on our connections. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 || oid === pg.types.builtins.NUMERIC
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

function openSqliteDatabase(path: string): Database {
  const isInMemory = path === ':memory:';
  const place = isInMemory ? path : resolve(path);
  if (!isInMemory) mkdirSync(dirname(place), { recursive: true, mode: 0o750 });
  const build = (isReader: boolean) =>
    knex({
      client: sqliteDialect({ path: place, isReader }) as unknown as typeof Knex.Client,
      connection: { filename: place },
      useNullAsDefault: true,
      // Error messages go to the log; what callers said and who they are does not.
      compileSqlOnError: false,
      log: quiet,
      // The writer never goes away; the reader's thread is started when needed and ends when idle.
      pool: { min: isReader ? 0 : 1, max: 1 },
    });
  const writer = build(false);
  const reader = isInMemory ? writer : build(true);
  return {
    kind: 'sqlite',
    place,
    knex: writer,
    reader,
    openSession: null,
    async close() {
      if (reader !== writer) await reader.destroy();
      await writer.destroy();
    },
  };
}

function openPostgresDatabase({ url, maxConnections, queryTimeoutMs }: PostgresSettings): Database {
  const settings: pg.ClientConfig = {
    connectionString: url,
    application_name: 'ringledger',
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    options: '-c synchronous_commit=on',
    types,
  };
  const pool = knex({
    client: DeadlinePostgresDialect as unknown as typeof Knex.Client,
    connection: { ...settings, query_timeout: queryTimeoutMs } as Knex.PgConnectionConfig,
    compileSqlOnError: false,
    log: quiet,
    acquireConnectionTimeout: connectTimeoutMs + 1_000,
    pool: { min: 0, max: maxConnections },
  });
  const { hostname, pathname, searchParams } = new URL(url);
  return {
    kind: 'postgres',
    place: `${searchParams.get('host') ?? hostname}${pathname}`,
    knex: pool,
    reader: pool,
    openSession: () => new pg.Client(settings),
    close: () => pool.destroy(),
  };
}

/**
 * Opens the database and proves that it answers. Rejects with `DatabaseUnusable` when the file is damaged or no
 * database, which is never replaced by an empty one; with the driver's own error when it cannot be reached.
 */
export async function openDatabase(config: DatabaseConfig): Promise<Database> {
  const checked = databaseConfigSchema.parse(config);
  const database = checked.kind === 'sqlite' ? openSqliteDatabase(checked.path) : openPostgresDatabase(checked);
  try {
    await database.knex.raw('select 1');
    return database;
  } catch (error) {
    await database.close();
    if (!isDamaged(error)) throw error;
    throw new DatabaseUnusable(
      `The database ${database.place} is damaged (${(error as Error).message}). Nothing was changed. Stop the service, ` +
        `keep a copy of the file with its -wal and -shm neighbours, then restore a backup or recover what is readable ` +
        `with: sqlite3 ${database.place} .recover | sqlite3 recovered.sqlite`,
      { cause: error },
    );
  }
}
