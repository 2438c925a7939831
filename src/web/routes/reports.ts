import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { MissedClient } from '../../core/call-reports.ts';
import type { Door } from '../door.ts';
import { toClickFault } from '../click-fault.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import type { InterfaceParts, KnownContact } from '../ports.ts';
import type { Visitor } from '../visitor.ts';
import { collectStatus } from './status.ts';
import { moment } from '../query.ts';

const longestMs = 400 * 86_400_000;
const period = { from: moment, to: moment };
const periodQuery = z.strictObject(period);
const callBack = z.strictObject({
  number: z.string().min(1).max(64),
  extension: z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension'),
});
const takeBody = z.strictObject({ client: z.string().min(1).max(64), isTaken: z.boolean() });
const completenessQuery = z.strictObject({
  ...period,
  /** Minutes that local time is ahead of UTC: where a day begins. */
  offset: z.coerce.number().int().min(-840).max(840).default(0),
});

export type MissedRow = MissedClient & { readonly contact: KnownContact | null };

/** Figures and lists over a period, and the looks at the installation that take a while. */
export function addReportRoutes(api: FastifyInstance, door: Door, own: InterfaceParts): void {
  const { reports, contactOf } = own;

  api.get('/missed', async (request) => {
    const span = within(parseInput(periodQuery, request.query));
    const { extensions } = door.visitorOf(request);
    const items = await reports.missedClients({ ...span, extensions, limit: 500 });
    return { items: items.map((item): MissedRow => ({ ...item, contact: contactOf(item.client) })) };
  });

  api.post('/missed/take', async (request) => {
    const { client, isTaken } = parseInput(takeBody, request.body);
    const visitor = door.visitorOf(request);
    await requireSeen(client, visitor);
    const take = isTaken ? { who: visitor.name, at: door.parts.clock.now() } : null;
    await reports.takeMissed(client, take);
    return { client, takenBy: take?.who ?? null, takenAt: take?.at ?? null };
  });

  /** People who see some calls only take clients of those. */
  async function requireSeen(client: string, { extensions }: Visitor): Promise<void> {
    if (extensions === null) return;
    const first = { sort: 'startedAt', order: 'desc', limit: 1, after: null } as const;
    const { items } = await door.parts.ledger.listCalls({ ...first, client, extensions });
    if (items.length === 0) throw notFound('client');
  }

  // As `/click-to-call`, from a phone of those whose calls the visitor sees.
  api.post('/call-back', async (request, reply) => {
    const { number, extension } = parseInput(callBack, request.body);
    const { name, extensions } = door.visitorOf(request);
    if (extensions !== null && !extensions.includes(extension))
      throw new WebFault(403, 'not_allowed', 'This extension is not yours.');
    const click = { employeeId: null, extension, number, clientName: null, did: null };
    try {
      const requestData = { number, extension };
      const state = await door.parts.clickToCall.start({
        ...click,
        requester: `web:${name}`,
        crmUser: null,
        requestData,
      });
      reply.code(202);
      return state;
    } catch (error) {
      throw toClickFault(error);
    }
  });

  api.get('/overview', async (request) => {
    const span = within(parseInput(periodQuery, request.query));
    return reports.overview({ ...span, extensions: door.visitorOf(request).extensions });
  });

  api.get('/completeness', async (request) => {
    const { offset, ...rest } = parseInput(completenessQuery, request.query);
    const dayOffsetMs = offset * 60_000;
    return {
      items: await reports.completeness({ ...within(rest), extensions: null, crms: door.parts.crms, dayOffsetMs }),
    };
  });

  api.get('/staff', async () => ({
    items: own.staff().map(({ id, name, extensions, isActive }) => ({ id, name, extensions, isActive })),
  }));
  api.get('/parts', async () => ({ items: await collectStatus(door.parts) }));
  api.get('/doctor', async () => ({ items: await own.examine() }));
}

function within<Span extends { readonly from: Date; readonly to: Date }>(span: Span): Span {
  const length = span.to.getTime() - span.from.getTime();
  if (length > 0 && length <= longestMs) return span;
  const message = 'must be after from, and at most 400 days';
  throw new WebFault(400, 'invalid_input', `The request is not valid: to: ${message}`, [{ field: 'to', message }]);
}
