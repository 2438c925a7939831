import type { CsvError } from 'csv-parse/sync';
import type { ContactFields } from '../core/contact-book.ts';
import type { Contact } from '../core/ports.ts';
import { WebFault } from './fault.ts';

const columns = ['name', 'company', 'numbers', 'responsible', 'tags'] as const;
type Column = (typeof columns)[number];

/** Headings that other programs give these columns, in lower case. */
const headings: Readonly<Record<Column, readonly string[]>> = {
  name: ['name', 'full name', 'contact', 'fn', 'имя', 'фио', 'контакт', 'название'],
  company: ['company', 'organization', 'organisation', 'компания', 'организация'],
  numbers: [
    'numbers',
    'number',
    'phone',
    'phones',
    'telephone',
    'mobile',
    'mobile phone',
    'work phone',
    'телефон',
    'телефоны',
    'номер',
    'мобильный телефон',
    'рабочий телефон',
  ],
  responsible: ['responsible', 'responsibleid', 'owner', 'ответственный'],
  tags: ['tags', 'tag', 'теги', 'тег'],
};

export interface CsvContact {
  /** In the file, from 1, headings included. */
  readonly line: number;
  readonly fields: ContactFields;
}

/**
 * Contacts from a CSV file as spreadsheets and CRMs write them: UTF-8 or Windows-1251, separated by comma, semicolon or
 * tab, headings in English or Russian, several number columns or several numbers in one. Rejects with a `WebFault` for what is none of this.
 */
export async function readContactsCsv(bytes: Uint8Array): Promise<CsvContact[]> {
  const text = decode(bytes);
  const records = await parseRecords(text);
  const [head, ...rows] = records;
  if (head === undefined) throw unreadable('The file is empty.');
  const places = head.record.map((heading) => columnOf(heading));
  if (!places.includes('numbers') && !places.includes('name')) {
    throw unreadable(
      `The first line must name the columns: ${columns.join(', ')} (at least name or numbers). Found: ${head.record.join(', ')}`,
    );
  }
  return rows.map(({ record, line }) => {
    const cells = (column: Column) =>
      record.flatMap((cell, index) => (places[index] === column && cell.trim() !== '' ? [unprotect(cell.trim())] : []));
    return {
      line,
      fields: {
        name: cells('name').join(' '),
        company: cells('company')[0] ?? null,
        numbers: cells('numbers')
          .flatMap((cell) => split(cell, /[;,\n|]/))
          .map(unprotect),
        responsibleId: cells('responsible')[0] ?? null,
        tags: cells('tags').flatMap((cell) => split(cell, /[;,\n]/)),
      },
    };
  });
}

const unreadable = (message: string) => new WebFault(422, 'unreadable_file', message);

/** As `readContactsCsv` reads it; safe to open in a spreadsheet, which would take `=…` and `+7…` for formulas. */
export function contactsCsvHead(): string {
  return `\ufeff${columns.join(',')}\r\n`;
}

export function contactCsvLine(contact: Contact): string {
  const cells = [
    contact.name,
    contact.company ?? '',
    contact.numbers.join('; '),
    contact.responsibleId ?? '',
    contact.tags.join('; '),
  ];
  return `${cells.map(toCell).join(',')}\r\n`;
}

function toCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",;\r\n\t]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const unprotect = (text: string) => (/^'[=+\-@]/.test(text) ? text.slice(1) : text);

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1251').decode(bytes);
  }
}

interface Line {
  readonly record: string[];
  readonly line: number;
}

async function parseRecords(text: string): Promise<Line[]> {
  // Lists are brought in once in a while; what reads them need not lie in memory until then.
  const { parse } = await import('csv-parse/sync');
  const firstLine = /^.*$/m.exec(text)?.[0] ?? '';
  const delimiter = [',', ';', '\t'].sort((a, b) => firstLine.split(b).length - firstLine.split(a).length)[0]!;
  try {
    const parsed = parse(text, {
      bom: true,
      delimiter,
      info: true,
      relax_column_count: true,
      // ООО "Ромашка" stands unprotected in many a list that people keep.
      relax_quotes: true,
      skip_empty_lines: true,
      trim: true,
      max_record_size: 100_000,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return parsed.map(({ record, info }) => ({ record, line: info.lines }));
  } catch (error) {
    throw unreadable(`The file is not valid CSV: ${(error as CsvError).message}`);
  }
}

function columnOf(heading: string): Column | null {
  // Google and Outlook number their columns: "Phone 1 - Value".
  const plain = heading
    .toLowerCase()
    .replace(/\s*-\s*value$/, '')
    .replace(/\s*\d+$/, '')
    .trim();
  return columns.find((column) => headings[column].includes(plain)) ?? null;
}

function split(cell: string, separator: RegExp): string[] {
  return cell
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
