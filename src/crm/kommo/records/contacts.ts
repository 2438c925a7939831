import { ContactMirror } from '../../../core/contact-mirror.ts';
import { Rejected, Retryable } from '../../../core/errors.ts';
import type { Contact, NewContact, NumberPlan } from '../../../core/ports.ts';
import type { Urgency } from '../access/pace.ts';
import type { KommoAccount } from '../account.ts';
import { readAnswer, type Ask, type KommoApi, type Query } from '../api.ts';
import type { Creations } from '../creations.ts';
import {
  cardSchema,
  createdSchema,
  extrasOf,
  phonesOf,
  toCardRef,
  toContact,
  toContactId,
  toNumber,
  toSeconds,
  type Card,
  type CardKind,
  type EntityRef,
  type FieldValue,
} from '../mapping.ts';

/** The search index holds numbers in many ways of writing; their last ten digits are in all of them. */
const searchDigits = 10;
const shortestNumber = 4;
/** An answer "nobody" is believed this long. */
const lookFreshMs = 5_000;
const mostRemembered = 20_000;
const ours = ['name', 'number', 'responsibleId', 'tags'];

const digitsOf = (text: string) => text.replace(/\D/g, '');

/** Contacts and companies of the account. */
export class KommoContacts {
  readonly #api: KommoApi;
  readonly #account: KommoAccount;
  readonly #creations: Creations;
  readonly #numbers: NumberPlan;
  readonly #withCompanies: boolean;
  /** That these exist was seen a while ago; whether they still do shows when they are written to. */
  readonly #seen = new Recent<number>();
  /** Who alone has this number; null: several have it, and the CRM might choose another than we did. */
  readonly #owners = new Recent<string | null>();
  readonly #companyNames = new Recent<string>();
  /** When nobody was found under this number, on the monotonic clock. */
  readonly #missedAtMs = new Recent<number>();

  constructor(parts: {
    readonly api: KommoApi;
    readonly account: KommoAccount;
    readonly creations: Creations;
    readonly numbers: NumberPlan;
    readonly withCompanies: boolean;
  }) {
    this.#api = parts.api;
    this.#account = parts.account;
    this.#creations = parts.creations;
    this.#numbers = parts.numbers;
    this.#withCompanies = parts.withCompanies;
  }

  /** By the whole normalised number, in whatever way it is written on the card; contacts before companies. */
  async find(number: string, ask: Ask): Promise<Contact | null> {
    const wanted = this.#numbers.toClientNumber(number);
    if (wanted === null || digitsOf(wanted).length < shortestNumber) {
      if (ask.signal?.aborted === true) throw new Retryable('the lookup was given up');
      return null;
    }
    const kinds: readonly CardKind[] = this.#withCompanies ? ['contacts', 'companies'] : ['contacts'];
    for (const kind of kinds) {
      const query = { query: digitsOf(wanted).slice(-searchDigits) };
      const contacts: Contact[] = [];
      // The search looks at names and notes too: whoever has the number may stand far behind.
      for await (const page of this.#api.pages(`/api/v4/${kind}`, { key: kind, item: cardSchema, query }, ask))
        contacts.push(...page.filter(isAlive).map((card) => this.#note(kind, card)));
      const mirror = new ContactMirror();
      mirror.put(contacts);
      const found = mirror.find(wanted);
      if (found === null) continue;
      const isAlone = contacts.filter((one) => one.numbers.includes(wanted)).length === 1;
      this.#owners.put(wanted, isAlone ? found.id : null);
      return found;
    }
    this.#missedAtMs.put(wanted, performance.now());
    return null;
  }

  /** True when the CRM itself, asked for this number, can only mean this contact; also when nothing is known. */
  isOwner(number: string, contactId: string): boolean {
    const wanted = this.#numbers.toClientNumber(number);
    const owner = wanted === null ? undefined : this.#owners.get(wanted);
    return owner === undefined || owner === contactId;
  }

  /** Rejects with `Rejected` when there is no such contact. */
  async require(id: string, urgency: Urgency): Promise<EntityRef<CardKind>> {
    const ref = toCardRef(id);
    if (ref !== null && this.#seen.get(id) !== undefined) return ref;
    if (ref === null || (await this.read(ref, urgency)) === null) throw noContact(id);
    return ref;
  }

  async read(ref: EntityRef<CardKind>, urgency: Urgency, query: Query = {}): Promise<Card | null> {
    const card = await this.#api.get(`/api/v4/${ref.kind}/${ref.id}`, cardSchema, { urgency, query });
    if (card === null || card.is_deleted === true) return null;
    this.#note(ref.kind, card);
    return card;
  }

  /**
   * Changed since then, oldest change first; contacts, then companies. Each page is asked for from the last change of
   * the one before: what is changed meanwhile moves to the end of the list, and must not push others out of sight.
   */
  async *listChanged(since: Date | null, onGone?: (id: string) => void): AsyncGenerator<readonly Contact[]> {
    yield* this.#listKind('contacts', since, onGone);
    if (this.#withCompanies) yield* this.#listKind('companies', since, onGone);
  }

  async *#listKind(
    kind: CardKind,
    since: Date | null,
    onGone?: (id: string) => void,
  ): AsyncGenerator<readonly Contact[]> {
    let from = since === null ? 0 : toSeconds(since);
    let page = 1;
    let lastOnes = new Set<number>();
    for (;;) {
      const query: Query = { 'order[updated_at]': 'asc', ...(from === 0 ? {} : { 'filter[updated_at][from]': from }) };
      const ask: Ask = { urgency: 'sync' };
      const { items, hasMore } = await this.#api.page(
        `/api/v4/${kind}`,
        { key: kind, item: cardSchema, query, page },
        ask,
      );
      const fresh = items.filter((card) => !lastOnes.has(card.id) && card.updated_at >= from);
      const alive = fresh.filter(isAlive);
      for (const card of fresh) if (!isAlive(card)) onGone?.(toContactId({ kind, id: card.id }));
      await this.#learnCompanies(kind, alive);
      if (alive.length > 0) yield alive.map((card) => this.#note(kind, card));
      const last = items.at(-1);
      if (!hasMore || last === undefined) return;
      if (last.updated_at > from) {
        from = last.updated_at;
        page = 1;
        lastOnes = new Set(items.filter((card) => card.updated_at === from).map((card) => card.id));
      } else {
        // More than a page of the same second.
        page += 1;
        for (const card of items) lastOnes.add(card.id);
      }
    }
  }

  /** One per number: the contact that has it already, or a new one. */
  async create(wanted: NewContact, idempotencyKey: string): Promise<Contact> {
    const number = this.#numbers.toClientNumber(wanted.number);
    if (number === null) throw faultyField('number', `"${wanted.number}" is not a telephone number`);
    const urgency = 'delivery';
    const identity = { kind: 'contact', key: idempotencyKey, subject: number } as const;
    const id = await this.#creations.once(identity, {
      recover: (since) => this.#findCreatedSince(since, number),
      reuse: async (known) => {
        const ref = toCardRef(known);
        return ref === null || (await this.read(ref, urgency)) === null ? null : known;
      },
      create: async () => {
        // Whoever asks for a new contact has looked just now; what we ourselves make meanwhile is known without asking.
        const hasLooked = performance.now() - (this.#missedAtMs.get(number) ?? -Infinity) < lookFreshMs;
        const found = hasLooked ? null : await this.find(number, { urgency });
        if (found !== null) return found.id;
        const body = { ...(await this.#writeNew(wanted)), request_id: '0' };
        const answer = await this.#api.write('POST', '/api/v4/contacts', [body], { urgency });
        const created = readAnswer(createdSchema('contacts'), answer, 'POST contacts');
        this.#seen.put(String(created), created);
        this.#owners.put(number, String(created));
        return String(created);
      },
    });
    const ref = toCardRef(id)!;
    return {
      id,
      name: wanted.name,
      company: null,
      numbers: [number],
      responsibleId: wanted.responsibleId,
      updatedAt: new Date(0),
      tags: wanted.tags,
      url: `${this.#api.address}/${ref.kind}/detail/${ref.id}`,
    };
  }

  /** The contact that keeps what belongs to nobody, by its name; made when there is none. */
  async requireCollecting(name: string): Promise<EntityRef<CardKind>> {
    const urgency = 'delivery';
    const find = async () => {
      const query = { query: name };
      const list = { key: 'contacts', item: cardSchema, query, page: 1 };
      const { items } = await this.#api.page('/api/v4/contacts', list, { urgency });
      const same = items.filter((card) => isAlive(card) && card.name === name);
      return same.map((card) => card.id).sort((a, b) => a - b)[0] ?? null;
    };
    const known = await this.#creations.latest('contact', `collecting:${name}`);
    if (
      known !== null &&
      (this.#seen.get(known) !== undefined || (await this.read(toCardRef(known)!, urgency)) !== null)
    ) {
      return toCardRef(known)!;
    }
    // A person may have deleted the one before: then this is another one.
    const identity = {
      kind: 'contact',
      key: `collecting:${name}:${known ?? ''}`,
      subject: `collecting:${name}`,
    } as const;
    const asId = (id: number | null) => (id === null ? null : String(id));
    const id = await this.#creations.once(identity, {
      recover: async (since) => {
        for await (const card of this.#createdSince('contacts', since)) if (card.name === name) return String(card.id);
        return asId(await find());
      },
      create: async () => {
        const found = await find();
        if (found !== null) return String(found);
        const answer = await this.#api.write('POST', '/api/v4/contacts', [{ name, request_id: '0' }], { urgency });
        return String(readAnswer(createdSchema('contacts'), answer, 'POST contacts'));
      },
    });
    this.#seen.put(id, Number(id));
    return toCardRef(id)!;
  }

  /** Changes only what is named; a number is added to those that are there. */
  async update(id: string, change: Partial<NewContact>): Promise<void> {
    const ref = toCardRef(id);
    if (ref === null) throw noContact(id);
    const { custom_fields_values: given, ...extras } = extrasOf(change, ours) as { custom_fields_values?: FieldName[] };
    const body: Record<string, unknown> = { ...extras };
    if (change.name !== undefined) body['name'] = change.name;
    if (change.responsibleId) body['responsible_user_id'] = toNumber(change.responsibleId) ?? undefined;
    if (change.tags !== undefined && change.tags.length > 0)
      body['tags_to_add'] = change.tags.map((name) => ({ name }));
    const field = change.number === undefined ? null : await this.#addNumber(ref, change.number);
    const isPhone = ({ field_id: id, field_code: code }: FieldName) =>
      code === 'PHONE' || (id != null && id === this.#account.phoneFieldId);
    const others = (given ?? []).filter((one) => change.number === undefined || !isPhone(one));
    const fields = [...others, ...(field === null ? [] : [field])];
    if (fields.length > 0) body['custom_fields_values'] = fields;
    if (Object.keys(body).length === 0) return;
    await this.#api.write('PATCH', `/api/v4/${ref.kind}/${ref.id}`, body, { urgency: 'delivery' });
  }

  /** What a new contact is sent as; its number as it is wanted, which may be the account's own way of writing. */
  async #writeNew(wanted: NewContact): Promise<Record<string, unknown>> {
    const field = await this.#account.phoneField('delivery');
    if (field === null || !field.hasWork) {
      throw new Retryable(
        'contacts of the account have no field for numbers (code PHONE with the value WORK); calls go on without new contacts',
      );
    }
    const responsible = toNumber(wanted.responsibleId);
    const { _embedded: given, ...extras } = extrasOf(wanted, ours) as { _embedded?: object };
    const embedded = { ...(wanted.tags.length === 0 ? {} : { tags: wanted.tags.map((name) => ({ name })) }), ...given };
    return {
      name: wanted.name,
      custom_fields_values: [{ field_id: field.id, values: [{ value: wanted.number.trim(), enum_code: 'WORK' }] }],
      ...(responsible === null ? {} : { responsible_user_id: responsible }),
      ...(Object.keys(embedded).length === 0 ? {} : { _embedded: embedded }),
      ...extras,
    };
  }

  /** The contact's field with the number added, because what is sent replaces what was there; null: it has it. */
  async #addNumber(ref: EntityRef<CardKind>, raw: string): Promise<object | null> {
    const number = this.#numbers.toClientNumber(raw);
    if (number === null) throw faultyField('number', `"${raw}" is not a telephone number`);
    const card = await this.read(ref, 'delivery');
    if (card === null) throw noContact(String(ref.id));
    if (phonesOf(card).some((phone) => this.#numbers.toClientNumber(phone) === number)) return null;
    const field = (card.custom_fields_values ?? []).find((one: FieldValue) => one.field_code === 'PHONE');
    const kept = (field?.values ?? []).map(({ value, enum_id, enum_code }) => ({
      value,
      ...(enum_id ? { enum_id } : enum_code ? { enum_code } : {}),
    }));
    return { field_code: 'PHONE', values: [...kept, { value: raw.trim(), enum_code: 'WORK' }] };
  }

  async #findCreatedSince(since: Date, number: string): Promise<string | null> {
    for await (const card of this.#createdSince('contacts', since)) {
      const has = phonesOf(card).some((phone) => this.#numbers.toClientNumber(phone) === number);
      if (has) return String(card.id);
    }
    return null;
  }

  async *#createdSince(kind: CardKind, since: Date): AsyncGenerator<Card> {
    const query = { 'filter[created_at][from]': toSeconds(since), 'order[id]': 'asc' };
    for await (const page of this.#api.pages(
      `/api/v4/${kind}`,
      { key: kind, item: cardSchema, query },
      { urgency: 'delivery' },
    )) {
      yield* page.filter(isAlive);
    }
  }

  /** The names of companies that contacts of this page work for, where they are not known. */
  async #learnCompanies(kind: CardKind, cards: readonly Card[]): Promise<void> {
    if (kind === 'companies') {
      for (const { id, name } of cards) this.#companyNames.put(String(id), name ?? '');
      return;
    }
    const ids = new Set(cards.flatMap((card) => card._embedded?.companies?.map(({ id }) => id) ?? []));
    const unknown = [...ids].filter((id) => this.#companyNames.get(String(id)) === undefined);
    if (unknown.length === 0) return;
    const list = { key: 'companies', item: cardSchema, query: { 'filter[id]': unknown } };
    for await (const page of this.#api.pages('/api/v4/companies', list, { urgency: 'sync' })) {
      for (const { id, name } of page) this.#companyNames.put(String(id), name ?? '');
    }
  }

  #note(kind: CardKind, card: Card): Contact {
    const companyId = card._embedded?.companies?.[0]?.id;
    const company = (companyId === undefined ? '' : this.#companyNames.get(String(companyId))) || null;
    const contact = toContact(card, { kind, numbers: this.#numbers, address: this.#api.address, company });
    this.#seen.put(contact.id, card.id);
    return contact;
  }
}

/** Which field of a card a hook wrote. */
interface FieldName {
  readonly field_id?: number | null;
  readonly field_code?: string | null;
}

/** What lies among the unsorted requests is no contact yet. */
const isAlive = (card: Card) => card.is_deleted !== true && card.is_unsorted !== true;

function faultyField(field: string, message: string): Rejected {
  return new Rejected(`${field}: ${message}`, { details: { [field]: message } });
}
const noContact = (id: string) => faultyField('contactId', `there is no contact ${id}`);

/** Remembers the newest ones. */
class Recent<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }
  put(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > mostRemembered) this.#values.delete(this.#values.keys().next().value!);
  }
}
