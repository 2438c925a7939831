/** What people see in the web interface: their staff, calls, settings, and what is loaded only when somebody looks at it. */
import { join } from 'node:path';
import { tellStory } from '../../core/call-story.ts';
import { createApiTokenStore } from '../../storage/api-token-store.ts';
import { createCallReports } from '../../storage/call-reports.ts';
import { createWebUserStore } from '../../storage/web-user-store.ts';
import { builtBundleFolder, loadBundle } from '../../web/bundle.ts';
import { createFirstRun } from '../../web/first-run.ts';
import type { LiveCalls } from '../../web/live-calls.ts';
import type { InterfaceParts } from '../../web/ports.ts';
import { dryRunCall } from '../dry-run.ts';
import { onFirstUse, once } from '../on-first-use.ts';
import type { SettingsOrigin } from '../settings.ts';
import { contactIn, findNumbers, type OpenedCrms } from './crms.ts';
import type { Deliveries } from './deliveries.ts';
import type { Ground } from './ground.ts';

export function createInterface(
  ground: Ground,
  parts: {
    readonly crms: OpenedCrms;
    readonly deliveries: Pick<Deliveries, 'callStore' | 'destinations'>;
    readonly live: LiveCalls;
    /** Null: from no file, and nobody would start the service again. */
    readonly origin: SettingsOrigin | null;
  },
): InterfaceParts {
  const { config, database, directory, plan, stateFolder, clock, log } = ground;
  const { crms, deliveries, live } = parts;
  const origin = parts.origin ?? { file: null, env: {}, cwd: stateFolder, restart: null };
  const openSettings = once(async () => {
    const { createSettings } = await import('../settings.ts');
    return createSettings(config, { origin, stateFolder, clock });
  });
  return {
    users: createWebUserStore(database),
    firstRun: createFirstRun(join(stateFolder, 'first-run-token')),
    bundle: loadBundle(builtBundleFolder()),
    live,
    reports: createCallReports(database),
    timeZone: config.installation.timezone,
    staff: () => directory.all(),
    accounts: () =>
      crms.names.map((crm) => ({
        crm,
        users:
          crms.usersOf(crm)?.map((user) => ({ ...user, employeeId: directory.byCrmUser(crm, user.id)?.id ?? null })) ??
          null,
      })),
    story: async (source, linkedId) => {
      const [stored] = await deliveries.callStore.load(source, [linkedId]);
      return stored === undefined ? null : tellStory(stored, plan);
    },
    dryRun: (call, signal) =>
      dryRunCall(
        deliveries.destinations.map(({ crm, ...destination }) => ({ ...destination, reader: crm })),
        call,
        signal,
      ),
    apiTokens: createApiTokenStore(database),
    configuredTokens: config.http.tokens.map(({ name, access }) => ({ name, access })),
    contactOf: (number) => contactIn(crms.all, directory, number),
    numbersOf: (text) =>
      findNumbers(
        crms.all.map(({ mirror }) => mirror),
        text,
      ),
    examine: async () => {
      const { examineInstallation } = await import('../views.ts');
      return examineInstallation(config, directory.all(), { clock, log });
    },
    dialplan: onFirstUse(async () => {
      const { createDialplanDoor } = await import('../dialplan.ts');
      return createDialplanDoor((await openSettings()).current, { clock, log });
    }),
    settings: onFirstUse(async () => (await openSettings()).door),
    setup: onFirstUse(async () => {
      const { createSetup } = await import('../setup.ts');
      return createSetup({ current: (await openSettings()).current, stateFolder, clock, log });
    }),
  };
}
