import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import {
  incomingLeadSortColumns,
  leadSortColumns,
  type IncomingLeadState,
  type LeadFields,
} from '../../core/contact-book.ts';
import { requireContactBook } from '../contact-book-door.ts';
import { notFound, parseInput } from '../fault.ts';
import { pageQuery, pageRequest, shortText, truth } from '../query.ts';
import type { Door } from '../door.ts';

const leadQuery = z.strictObject({
  ...pageQuery(leadSortColumns, 'desc'),
  contactId: shortText.optional(),
  responsibleId: shortText.optional(),
  pipelineId: shortText.optional(),
  open: truth.optional(),
});
const leadFields = {
  name: z.string().trim().min(1).max(500),
  contactId: shortText.nullable(),
  responsibleId: shortText.nullable(),
  pipelineId: shortText,
  statusId: shortText,
  tags: z.array(z.string().trim().min(1).max(100)).max(50),
} satisfies Record<keyof LeadFields, z.ZodType>;
const newLead = z.strictObject({
  ...leadFields,
  contactId: leadFields.contactId.default(null),
  responsibleId: leadFields.responsibleId.default(null),
  tags: leadFields.tags.default([]),
});
const leadChange = z.strictObject(leadFields).partial();
const incomingStates = ['unsorted', 'accepted', 'declined'] as const satisfies readonly IncomingLeadState[];
const incomingLeadQuery = z.strictObject({
  ...pageQuery(incomingLeadSortColumns, 'desc'),
  state: z.enum(incomingStates, `must be one of ${incomingStates.join(', ')}`).optional(),
});
const acceptBody = z.strictObject({ contactName: z.string().trim().min(1).max(500).nullable().default(null) });
const identity = z.strictObject({ id: shortText });

/** The built-in CRM's leads, and the incoming ones that a person has still to sort. */
export function addLeadRoutes(api: FastifyInstance, { parts }: Door): void {
  const book = () => requireContactBook(parts);

  api.get('/leads', async (request) => {
    const { sort, limit, after, open, ...rest } = parseInput(leadQuery, request.query);
    return book().listLeads({ ...pageRequest({ sort, limit, after }), ...rest, isOpen: open });
  });

  api.post('/leads', async (request, reply) => {
    const lead = await book().addLead(parseInput(newLead, request.body));
    reply.code(201);
    return lead;
  });

  api.patch('/leads/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const lead = await book().editLead(id, parseInput(leadChange, request.body));
    if (lead === null) throw notFound('lead');
    return lead;
  });

  api.get('/incoming-leads', async (request) => {
    const { sort, limit, after, ...rest } = parseInput(incomingLeadQuery, request.query);
    return book().listIncomingLeads({ ...pageRequest({ sort, limit, after }), ...rest });
  });

  api.post('/incoming-leads/:id/accept', async (request) => {
    const { id } = parseInput(identity, request.params);
    const lead = await book().acceptIncomingLead(id, parseInput(acceptBody, request.body ?? {}));
    if (lead === null) throw notFound('incoming lead');
    return lead;
  });

  api.post('/incoming-leads/:id/decline', async (request) => {
    const { id } = parseInput(identity, request.params);
    const lead = await book().declineIncomingLead(id);
    if (lead === null) throw notFound('incoming lead');
    return lead;
  });
}
