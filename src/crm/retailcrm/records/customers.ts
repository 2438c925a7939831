import { z } from 'zod';
import { compareContacts } from '../../../core/contact-mirror.ts';
import { Rejected } from '../../../core/errors.ts';
import type { Contact, NewContact, NumberPlan } from '../../../core/ports.ts';
import type { RetailcrmAccount } from '../account.ts';
import { Refused, type Ask, type RetailcrmApi } from '../api.ts';
import {
  createdSchema,
  customerSchema,
  extrasOf,
  fromLocalTime,
  historySchema,
  managerSchema,
  toContact,
  toLocalTime,
  toNumber,
  toOwnId,
  type Customer,
} from '../mapping.ts';

const mostKnown = 10_000;
/** A search that finds more than this many customers found no number. */
const searchPages = 2;
const idsPerRequest = 50;
const chunk = 100;

export interface CustomersParts {
  readonly api: RetailcrmApi;
  readonly account: RetailcrmAccount;
  readonly numbers: NumberPlan;
  readonly site: string | null;
  readonly ignoreStatus: boolean;
}

/** The CRM's customers as contacts. */
export class Customers {
  readonly #parts: CustomersParts;
  /** Customers that were seen lately: they need not be asked for again. */
  readonly #known = new Set<string>();

  constructor(parts: CustomersParts) {
    this.#parts = parts;
  }

  /** By full number, among all customers. */
  async find(raw: string, ask: Ask): Promise<Contact | null> {
    const { api, numbers } = this.#parts;
    const number = numbers.toClientNumber(raw);
    if (number === null) return null;
    const digits = number.replace('+', '');
    // The CRM looks for what is written; a number that was typed without its country has the last ten digits only.
    for (const text of new Set([digits, digits.slice(-10)])) {
      const found: Contact[] = [];
      const list = {
        key: 'customers',
        item: customerSchema,
        query: { 'filter[name]': text },
        atMostPages: searchPages,
      };
      for await (const page of api.pages('/customers', list, ask)) {
        for (const customer of page) {
          const contact = await this.#read(customer);
          if (contact.numbers.includes(number)) found.push(contact);
        }
      }
      const [best] = found.sort(compareContacts);
      if (best !== undefined) return best;
    }
    return null;
  }

  /**
   * The customer with the manager who should get his call now: as the CRM knows it, only who is logged in, free and has
   * an extension (the first two are dropped with `ignoreStatus`).
   */
  async findLive(raw: string, ask: Ask): Promise<Contact | null> {
    const { api, numbers, ignoreStatus } = this.#parts;
    const number = numbers.toClientNumber(raw);
    if (number === null) return null;
    const query = { phone: number, details: 1, ignoreStatus: ignoreStatus ? 1 : 0 };
    const answer = await api.get('/telephony/manager', managerSchema, { ...ask, query });
    if (answer === null || (answer.customer == null && answer.manager == null)) return null;
    // Who is responsible is told, but not for whom: the customer is looked for.
    const contact = answer.customer == null ? await this.find(number, ask) : await this.#read(answer.customer);
    if (contact === null) return null;
    // The answer was found by the number; where it names numbers, this must be one of them.
    if (contact.numbers.length > 0 && !contact.numbers.includes(number)) return null;
    return {
      ...contact,
      numbers: contact.numbers.length > 0 ? contact.numbers : [number],
      responsibleId: answer.manager == null ? null : String(answer.manager.id),
      url: answer.links?.customerLink ?? contact.url,
    };
  }

  /** Rejects with `Rejected` when there is no such customer. */
  async require(id: string): Promise<void> {
    if (this.#known.has(id)) return;
    const number = toNumber(id);
    const schema = z.looseObject({ customer: customerSchema });
    const answer =
      number === null ? null : await this.#parts.api.get(`/customers/${number}`, schema, { query: this.#by('id') });
    if (answer === null)
      throw new Rejected(`there is no customer ${id}`, { details: { customer: `no customer ${id}` } });
    this.#remember(id);
  }

  /** One customer for a number, whoever asks: the number is part of an id that the CRM keeps unique. */
  async create(wanted: NewContact, key: string): Promise<Contact> {
    const { numbers, site, api } = this.#parts;
    const number = numbers.toClientNumber(wanted.number);
    if (number === null) {
      throw new Rejected('not a telephone number', { details: { phones: `${wanted.number}: not a telephone number` } });
    }
    const own = [toOwnId(`customer-${number.replace('+', '')}`), toOwnId(key)];
    for (const externalId of own) {
      const customer = {
        externalId,
        firstName: wanted.name,
        phones: [{ number }],
        ...(toNumber(wanted.responsibleId) === null ? {} : { managerId: toNumber(wanted.responsibleId) }),
        ...(wanted.tags.length === 0 ? {} : { tags: wanted.tags }),
        ...extrasOf(wanted, ['name', 'number', 'responsibleId', 'tags']),
      };
      try {
        const { id } = await api.post('/customers/create', createdSchema, { site, customer });
        return await this.#read({ ...customer, id, tags: [...wanted.tags] });
      } catch (error) {
        const made = error instanceof Refused ? await this.#readOwn(externalId) : null;
        if (made === null) throw error;
        // Made by an earlier attempt, or for an earlier call; somebody may have given it another number since.
        if (made.numbers.includes(number) || externalId === own.at(-1)) return made;
      }
    }
    throw new Rejected('the customer could not be made');
  }

  async update(id: string, change: Partial<NewContact>): Promise<void> {
    const { api, site, numbers } = this.#parts;
    await this.require(id);
    const { name, number, responsibleId, tags } = change;
    const customer: Record<string, unknown> = extrasOf(change, ['name', 'number', 'responsibleId', 'tags']);
    if (name !== undefined) Object.assign(customer, { firstName: name, lastName: '' });
    if (responsibleId !== undefined) customer['managerId'] = toNumber(responsibleId);
    if (tags !== undefined) customer['addTags'] = tags;
    if (number !== undefined) {
      const schema = z.looseObject({ customer: customerSchema });
      const now = await api.get(`/customers/${id}`, schema, { query: this.#by('id') });
      const added = numbers.toClientNumber(number) ?? number;
      customer['phones'] = [
        ...(now?.customer.phones ?? []).map((phone) => ({ number: phone.number })),
        { number: added },
      ];
    }
    await api.post(`/customers/${id}/edit`, z.looseObject({}), { by: 'id', site, customer });
  }

  /** See `CrmAdapter.listContacts`. Changes are read from the CRM's history of customers. */
  async *listChanged(since: Date | null, onGone?: (id: string) => void): AsyncGenerator<Contact[]> {
    const contacts = since === null ? await this.#readAll() : await this.#readChanged(since, onGone);
    contacts.sort((a, b) => a.updatedAt.getTime() - b.updatedAt.getTime());
    for (let start = 0; start < contacts.length; start += chunk) yield contacts.slice(start, start + chunk);
  }

  /** Newest first, as the CRM lists them: who is added meanwhile makes others come twice, never not at all. */
  async #readAll(): Promise<Contact[]> {
    const byId = new Map<string, Contact>();
    for await (const page of this.#parts.api.pages('/customers', { key: 'customers', item: customerSchema })) {
      for (const customer of page) byId.set(String(customer.id), await this.#read(customer));
    }
    return [...byId.values()];
  }

  async #readChanged(since: Date, onGone?: (id: string) => void): Promise<Contact[]> {
    const { api, account } = this.#parts;
    const timeZone = await account.timeZone();
    const changedAt = new Map<number, Date>();
    const query = { 'filter[startDate]': toLocalTime(since, timeZone) };
    for await (const page of api.pages('/customers/history', { key: 'history', item: historySchema, query })) {
      for (const { createdAt, deleted, customer } of page) {
        const at = fromLocalTime(createdAt, timeZone);
        if (customer == null || at === null || at < since) continue;
        if (deleted === true) {
          changedAt.delete(customer.id);
          onGone?.(String(customer.id));
        } else if (at >= (changedAt.get(customer.id) ?? at)) changedAt.set(customer.id, at);
      }
    }
    const ids = [...changedAt.keys()];
    const contacts: Contact[] = [];
    for (let start = 0; start < ids.length; start += idsPerRequest) {
      const list = {
        key: 'customers',
        item: customerSchema,
        query: { 'filter[ids]': ids.slice(start, start + idsPerRequest) },
      };
      for await (const page of api.pages('/customers', list)) {
        for (const customer of page) contacts.push(await this.#read(customer, changedAt.get(customer.id)));
      }
    }
    return contacts;
  }

  async #readOwn(externalId: string): Promise<Contact | null> {
    const schema = z.looseObject({ customer: customerSchema });
    const answer = await this.#parts.api.get(`/customers/${externalId}`, schema, { query: this.#by('externalId') });
    return answer === null ? null : this.#read(answer.customer);
  }

  #by(by: 'id' | 'externalId') {
    return { by, site: this.#parts.site };
  }

  async #read(customer: Customer, changedAt?: Date): Promise<Contact> {
    const { api, account, numbers } = this.#parts;
    this.#remember(String(customer.id));
    return toContact(customer, {
      numbers,
      address: api.address,
      timeZone: customer.createdAt ? await account.timeZone() : 'UTC',
      ...(changedAt === undefined ? {} : { changedAt }),
    });
  }

  #remember(id: string): void {
    this.#known.delete(id);
    this.#known.add(id);
    if (this.#known.size > mostKnown) this.#known.delete(this.#known.values().next().value!);
  }
}
