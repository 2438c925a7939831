import knex from 'knex';
import type { Knex } from 'knex';
import pg from 'pg';
import type { PostgresSettings } from './config.ts';
import type { Database } from './connection.ts';
import { loadDialect, quiet, type Query } from './knex-dialect.ts';

const connectTimeoutMs = 5_000;

const PostgresDialect = loadDialect('postgres');

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

/** int8 and numeric as numbers: our ids, times and counts stay far below 2^53. Only on our connections. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 || oid === pg.types.builtins.NUMERIC
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** A pool, whose every query has its time. */
export function openPostgresDatabase({ url, maxConnections, queryTimeoutMs }: PostgresSettings): Database {
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
