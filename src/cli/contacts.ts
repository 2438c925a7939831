import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import type { ContactFields } from '../core/contact-book.ts';
import type { Contact } from '../core/ports.ts';
import { contactCsvLine, contactsCsvHead, readContactsCsv } from './contacts-csv.ts';
import { exitCodes, UserFault, type AddCommand } from './context.ts';
import { createServiceClient, ServiceFault, type ServiceClient } from './service-client.ts';

interface ImportReport {
  created: number;
  changed: number;
  unchanged: number;
  failed: { line: number; message: string }[];
}

/** `contacts import | export`: the built-in CRM's contacts as CSV. */
export const addContactsCommand: AddCommand = (program, context) => {
  const contacts = program.command('contacts').description("the built-in CRM's contacts");

  contacts
    .command('import')
    .description(
      'add contacts from a CSV file; who has one of the numbers already is completed, so importing twice changes nothing',
    )
    .argument('<file>', 'first line names the columns: name, company, numbers, responsible, tags')
    .option('--dry-run', 'only tell what would be done')
    .option('--json', 'as JSON')
    .action(async (file: string, { dryRun, json }: { dryRun?: boolean; json?: boolean }) => {
      const rows = readContactsCsv(readInput(file));
      const client = createServiceClient(context);
      const report: ImportReport = { created: 0, changed: 0, unchanged: 0, failed: [] };
      for (const { line, fields } of rows) {
        try {
          report[await importContact(fields, client, dryRun === true)] += 1;
        } catch (error) {
          if (!(error instanceof ServiceFault) || error.status >= 500 || [401, 404].includes(error.status)) throw error;
          report.failed.push({ line, message: error.message });
        }
      }
      if (json === true) context.printJson(report);
      else {
        for (const { line, message } of report.failed) context.print(`${file}:${line}: ${message}`);
        const { created, changed, unchanged, failed } = report;
        const word = dryRun === true ? 'would be ' : '';
        context.print(
          `${word}created ${created}, ${word}completed ${changed}, unchanged ${unchanged}, failed ${failed.length}`,
        );
      }
      if (report.failed.length > 0) context.setExitCode(exitCodes.failed);
    });

  contacts
    .command('export')
    .description('write all contacts as CSV')
    .argument('[file]', 'else to standard output')
    .option('--json', 'as JSON')
    .action(async (file: string | undefined, { json }: { json?: boolean }) => {
      const rows = createServiceClient(context).list<Contact>('/api/v1/contacts', { limit: 500 });
      const out = file === undefined ? context.stdout : createWriteStream(file, { mode: 0o640 });
      // A full disk or a folder that does not exist must not end the process with a trace.
      const failed = file === undefined ? null : once(out, 'error').then(([error]) => Promise.reject(error as Error));
      failed?.catch(() => {});
      const written = (async () => {
        out.write(json === true ? '[' : contactsCsvHead());
        let count = 0;
        for await (const contact of rows) {
          const text =
            json === true ? `${count === 0 ? '\n' : ',\n'}${JSON.stringify(contact)}` : contactCsvLine(contact);
          if (!out.write(text)) await once(out, 'drain');
          count += 1;
        }
        if (json === true) out.write('\n]\n');
        if (file === undefined) return;
        out.end();
        await once(out, 'finish');
        context.print(`${count} contact${count === 1 ? '' : 's'} written to ${file}`);
      })();
      try {
        await (failed === null ? written : Promise.race([written, failed]));
      } catch (error) {
        if (error instanceof UserFault || !(error instanceof Error) || !('code' in error)) throw error;
        throw new UserFault(`${file ?? 'standard output'} cannot be written: ${error.message}`);
      }
    });
};

function readInput(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new UserFault(`${file} cannot be read: ${(error as Error).message}`, exitCodes.usage);
  }
}

async function importContact(
  fields: ContactFields,
  client: ServiceClient,
  isDry: boolean,
): Promise<'created' | 'changed' | 'unchanged'> {
  const known =
    fields.numbers.length === 0 ? await findByName(fields, client) : await findByNumbers(fields.numbers, client);
  if (known === null) {
    // A phone book of bare numbers is still worth having.
    const isNameless = fields.name === '' && fields.company === null;
    const name = isNameless ? (fields.numbers[0] ?? '') : fields.name;
    if (!isDry) await client.send('POST', '/api/v1/contacts', { ...fields, name });
    return 'created';
  }
  // Completed, never emptied: a column that the file does not have says nothing about the contact.
  const wanted = {
    name: fields.name || known.name,
    company: fields.company ?? known.company,
    responsibleId: fields.responsibleId ?? known.responsibleId,
    numbers: [...known.numbers, ...fields.numbers],
    tags: [...new Set([...known.tags, ...fields.tags])],
  };
  const isSame =
    wanted.name === known.name &&
    wanted.company === known.company &&
    wanted.responsibleId === known.responsibleId &&
    wanted.tags.length === known.tags.length &&
    (await hasAllNumbers(fields.numbers, known, client));
  if (isSame) return 'unchanged';
  if (!isDry) await client.send('PATCH', `/api/v1/contacts/${encodeURIComponent(known.id)}`, wanted);
  return 'changed';
}

async function findByNumber(number: string, client: ServiceClient): Promise<readonly Contact[]> {
  return (await client.get<{ items: Contact[] }>('/api/v1/contacts', { number, limit: 10 })).items;
}

/** For rows without a number, so that these too are imported once. */
async function findByName({ name, company }: ContactFields, client: ServiceClient): Promise<Contact | null> {
  const text = `${name} ${company ?? ''}`.trim().slice(0, 200);
  if (text === '') return null;
  const { items } = await client.get<{ items: Contact[] }>('/api/v1/contacts', { text, limit: 500 });
  return items.find((contact) => contact.name === name && (company === null || contact.company === company)) ?? null;
}

async function findByNumbers(numbers: readonly string[], client: ServiceClient): Promise<Contact | null> {
  for (const number of numbers) {
    const [contact] = await findByNumber(number, client);
    if (contact !== undefined) return contact;
  }
  return null;
}

/** Asked of the service, which alone knows how the number plan writes them. */
async function hasAllNumbers(numbers: readonly string[], known: Contact, client: ServiceClient): Promise<boolean> {
  for (const number of numbers) {
    if (known.numbers.includes(number)) continue;
    if (!(await findByNumber(number, client)).some(({ id }) => id === known.id)) return false;
  }
  return true;
}
