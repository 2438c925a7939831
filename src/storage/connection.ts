import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import knex from 'knex';
import type { Knex } from 'knex';
import type pg from 'pg';
import { databaseConfigSchema } from './config.ts';
import type { DatabaseConfig, PostgresSettings } from './config.ts';
import { DatabaseUnusable, isDamaged } from './errors.ts';
import { loadDialect, quiet, type DialectClass, type Query } from './knex-dialect.ts';
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

const busyTimeoutMs = 5_000;

const BetterSqlite3Dialect = loadDialect('better-sqlite3');

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

/** Most installations are on SQLite, and hold nothing of the other in memory. */
async function openPostgres(settings: PostgresSettings): Promise<Database> {
  return (await import('./postgres-database.ts')).openPostgresDatabase(settings);
}

/**
 * Opens the database and proves that it answers. Rejects with `DatabaseUnusable` when the file is damaged or no
 * database, which is never replaced by an empty one; with the driver's own error when it cannot be reached.
 */
export async function openDatabase(config: DatabaseConfig): Promise<Database> {
  const checked = databaseConfigSchema.parse(config);
  const database = checked.kind === 'sqlite' ? openSqliteDatabase(checked.path) : await openPostgres(checked);
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
