import type { Knex } from 'knex';
import { AuthRequired, Rejected, Retryable } from '../../core/errors.ts';
import type { Clock, CrmAdapter, Employee, NumberPlan, PartStatus } from '../../core/ports.ts';
import { RetailcrmAccount } from './account.ts';
import { limits, RetailcrmApi } from './api.ts';
import type { RetailcrmConfig } from './config.ts';
import {
  compareIntegrations,
  readIntegration,
  wantedIntegration,
  writeIntegration,
  type IntegrationChange,
} from './integration.ts';
import { RequestPace } from './pace.ts';
import { Calls, mostPerUpload } from './records/calls.ts';
import { Customers } from './records/customers.ts';
import { Orders } from './records/orders.ts';
import { Tasks } from './records/tasks.ts';

/** `db` has the tables of `migrations/0003_crm_accounts`; it is the caller's to close. */
export interface RetailcrmParts {
  readonly name: string;
  readonly config: RetailcrmConfig;
  readonly db: Knex;
  readonly numbers: NumberPlan;
  readonly clock: Clock;
  /** How the CRM reaches us; null: it cannot, so it cannot ask for calls. */
  readonly publicUrl?: string | null | undefined;
  /** Whose extensions the CRM is told. */
  readonly staff?: (() => readonly Employee[]) | undefined;
  /** Requests in a second; the CRM's rules where absent. */
  readonly requestsPerSecond?: { readonly general: number; readonly telephony: number } | undefined;
  /** How long nothing is sent after the first answer that asks for fewer requests; 1 s. */
  readonly firstBackOffMs?: number | undefined;
}

/** What the CRM must be told once about us, and again when it changes. */
export interface IntegrationSetup {
  /** What would change; empty: all is as it should be. */
  plan(): Promise<readonly IntegrationChange[]>;
  /** Changes it, and returns what the CRM remarks. */
  apply(): Promise<readonly string[]>;
}

export interface RetailcrmCrm {
  readonly adapter: CrmAdapter;
  readonly setup: IntegrationSetup;
  /** Deliveries that may be in work at once: with periodic upload a whole batch waits together. */
  readonly concurrency: number | null;
  /** Sends what waits for its batch now, and from now on at once. */
  finish(): Promise<void>;
}

/**
 * A retailCRM (Simla) account over API v5, or v4 where the account has no newer. Leads are orders. A call's record cannot
 * be changed once it is there, so a recording cannot be attached later; requests to be sorted do not exist.
 */
export function createRetailcrmCrm(parts: RetailcrmParts): RetailcrmCrm {
  const { name, config, db, numbers, clock } = parts;
  const rates = parts.requestsPerSecond ?? limits;
  const pace = (lane: keyof typeof limits) =>
    new RequestPace({
      requestsPerSecond: rates[lane],
      db,
      name: `${name}:${lane}`,
      firstBackOffMs: parts.firstBackOffMs,
    });
  const paces = { general: pace('general'), telephony: pace('telephony') };
  const api = new RetailcrmApi({ address: config.account, key: config.apiKey, timeoutMs: config.timeoutMs, paces });
  const account = new RetailcrmAccount({ api, settings: config, clock });
  const { site, ignoreStatus, orderMethod } = config;
  const customers = new Customers({ api, account, numbers, site, ignoreStatus });
  const orders = new Orders({ api, account, customers, site, orderMethod });
  const tasks = new Tasks({ api, account, site });
  const wanted = async () =>
    wantedIntegration({
      crm: name,
      settings: config,
      publicUrl: parts.publicUrl ?? null,
      users: await account.users(),
      staff: parts.staff?.() ?? [],
    });
  const ownersOfCodes = async () => (await wanted()).additionalCodes;
  const calls = new Calls({ api, account, customers, numbers, settings: config, ownersOfCodes });
  const setup: IntegrationSetup = {
    plan: async () => compareIntegrations(await readIntegration(api, config.integration.code), await wanted()),
    apply: async () => writeIntegration(api, config, await wanted()),
  };

  const adapter: CrmAdapter = {
    name,
    showsOutgoingCalls: true,
    check: () => check({ name, config, api, account, setup, calls }),
    findContact: (number, { signal, isUrgent = false }) =>
      isUrgent ? customers.findLive(number, { signal, isUrgent }) : customers.find(number, { signal }),
    registerConversation: async (registration) => ({ id: await calls.register(registration) }),
    listUsers: () => account.users(),
    listContacts: (since, onGone) => customers.listChanged(since, onGone),
    createContact: (contact, key) => customers.create(contact, key),
    findOpenLead: (contactId, pipelineId) => orders.findOpen(contactId, pipelineId),
    createLead: async (lead, key) => ({ id: await orders.create(lead, key) }),
    async findOpenTask(about) {
      const id = await tasks.findOpen(about);
      return id === null ? null : { id };
    },
    createTask: async (task, key) => ({ id: await tasks.create(task, key) }),
    updateContact: (id, change) => customers.update(id, change),
    updateLead: (id, change) => orders.update(id, change),
    showIncomingCall: (card) => calls.showCard(card),
    hideIncomingCall: (card) => calls.hideCard(card),
    setUserStatus: (userId, status) => account.setUserStatus(userId, status),
    async close() {
      await calls.finish();
      await api.close();
    },
  };
  return {
    adapter,
    setup,
    finish: () => calls.finish(),
    concurrency: config.upload.strategy === 'periodic' ? mostPerUpload : null,
  };
}

async function check(parts: {
  readonly name: string;
  readonly config: RetailcrmConfig;
  readonly api: RetailcrmApi;
  readonly account: RetailcrmAccount;
  readonly setup: IntegrationSetup;
  readonly calls: Calls;
}): Promise<readonly PartStatus[]> {
  const { name, config, api, account, setup, calls } = parts;
  const part = (what: string) => `crm:${name}${what === '' ? '' : ` ${what}`}`;
  try {
    const version = await api.version();
    const users = await account.users();
    const zone = await account.timeZone();
    const message = `connected to ${config.account} (API ${version}, time zone ${zone}) with ${users.length} users`;
    const statuses: PartStatus[] = [{ part: part(''), health: 'ok', message }];

    const changes = await setup.plan();
    const mend = `Look at it and send it with: ringledger crm setup ${name} --apply`;
    if (changes.length > 0) {
      const fields = changes.map(({ field }) => field).join(', ');
      const text = `The integration ${config.integration.code} in the CRM is not as configured (${fields}). ${mend}`;
      statuses.push({ part: part('integration'), health: 'warning', message: text });
    } else {
      const text = `registered as ${config.integration.code}, as configured`;
      statuses.push({ part: part('integration'), health: 'ok', message: text });
    }
    const ids = new Set(users.flatMap(({ id, email }) => [id, email?.toLowerCase() ?? '']));
    const strangers = Object.entries(config.extensions).filter(([, owner]) => !ids.has(owner.toLowerCase()));
    if (strangers.length > 0) {
      const list = strangers.map(([extension, owner]) => `${extension}: ${owner}`).join(', ');
      const text = `The account has no user for these extensions: ${list}. Write the user's id or e-mail under extensions.`;
      statuses.push({ part: part('extensions'), health: 'warning', message: text });
    }
    if (calls.unknownCodes.length > 0) {
      const text = `The CRM does not know these extensions, so nobody saw the card: ${calls.unknownCodes.join(', ')}. ${mend}`;
      statuses.push({ part: part('cards'), health: 'warning', message: text });
    }
    const { sites } = await account.credentials();
    const wantedSites = new Set([...Object.values(config.lines), ...(config.site === null ? [] : [config.site])]);
    const unseen = [...wantedSites].filter((site) => sites.length > 0 && !sites.includes(site));
    if (unseen.length > 0) {
      const text = `The key sees no shop ${unseen.join(', ')}. Give it access in the CRM, or correct lines and site.`;
      statuses.push({ part: part('shops'), health: 'error', message: text });
    } else if (config.site === null && sites.length > 1) {
      const text = `The key sees several shops (${sites.join(', ')}): set site, or customers and orders cannot be made.`;
      statuses.push({ part: part('shops'), health: 'error', message: text });
    }
    return statuses;
  } catch (error) {
    if (!(error instanceof Rejected || error instanceof Retryable || error instanceof AuthRequired)) throw error;
    return [{ part: part(''), health: 'error', message: error.message }];
  }
}
