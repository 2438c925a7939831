import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { callNoteSortColumns, contactSortColumns, type ContactFields } from '../../core/contact-book.ts';
import type { Contact } from '../../core/ports.ts';
import { requireContactBook } from '../contact-book-door.ts';
import { notFound, parseInput } from '../fault.ts';
import { pageQuery, pageRequest, shortText, typedNumber } from '../query.ts';
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
const identity = z.strictObject({ id: shortText });
const callNoteQuery = z.strictObject({
  ...pageQuery(callNoteSortColumns, 'desc'),
  contactId: shortText.optional(),
  userId: shortText.optional(),
});

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
