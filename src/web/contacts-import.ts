import type { z } from 'zod';
import type { ContactBook, ContactFields } from '../core/contact-book.ts';
import { Rejected } from '../core/errors.ts';
import type { Contact } from '../core/ports.ts';
import type { CsvContact } from './contacts-csv.ts';
import { parseInput, WebFault } from './fault.ts';

export type ImportOutcome = 'created' | 'changed' | 'unchanged';

/** One line of the file and what becomes, or would become, of it. */
export interface ImportedLine {
  readonly line: number;
  readonly outcome: ImportOutcome | 'failed';
  readonly name: string;
  readonly numbers: readonly string[];
  /** What is wrong with it; null: nothing. */
  readonly message: string | null;
}

export interface ImportReport {
  readonly created: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly failed: readonly { readonly line: number; readonly message: string }[];
  /** In the order of the file, at most `shownLines`. */
  readonly lines: readonly ImportedLine[];
}

/** More than this nobody reads. */
const shownLines = 1_000;

export interface ImportParts {
  readonly book: ContactBook;
  /** What a new contact must look like. */
  readonly schema: z.ZodType<ContactFields>;
  readonly toClientNumber: (raw: string) => string | null;
}

/**
 * Adds contacts; who has one of the numbers already is completed, so importing twice changes nothing. `isDry`: only tells
 * what would be done, and what would fail. A line that is wrong does not stop the others.
 */
export async function importContacts(
  rows: readonly CsvContact[],
  parts: ImportParts,
  { isDry }: { readonly isDry: boolean },
): Promise<ImportReport> {
  const counts: Record<ImportOutcome, number> = { created: 0, changed: 0, unchanged: 0 };
  const failed: { line: number; message: string }[] = [];
  const lines: ImportedLine[] = [];
  const idOf = await readStaff(parts.book);
  for (const { line, fields: read } of rows) {
    const fields = { ...read, responsibleId: idOf(read.responsibleId) };
    const about = { line, name: fields.name || (fields.company ?? ''), numbers: fields.numbers };
    let outcome: ImportedLine;
    try {
      const done = await importContact(fields, parts, isDry);
      counts[done] += 1;
      outcome = { ...about, outcome: done, message: null };
    } catch (error) {
      if (!(error instanceof Rejected) && !(error instanceof WebFault)) throw error;
      failed.push({ line, message: error.message });
      outcome = { ...about, outcome: 'failed', message: error.message };
    }
    if (lines.length < shownLines) lines.push(outcome);
  }
  return { ...counts, failed, lines };
}

/** Files name the responsible by id or by name. */
async function readStaff(book: ContactBook): Promise<(text: string | null) => string | null> {
  const employees = await book.listEmployees();
  const ids = new Set(employees.map(({ id }) => id));
  const byName = new Map(employees.map(({ id, name }) => [name.toLowerCase(), id]));
  return (text) => (text === null || ids.has(text) ? text : (byName.get(text.toLowerCase()) ?? text));
}

async function importContact(
  fields: ContactFields,
  { book, schema, toClientNumber }: ImportParts,
  isDry: boolean,
): Promise<ImportOutcome> {
  const numbers = fields.numbers.map((number) => toClientNumber(number) ?? number);
  const known = numbers.length === 0 ? await findByName(fields, book) : await findByNumbers(numbers, book);
  if (known === null) {
    // A phone book of bare numbers is still worth having.
    const isNameless = fields.name === '' && fields.company === null;
    const contact = parseInput(schema, { ...fields, name: isNameless ? (fields.numbers[0] ?? '') : fields.name });
    if (isDry) await book.checkContact(contact);
    else await book.addContact(contact);
    return 'created';
  }
  // Completed, never emptied: a column that the file does not have says nothing about the contact.
  const wanted = {
    name: fields.name || known.name,
    company: fields.company ?? known.company,
    responsibleId: fields.responsibleId ?? known.responsibleId,
    numbers: [...new Set([...known.numbers, ...numbers])],
    tags: [...new Set([...known.tags, ...fields.tags])],
  };
  const isSame =
    wanted.name === known.name &&
    wanted.company === known.company &&
    wanted.responsibleId === known.responsibleId &&
    wanted.tags.length === known.tags.length &&
    wanted.numbers.length === known.numbers.length;
  if (isSame) return 'unchanged';
  const contact = parseInput(schema, wanted);
  if (isDry) await book.checkContact(contact);
  else await book.editContact(known.id, contact);
  return 'changed';
}

const page = { sort: 'name', order: 'asc', after: null } as const;

/** For rows without a number, so that these too are imported once. */
async function findByName({ name, company }: ContactFields, book: ContactBook): Promise<Contact | null> {
  const text = `${name} ${company ?? ''}`.trim().slice(0, 200);
  if (text === '') return null;
  const { items } = await book.listContacts({ ...page, text, limit: 500 });
  return items.find((contact) => contact.name === name && (company === null || contact.company === company)) ?? null;
}

async function findByNumbers(numbers: readonly string[], book: ContactBook): Promise<Contact | null> {
  for (const number of numbers) {
    if (!/\d/.test(number)) continue;
    // The search finds numbers by any part of them.
    const { items } = await book.listContacts({ ...page, text: number, limit: 50 });
    const found = items.find((contact) => contact.numbers.includes(number));
    if (found !== undefined) return found;
  }
  return null;
}
