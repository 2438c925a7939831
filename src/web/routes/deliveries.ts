import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { deliverySortColumns } from '../../core/ledger-queries.ts';
import type { Delivery, DeliveryKind, DeliveryState } from '../../core/ports.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { listOf, pageQuery, pageRequest, shortText, spanOf } from '../query.ts';
import type { Door } from '../door.ts';

export const deliveryStates = [
  'pending',
  'leased',
  'delivered',
  'rejected',
  'skipped',
] as const satisfies readonly DeliveryState[];
const kinds = ['conversation', 'recording'] as const satisfies readonly DeliveryKind[];

const deliveryFilters = {
  ...pageQuery(deliverySortColumns, 'desc'),
  crm: shortText.optional(),
  state: listOf(deliveryStates).optional(),
  kind: z.enum(kinds, `must be one of ${kinds.join(', ')}`).optional(),
  source: shortText.optional(),
  linkedId: shortText.optional(),
  uniqueId: shortText.optional(),
};
const deliveryIdentity = z.strictObject({ id: shortText });
const crmIdentity = z.strictObject({ crm: shortText });
const pauseBody = z.strictObject({ reason: z.string().trim().min(1).max(500).default('paused by a person') });

const rejectBody = z.strictObject({ note: z.string().trim().min(1, 'must say why').max(500) });
const resendFilters = {
  state: z
    .array(z.enum(['rejected', 'skipped', 'delivered'], 'must be rejected, skipped or delivered'))
    .min(1)
    .max(3),
  crm: shortText.optional(),
  kind: z.enum(kinds, `must be one of ${kinds.join(', ')}`).optional(),
};
/** More at once would keep the database from calls; the rest comes with the next time. */
export const resendLimit = 10_000;

/** A delivery as people see it: the fence is between nodes. */
export function showDelivery({ fence: _fence, ...shown }: Delivery): Omit<Delivery, 'fence'> {
  return shown;
}

/** What is owed to the CRMs: looking, sending again, pausing and resuming a CRM. */
export function addDeliveryRoutes(api: FastifyInstance, { parts, visitorOf }: Door): void {
  const { ledger, deliveries, crms, clock } = parts;
  const { from, to } = spanOf(parts.interface?.timeZone ?? 'UTC');
  const span = { from: from.optional(), to: to.optional() };
  const deliveryQuery = z.strictObject({ ...deliveryFilters, ...span });
  const resendBody = z.strictObject({ ...resendFilters, ...span });

  api.get('/deliveries', async (request) => {
    const { sort, limit, after, state, ...rest } = parseInput(deliveryQuery, request.query);
    const page = await ledger.listDeliveries({ ...pageRequest({ sort, limit, after }), ...rest, states: state });
    return { ...page, items: page.items.map(showDelivery) };
  });

  api.get('/deliveries/:id', async (request) => {
    const { id } = parseInput(deliveryIdentity, request.params);
    const delivery = await ledger.findDelivery(id);
    if (delivery === null) throw notFound('delivery');
    return { ...showDelivery(delivery), history: await ledger.listAttempts(id) };
  });

  api.post('/deliveries/:id/resend', async (request) => {
    const { id } = parseInput(deliveryIdentity, request.params);
    const delivery = await ledger.findDelivery(id);
    if (delivery === null) throw notFound('delivery');
    if (!(await deliveries.resend(id, clock.now()))) {
      throw new WebFault(409, 'not_now', 'This delivery is waiting or under way already.');
    }
    const again = await ledger.findDelivery(id);
    return showDelivery(again ?? delivery);
  });

  api.post('/deliveries/:id/reject', async (request) => {
    const { id } = parseInput(deliveryIdentity, request.params);
    const { note } = parseInput(rejectBody, request.body);
    if ((await ledger.findDelivery(id)) === null) throw notFound('delivery');
    const { name } = visitorOf(request);
    if (!(await deliveries.close(id, `${name}: ${note}`, clock.now()))) {
      throw new WebFault(409, 'not_now', 'This delivery is under way, or done.');
    }
    return showDelivery((await ledger.findDelivery(id))!);
  });

  api.post('/deliveries/resend', async (request) => {
    const { state, crm, ...rest } = parseInput(resendBody, request.body);
    if (crm !== undefined) requireCrm(crm);
    const filter = { ...rest, ...(crm === undefined ? {} : { crm }), states: state, limit: resendLimit };
    return { resent: await deliveries.resendMatching(filter, clock.now()) };
  });

  api.get('/crms', async () => {
    const [paused, counts] = await Promise.all([deliveries.paused(), deliveries.counts()]);
    return {
      items: crms.map((name) => ({
        name,
        pausedReason: paused.get(name) ?? null,
        deliveries: Object.fromEntries(
          deliveryStates.map((state) => [
            state,
            counts.find((line) => line.crm === name && line.state === state)?.count ?? 0,
          ]),
        ),
      })),
    };
  });

  api.post('/crms/:crm/pause', async (request) => {
    const crm = knownCrm(request.params);
    const { reason } = parseInput(pauseBody, request.body ?? {});
    await deliveries.pause(crm, reason);
    return { name: crm, pausedReason: reason };
  });

  api.post('/crms/:crm/resume', async (request) => {
    const crm = knownCrm(request.params);
    await deliveries.resume(crm);
    return { name: crm, pausedReason: null };
  });

  function knownCrm(params: unknown): string {
    return requireCrm(parseInput(crmIdentity, params).crm);
  }

  function requireCrm(crm: string): string {
    if (crms.includes(crm)) return crm;
    throw new WebFault(404, 'not_found', `There is no CRM '${crm}'; configured: ${crms.join(', ') || 'none'}.`);
  }
}
