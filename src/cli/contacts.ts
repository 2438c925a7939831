import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import type { Contact } from '../core/ports.ts';
import { contactCsvLine, contactsCsvHead } from '../web/contacts-csv.ts';
import type { ImportReport } from '../web/contacts-import.ts';
import { exitCodes, UserFault, type AddCommand } from './context.ts';
import { createServiceClient, type ServiceClient } from './service-client.ts';

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
      const { lines: _, ...report } = await sendFile(createServiceClient(context), readInput(file), dryRun === true);
      if (json === true) context.printJson(report);
      else {
        for (const { line, message } of report.failed) context.print(`${file}:${line}: ${message}`);
        for (const { line, message } of report.notes) context.print(`${file}:${line}: note: ${message}`);
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

/** The service reads the file: it alone knows its contacts and how the number plan writes their numbers. */
const sendFile = (client: ServiceClient, bytes: Uint8Array, isDry: boolean): Promise<ImportReport> =>
  client.sendFile(`/api/v1/contacts/import?dryRun=${isDry}`, { bytes, type: 'text/csv' });
