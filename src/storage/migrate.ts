import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import type { Database } from './connection.ts';
import { DatabaseUnusable } from './errors.ts';

interface Migration {
  /** Without extension, so that `.ts` in development and `.js` in a release are the same migration. */
  readonly name: string;
  readonly file: URL;
}

/** Next to `src` in development, next to the compiled `src` in a release. */
const migrationsFolder = new URL('../../migrations/', import.meta.url);
const migrationFile = /^(\d{4}_[a-z0-9_]+)\.(?:ts|js)$/;

function listMigrations(folder: URL): Migration[] {
  return readdirSync(fileURLToPath(folder))
    .flatMap((entry) => {
      const name = migrationFile.exec(entry)?.[1];
      return name === undefined ? [] : [{ name, file: new URL(entry, folder) }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Any number that no other program uses for its advisory locks in our database. */
const migrationLock = 7_246_801;

/** Runs the work while no other node migrates the same database. On SQLite there is one node. */
async function withMigrationLock<T>(database: Database, work: () => Promise<T>): Promise<T> {
  if (database.openSession === null) return work();
  const session = database.openSession();
  session.on('error', () => undefined);
  await session.connect();
  try {
    await session.query('select pg_advisory_lock($1)', [migrationLock]);
    return await work();
  } finally {
    await session.end();
  }
}

/**
 * Brings the database to the newest structure and returns the names of the migrations that ran. Each runs in its own
 * transaction; several nodes may start at once. Rejects with `DatabaseUnusable` when a newer version of Ringledger
 * has been here, because an older one would misread what the newer wrote.
 */
export async function migrateDatabase(
  database: Database,
  options: { readonly folder?: URL } = {},
): Promise<readonly string[]> {
  const migrations = listMigrations(options.folder ?? migrationsFolder);
  const config: Knex.MigratorConfig = {
    tableName: 'migrations',
    migrationSource: {
      getMigrations: async () => migrations,
      getMigrationName: (migration: Migration) => migration.name,
      getMigration: async (migration: Migration) => (await import(migration.file.href)) as Knex.Migration,
    },
  };
  return withMigrationLock(database, async () => {
    if (await database.knex.schema.hasTable('migrations')) {
      const known = new Set(migrations.map((migration) => migration.name));
      const done = await database.knex('migrations').orderBy('id').pluck<string[]>('name');
      const unknown = done.filter((name) => !known.has(name));
      if (unknown.length > 0) {
        throw new DatabaseUnusable(
          `The database ${database.place} was last used by a newer version of Ringledger (it has ${unknown.join(', ')}). ` +
            `Install that version again, or restore the backup made before the upgrade.`,
        );
      }
    }
    // We hold the real lock, so a mark of knex's own that a killed process left behind is stale.
    await database.knex.migrate.forceFreeMigrationsLock(config);
    const [, names] = (await database.knex.migrate.latest(config)) as [number, string[]];
    return names;
  });
}
