import { Rejected } from '../../../core/errors.ts';
import type { ConversationRegistration, IncomingCallCard } from '../../../core/ports.ts';
import { readAnswer, Refused, type KommoApi } from '../api.ts';
import type { Creations } from '../creations.ts';
import {
  callAnswerSchema,
  createdSchema,
  describeResult,
  noteSchema,
  texts,
  toCallStatus,
  toEntityKind,
  toNumber,
  toSeconds,
  type EntityKind,
  type EntityRef,
  type Note,
} from '../mapping.ts';
import type { KommoContacts } from './contacts.ts';
import type { KommoLeads } from './leads.ts';

const urgency = 'delivery';
const entityKinds: readonly EntityKind[] = ['contacts', 'leads', 'companies', 'customers'];
const callNotes = ['call_in', 'call_out'];

interface Place extends EntityRef {
  /** Of the call, or of the note that holds it. */
  readonly recordId: number;
}

/** Conversations as the CRM's calls, and the card of a ringing one. */
export class KommoCalls {
  readonly #api: KommoApi;
  readonly #contacts: KommoContacts;
  readonly #leads: KommoLeads;
  readonly #creations: Creations;
  readonly #source: string;
  readonly #language: 'en' | 'ru';
  readonly #collectingContact: string;

  constructor(parts: {
    readonly api: KommoApi;
    readonly contacts: KommoContacts;
    readonly leads: KommoLeads;
    readonly creations: Creations;
    readonly source: string;
    readonly language: 'en' | 'ru';
    readonly collectingContact: string | null;
  }) {
    this.#api = parts.api;
    this.#contacts = parts.contacts;
    this.#leads = parts.leads;
    this.#creations = parts.creations;
    this.#source = parts.source;
    this.#language = parts.language;
    this.#collectingContact = parts.collectingContact ?? texts[parts.language].collecting;
  }

  /** One call per key. The id names the entity it stands at: `leads/12/881`. */
  register(registration: ConversationRegistration): Promise<string> {
    const uniq = registration.idempotencyKey;
    return this.#creations.once(
      { kind: 'call', key: uniq, subject: null },
      {
        recover: async (since) => {
          for (const kind of entityKinds) {
            const note = await this.#findNote(kind, { uniq, since }).catch((error: unknown) => {
              // Not every tariff has customers.
              if (kind === 'customers' && error instanceof Refused) return null;
              throw error;
            });
            if (note !== null) return writePlace({ kind, id: note.entity_id, recordId: note.id });
          }
          return null;
        },
        create: async () => writePlace(await this.#place(registration, uniq)),
      },
    );
  }

  /** Adds the link to the call's note; where the CRM does not change it, a note of its own says where to listen. */
  async attachRecording(registrationId: string, link: string, idempotencyKey: string): Promise<void> {
    const place = readPlace(registrationId);
    const uniq = await this.#creations.keyOf('call', registrationId);
    if (place === null || uniq === null) {
      throw new Rejected(`there is no call ${registrationId}`, { details: { registrationId: 'no such call' } });
    }
    const note = await this.#findNote(place.kind, { uniq, entityId: place.id });
    if (note?.params?.['link'] === link) return;
    if (note !== null) {
      try {
        const body = { params: { ...note.params, link } };
        await this.#api.write('PATCH', `/api/v4/${place.kind}/notes/${note.id}`, body, { urgency });
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
    const text = `${texts[this.#language].recording}: ${link}`;
    await this.#creations.once(
      { kind: 'recording', key: idempotencyKey, subject: null },
      {
        recover: async () => {
          for await (const page of this.#notes(`${place.kind}/${place.id}`, ['common'], null)) {
            const same = page.find(({ params }) => params?.['text'] === text);
            if (same !== undefined) return String(same.id);
          }
          return null;
        },
        create: () => this.#addNote(place, { note_type: 'common', params: { text } }),
      },
    );
  }

  /** Never to all: an empty list would be all. */
  async showCard({ call, userIds }: IncomingCallCard): Promise<void> {
    const users = userIds.flatMap((id) => toNumber(id) ?? []);
    if (call.client === null || users.length === 0) return;
    const event = { type: 'phone_call', phone_number: call.client, users };
    await this.#api.write(
      'POST',
      '/api/v2/events/',
      { add: [event] },
      { urgency: 'card', signal: AbortSignal.timeout(5_000) },
    );
  }

  async #place(registration: ConversationRegistration, uniq: string): Promise<Place> {
    const { call, contactId, leadId } = registration;
    const contact = contactId === null ? null : await this.#contacts.require(contactId, urgency);
    if (call.client !== null) {
      // The CRM itself looks for whom the number belongs to; where it might choose another, it is not asked.
      const mayChoose = contactId === null || this.#contacts.isOwner(call.client, contactId);
      const place = mayChoose ? await this.#addCall(registration, call.client, uniq) : null;
      if (place !== null) return place;
    }
    const lead = toNumber(leadId);
    const request = contact !== null || call.client === null ? null : await this.#leads.requestOf(call.client);
    const target: EntityRef =
      (lead === null ? contact : { kind: 'leads', id: lead }) ??
      request ??
      (await this.#contacts.requireCollecting(this.#collectingContact));
    return { ...target, recordId: Number(await this.#addNoteOfCall(target, registration, uniq)) };
  }

  /** `POST /api/v4/calls`; null: the CRM knows nobody with this number. */
  async #addCall(registration: ConversationRegistration, phone: string, uniq: string): Promise<Place | null> {
    const { call, conversation } = registration;
    const body = {
      direction: call.direction === 'outbound' ? 'outbound' : 'inbound',
      phone,
      ...this.#describe(registration, uniq),
      ...this.#author(registration),
      created_at: toSeconds(conversation.requestedAt),
      request_id: '0',
    };
    let answer: unknown;
    try {
      answer = await this.#api.write('POST', '/api/v4/calls', [body], { urgency });
    } catch (error) {
      if (error instanceof Refused && isUnknownPhone(error)) return null;
      throw error;
    }
    const { errors, _embedded: made } = readAnswer(callAnswerSchema, answer, 'POST calls');
    const placed = made?.calls?.[0];
    if (placed === undefined) {
      if (errors?.length) return null;
      throw new Rejected('POST /api/v4/calls made no call and does not say why', { details: answer });
    }
    const kind = toEntityKind(placed.entity_type);
    if (kind === null) throw new Rejected(`a call was put at a "${placed.entity_type}"`, { details: answer });
    return { kind, id: placed.entity_id, recordId: placed.id };
  }

  async #addNoteOfCall(target: EntityRef, registration: ConversationRegistration, uniq: string): Promise<string> {
    const { call, conversation } = registration;
    const params = { ...this.#describe(registration, uniq), phone: call.client ?? '-' };
    return this.#addNote(target, {
      note_type: call.direction === 'outbound' ? 'call_out' : 'call_in',
      params,
      ...this.#author(registration),
      created_at: toSeconds(conversation.requestedAt),
    });
  }

  async #addNote(target: EntityRef, note: object): Promise<string> {
    const path = `/api/v4/${target.kind}/notes`;
    const body = [{ entity_id: target.id, ...note, request_id: '0' }];
    return String(readAnswer(createdSchema('notes'), await this.#api.write('POST', path, body, { urgency }), path));
  }

  #describe({ conversation, userId, extras }: ConversationRegistration, uniq: string): Record<string, unknown> {
    const { recording } = conversation;
    const isLink = recording !== null && /^https?:\/\//.test(recording);
    const responsible = toNumber(userId) ?? conversation.extension;
    return {
      uniq,
      duration: conversation.duration,
      source: this.#source,
      ...(isLink ? { link: recording } : {}),
      call_result: describeResult(conversation, this.#language),
      call_status: toCallStatus(conversation.result),
      ...(responsible === null ? {} : { call_responsible: responsible }),
      ...extras,
    };
  }

  #author({ responsibleId, userId }: ConversationRegistration): Record<string, number> {
    const responsible = toNumber(responsibleId);
    const author = toNumber(userId);
    return {
      ...(responsible === null ? {} : { responsible_user_id: responsible }),
      ...(author === null ? {} : { created_by: author, updated_by: author }),
    };
  }

  async #findNote(
    kind: EntityKind,
    wanted: { readonly uniq: string; readonly since?: Date; readonly entityId?: number },
  ): Promise<Note | null> {
    const path = wanted.entityId === undefined ? kind : `${kind}/${wanted.entityId}`;
    for await (const page of this.#notes(path, callNotes, wanted.since ?? null)) {
      const found = page.find((note) => note.params?.['uniq'] === wanted.uniq);
      if (found !== undefined) return found;
    }
    return null;
  }

  #notes(path: string, types: readonly string[], since: Date | null): AsyncGenerator<Note[]> {
    const query = {
      'filter[note_type]': types,
      ...(since === null ? {} : { 'filter[updated_at][from]': toSeconds(since) }),
    };
    const ask = { urgency, isOptional: path.startsWith('customers') } as const;
    return this.#api.pages(`/api/v4/${path}/notes`, { key: 'notes', item: noteSchema, query }, ask);
  }
}

/** Told by the list `errors`; a request that is wrong in itself has `validation-errors`. */
function isUnknownPhone({ status, answer }: Refused): boolean {
  if (status !== 400 || typeof answer !== 'object' || answer === null || 'validation-errors' in answer) return false;
  const errors = callAnswerSchema.safeParse(answer).data?.errors;
  return errors !== undefined && errors !== null && errors.length > 0;
}

const writePlace = ({ kind, id, recordId }: Place): string => `${kind}/${id}/${recordId}`;
function readPlace(text: string): Place | null {
  const [word = '', id = '', record = ''] = text.split('/');
  const kind = toEntityKind(word);
  const [entity, recordId] = [toNumber(id), toNumber(record)];
  return kind === null || entity === null || recordId === null ? null : { kind, id: entity, recordId };
}
