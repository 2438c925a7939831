import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openDatabase } from '../../src/storage/connection.ts';
import type { Database } from '../../src/storage/connection.ts';
import type { DatabaseConfig } from '../../src/storage/config.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';
import { startPostgresCluster } from './postgres-cluster.ts';
import type { PostgresCluster } from './postgres-cluster.ts';

/** A fresh, migrated database of one test; closed and removed after it. */
export interface TestDatabase {
  readonly config: DatabaseConfig;
  readonly database: Database;
  /** A further handle of the same database, closed after the test too. */
  reopen(): Promise<Database>;
}
export type DatabaseKind = 'sqlite' | 'postgres';
export type MakeDatabase = () => Promise<TestDatabase>;

let sharedCluster: Promise<PostgresCluster> | null = null;
let databaseCount = 0;
const template = 'migrated_template';

async function runOnServer(cluster: PostgresCluster, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.urlOf('postgres') });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function startSharedCluster(): Promise<PostgresCluster> {
  const cluster = await startPostgresCluster();
  await runOnServer(cluster, `create database ${template}`);
  const database = await openDatabase({ kind: 'postgres', url: cluster.urlOf(template) });
  await migrateDatabase(database);
  await database.close();
  return cluster;
}

/** One server for the whole run; the hook below, at the root of the run, ends it. */
function useSharedCluster(): Promise<PostgresCluster> {
  sharedCluster ??= startSharedCluster();
  return sharedCluster;
}
after(async function () {
  const cluster = await sharedCluster;
  sharedCluster = null;
  await cluster?.remove();
});

/**
 * Defines the same suite for SQLite and for PostgreSQL. `makeDatabase` gives each test that calls it a database of its
 * own.
 */
export function forEachDatabase(define: (makeDatabase: MakeDatabase, kind: DatabaseKind) => void): void {
  for (const kind of ['sqlite', 'postgres'] as const) {
    describe(kind === 'sqlite' ? 'on SQLite' : 'on PostgreSQL', function () {
      const clean: (() => Promise<void>)[] = [];
      if (kind === 'postgres') {
        before(async function () {
          // Installing the package, where it is missing, takes a while.
          this.timeout(300_000);
          await useSharedCluster();
        });
      }
      const open = async (config: DatabaseConfig): Promise<Database> => {
        const database = await openDatabase(config);
        clean.push(() => database.close());
        return database;
      };
      define(async () => {
        let config: DatabaseConfig;
        if (kind === 'sqlite') {
          const folder = mkdtempSync(join(tmpdir(), 'ringledger-sqlite-'));
          clean.push(async () => rmSync(folder, { recursive: true, force: true }));
          config = { kind, path: join(folder, 'ledger.sqlite') };
        } else {
          const cluster = await useSharedCluster();
          const name = `test_${++databaseCount}`;
          await runOnServer(cluster, `create database ${name} template ${template}`);
          clean.push(() => runOnServer(cluster, `drop database ${name} with (force)`));
          config = { kind, url: cluster.urlOf(name) };
        }
        const database = await open(config);
        if (kind === 'sqlite') await migrateDatabase(database);
        return { config, database, reopen: () => open(config) };
      }, kind);
      // After the hooks of the suite itself, which end what still uses the database.
      afterEach(async () => {
        for (const step of clean.splice(0).reverse()) await step();
      });
    });
  }
}
