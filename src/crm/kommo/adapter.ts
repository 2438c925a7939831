import type { Knex } from 'knex';
import { AuthRequired, Rejected, Retryable } from '../../core/errors.ts';
import type { Clock, CrmAdapter, NumberPlan, PartStatus } from '../../core/ports.ts';
import { NodeLocks } from './access/node-locks.ts';
import { RequestPace } from './access/pace.ts';
import { createRequestSlots } from './access/request-slots.ts';
import { TokenStore } from './access/token-store.ts';
import { createLongLivedToken, OAuthTokens } from './access/tokens.ts';
import { KommoAccount } from './account.ts';
import { KommoApi } from './api.ts';
import type { KommoConfig } from './config.ts';
import { Creations } from './creations.ts';
import { KommoCalls } from './records/calls.ts';
import { KommoContacts } from './records/contacts.ts';
import { KommoLeads } from './records/leads.ts';
import { KommoTasks } from './records/tasks.ts';

/** `db` has the tables of `migrations/0003_crm_accounts`; it is the caller's to close. */
export interface KommoParts {
  readonly name: string;
  readonly config: KommoConfig;
  readonly db: Knex;
  readonly numbers: NumberPlan;
  readonly clock: Clock;
  /** The wait after a 429 that is doubled with each further one; a second. */
  readonly firstBackOffMs?: number;
}

/**
 * An amoCRM or Kommo account (API v4). The CRM has nothing to hide a card with, nor a state of users, so it cannot
 * `hideIncomingCall` or `setUserStatus`. While contacts have no field for numbers it cannot `createContact`, while no
 * pipeline takes unsorted requests not `createIncomingLead`.
 */
export function createKommoCrm(parts: KommoParts): CrmAdapter {
  const { name, config, db, numbers, clock } = parts;
  const locks = new NodeLocks(db);
  const api = new KommoApi({
    address: config.account,
    timeoutMs: config.timeoutMs,
    pace: new RequestPace({
      requestsPerSecond: config.requestsPerSecond,
      shared: createRequestSlots(db, name),
      firstBackOffMs: parts.firstBackOffMs,
    }),
    makeTokens(exchange) {
      if (config.oauth === null) return createLongLivedToken(config.longLivedToken!);
      const store = new TokenStore({ db, crm: name, secret: config.oauth.encryptionSecret, clock });
      return new OAuthTokens({ config: config.oauth, crm: name, store, locks, clock, exchange });
    },
  });
  const language = config.language ?? (/\.amocrm\.ru$/.test(new URL(config.account).hostname) ? 'ru' : 'en');
  const creations = new Creations({ db, crm: name, locks, clock });
  const account = new KommoAccount({ api, settings: config, clock });
  const contacts = new KommoContacts({ api, account, creations, numbers, withCompanies: config.companies });
  const leads = new KommoLeads({ api, account, contacts, creations, numbers, source: config.source });
  const tasks = new KommoTasks({ api, creations, taskType: config.taskType });
  const { source, collectingContact } = config;
  const calls = new KommoCalls({ api, contacts, leads, creations, source, language, collectingContact });

  const createContact: CrmAdapter['createContact'] = (contact, key) => contacts.create(contact, key);
  const createIncomingLead: CrmAdapter['createIncomingLead'] = async (lead, key) => ({
    id: await leads.createRequest(lead, key),
  });
  return {
    name,
    check: () => check({ name, config, account }),
    findContact: (number, { signal, isUrgent }) =>
      contacts.find(number, { signal, urgency: isUrgent === true ? 'live' : 'delivery' }),
    registerConversation: async (registration) => ({ id: await calls.register(registration) }),
    async listUsers() {
      const users = await account.users('sync');
      // Kept fresh with the users: what is made depends on them.
      await Promise.all([account.phoneField('sync'), account.pipelines('sync')]).catch((error: unknown) => {
        if (!(error instanceof Rejected)) throw error;
      });
      return users;
    },
    get phoneFieldId() {
      return account.phoneFieldId;
    },
    listContacts: (since, onGone) => contacts.listChanged(since, onGone),
    get createContact() {
      return account.canKeepNumbers ? createContact : undefined;
    },
    findOpenLead: (contactId, pipelineId) => leads.findOpen(contactId, pipelineId),
    createLead: async (lead, key) => ({ id: await leads.create(lead, key) }),
    get createIncomingLead() {
      return account.takesRequests ? createIncomingLead : undefined;
    },
    async findOpenTask(about) {
      const id = await tasks.findOpen(about);
      return id === null ? null : { id };
    },
    createTask: async (task, key) => ({ id: await tasks.create(task, key) }),
    updateContact: (id, change) => contacts.update(id, change),
    updateLead: (id, change) => leads.update(id, change),
    showIncomingCall: (card) => calls.showCard(card),
    attachRecording: (id, link, key) => calls.attachRecording(id, link, key),
    close: () => api.close(),
  };
}

async function check(parts: {
  readonly name: string;
  readonly config: KommoConfig;
  readonly account: KommoAccount;
}): Promise<readonly PartStatus[]> {
  const { account } = parts;
  const part = (what: string) => `crm:${parts.name}${what === '' ? '' : ` ${what}`}`;
  try {
    const title = await account.readName('card');
    const users = await account.users('card');
    const field = await account.phoneField('card');
    const pipelines = await account.pipelines('card');
    const statuses: PartStatus[] = [
      { part: part(''), health: 'ok', message: `connected to the account "${title}" with ${users.length} users` },
    ];
    if (field === null || !field.hasWork) {
      const lacks = field === null ? 'a field with the code PHONE' : 'the value WORK in the field PHONE';
      const message =
        `Contacts of the account lack ${lacks}: calls are registered, but no contacts are made and nobody is found by ` +
        'number. In the CRM, open the settings of the fields of a contact and add the field "Phone" again.';
      statuses.push({ part: part('contacts'), health: 'error', message });
    }
    if (users.length === 0) {
      const message =
        'The account shows us no users: the integration was installed by somebody who is no administrator. Calls are ' +
        'registered without employees and no cards open. Let an administrator make the token.';
      statuses.push({ part: part('users'), health: 'error', message });
    }
    if (!pipelines.some((pipeline) => pipeline.isUnsortedOn)) {
      const message =
        'No pipeline takes unsorted requests: rules make leads instead. Switch them on in the settings of a pipeline.';
      statuses.push({ part: part('requests'), health: 'warning', message });
    }
    const ids = new Set(users.flatMap(({ id, email }) => [id, email?.toLowerCase() ?? '']));
    const strangers = Object.entries(parts.config.extensions).filter(([, owner]) => !ids.has(owner.toLowerCase()));
    if (strangers.length > 0 && users.length > 0) {
      const list = strangers.map(([extension, owner]) => `${extension}: ${owner}`).join(', ');
      const message = `The account has no user for these extensions: ${list}. Write the user's id or e-mail under extensions.`;
      statuses.push({ part: part('extensions'), health: 'warning', message });
    }
    return statuses;
  } catch (error) {
    if (!(error instanceof Rejected || error instanceof Retryable || error instanceof AuthRequired)) throw error;
    const health = error instanceof Retryable ? 'warning' : 'error';
    return [{ part: part(''), health, message: error.message }];
  }
}
