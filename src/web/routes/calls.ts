import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Call, CallResult, Conversation, Direction } from '../../core/call.ts';
import { callSortColumns, conversationSortColumns, type Page } from '../../core/ledger-queries.ts';
import type { Delivery } from '../../core/ports.ts';
import { createCsvLine, csvHead } from '../calls-csv.ts';
import { notFound, parseInput } from '../fault.ts';
import { listOf, pageQuery, pageRequest, shortText, spanOf, truth, typedNumber } from '../query.ts';
import type { ConversationStory } from '../../core/call-story.ts';
import type { Door } from '../door.ts';
import type { DryWrite, KnownContact } from '../ports.ts';
import { showTo, type Visitor } from '../visitor.ts';
import { deliveryStates, showDelivery } from './deliveries.ts';

export const directions = ['inbound', 'outbound', 'internal'] as const satisfies readonly Direction[];
export const results = [
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
};
const callFilters = {
  ...pageQuery(callSortColumns, 'desc'),
  ...filters,
  /** Words of the client's name or company, as the CRMs know it. */
  name: shortText.optional(),
  did: shortText.optional(),
  trunk: shortText.optional(),
  queue: shortText.optional(),
  open: truth.optional(),
  /** The last digits of the client's number. */
  number: z.string().regex(/\d/, 'must contain digits').max(64).optional(),
  registered: truth.optional(),
  reason: shortText.optional(),
  crm: shortText.optional(),
  deliveryState: z.enum(deliveryStates, `must be one of ${deliveryStates.join(', ')}`).optional(),
};
const conversationFilters = {
  ...pageQuery(conversationSortColumns, 'desc'),
  ...filters,
  registered: truth.optional(),
  requestId: shortText.optional(),
};
const callIdentity = z.strictObject({ source: shortText, linkedId: shortText });

/** More rows than this no spreadsheet takes. */
const csvLimit = 1_000_000;
/** How long a person waits for the CRMs to be looked into. */
const dryRunMs = 10_000;

/** A row of the list; `contact` is what the CRMs' mirrors know of the number. */
export interface ListedCall extends Call {
  readonly contact?: KnownContact | null;
}
/** One call with what became of it in each CRM. */
export interface ShownCall extends ListedCall {
  readonly conversations: readonly (Conversation & {
    readonly deliveries: readonly Omit<Delivery, 'fence'>[];
    /** Null: only the conversation's own times are known. */
    readonly story: ConversationStory | null;
  })[];
}
export interface DryRunAnswer {
  readonly items: readonly DryWrite[];
}

/** The ledger: calls, one call with what became of it, its raw events, and conversations across calls. */
export function addCallRoutes(api: FastifyInstance, door: Door): void {
  const { ledger, toClientNumber, interface: own } = door.parts;
  const timeZone = own?.timeZone ?? 'UTC';
  const { from, to } = spanOf(timeZone);
  const span = { from: from.optional(), to: to.optional() };
  const callQuery = z.strictObject({ ...callFilters, ...span });
  const conversationQuery = z.strictObject({ ...conversationFilters, ...span });
  const withContact = <Shown extends Call>(call: Shown): Shown & ListedCall =>
    own === undefined ? call : { ...call, contact: call.client === null ? null : own.contactOf(call.client) };
  // A number that cannot be read as one is looked for as it was typed, and not found.
  const toClient = (typed: string | undefined) => (typed === undefined ? undefined : (toClientNumber(typed) ?? typed));

  /** A page as this visitor may see it. */
  async function listFor(visitor: Visitor, query: unknown): Promise<Page<ListedCall>> {
    const { sort, limit, after, client, result, open, registered, name, ...rest } = parseInput(callQuery, query);
    const page = await ledger.listCalls({
      ...pageRequest({ sort, limit, after }),
      ...rest,
      client: toClient(client),
      results: result,
      isOpen: open,
      isRegistered: registered,
      ...(name === undefined ? {} : { clients: (await own?.numbersOf(name)) ?? [] }),
      ...(visitor.extensions === null ? {} : { extensions: visitor.extensions }),
    });
    return { ...page, items: page.items.flatMap((call) => showTo(visitor, call) ?? []).map(withContact) };
  }

  api.get('/calls', async (request) => listFor(door.visitorOf(request), request.query));

  // All pages, one after the other: neither the memory nor the database is asked for everything at once.
  api.get('/calls.csv', async (request, reply) => {
    const visitor = door.visitorOf(request);
    const query = { ...(request.query as object), limit: '500' };
    const first = await listFor(visitor, query);
    const toLine = createCsvLine(timeZone);
    async function* lines(): AsyncGenerator<string> {
      yield csvHead;
      for (let page = first, count = 0; ;) {
        yield page.items.map(toLine).join('');
        count += page.items.length;
        if (page.nextCursor === null || count >= csvLimit) return;
        page = await listFor(visitor, { ...query, after: page.nextCursor });
      }
    }
    reply.header('content-type', 'text/csv; charset=utf-8');
    reply.header('content-disposition', 'attachment; filename="calls.csv"');
    return reply.send(Readable.from(lines()));
  });

  api.get('/calls/:source/:linkedId', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    const found = await ledger.findCall(source, linkedId);
    const call = found === null ? null : showTo(door.visitorOf(request), found);
    if (call === null) throw notFound('call');
    const deliveries: Delivery[] = [];
    let after: string | null = null;
    do {
      const query = { sort: 'createdAt', order: 'asc', limit: 500, after, source, linkedId: call.linkedId } as const;
      const page = await ledger.listDeliveries(query);
      deliveries.push(...page.items);
      after = page.nextCursor;
    } while (after !== null);
    const story = await own?.story(source, linkedId);
    return {
      ...withContact(call),
      conversations: call.conversations.map((conversation) => ({
        ...conversation,
        story: story?.conversations.find(({ uniqueId }) => uniqueId === conversation.uniqueId) ?? null,
        deliveries: deliveries.filter(({ uniqueId }) => uniqueId === conversation.uniqueId).map(showDelivery),
      })),
    };
  });

  // Reads the CRMs and changes nothing, but takes their time: not for programs that only look.
  api.post('/calls/:source/:linkedId/dry-run', async (request): Promise<DryRunAnswer> => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    if (own === undefined) throw notFound('dry run');
    const call = await ledger.findCall(source, linkedId);
    if (call === null) throw notFound('call');
    return { items: await own.dryRun(call, AbortSignal.timeout(dryRunMs)) };
  });

  api.get('/calls/:source/:linkedId/events', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    if ((await ledger.findCall(source, linkedId)) === null) throw notFound('call');
    return { items: await ledger.listEvents(source, linkedId) };
  });

  api.get('/calls/:source/:linkedId/hook-runs', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    const call = await ledger.findCall(source, linkedId);
    if (call === null) throw notFound('call');
    return { items: (await door.parts.hookRuns?.hookRunsOf(call)) ?? [] };
  });

  api.get('/conversations', async (request) => {
    const { sort, limit, after, client, result, registered, ...rest } = parseInput(conversationQuery, request.query);
    const { extensions } = door.visitorOf(request);
    return ledger.listConversations({
      ...pageRequest({ sort, limit, after }),
      ...rest,
      client: toClient(client),
      results: result,
      isRegistered: registered,
      ...(extensions === null ? {} : { extensions }),
    });
  });
}
