import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { crmKinds, type BuiltCrm } from '../crm/index.ts';
import { createNumbering } from './foundations.ts';
import { openDatabase } from '../storage/connection.ts';
import { migrateDatabase } from '../storage/migrate.ts';

/** Works with one configured CRM beside the service, and closes what it opened. */
export async function withCrm<Result>(
  config: Config,
  entry: Config['crm'][number],
  work: (crm: BuiltCrm) => Promise<Result>,
): Promise<Result> {
  const { directory, plan } = createNumbering(config);
  // Before the first start there is none yet, and it must not be made here: perhaps by another user than the service's.
  const { storage } = config;
  const isThere = storage.kind !== 'sqlite' || existsSync(storage.path);
  const database = await openDatabase(isThere ? storage : { ...storage, path: ':memory:' });
  try {
    if (!isThere) await migrateDatabase(database);
    const crm = await crmKinds[entry.kind].create(entry.settings, {
      name: entry.name,
      db: database.knex,
      numbers: plan,
      clock: { now: () => new Date() },
      publicUrl: config.http.publicUrl,
      staff: () => directory.all(),
    });
    try {
      return await work(crm);
    } finally {
      await crm.adapter.close?.();
    }
  } finally {
    await database.close();
  }
}
