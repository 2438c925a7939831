import type { Call, Conversation } from './call.ts';
import type { DeliveryContext, DeliveryHandler, DeliveryOutcome } from './delivery/crm-loop.ts';
import { describeCall, writeText, type KnownClient } from './call-text.ts';
import type { CallParams, HookCall, Hooks } from './hooks.ts';
import type { Contact, CrmAdapter, CrmUser, Delivery, LedgerReader } from './ports.ts';
import {
  findObstacle,
  planActions,
  planDueAt,
  planRegistration,
  planResponsible,
  userOfExtension,
  type Installation,
} from './registration-plan.ts';
import type { Actions, ClientKind, ResponsibleChoice } from './rules.ts';
import { Turns } from './turns.ts';

export interface RegistrationParts {
  readonly crm: CrmAdapter;
  readonly ledger: LedgerReader;
  readonly hooks: Hooks;
  readonly installation: Installation;
  /** The CRM's users as last listed; empty while they are not known. */
  readonly users: () => readonly CrmUser[];
}

/**
 * Registers conversations in one CRM, with the contact, lead, incoming lead and task that the rules want. Every step is
 * kept in the delivery's progress before the next begins, and every step has the same idempotency key in each attempt:
 * an attempt that comes after a crash or a lost answer goes on where the one before stopped.
 */
export function createConversationHandler(parts: RegistrationParts): DeliveryHandler {
  // Calls of one client follow each other, or two of them would both find no lead and make one each.
  const turns = new Turns();
  return async (delivery, context) => {
    const found = await parts.ledger.conversation(delivery.source, delivery.uniqueId);
    if (found === null) return { skip: 'the ledger no longer has this conversation' };
    const { call, conversation } = found;
    const obstacle = findObstacle(parts.installation, call, conversation);
    if (obstacle !== null) return { skip: obstacle };
    const about: HookCall = { call, conversation };
    if (!(await parts.hooks.need_registration({ ...about, stage: 'conversation_ended' }))) return { skip: 'hook' };
    // A hook may well decide only at the end of the whole call, which this may not be yet.
    const isOver = call.endedAt !== null;
    if (isOver && !(await parts.hooks.need_registration({ call, conversation: null, stage: 'call_ended' })))
      return { skip: 'hook' };
    return turns.take(call.client ?? `${call.source}/${call.linkedId}`, () => {
      context.signal.throwIfAborted();
      return new Registration(parts, { delivery, context, call, conversation }).run();
    });
  };
}

/** One attempt at one conversation. */
class Registration {
  readonly #crm: CrmAdapter;
  readonly #hooks: Hooks;
  readonly #installation: Installation;
  readonly #users: readonly CrmUser[];
  readonly #context: DeliveryContext;
  readonly #call: Call;
  readonly #conversation: Conversation;
  #progress: Readonly<Record<string, string>>;
  /** Found out on the way; hooks are told as much as is known. */
  #known: Pick<HookCall, 'client' | 'leadId'> = {};

  constructor(
    parts: RegistrationParts,
    subject: {
      readonly delivery: Delivery;
      readonly context: DeliveryContext;
      readonly call: Call;
      readonly conversation: Conversation;
    },
  ) {
    this.#crm = parts.crm;
    this.#hooks = parts.hooks;
    this.#installation = parts.installation;
    this.#users = parts.users();
    this.#context = subject.context;
    this.#call = subject.call;
    this.#conversation = subject.conversation;
    this.#progress = subject.delivery.progress;
  }

  async run(): Promise<DeliveryOutcome> {
    const phone = await this.#askPhone();
    const contact = phone === null ? null : await this.#crm.findContact(phone, { signal: this.#context.signal });
    const clientKind = await this.#keepClientKind(phone, contact);
    const actions = planActions(this.#installation, { ...this.#about, client: clientKind });
    this.#known = { client: contact };
    const client = await this.#settleContact(actions, phone, contact);
    this.#known = { client };
    if (clientKind === 'known') await this.#changeContact(client);
    const leadId = await this.#settleLead(actions, phone, client);
    this.#known = { client, leadId };
    await this.#settleTask(actions, client, leadId);
    return { crmId: await this.#register(phone, client, leadId) };
  }

  get #about() {
    return { call: this.#call, conversation: this.#conversation };
  }

  get #hookCall(): HookCall {
    return { ...this.#about, ...this.#known };
  }

  async #askPhone(): Promise<string | null> {
    const { client } = this.#call;
    if (client === null) return null;
    const stage = 'conversation_ended';
    return (await this.#hooks.process_client_phone({ ...this.#hookCall, stage, phone: client })) || null;
  }

  /** Kept before anything is made: once we have made the contact, the client no longer looks unknown. */
  async #keepClientKind(phone: string | null, contact: Contact | null): Promise<ClientKind> {
    const kept = this.#progress['client'];
    if (kept !== undefined) return kept as ClientKind;
    const kind = phone === null ? 'anonymous' : contact === null ? 'unknown' : 'known';
    await this.#keep({ client: kind, ...(contact === null ? {} : { contact: contact.id }) });
    return kind;
  }

  async #settleContact(actions: Actions, phone: string | null, found: Contact | null): Promise<KnownClient | null> {
    const keptId = this.#progress['contact'];
    if (keptId !== undefined) {
      // A CRM may need a while until it finds by number what it was just given.
      return found?.id === keptId ? found : { id: keptId, name: null, company: null, responsibleId: null };
    }
    if (found !== null) return found;
    const action = actions.contact;
    if (action === null || phone === null || this.#crm.createContact === undefined) return null;
    const contact = await this.#hooks.process_contact_creation_params({
      ...this.#hookCall,
      contact: {
        name: this.#text(action.name, null),
        number: phone,
        responsibleId: this.#responsible(action.responsible, null),
        tags: action.tags,
      },
    });
    const created = await this.#crm.createContact(contact, this.#callKey('contact'));
    await this.#keep({ contact: created.id });
    return created;
  }

  /** We change nothing of a contact that people look after; a hook may. */
  async #changeContact(client: KnownClient | null): Promise<void> {
    const id = client?.id ?? null;
    if (id === null || this.#crm.updateContact === undefined || this.#progress['contactChange'] !== undefined) return;
    const change = await this.#hooks.process_contact_update_params({ ...this.#hookCall, id, change: {} });
    if (Object.keys(change).length === 0) return;
    await this.#crm.updateContact(id, change);
    await this.#keep({ contactChange: id });
  }

  /** As with contacts. */
  async #changeLead(id: string): Promise<void> {
    if (this.#crm.updateLead === undefined) return;
    const change = await this.#hooks.process_lead_update_params({ ...this.#hookCall, leadId: id, id, change: {} });
    if (Object.keys(change).length > 0) await this.#crm.updateLead(id, change);
  }

  /** The lead that the call belongs to: an open one of the contact, else a new one where the rules want it. */
  async #settleLead(actions: Actions, phone: string | null, client: KnownClient | null): Promise<string | null> {
    const kept = this.#progress['lead'];
    if (kept !== undefined) return kept;
    const { createIncomingLead, createLead, findOpenLead } = this.#crm;
    const isRequest = actions.incomingLead !== null && phone !== null && createIncomingLead !== undefined;
    const action = isRequest ? actions.incomingLead : createLead === undefined ? null : actions.lead;
    if (client?.id && findOpenLead !== undefined) {
      const open = await findOpenLead.call(this.#crm, client.id, action?.pipelineId ?? null);
      if (open !== null) {
        await this.#changeLead(open.id);
        await this.#keep({ lead: open.id });
        return open.id;
      }
    }
    if (action === null || this.#progress['incomingLead'] !== undefined) return null;
    const shared = {
      name: this.#text(action.name, client),
      pipelineId: action.pipelineId,
      responsibleId: this.#responsible(action.responsible, client),
    };
    if (isRequest) {
      const incomingLead = await this.#hooks.process_unsorted_creation_params({
        ...this.#hookCall,
        incomingLead: { ...shared, number: phone, callKey: this.#callKey('call'), startedAt: this.#call.startedAt },
      });
      const created = await createIncomingLead.call(this.#crm, incomingLead, this.#callKey('incomingLead'));
      // Not a lead yet, so nothing can be tied to it.
      await this.#keep({ incomingLead: created.id });
      return null;
    }
    const { statusId, tags } = actions.lead!;
    const lead = await this.#hooks.process_lead_creation_params({
      ...this.#hookCall,
      lead: { ...shared, contactId: client?.id ?? null, statusId, tags },
    });
    const created = await this.#crm.createLead!(lead, this.#callKey('lead'));
    await this.#keep({ lead: created.id });
    return created.id;
  }

  async #settleTask(actions: Actions, client: KnownClient | null, leadId: string | null): Promise<void> {
    const action = actions.task;
    if (action === null || this.#crm.createTask === undefined || this.#progress['task'] !== undefined) return;
    const about = { contactId: client?.id ?? null, leadId };
    const open = (about.contactId ?? about.leadId) === null ? null : ((await this.#crm.findOpenTask?.(about)) ?? null);
    if (open !== null) return this.#keep({ task: open.id });
    const responsibleId = this.#responsible(action.responsible, client);
    const task = await this.#hooks.process_task_creation_params({
      ...this.#hookCall,
      task: {
        text: this.#text(action.text, client),
        dueAt: planDueAt(this.#installation, { ...this.#about, due: action.due, responsibleId }),
        responsibleId,
        ...about,
      },
    });
    const created = await this.#crm.createTask(task, this.#callKey('task'));
    await this.#keep({ task: created.id });
  }

  async #register(phone: string | null, client: KnownClient | null, leadId: string | null): Promise<string> {
    const call = this.#call;
    const conversation = this.#conversation;
    const isAnswered = conversation.result === 'answered';
    const params: CallParams = {
      phone,
      result: conversation.result,
      direction: call.direction,
      startedAt: conversation.requestedAt,
      duration: conversation.duration,
      link: conversation.recording,
      userId: userOfExtension(this.#installation, this.#users, conversation.extension),
      responsibleId: this.#responsible(isAnswered ? ['employee', 'client'] : ['client', 'employee'], client),
    };
    const wanted = await this.#hooks.process_call_params({ ...this.#hookCall, params });
    const registration = planRegistration(this.#about, wanted, { contactId: client?.id ?? null, leadId });
    const { id } = await this.#crm.registerConversation(registration);
    await this.#hooks.post_registration({ ...this.#hookCall, registration, crmId: id });
    return id;
  }

  #text(template: string, client: KnownClient | null): string {
    return writeText(template, describeCall({ ...this.#about, client }, this.#installation));
  }

  #responsible(choices: readonly (ResponsibleChoice | 'employee')[], client: KnownClient | null): string | null {
    const clientResponsibleId = client?.responsibleId ?? null;
    return planResponsible(this.#installation, choices, { ...this.#about, clientResponsibleId, users: this.#users });
  }

  /** One entity per call, whatever number of conversations it has. */
  #callKey(entity: string): string {
    return `${entity}:${this.#call.source}:${this.#call.linkedId}`;
  }

  async #keep(step: Readonly<Record<string, string>>): Promise<void> {
    this.#progress = { ...this.#progress, ...step };
    await this.#context.saveProgress(this.#progress);
  }
}
