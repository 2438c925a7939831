/** `ringledger rebuild`: makes the records of stored calls anew from their stored events, after the rules or the program changed. */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Call } from '../core/call.ts';
import { createNumbering, createScreen, readRules } from '../installation/foundations.ts';
import type { Config } from '../config.ts';
import type { CallChange } from '../core/ports.ts';
import { recordScreened, stateFromEvents } from '../core/tracking/call-tracker.ts';
import { createCallStore } from '../storage/call-store.ts';
import { crmKinds } from '../crm/index.ts';
import { openDatabase, type Database } from '../storage/connection.ts';
import { readCalls } from '../storage/read-calls.ts';
import { migrateDatabase } from '../storage/migrate.ts';
import { exitCodes, UserFault, type AddCommand } from './context.ts';
import { systemClock } from './quiet-log.ts';

interface Options {
  from?: string;
  call?: string;
  dryRun?: boolean;
}

const portion = 500;

/** Nothing is sent again by it: deliveries that were made stay, and none is added. */
export const addRebuildCommand: AddCommand = (program, context) => {
  program
    .command('rebuild')
    .description('make the records of stored calls anew from their stored events')
    .option('--from <time>', 'only calls that began then or later, e.g. 2026-11-21 or 2026-11-21T08:00Z')
    .option('--call <linkedid>', 'only this call')
    .option('--dry-run', 'say what would change, and change nothing')
    .action(async ({ from, call: linkedId, dryRun }: Options) => {
      const { config } = context.loadConfig();
      const fromAt = from === undefined ? null : Date.parse(from);
      if (Number.isNaN(fromAt)) throw new UserFault(`--from: '${from}' is no time`, exitCodes.usage);
      const { storage } = config;
      // It must not be made here: perhaps by another user than the service's.
      if (storage.kind === 'sqlite' && !existsSync(storage.path))
        throw new UserFault(`There is no database ${storage.path} yet; the service makes it at its first start.`);
      const numbering = createNumbering(config);
      const { plan } = numbering;
      const screen = createScreen(readRules(config, config.registration, plan).lists);
      const database = await openDatabase(storage);
      try {
        await migrateDatabase(database);
        await addCrmEmployees(config, numbering, database);
        const store = createCallStore({ database, crms: [], settleMs: 0, clock: systemClock });
        let lastId = 0;
        let seen = 0;
        let changed = 0;
        for (;;) {
          const query = database.reader('calls').where('id', '>', lastId).orderBy('id').limit(portion);
          if (fromAt !== null) void query.where('started_at', '>=', fromAt);
          if (linkedId !== undefined) void query.where('linked_id', linkedId);
          const rows = await query.select<{ id: number; source: string; linked_id: string }[]>(
            'id',
            'source',
            'linked_id',
          );
          if (rows.length === 0) break;
          lastId = rows.at(-1)!.id;
          const stand = new Map(
            (
              await readCalls(
                database.knex,
                rows.map((row) => row.id),
              )
            ).map(({ call }) => [keyOf(call), call]),
          );
          const changes: CallChange[] = [];
          for (const source of new Set(rows.map((row) => row.source))) {
            const ids = rows.filter((row) => row.source === source).map((row) => row.linked_id);
            for (const stored of await store.load(source, ids)) {
              seen++;
              const made = recordScreened(stateFromEvents(stored), plan, screen);
              if (made === null) continue;
              const before = stand.get(keyOf(made)) ?? null;
              if (before !== null && isSame(before, made)) continue;
              changed++;
              if (dryRun === true) context.print(`${made.linkedId}: ${before?.result ?? 'no record'} → ${made.result}`);
              else changes.push({ call: made, newEvents: [], absorbed: [], owed: [] });
            }
          }
          await store.save(changes);
        }
        context.print(`${seen} calls read, ${changed} ${dryRun === true ? 'would change' : 'changed'}.`);
      } finally {
        await database.close();
      }
    });
};

const keyOf = ({ source, linkedId }: Call) => `${source}\n${linkedId}`;

/** Saving never takes a recording away that was found later, so its lack is no difference. */
function isSame(before: Call, made: Call): boolean {
  const recordings = new Map(before.conversations.map(({ uniqueId, recording }) => [uniqueId, recording]));
  const conversations = made.conversations.map((one) => ({
    ...one,
    recording: one.recording ?? recordings.get(one.uniqueId) ?? null,
  }));
  return isDeepStrictEqual(before, { ...made, conversations });
}

/** Whose a number is, those who were added in the built-in CRM say as well: without them their calls would be another's. */
async function addCrmEmployees(
  config: Config,
  { directory, plan, configured, withMobile }: ReturnType<typeof createNumbering>,
  database: Database,
): Promise<void> {
  const entry = config.crm.find(({ kind }) => kind === 'local');
  if (entry === undefined) return;
  const parts = { name: entry.name, db: database.knex, numbers: plan, clock: systemClock };
  const { book } = await crmKinds.local.create(entry.settings, parts);
  const ids = new Set(configured.map(({ id }) => id));
  const added = (await book!.listEmployees()).filter(({ id }) => !ids.has(id));
  directory.setEmployees([...configured, ...added.map(withMobile)]);
}
