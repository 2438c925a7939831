import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { MissedClient } from '../../core/call-reports.ts';
import { lackingSortColumns, lackingStates, type LackingRow } from '../../core/ledger-queries.ts';
import type { Employee } from '../../core/ports.ts';
import type { Door } from '../door.ts';
import { toClickFault } from '../click-fault.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { clocksWithin } from '../local-time.ts';
import type { CrmAccounts, InterfaceParts, KnownContact } from '../ports.ts';
import type { Visitor } from '../visitor.ts';
import { collectStatus } from './status.ts';
import { listOf, pageQuery, pageRequest, spanOf } from '../query.ts';
import { resendLimit } from './deliveries.ts';

const longestMs = 400 * 86_400_000;
const callBack = z.strictObject({
  number: z.string().min(1).max(64),
  extension: z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension'),
});
const takeBody = z.strictObject({ client: z.string().min(1).max(64), isTaken: z.boolean() });

const lackingFilters = {
  ...pageQuery(lackingSortColumns, 'desc'),
  crm: z.string().min(1).max(200),
  state: listOf(lackingStates).default(['missing', 'rejected']),
};
const repairable = ['missing', 'rejected', 'skipped'] as const;
const repairFilters = {
  crm: z.string().min(1).max(200),
  state: z
    .array(z.enum(repairable, `must be of ${repairable.join(', ')}`))
    .min(1)
    .max(3),
};
/** Extensions that calls named within this are in use. */
const seenMs = 30 * 86_400_000;

export type LackingAnswerRow = LackingRow & { readonly contact: KnownContact | null };
export interface RepairAnswer {
  /** Never owed before, and owed now. */
  readonly owed: number;
  readonly resent: number;
}
export interface AccountsAnswer {
  readonly employees: readonly Pick<Employee, 'id' | 'name' | 'extensions' | 'email' | 'isActive'>[];
  readonly crms: readonly CrmAccounts[];
  /** Extensions of the last thirty days' calls that nobody has. */
  readonly strangers: readonly string[];
}
export type MissedRow = MissedClient & { readonly contact: KnownContact | null };

/** Figures and lists over a period, and the looks at the installation that take a while. */
export function addReportRoutes(api: FastifyInstance, door: Door, own: InterfaceParts): void {
  const { reports, contactOf } = own;
  const span = spanOf(own.timeZone);
  const periodQuery = z.strictObject(span);
  const lackingQuery = z.strictObject({ ...lackingFilters, ...span });
  const repairBody = z.strictObject({ ...repairFilters, ...span });

  api.get('/missed', async (request) => {
    const period = within(parseInput(periodQuery, request.query));
    const { extensions } = door.visitorOf(request);
    const items = await reports.missedClients({ ...period, extensions, limit: 500 });
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
    const period = within(parseInput(periodQuery, request.query));
    return reports.overview({ ...period, extensions: door.visitorOf(request).extensions });
  });

  api.get('/completeness', async (request) => {
    const period = within(parseInput(periodQuery, request.query));
    const clocks = clocksWithin(period, own.timeZone);
    return { items: await reports.completeness({ ...period, extensions: null, crms: door.parts.crms, clocks }) };
  });

  api.get('/completeness/lacking', async (request) => {
    const { sort, limit, after, crm, state, ...rest } = parseInput(lackingQuery, request.query);
    const asked = { ...pageRequest<'requestedAt'>({ sort, limit, after }), crm: requireCrm(crm), states: state };
    const page = await door.parts.ledger.listLacking({ ...asked, ...within(rest) });
    const withContact = (row: LackingRow): LackingAnswerRow => ({
      ...row,
      contact: row.client === null ? null : contactOf(row.client),
    });
    return { ...page, items: page.items.map(withContact) };
  });

  // Owes what never was owed, and sends again what was refused.
  api.post('/completeness/repair', async (request): Promise<RepairAnswer> => {
    const { crm, state, ...rest } = parseInput(repairBody, request.body);
    const { from, to } = within(rest);
    const { deliveries, clock } = door.parts;
    const now = clock.now();
    const limit = resendLimit;
    const owed = state.includes('missing')
      ? await deliveries.oweMissing({ crm: requireCrm(crm), from, to, now, limit })
      : 0;
    const states = state.filter((one) => one !== 'missing');
    const again = { crm, states, kind: 'conversation', requestedFrom: from, requestedTo: to, limit } as const;
    const resent = states.length === 0 ? 0 : await deliveries.resendMatching(again, now);
    return { owed, resent };
  });

  function requireCrm(crm: string): string {
    const { crms } = door.parts;
    if (crms.includes(crm)) return crm;
    throw new WebFault(404, 'not_found', `There is no CRM '${crm}'; configured: ${crms.join(', ') || 'none'}.`);
  }

  // Who is who: people of the house, their extensions, and their accounts in each CRM.
  api.get('/accounts', async (): Promise<AccountsAnswer> => {
    const to = door.parts.clock.now();
    const seen = await reports.extensionsSeen({ from: new Date(to.getTime() - seenMs), to });
    const employees = own.staff();
    const known = new Set(employees.flatMap(({ extensions, isActive }) => (isActive ? extensions : [])));
    return {
      employees: employees.map(({ id, name, extensions, email, isActive }) => ({
        id,
        name,
        extensions,
        email,
        isActive,
      })),
      crms: own.accounts(),
      strangers: seen.filter((extension) => !known.has(extension)),
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
