/** What calls would become in the CRMs: the registration as it is, before CRMs that only listen. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Call } from '../core/call.ts';
import { coreBehaviour, type Hooks } from '../core/hooks.ts';
import type {
  Contact,
  ConversationRegistration,
  CrmAdapter,
  Delivery,
  Log,
  NewContact,
  NewIncomingLead,
  NewLead,
  NewTask,
} from '../core/ports.ts';
import { createConversationHandler } from '../core/registration.ts';
import type { DeliveryHandler } from '../core/delivery/crm-loop.ts';
import { createHooks, type InstalledHooks } from '../hooks/installed-hooks.ts';
import { createNumbering, readRules } from '../installation/foundations.ts';
import { systemClock } from './quiet-log.ts';

/** One thing that would be written to a CRM, or why a conversation would not be. */
export interface DryWrite {
  readonly crm: string;
  readonly action: string;
  readonly [field: string]: unknown;
}

export interface DryRun {
  /** In the order of writing. Calls must come by their start: earlier ones make the contacts of later ones. */
  writesOf(call: Call): Promise<readonly DryWrite[]>;
  /** Hooks that failed meanwhile, in words. */
  faults(): readonly string[];
  close(): Promise<void>;
}

/**
 * Nothing is known of the CRMs: every client is unknown until a call has made a contact of it. `withHooks` runs the
 * integrators' hooks, save post_registration, which acts on the world.
 */
export async function createDryRun(
  config: Config,
  options: { readonly withHooks: boolean; readonly env: NodeJS.ProcessEnv; readonly log: Log },
): Promise<DryRun> {
  const { directory, plan, configured } = createNumbering(config);
  // The kept versions belong to the service and its user.
  const versionsFolder = mkdtempSync(join(tmpdir(), 'ringledger-dry-run-'));
  const hooks = options.withHooks ? openHooks(config, directory, { ...options, versionsFolder }) : null;
  await hooks?.start();
  const crms = config.crm.map((entry) => {
    const users = configured.map(({ id, name, email, extensions, isActive }) => ({
      id,
      name,
      email,
      extensions,
      isActive,
    }));
    directory.setCrmUsers(entry.name, users);
    const crm = new ListeningCrm(entry.name);
    const calls = new Map<string, Call>();
    const handle = createConversationHandler({
      crm,
      ledger: {
        conversation: async (_source, uniqueId) => {
          const call = calls.get(uniqueId);
          const conversation = call?.conversations.find((one) => one.uniqueId === uniqueId);
          return call === undefined || conversation === undefined ? null : { call, conversation };
        },
      },
      hooks: hooks === null ? coreBehaviour : withoutActions(hooks.forCrm(entry.name)),
      installation: {
        crm: entry.name,
        rules: readRules(config, entry.registration ?? config.registration, plan),
        staff: directory,
        numbers: plan,
        timeZone: config.installation.timezone,
      },
      users: () => users,
    });
    return { crm, calls, handle };
  });
  return {
    async writesOf(call) {
      const writes: DryWrite[] = [];
      for (const { crm, calls, handle } of crms) {
        for (const conversation of call.conversations.filter(({ registered }) => registered)) {
          calls.set(conversation.uniqueId, call);
          const outcome = await deliver(handle, { crm: crm.name, call, uniqueId: conversation.uniqueId });
          calls.delete(conversation.uniqueId);
          writes.push(...crm.takeWrites());
          if ('skip' in outcome)
            writes.push({ crm: crm.name, action: 'nothing', uniqueId: conversation.uniqueId, reason: outcome.skip });
        }
      }
      return writes;
    },
    faults() {
      return (hooks?.status() ?? [])
        .filter((part) => part.health !== 'ok' || (part['errors'] as readonly unknown[]).length > 0)
        .map(({ part, message }) => `${part}: ${message}`);
    },
    async close() {
      await hooks?.stop();
      rmSync(versionsFolder, { recursive: true, force: true });
    },
  };
}

function openHooks(
  config: Config,
  directory: ReturnType<typeof createNumbering>['directory'],
  parts: { readonly versionsFolder: string; readonly env: NodeJS.ProcessEnv; readonly log: Log },
): InstalledHooks {
  return createHooks({
    config: config.hooks,
    crms: config.crm.map(({ name }) => name),
    timeZone: config.installation.timezone,
    distributionDeadlineMs: config.distribution.deadlineMs,
    userOf: (_crm, extension) => directory.byExtension(extension),
    clock: systemClock,
    ...parts,
  });
}

const withoutActions = (hooks: Hooks): Hooks => ({ ...hooks, post_registration: coreBehaviour.post_registration });

function deliver(
  handle: DeliveryHandler,
  what: { readonly crm: string; readonly call: Call; readonly uniqueId: string },
) {
  const { crm, call, uniqueId } = what;
  const delivery: Delivery = {
    id: uniqueId,
    crm,
    kind: 'conversation',
    source: call.source,
    linkedId: call.linkedId,
    uniqueId,
    state: 'leased',
    attempts: 1,
    dueAt: call.startedAt,
    fence: 1,
    progress: {},
    lastError: null,
    crmId: null,
    createdAt: call.startedAt,
    deliveredAt: null,
  };
  return handle(delivery, { signal: new AbortController().signal, saveProgress: async () => undefined });
}

/** Takes everything down and makes nothing but ids; each key makes one entity. */
class ListeningCrm implements CrmAdapter {
  readonly name: string;
  #writes: DryWrite[] = [];
  readonly #contacts = new Map<string, Contact>();
  readonly #ids = new Map<string, string>();
  readonly #leads = new Map<string, { readonly id: string; readonly responsibleId: string | null }>();
  readonly #tasks = new Map<string, { readonly id: string }>();

  constructor(name: string) {
    this.name = name;
  }

  takeWrites(): readonly DryWrite[] {
    return this.#writes.splice(0);
  }

  check = async () => [];
  listUsers = async () => [];
  findContact = async (number: string) => this.#contacts.get(number) ?? null;
  findOpenLead = async (contactId: string) => this.#leads.get(contactId) ?? null;
  findOpenTask = async (about: { readonly contactId: string | null; readonly leadId: string | null }) =>
    this.#tasks.get(about.leadId ?? about.contactId ?? '') ?? null;

  async createContact(contact: NewContact, key: string): Promise<Contact> {
    const id = this.#write('contact', contact, key);
    const { name, number, responsibleId, tags } = contact;
    const made = { id, name, company: null, numbers: [number], responsibleId, updatedAt: new Date(0), tags, url: null };
    this.#contacts.set(number, made);
    return made;
  }

  async createLead(lead: NewLead, key: string): Promise<{ id: string }> {
    const id = this.#write('lead', lead, key);
    if (lead.contactId !== null) this.#leads.set(lead.contactId, { id, responsibleId: lead.responsibleId });
    return { id };
  }

  createIncomingLead = async (lead: NewIncomingLead, key: string) => ({ id: this.#write('incoming lead', lead, key) });

  async createTask(task: NewTask, key: string): Promise<{ id: string }> {
    const id = this.#write('task', task, key);
    const about = task.leadId ?? task.contactId;
    if (about !== null) this.#tasks.set(about, { id });
    return { id };
  }

  updateContact = async (id: string, change: Partial<NewContact>) => this.#change('contact change', id, change);
  updateLead = async (id: string, change: Partial<NewLead>) => this.#change('lead change', id, change);

  async registerConversation(registration: ConversationRegistration): Promise<{ id: string }> {
    const { call, conversation, idempotencyKey, contactId, leadId, responsibleId, userId, extras } = registration;
    const written = {
      uniqueId: conversation.uniqueId,
      client: call.client,
      direction: call.direction,
      result: conversation.result,
      startedAt: conversation.requestedAt,
      duration: conversation.duration,
      link: conversation.recording,
      contactId,
      leadId,
      responsibleId,
      userId,
      ...extras,
    };
    return { id: this.#write('call', written, idempotencyKey) };
  }

  #change(action: string, id: string, change: object): void {
    this.#writes.push({ crm: this.name, action, id, ...change });
  }

  #write(action: string, fields: object, key: string): string {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = `${action} ${this.#ids.size + 1}`;
    this.#ids.set(key, id);
    this.#writes.push({ crm: this.name, action, id, ...fields });
    return id;
  }
}
