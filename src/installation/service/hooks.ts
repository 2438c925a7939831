/** Installs the integrators' hooks, and the workshop in which they are made and tried. */
import { join } from 'node:path';
import type { Call } from '../../core/call.ts';
import type { LedgerQueries } from '../../core/ledger-queries.ts';
import { createHooks, type InstalledHooks } from '../../hooks/installed-hooks.ts';
import { createHookRunBook } from '../../storage/hook-runs.ts';
import type { HookDoor } from '../../web/hook-door.ts';
import { onFirstUse } from '../on-first-use.ts';
import type { OpenedCrms } from './crms.ts';
import type { Ground } from './ground.ts';

export interface HookHouse {
  readonly hooks: InstalledHooks;
  readonly runs: ReturnType<typeof createHookRunBook>;
  /** Hooks are tried with calls of the ledger, of whichever of these phone systems has them. */
  openWorkshop(of: { readonly ledger: LedgerQueries; readonly sources: ReadonlyMap<string, unknown> }): HookDoor;
}

/** Resolves once those in the folder are loaded. */
export async function installHooks(ground: Ground, crms: OpenedCrms): Promise<HookHouse> {
  const { config, database, directory, clock, log } = ground;
  const versionsFolder = config.hooks.versionsFolder ?? join(ground.stateFolder, 'hooks');
  const timeZone = config.installation.timezone;
  const userOf = (crm: string | null, extension: string) =>
    (crm === null ? undefined : crms.usersOf(crm)?.find((user) => user.extensions.includes(extension))) ??
    directory.byExtension(extension);
  const phoneFieldOf = (name: string) =>
    crms.all.find(({ entry }) => entry.name === name)?.adapter.phoneFieldId ?? null;
  const runs = createHookRunBook({ database, clock, log, keepDays: config.hooks.keepRunsDays });
  ground.onStop(() => runs.stop());
  const hooks = createHooks({
    config: config.hooks,
    versionsFolder,
    crms: crms.names,
    timeZone,
    distributionDeadlineMs: config.distribution.deadlineMs,
    userOf,
    phoneFieldOf,
    noteRun: runs.note,
    env: process.env,
    clock,
    log,
  });
  ground.onStop(() => hooks.stop());
  await hooks.start();
  return {
    hooks,
    runs,
    openWorkshop: ({ ledger, sources }) =>
      onFirstUse(async () => {
        const { createHookWorkshop } = await import('../hook-workshop.ts');
        return createHookWorkshop({
          config: config.hooks,
          versionsFolder,
          crms: crms.names,
          installed: hooks,
          surroundingsOf: (crm) => ({
            timeZone,
            userOf: (extension) => userOf(crm, extension),
            phoneFieldId: crm === null ? null : phoneFieldOf(crm),
          }),
          findCall: (source, linkedId) =>
            findCallOf(ledger, source === null ? [...sources.keys()] : [source], linkedId),
          env: process.env,
        });
      }),
  };
}

/** Of the first of these phone systems that has it. */
async function findCallOf(ledger: LedgerQueries, sources: readonly string[], linkedId: string): Promise<Call | null> {
  for (const source of sources) {
    const call = await ledger.findCall(source, linkedId);
    if (call !== null) return call;
  }
  return null;
}
