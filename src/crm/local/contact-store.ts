import type { Knex } from 'knex';
import type { ContactFields, ContactQuery } from '../../core/contact-book.ts';
import { compareContacts } from '../../core/contact-mirror.ts';
import type { Page } from '../../core/ledger-queries.ts';
import type { Clock, Contact, NewContact, NumberPlan } from '../../core/ports.ts';
import { faultyField } from './faults.ts';
import {
  createOnce,
  insertRow,
  lockNumber,
  readPage,
  requireUser,
  toDate,
  toRowId,
  toStoredTags,
  toStoredText,
  toTags,
} from './rows.ts';

interface ContactRow {
  id: number;
  name: string;
  company: string | null;
  responsible_id: string | null;
  tags: string;
  updated_at: number | string;
}

/** Digits that national and international writing of a number share nearly everywhere. */
const suffixLength = 9;
const pageSize = 500;
const sortColumns = { name: 'name', updatedAt: 'updated_at' } as const;

const fold = (text: string): string => text.toLowerCase().replaceAll('ё', 'е');

function toSuffix(number: string): string | null {
  const digits = number.replace(/\D/g, '');
  return digits.length < suffixLength ? null : digits.slice(-suffixLength);
}

/** Of two numbers with the same suffix: neither names its country, or only one does, and they agree as far as both go. */
function endsAlike(a: string, b: string): boolean {
  if (a.startsWith('+') && b.startsWith('+')) return false;
  const [x, y] = [a.replace(/\D/g, ''), b.replace(/\D/g, '')];
  const length = Math.min(x.length, y.length, suffixLength + 1);
  return x.slice(-length) === y.slice(-length);
}

/** Contacts with their numbers. Numbers are kept as the number plan normalises them. */
export class ContactStore {
  readonly #db: Knex;
  readonly #numbers: NumberPlan;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly numbers: NumberPlan; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#numbers = parts.numbers;
    this.#clock = parts.clock;
  }

  /** E.164 where derivable; rejects with the field's name what is no number. */
  toStoredNumber(raw: string): string {
    const number = this.#numbers.toClientNumber(raw);
    if (number === null) throw faultyField('number', `"${raw}" is not a phone number`);
    return number;
  }

  async read(id: string, db: Knex = this.#db): Promise<Contact | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    const rows: ContactRow[] = await db('local_contacts').where({ id: rowId });
    return (await this.#withNumbers(db, rows))[0] ?? null;
  }

  /**
   * The contact that has exactly this number; `compareContacts` chooses among several, as in the mirror. Failing that
   * the only contact whose number ends alike, where at least one of the two numbers is known without its country: two
   * complete numbers of different countries are different people.
   */
  async findByNumber(raw: string, db: Knex = this.#db): Promise<Contact | null> {
    const number = this.#numbers.toClientNumber(raw);
    if (number === null) return null;
    const exact: ContactRow[] = await db('local_contacts').whereIn(
      'id',
      db('local_contact_numbers').where({ number }).select('contact_id'),
    );
    if (exact.length > 0) return (await this.#withNumbers(db, exact)).sort(compareContacts)[0]!;
    const suffix = toSuffix(number);
    if (suffix === null) return null;
    const alike: { contact_id: number; number: string }[] = await db('local_contact_numbers').where({ suffix });
    const contactIds = new Set(
      alike.filter((other) => endsAlike(other.number, number)).map((other) => other.contact_id),
    );
    return contactIds.size === 1 ? this.read(String([...contactIds][0]), db) : null;
  }

  /** The contact that has the number already, else a new one; one per key. */
  async createForNumber(contact: NewContact, idempotencyKey: string): Promise<Contact> {
    const number = this.toStoredNumber(contact.number);
    const rowId = await createOnce(this.#db, { kind: 'contact', key: idempotencyKey }, (transaction) =>
      this.takeOrAdd(transaction, { ...contact, company: null, numbers: [number] }),
    );
    return (await this.read(String(rowId)))!;
  }

  /** Inside a transaction: the row of the contact that has the first number, else of a new one. */
  async takeOrAdd(transaction: Knex.Transaction, fields: ContactFields): Promise<number> {
    const number = this.toStoredNumber(fields.numbers[0] ?? '');
    await lockNumber(transaction, number);
    const known = await this.findByNumber(number, transaction);
    return known === null ? this.#insert(transaction, fields) : Number(known.id);
  }

  async add(fields: ContactFields): Promise<Contact> {
    const rowId = await this.#db.transaction((transaction) => this.#insert(transaction, fields));
    return (await this.read(String(rowId)))!;
  }

  /** Rejects as `add` would. */
  async check(fields: ContactFields): Promise<void> {
    await this.#toRow(this.#db, fields);
  }

  /** Null: there is no such contact. `addedNumber` joins the numbers, `numbers` replaces them. */
  async edit(id: string, change: Partial<ContactFields> & { addedNumber?: string }): Promise<Contact | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    await this.#db.transaction(async (transaction) => {
      // Written first, so that two edits of one contact follow each other on both databases.
      await transaction('local_contacts').where({ id: rowId }).update({ updated_at: this.#clock.now().getTime() });
      const contact = await this.read(id, transaction);
      if (contact === null) return;
      const numbers = [...(change.numbers ?? contact.numbers), ...(change.addedNumber ? [change.addedNumber] : [])];
      const fields = { ...contact, ...change, numbers };
      await transaction('local_contacts')
        .where({ id: rowId })
        .update(await this.#toRow(transaction, fields));
      await transaction('local_contact_numbers').where({ contact_id: rowId }).delete();
      await this.#insertNumbers(transaction, rowId, numbers);
    });
    return this.read(id);
  }

  async delete(id: string): Promise<boolean> {
    const rowId = toRowId(id);
    if (rowId === null) return false;
    return this.#db.transaction(async (transaction) => {
      await transaction('local_idempotency_keys').where({ kind: 'contact', entity_id: rowId }).delete();
      for (const table of ['local_leads', 'local_incoming_leads', 'local_tasks', 'local_call_notes']) {
        await transaction(table).where({ contact_id: rowId }).update({ contact_id: null });
      }
      await transaction('local_contact_numbers').where({ contact_id: rowId }).delete();
      return (await transaction('local_contacts').where({ id: rowId }).delete()) > 0;
    });
  }

  async list(query: ContactQuery): Promise<Page<Contact>> {
    const rows = this.#db('local_contacts').select('*');
    for (const word of this.#toSearchWords(query.text)) {
      void rows.whereRaw("search_text like ? escape '!'", [`%${word.replace(/[!%_]/g, '!$&')}%`]);
    }
    if (query.responsibleId !== undefined) void rows.where({ responsible_id: query.responsibleId });
    const page = await readPage<ContactRow>(rows, query, sortColumns[query.sort]);
    return { items: await this.#withNumbers(this.#db, page.items), nextCursor: page.nextCursor };
  }

  /** Pages of contacts changed at or after that time, oldest change first; null: all. */
  async *listChanged(changedSince: Date | null): AsyncIterable<readonly Contact[]> {
    let from = { at: changedSince?.getTime() ?? 0, id: 0 };
    for (;;) {
      const { at, id } = from;
      const rows: ContactRow[] = await this.#db('local_contacts')
        .where((either) =>
          either.where('updated_at', '>', at).orWhere((same) => same.where({ updated_at: at }).where('id', '>', id)),
        )
        .orderBy([{ column: 'updated_at' }, { column: 'id' }])
        .limit(pageSize);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield await this.#withNumbers(this.#db, rows);
      if (rows.length < pageSize) return;
      from = { at: Number(last.updated_at), id: last.id };
    }
  }

  #toSearchWords(text: string): string[] {
    if (/^[\d\s()+.-]*\d[\d\s()+.-]*$/.test(text)) {
      return [(this.#numbers.toClientNumber(text) ?? text).replace(/\D/g, '')];
    }
    return fold(toStoredText(text))
      .split(/\s+/)
      .filter((word) => word !== '');
  }

  async #insert(transaction: Knex.Transaction, fields: ContactFields): Promise<number> {
    const now = this.#clock.now().getTime();
    const row = await this.#toRow(transaction, fields);
    const rowId = await insertRow(transaction, 'local_contacts', { ...row, created_at: now, updated_at: now });
    await this.#insertNumbers(transaction, rowId, fields.numbers);
    return rowId;
  }

  async #insertNumbers(transaction: Knex.Transaction, contactId: number, raw: readonly string[]): Promise<void> {
    const numbers = [...new Set(raw.map((number) => this.toStoredNumber(number)))];
    if (numbers.length === 0) return;
    await transaction('local_contact_numbers').insert(
      numbers.map((number, position) => ({ contact_id: contactId, number, position, suffix: toSuffix(number) })),
    );
  }

  async #toRow(db: Knex, fields: ContactFields) {
    const company = fields.company === null ? null : toStoredText(fields.company) || null;
    const numbers = fields.numbers.map((number) => this.toStoredNumber(number));
    // PostgreSQL cannot index what is much longer.
    const name = [...(toStoredText(fields.name) || (company === null ? (numbers[0] ?? '') : ''))]
      .slice(0, 500)
      .join('');
    if (name === '' && company === null) throw faultyField('name', 'a contact needs a name, a company or a number');
    return {
      name,
      company,
      responsible_id: await requireUser(db, 'responsibleId', fields.responsibleId),
      tags: toStoredTags(fields.tags),
      search_text: fold([name, company ?? '', ...numbers].join('\n')),
    };
  }

  async #withNumbers(db: Knex, rows: readonly ContactRow[]): Promise<Contact[]> {
    if (rows.length === 0) return [];
    const numberRows: { contact_id: number; number: string }[] = await db('local_contact_numbers')
      .whereIn(
        'contact_id',
        rows.map((row) => row.id),
      )
      .orderBy([{ column: 'contact_id' }, { column: 'position' }])
      .select('contact_id', 'number');
    const byContact = new Map<number, { number: string }[]>();
    for (const row of numberRows) byContact.set(row.contact_id, [...(byContact.get(row.contact_id) ?? []), row]);
    return rows.map((row) => ({
      id: String(row.id),
      name: row.name,
      company: row.company,
      numbers: (byContact.get(row.id) ?? []).map((numberRow) => numberRow.number),
      responsibleId: row.responsible_id,
      updatedAt: toDate(row.updated_at),
      tags: toTags(row.tags),
      url: null,
    }));
  }
}
