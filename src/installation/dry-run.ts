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
  CrmUser,
  Delivery,
  Log,
  NewContact,
  NewIncomingLead,
  NewLead,
  NewTask,
} from '../core/ports.ts';
import { createConversationHandler } from '../core/registration.ts';
import type { Installation } from '../core/registration-plan.ts';
import type { DeliveryHandler } from '../core/delivery/crm-loop.ts';
import { createHooks, type InstalledHooks } from '../hooks/installed-hooks.ts';
import type { DryWrite } from '../web/ports.ts';
import { createInstallation, createNumbering } from './foundations.ts';

export interface DryRun {
  /** In the order of writing. Calls must come by their start: earlier ones make the contacts of later ones. */
  writesOf(call: Call): Promise<readonly DryWrite[]>;
  /** Hooks that failed meanwhile, in words. */
  faults(): readonly string[];
  close(): Promise<void>;
}

/** A CRM as it is registered in, and what may be asked of it meanwhile. */
export interface DryDestination {
  readonly installation: Installation;
  readonly hooks: Hooks;
  readonly users: () => readonly CrmUser[];
  /** Only read from; null: nothing is known of it, and every client is unknown until a call has made a contact of it. */
  readonly reader: Pick<CrmAdapter, 'findContact' | 'findOpenLead' | 'findOpenTask'> | null;
}

/** What the call would become now in each of these CRMs; nothing is written, and post_registration, which acts on the world, is not run. */
export async function dryRunCall(
  destinations: readonly DryDestination[],
  call: Call,
  signal: AbortSignal,
): Promise<readonly DryWrite[]> {
  return createWriter(destinations, signal)(call);
}

function createWriter(destinations: readonly DryDestination[], signal: AbortSignal): DryRun['writesOf'] {
  const crms = destinations.map(({ installation, hooks, users, reader }) => {
    const crm = new ListeningCrm(installation.crm, reader);
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
      hooks: withoutActions(hooks),
      installation,
      users,
    });
    return { crm, calls, handle };
  });
  return async (call) => {
    const writes: DryWrite[] = [];
    for (const { crm, calls, handle } of crms) {
      for (const { uniqueId, registered } of call.conversations) {
        if (!registered) continue;
        calls.set(uniqueId, call);
        const outcome = await deliver(handle, { crm: crm.name, call, uniqueId, signal });
        calls.delete(uniqueId);
        writes.push(...crm.takeWrites());
        if ('skip' in outcome) writes.push({ crm: crm.name, action: 'nothing', uniqueId, reason: outcome.skip });
      }
    }
    return writes;
  };
}

/**
 * By the configuration alone: nothing is known of the CRMs. `withHooks` runs the integrators' hooks, in processes of
 * their own.
 */
export async function createConfiguredDryRun(
  config: Config,
  options: { readonly withHooks: boolean; readonly env: NodeJS.ProcessEnv; readonly log: Log },
): Promise<DryRun> {
  const { directory, plan, configured } = createNumbering(config);
  // The kept versions belong to the service and its user.
  const versionsFolder = mkdtempSync(join(tmpdir(), 'ringledger-dry-run-'));
  const hooks = options.withHooks ? openHooks(config, directory, { ...options, versionsFolder }) : null;
  await hooks?.start();
  const destinations = config.crm.map((entry): DryDestination => {
    const users = configured.map(({ id, name, email, extensions, isActive }) => ({
      id,
      name,
      email,
      extensions,
      isActive,
    }));
    directory.setCrmUsers(entry.name, users);
    return {
      hooks: hooks === null ? coreBehaviour : hooks.forCrm(entry.name),
      installation: createInstallation(config, entry, { directory, plan }),
      users: () => users,
      reader: null,
    };
  });
  return {
    writesOf: createWriter(destinations, new AbortController().signal),
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
    clock: { now: () => new Date() },
    ...parts,
  });
}

const withoutActions = (hooks: Hooks): Hooks => ({ ...hooks, post_registration: coreBehaviour.post_registration });

function deliver(
  handle: DeliveryHandler,
  what: { readonly crm: string; readonly call: Call; readonly uniqueId: string; readonly signal: AbortSignal },
) {
  const { crm, call, uniqueId, signal } = what;
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
  return handle(delivery, { signal, saveProgress: async () => undefined });
}

/** Takes everything down and makes nothing but ids; each key makes one entity. */
class ListeningCrm implements CrmAdapter {
  readonly name: string;
  #writes: DryWrite[] = [];
  readonly #contacts = new Map<string, Contact>();
  readonly #ids = new Map<string, string>();
  readonly #leads = new Map<string, { readonly id: string; readonly responsibleId: string | null }>();
  readonly #tasks = new Map<string, { readonly id: string }>();

  readonly #reader: DryDestination['reader'];

  constructor(name: string, reader: DryDestination['reader']) {
    this.name = name;
    this.#reader = reader;
  }

  takeWrites(): readonly DryWrite[] {
    return this.#writes.splice(0);
  }

  check = async () => [];
  listUsers = async () => [];
  findContact: CrmAdapter['findContact'] = async (number, options) =>
    this.#contacts.get(number) ?? (await this.#reader?.findContact(number, options)) ?? null;
  findOpenLead: NonNullable<CrmAdapter['findOpenLead']> = async (contactId, pipelineId) => {
    const made = this.#leads.get(contactId);
    if (made !== undefined || this.#isMade(contactId)) return made ?? null;
    return (await this.#reader?.findOpenLead?.(contactId, pipelineId)) ?? null;
  };
  findOpenTask: NonNullable<CrmAdapter['findOpenTask']> = async (about) => {
    const made = this.#tasks.get(about.leadId ?? about.contactId ?? '');
    if (made !== undefined || this.#isMade(about.leadId) || this.#isMade(about.contactId)) return made ?? null;
    return (await this.#reader?.findOpenTask?.(about)) ?? null;
  };

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

  /** The CRM knows nothing of what was only listened to. */
  #isMade(id: string | null): boolean {
    return id !== null && [...this.#ids.values()].includes(id);
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
