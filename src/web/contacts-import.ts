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
  /** What is wrong with it, or what a person may not expect of it; null: nothing. */
  readonly message: string | null;
}

export interface LineNote {
  readonly line: number;
  readonly message: string;
}

export interface ImportReport {
  readonly created: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly failed: readonly LineNote[];
  /** Of lines that are done: names that they change, and what they say otherwise than an earlier line did. */
  readonly notes: readonly LineNote[];
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

/** What an earlier line of the file said of a contact. */
interface Said extends Pick<ContactFields, 'name' | 'company' | 'responsibleId' | 'numbers' | 'tags'> {
  readonly line: number;
  /** Only told, not done: there is no such contact yet. */
  readonly isImagined: boolean;
}

/**
 * Adds contacts; who has one of the numbers already is completed, so importing twice changes nothing. The file is its
 * owner's word: a name that it has otherwise is changed, and the line says so. Of two lines with the same number the first
 * decides, and the second completes it. `isDry`: only tells what would be done, and what would fail. A line that is wrong
 * does not stop the others.
 */
export async function importContacts(
  rows: readonly CsvContact[],
  parts: ImportParts,
  { isDry }: { readonly isDry: boolean },
): Promise<ImportReport> {
  const counts: Record<ImportOutcome, number> = { created: 0, changed: 0, unchanged: 0 };
  const failed: LineNote[] = [];
  const notes: LineNote[] = [];
  const lines: ImportedLine[] = [];
  const saidOf = new Map<string, Said>();
  const idOf = await readStaff(parts.book);
  for (const { line, fields: read } of rows) {
    const fields = { ...read, responsibleId: idOf(read.responsibleId) };
    const numbers = fields.numbers.map((number) => parts.toClientNumber(number) ?? number);
    const about = { line, name: fields.name || (fields.company ?? ''), numbers: fields.numbers };
    let outcome: ImportedLine;
    try {
      const known =
        numbers.length === 0 ? await findByName(fields, parts.book) : await findByNumbers(numbers, parts.book);
      const keys = [...numbers, ...(known === null ? [] : [`id:${known.id}`])];
      const earlier = keys.map((key) => saidOf.get(key)).find((said) => said !== undefined) ?? null;
      const wanted = { ...fields, ...(earlier === null ? {} : firstSaid(earlier, fields)) };
      const done = earlier?.isImagined
        ? await imagineMore({ ...wanted, numbers }, earlier, parts)
        : await importContact({ ...wanted, numbers }, known, parts, isDry);
      const said = {
        ...wanted,
        line: earlier?.line ?? line,
        numbers: [...(earlier?.numbers ?? []), ...numbers],
        tags: [...(earlier?.tags ?? []), ...fields.tags],
        isImagined: isDry && known === null,
      };
      for (const key of [...keys, ...said.numbers]) saidOf.set(key, said);
      counts[done] += 1;
      const message = earlier === null ? noteRenaming(known, wanted) : noteContradiction(earlier, fields);
      if (message !== null) notes.push({ line, message });
      outcome = { ...about, outcome: done, message };
    } catch (error) {
      if (!(error instanceof Rejected) && !(error instanceof WebFault)) throw error;
      failed.push({ line, message: error.message });
      outcome = { ...about, outcome: 'failed', message: error.message };
    }
    if (lines.length < shownLines) lines.push(outcome);
  }
  return { ...counts, failed, notes, lines };
}

/** A later line fills what an earlier one left open. */
const firstSaid = (earlier: Said, fields: ContactFields) => ({
  name: earlier.name || fields.name,
  company: earlier.company ?? fields.company,
  responsibleId: earlier.responsibleId ?? fields.responsibleId,
});

function noteContradiction(earlier: Said, { name, company, responsibleId }: ContactFields): string | null {
  const differs = (said: string | null, now: string | null) =>
    (said ?? '') !== '' && (now ?? '') !== '' && said !== now;
  const words = [
    ...(differs(earlier.name, name) ? [`name ${JSON.stringify(earlier.name)}`] : []),
    ...(differs(earlier.company, company) ? [`company ${JSON.stringify(earlier.company)}`] : []),
    ...(differs(earlier.responsibleId, responsibleId) ? ['responsible'] : []),
  ];
  if (words.length === 0) return null;
  return `The same contact as line ${earlier.line}: its ${words.join(', ')} stays; one of the two lines is wrong.`;
}

function noteRenaming(known: Contact | null, { name }: { readonly name: string }): string | null {
  if (known === null || name === '' || name === known.name) return null;
  return `Renamed: it was ${JSON.stringify(known.name)}.`;
}

/** The second line of a contact that would exist by then. */
async function imagineMore(
  fields: ContactFields,
  earlier: Said,
  { book, schema }: ImportParts,
): Promise<ImportOutcome> {
  const numbers = [...new Set([...earlier.numbers, ...fields.numbers])];
  const tags = [...new Set([...earlier.tags, ...fields.tags])];
  await book.checkContact(parseInput(schema, { ...fields, name: nameOf(fields), numbers, tags }));
  const isSame =
    fields.name === earlier.name &&
    fields.company === earlier.company &&
    fields.responsibleId === earlier.responsibleId &&
    numbers.length === new Set(earlier.numbers).size &&
    tags.length === new Set(earlier.tags).size;
  return isSame ? 'unchanged' : 'changed';
}

/** A phone book of bare numbers is still worth having. */
const nameOf = ({ name, company, numbers }: ContactFields) =>
  name === '' && company === null ? (numbers[0] ?? '') : name;

/** Files name the responsible by id or by name. */
async function readStaff(book: ContactBook): Promise<(text: string | null) => string | null> {
  const employees = await book.listEmployees();
  const ids = new Set(employees.map(({ id }) => id));
  const byName = new Map(employees.map(({ id, name }) => [name.toLowerCase(), id]));
  return (text) => (text === null || ids.has(text) ? text : (byName.get(text.toLowerCase()) ?? text));
}

async function importContact(
  fields: ContactFields,
  known: Contact | null,
  { book, schema }: ImportParts,
  isDry: boolean,
): Promise<ImportOutcome> {
  if (known === null) {
    const contact = parseInput(schema, { ...fields, name: nameOf(fields) });
    if (isDry) await book.checkContact(contact);
    else await book.addContact(contact);
    return 'created';
  }
  // Completed, never emptied: a column that the file does not have says nothing about the contact.
  const wanted = {
    name: fields.name || known.name,
    company: fields.company ?? known.company,
    responsibleId: fields.responsibleId ?? known.responsibleId,
    numbers: [...new Set([...known.numbers, ...fields.numbers])],
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
