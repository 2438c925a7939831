import { z } from 'zod';
import { Rejected } from '../../../core/errors.ts';
import type { NewIncomingLead, NewLead, NumberPlan } from '../../../core/ports.ts';
import type { KommoAccount } from '../account.ts';
import { readAnswer, Refused, type KommoApi, type Query } from '../api.ts';
import type { Creations } from '../creations.ts';
import {
  createdSchema,
  extrasOf,
  isOpenLead,
  leadSchema,
  requestSchema,
  toCardRef,
  toNumber,
  toSeconds,
  type EntityRef,
  type Lead,
} from '../mapping.ts';
import type { KommoContacts } from './contacts.ts';

const urgency = 'delivery';
const ofLead = ['name', 'contactId', 'responsibleId', 'pipelineId', 'statusId', 'tags'];
const ofRequest = ['name', 'number', 'callKey', 'startedAt', 'pipelineId', 'responsibleId'];
/** Ids in one filter: what keeps the address short. */
const idsPerRequest = 50;

const requestAnswer = z.object({ _embedded: z.object({ unsorted: z.array(requestSchema).min(1) }) });

/** Leads, and requests that a person has still to sort (category `sip`). */
export class KommoLeads {
  readonly #api: KommoApi;
  readonly #account: KommoAccount;
  readonly #contacts: KommoContacts;
  readonly #creations: Creations;
  readonly #numbers: NumberPlan;
  readonly #source: string;

  constructor(parts: {
    readonly api: KommoApi;
    readonly account: KommoAccount;
    readonly contacts: KommoContacts;
    readonly creations: Creations;
    readonly numbers: NumberPlan;
    readonly source: string;
  }) {
    this.#api = parts.api;
    this.#account = parts.account;
    this.#contacts = parts.contacts;
    this.#creations = parts.creations;
    this.#numbers = parts.numbers;
    this.#source = parts.source;
  }

  /** The newest open lead of the contact or company, in this pipeline when one is given. */
  async findOpen(
    contactId: string,
    pipelineId: string | null,
  ): Promise<{ id: string; responsibleId: string | null } | null> {
    const leads = await this.#listOf(contactId);
    const open = leads
      .filter((lead) => isOpenLead(lead) && (pipelineId === null || String(lead.pipeline_id) === pipelineId))
      .sort((a, b) => (b.created_at ?? 0) - (a.created_at ?? 0) || b.id - a.id)[0];
    if (open === undefined) return null;
    return { id: String(open.id), responsibleId: open.responsible_user_id ? String(open.responsible_user_id) : null };
  }

  create(lead: NewLead, idempotencyKey: string): Promise<string> {
    const { contactId, pipelineId } = lead;
    const subject = contactId === null ? null : `${contactId}/${pipelineId ?? ''}`;
    const isSame = (one: Lead, since: Date) => one.name === lead.name && (one.created_at ?? 0) >= toSeconds(since);
    return this.#creations.once(
      { kind: 'lead', key: idempotencyKey, subject },
      {
        recover: async (since) => {
          const candidates = contactId === null ? await this.#listCreatedSince(since) : await this.#listOf(contactId);
          const hasNobody = ({ _embedded: e }: Lead) =>
            (e?.contacts?.length ?? 0) === 0 && (e?.companies?.length ?? 0) === 0;
          for (const one of candidates.filter(
            (each) => isSame(each, since) && (contactId !== null || hasNobody(each)),
          )) {
            if (!(await this.#creations.has('lead', String(one.id)))) return String(one.id);
          }
          return null;
        },
        reuse: async (known) => {
          const found = await this.#api.get(`/api/v4/leads/${known}`, leadSchema, { urgency });
          return found !== null && isOpenLead(found) ? known : null;
        },
        create: async () => {
          const body = { ...(await this.#writeNew(lead)), request_id: '0' };
          const answer = await this.#api.write('POST', '/api/v4/leads', [body], { urgency });
          return String(readAnswer(createdSchema('leads'), answer, 'POST leads'));
        },
      },
    );
  }

  async update(id: string, change: Partial<NewLead>): Promise<void> {
    const leadId = toNumber(id);
    if (leadId === null) throw new Rejected(`there is no lead ${id}`, { details: { id: 'no such lead' } });
    const body: Record<string, unknown> = { ...extrasOf(change, ofLead) };
    if (change.name !== undefined) body['name'] = change.name;
    if (change.responsibleId) body['responsible_user_id'] = toNumber(change.responsibleId) ?? undefined;
    if (change.pipelineId) body['pipeline_id'] = toNumber(change.pipelineId) ?? undefined;
    if (change.statusId) body['status_id'] = toNumber(change.statusId) ?? undefined;
    if (change.tags !== undefined && change.tags.length > 0)
      body['tags_to_add'] = change.tags.map((name) => ({ name }));
    if (Object.keys(body).length > 0) await this.#api.write('PATCH', `/api/v4/leads/${leadId}`, body, { urgency });
    if (!change.contactId) return;
    const contact = await this.#contacts.require(change.contactId, urgency);
    const link = [{ to_entity_id: contact.id, to_entity_type: contact.kind }];
    await this.#api.write('POST', `/api/v4/leads/${leadId}/link`, link, { urgency });
  }

  /** One unsorted request per key; a number whose earlier one still waits for a person gets no second one. */
  async createRequest(wanted: NewIncomingLead, idempotencyKey: string): Promise<string> {
    const number = this.#numbers.toClientNumber(wanted.number);
    if (number === null) {
      throw new Rejected(`number: "${wanted.number}" is not a telephone number`, {
        details: { number: 'not a telephone number' },
      });
    }
    const uniq = idempotencyKey;
    const made = await this.#creations.once(
      { kind: 'request', key: idempotencyKey, subject: number },
      {
        recover: async (since) => {
          for await (const request of this.#waitingRequests(since)) {
            if (request.metadata?.['uniq'] === uniq) return writeRequestRef(request);
          }
          return null;
        },
        reuse: async (known) => ((await this.#isWaiting(known)) ? known : null),
        create: async () => {
          const before = await this.#creations.latest('request', number);
          if (before !== null && (await this.#isWaiting(before))) return before;
          const body = await this.#writeRequest(wanted, { number, uniq });
          const answer = await this.#api.write('POST', '/api/v4/leads/unsorted/sip', [body], { urgency });
          return writeRequestRef(readAnswer(requestAnswer, answer, 'POST unsorted')._embedded.unsorted[0]!);
        },
      },
    );
    return readRequestRef(made).uid;
  }

  /** Where calls of this number go while its request waits to be sorted. */
  async requestOf(written: string): Promise<EntityRef | null> {
    const number = this.#numbers.toClientNumber(written);
    const made = number === null ? null : await this.#creations.latest('request', number);
    if (made === null) return null;
    const { leadId, contactId } = readRequestRef(made);
    if (leadId !== null) return { kind: 'leads', id: leadId };
    return contactId === null ? null : { kind: 'contacts', id: contactId };
  }

  async #isWaiting(made: string): Promise<boolean> {
    const { uid } = readRequestRef(made);
    return (
      (await this.#api.get(`/api/v4/leads/unsorted/${encodeURIComponent(uid)}`, requestSchema, { urgency })) !== null
    );
  }

  async *#waitingRequests(since: Date): AsyncGenerator<z.output<typeof requestSchema>> {
    const query = { 'filter[category]': ['sip'], 'order[created_at]': 'desc' };
    const list = { key: 'unsorted', item: requestSchema, query };
    for await (const page of this.#api.pages('/api/v4/leads/unsorted', list, { urgency })) {
      yield* page;
      if (page.every((request) => (request.created_at ?? 0) < toSeconds(since))) return;
    }
  }

  async #listOf(contactId: string): Promise<Lead[]> {
    const ref = toCardRef(contactId);
    const card = ref === null ? null : await this.#contacts.read(ref, urgency, { with: 'leads' });
    const ids = card?._embedded?.leads?.map(({ id }) => id) ?? [];
    const leads: Lead[] = [];
    for (let first = 0; first < ids.length; first += idsPerRequest) {
      leads.push(...(await this.#list({ 'filter[id]': ids.slice(first, first + idsPerRequest) })));
    }
    return leads;
  }

  #listCreatedSince(since: Date): Promise<Lead[]> {
    return this.#list({ 'filter[created_at][from]': toSeconds(since), with: 'contacts' });
  }

  async #list(query: Query): Promise<Lead[]> {
    const leads: Lead[] = [];
    const list = { key: 'leads', item: leadSchema, query };
    for await (const page of this.#api.pages('/api/v4/leads', list, { urgency })) leads.push(...page);
    return leads;
  }

  async #writeNew(lead: NewLead): Promise<Record<string, unknown>> {
    const card = lead.contactId === null ? null : await this.#contacts.require(lead.contactId, urgency);
    const { _embedded: given, ...extras } = extrasOf(lead, ofLead) as { _embedded?: object };
    const embedded = {
      ...(card === null ? {} : { [card.kind]: [{ id: card.id }] }),
      ...(lead.tags.length === 0 ? {} : { tags: lead.tags.map((name) => ({ name })) }),
      ...given,
    };
    return {
      name: lead.name,
      ...writeNumbers({
        responsible_user_id: lead.responsibleId,
        pipeline_id: lead.pipelineId,
        status_id: lead.statusId,
      }),
      ...(Object.keys(embedded).length === 0 ? {} : { _embedded: embedded }),
      ...extras,
    };
  }

  async #writeRequest(wanted: NewIncomingLead, { number, uniq }: { number: string; uniq: string }): Promise<object> {
    const field = await this.#account.phoneField(urgency).catch((error: unknown) => {
      if (error instanceof Refused) return null;
      throw error;
    });
    const responsible = toNumber(wanted.responsibleId);
    const written = wanted.number.trim();
    const phone = { field_code: 'PHONE', values: [{ value: written, enum_code: 'WORK' }] };
    const known = await this.#contacts.find(number, { urgency });
    const at = toSeconds(wanted.startedAt);
    return {
      request_id: '0',
      source_uid: this.#source,
      source_name: this.#source,
      created_at: at,
      ...writeNumbers({ pipeline_id: wanted.pipelineId }),
      metadata: {
        uniq,
        from: written,
        // Which of our numbers was called is not known here; the field must not be empty.
        phone: written,
        called_at: at,
        duration: 0,
        // Calls with their recordings are registered by themselves; the field must not be empty.
        link: this.#api.address,
        service_code: this.#source,
        is_call_event_needed: false,
        ...(responsible === null ? {} : { call_responsible: responsible }),
      },
      _embedded: {
        leads: [{ name: wanted.name, ...writeNumbers({ responsible_user_id: wanted.responsibleId }) }],
        // The contact that has the number already needs no second one.
        ...(known === null
          ? { contacts: [{ name: written, ...(field?.hasWork ? { custom_fields_values: [phone] } : {}) }] }
          : {}),
      },
      ...extrasOf(wanted, ofRequest),
    };
  }
}

/** Only what is a number of the CRM's. */
function writeNumbers(ids: Readonly<Record<string, string | null>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(ids).flatMap(([name, id]) => {
      const number = toNumber(id);
      return number === null ? [] : [[name, number] as const];
    }),
  );
}

interface RequestRef {
  readonly uid: string;
  readonly leadId: number | null;
  readonly contactId: number | null;
}

/** `uid/lead/contact`, as it is kept. */
function writeRequestRef({ uid, _embedded: e }: z.output<typeof requestSchema>): string {
  return [uid, e?.leads?.[0]?.id ?? '', e?.contacts?.[0]?.id ?? ''].join('/');
}
function readRequestRef(text: string): RequestRef {
  const [uid = '', lead = '', contact = ''] = text.split('/');
  return { uid, leadId: toNumber(lead), contactId: toNumber(contact) };
}
