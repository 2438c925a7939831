import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { callNoteSortColumns, contactSortColumns, type ContactFields } from '../../core/contact-book.ts';
import { Readable } from 'node:stream';
import type { Contact } from '../../core/ports.ts';
import { contactCsvLine, contactsCsvHead, readContactsCsv } from '../contacts-csv.ts';
import { importContacts } from '../contacts-import.ts';
import { requireContactBook } from '../contact-book-door.ts';
import type { Page } from '../../core/ledger-queries.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { pageQuery, pageRequest, shortText, truth, typedNumber } from '../query.ts';
import type { Door } from '../door.ts';

const contactQuery = z.strictObject({
  ...pageQuery(contactSortColumns, 'asc'),
  text: z.string().max(200).default(''),
  /** Whoever has exactly this number; overrules `text`. */
  number: typedNumber.optional(),
  responsibleId: shortText.optional(),
});
const contactFields = {
  name: z.string().trim().max(500),
  company: z.string().trim().max(500).nullable(),
  numbers: z.array(z.string().trim().min(1).max(64)).max(50),
  responsibleId: shortText.nullable(),
  tags: z.array(z.string().trim().min(1).max(100)).max(50),
} satisfies Record<keyof ContactFields, z.ZodType>;
const newContact = z
  .strictObject({
    name: contactFields.name.default(''),
    company: contactFields.company.default(null),
    numbers: contactFields.numbers.default([]),
    responsibleId: contactFields.responsibleId.default(null),
    tags: contactFields.tags.default([]),
  })
  .refine(({ name, company }) => name !== '' || (company ?? '') !== '', {
    path: ['name'],
    message: 'a contact needs a name or a company',
  });
const contactChange = z.strictObject(contactFields).partial();
const importQuery = z.strictObject({ dryRun: truth.default(false) });
/** Some hundred thousand contacts. */
const fileLimitBytes = 32 * 1024 * 1024;
const identity = z.strictObject({ id: shortText });
const callNoteQuery = z.strictObject({
  ...pageQuery(callNoteSortColumns, 'desc'),
  contactId: shortText.optional(),
  userId: shortText.optional(),
});

const byName = { sort: 'name', order: 'asc', limit: 500 } as const;

/** The built-in CRM's contacts and their history of calls. */
export function addContactRoutes(api: FastifyInstance, { parts }: Door): void {
  const book = () => requireContactBook(parts);

  api.get('/contacts', async (request) => {
    const { sort, limit, after, number, text, responsibleId } = parseInput(contactQuery, request.query);
    const normal = number === undefined ? null : (parts.toClientNumber(number) ?? number);
    const page = await book().listContacts({
      ...pageRequest({ sort, limit, after }),
      text: normal ?? text,
      responsibleId,
    });
    // The search finds numbers by any part of them.
    const fits = (contact: Contact) => normal === null || contact.numbers.includes(normal);
    return { ...page, items: page.items.filter(fits) };
  });

  // All pages, one after the other: neither the memory nor the database is asked for everything at once.
  api.get('/contacts.csv', async (_request, reply) => {
    async function* lines(): AsyncGenerator<string> {
      yield contactsCsvHead();
      let after: string | null = null;
      do {
        const page: Page<Contact> = await book().listContacts({ ...byName, after, text: '' });
        yield page.items.map(contactCsvLine).join('');
        after = page.nextCursor;
      } while (after !== null);
    }
    book();
    reply.header('content-type', 'text/csv; charset=utf-8');
    reply.header('content-disposition', 'attachment; filename="contacts.csv"');
    return reply.send(Readable.from(lines()));
  });

  api.addContentTypeParser(
    ['text/csv', 'application/vnd.ms-excel'],
    { parseAs: 'buffer', bodyLimit: fileLimitBytes },
    (_request, body, done) => done(null, body),
  );
  const asImport = { bodyLimit: fileLimitBytes, config: { audited: ['dryRun'] } };
  api.post('/contacts/import', asImport, async (request) => {
    const { dryRun: isDry } = parseInput(importQuery, request.query);
    if (!Buffer.isBuffer(request.body)) throw new WebFault(415, 'bad_request', 'Send the file as text/csv.');
    // Silence while a long file is read is no dead connection.
    request.raw.socket.setTimeout(0);
    const importing = { book: book(), schema: newContact, toClientNumber: parts.toClientNumber };
    return importContacts(await readContactsCsv(request.body), importing, { isDry });
  });

  api.get('/contacts/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const contact = await book().contact(id);
    if (contact === null) throw notFound('contact');
    return contact;
  });

  api.post('/contacts', async (request, reply) => {
    const contact = await book().addContact(parseInput(newContact, request.body));
    reply.code(201).header('location', `/api/v1/contacts/${encodeURIComponent(contact.id)}`);
    return contact;
  });

  api.patch('/contacts/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const contact = await book().editContact(id, parseInput(contactChange, request.body));
    if (contact === null) throw notFound('contact');
    return contact;
  });

  api.delete('/contacts/:id', async (request, reply) => {
    const { id } = parseInput(identity, request.params);
    if (!(await book().deleteContact(id))) throw notFound('contact');
    return reply.code(204).send();
  });

  api.get('/call-notes', async (request) => {
    const { sort, limit, after, ...rest } = parseInput(callNoteQuery, request.query);
    return book().listCallNotes({ ...pageRequest({ sort, limit, after }), ...rest });
  });
}
