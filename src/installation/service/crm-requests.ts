/** Lets CRMs ask of us: who may be called for retailCRM, which calls go on for Kommo's pages. */
import type { Config } from '../../config.ts';
import type { Call } from '../../core/call.ts';
import type { PbxSource } from '../../core/ports.ts';
import { UserStatuses } from '../../core/user-status.ts';
import type { KommoConfig } from '../../crm/kommo/config.ts';
import { createToldStates } from '../../storage/told-states.ts';
import type { KommoWidgetDoor, RetailcrmDoor } from '../../web/ports.ts';
import type { Ground } from './ground.ts';

const tellStatusesEveryMs = 10_000;

/** Begins to tell phone systems what retailCRM says of its users. */
export function openRetailcrmDoors(ground: Ground, sources: readonly PbxSource[]): readonly RetailcrmDoor[] {
  const { config, database, directory, clock, log } = ground;
  const statusRules = new Map(
    config.crm.flatMap((entry) => (entry.kind === 'retailcrm' ? [[entry.name, entry.settings.userStatus]] : [])),
  );
  const userStatuses = new UserStatuses({
    store: createToldStates(database),
    clock,
    rulesOf: (crm) => statusRules.get(crm) ?? null,
    directory,
    sources,
    log,
  });
  let catchingUp = Promise.resolve();
  const tellingStatuses = setInterval(() => {
    catchingUp = catchingUp.then(() => userStatuses.catchUp());
  }, tellStatusesEveryMs);
  ground.onStop(() => {
    clearInterval(tellingStatuses);
    return catchingUp;
  });
  return config.crm.flatMap(({ name, ...entry }) => {
    if (entry.kind !== 'retailcrm') return [];
    const { clientToken } = entry.settings;
    const changeUserStatus: RetailcrmDoor['changeUserStatus'] = (change) =>
      userStatuses.change({ crm: name, ...change });
    return [{ name, clientToken, changeUserStatus }];
  });
}

export function openKommoDoors(config: Config, openCalls: () => readonly Call[]): readonly KommoWidgetDoor[] {
  return config.crm.flatMap((entry) =>
    entry.kind === 'kommo' ? [describeKommoWidget(entry.name, entry.settings, openCalls)] : [],
  );
}

/** How the account's pages prove themselves when they ask for calls. */
function describeKommoWidget(name: string, settings: KommoConfig, openCalls: () => readonly Call[]): KommoWidgetDoor {
  const { account, oauth, widget, stockWidget } = settings;
  const { clientId, clientSecret, address } = widget ?? {
    ...(oauth ?? { clientId: null, clientSecret: null }),
    address: null,
  };
  const audience = address ?? oauth?.redirectUri ?? null;
  return { name, account: new URL(account).origin, clientId, clientSecret, audience, stock: stockWidget, openCalls };
}
