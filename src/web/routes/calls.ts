import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CallResult, Direction } from '../../core/call.ts';
import { callSortColumns, conversationSortColumns } from '../../core/ledger-queries.ts';
import type { Delivery } from '../../core/ports.ts';
import { notFound, parseInput } from '../fault.ts';
import { listOf, moment, pageQuery, pageRequest, shortText, truth, typedNumber } from '../query.ts';
import type { Door } from '../door.ts';
import { deliveryStates, showDelivery } from './deliveries.ts';

const directions = ['inbound', 'outbound', 'internal'] as const satisfies readonly Direction[];
const results = [
  'answered',
  'missed',
  'no_answer',
  'busy',
  'cancelled',
  'rejected',
  'failed',
  'not_found',
  'voicemail',
] as const satisfies readonly CallResult[];

const filters = {
  source: shortText.optional(),
  direction: z.enum(directions, `must be one of ${directions.join(', ')}`).optional(),
  result: listOf(results).optional(),
  client: typedNumber.optional(),
  extension: shortText.optional(),
  from: moment.optional(),
  to: moment.optional(),
};
const callQuery = z.strictObject({
  ...pageQuery(callSortColumns, 'desc'),
  ...filters,
  did: shortText.optional(),
  trunk: shortText.optional(),
  open: truth.optional(),
  /** The last digits of the client's number. */
  number: z.string().regex(/\d/, 'must contain digits').max(64).optional(),
  registered: truth.optional(),
  reason: shortText.optional(),
  crm: shortText.optional(),
  deliveryState: z.enum(deliveryStates, `must be one of ${deliveryStates.join(', ')}`).optional(),
});
const conversationQuery = z.strictObject({
  ...pageQuery(conversationSortColumns, 'desc'),
  ...filters,
  registered: truth.optional(),
});
const callIdentity = z.strictObject({ source: shortText, linkedId: shortText });

/** The ledger: calls, one call with what became of it, its raw events, and conversations across calls. */
export function addCallRoutes(api: FastifyInstance, { parts }: Door): void {
  const { ledger, toClientNumber } = parts;
  // A number that cannot be read as one is looked for as it was typed, and not found.
  const toClient = (typed: string | undefined) => (typed === undefined ? undefined : (toClientNumber(typed) ?? typed));

  api.get('/calls', async (request) => {
    const { sort, limit, after, client, result, open, registered, ...rest } = parseInput(callQuery, request.query);
    return ledger.listCalls({
      ...pageRequest({ sort, limit, after }),
      ...rest,
      client: toClient(client),
      results: result,
      isOpen: open,
      isRegistered: registered,
    });
  });

  api.get('/calls/:source/:linkedId', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    const call = await ledger.findCall(source, linkedId);
    if (call === null) throw notFound('call');
    const deliveries: Delivery[] = [];
    let after: string | null = null;
    do {
      const query = { sort: 'createdAt', order: 'asc', limit: 500, after, source, linkedId: call.linkedId } as const;
      const page = await ledger.listDeliveries(query);
      deliveries.push(...page.items);
      after = page.nextCursor;
    } while (after !== null);
    return {
      ...call,
      conversations: call.conversations.map((conversation) => ({
        ...conversation,
        deliveries: deliveries.filter(({ uniqueId }) => uniqueId === conversation.uniqueId).map(showDelivery),
      })),
    };
  });

  api.get('/calls/:source/:linkedId/events', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    if ((await ledger.findCall(source, linkedId)) === null) throw notFound('call');
    return { items: await ledger.listEvents(source, linkedId) };
  });

  api.get('/conversations', async (request) => {
    const { sort, limit, after, client, result, registered, ...rest } = parseInput(conversationQuery, request.query);
    return ledger.listConversations({
      ...pageRequest({ sort, limit, after }),
      ...rest,
      client: toClient(client),
      results: result,
      isRegistered: registered,
    });
  });
}
