import { z } from 'zod';
import type { Knex } from 'knex';
import type { Call, CallResult, Direction } from '../core/call.ts';
import { BadCursor } from '../core/ledger-queries.ts';
import type {
  CallQuery,
  ConversationQuery,
  DeliveryQuery,
  LackingQuery,
  LackingRow,
  LackingState,
  LedgerQueries,
  Page,
  PageRequest,
} from '../core/ledger-queries.ts';
import { reverseDigits } from './call-rows.ts';
import type { Database } from './connection.ts';
import { toDelivery, toRowId } from './delivery-store.ts';
import type { AttemptResult, DeliveryRow } from './delivery-store.ts';
import { parseEvents, readCalls } from './read-calls.ts';

/** One attempt of a delivery, as a person reads it. */
export interface DeliveryAttempt {
  readonly at: Date;
  readonly node: string | null;
  readonly result: AttemptResult;
  readonly reason: string | null;
}

/** What the lists of people need beyond the contract. */
export interface LedgerReports extends LedgerQueries {
  listCalls(query: CallQuery & CallFilter): Promise<Page<Call>>;
  /** Oldest first. */
  listAttempts(deliveryId: string): Promise<readonly DeliveryAttempt[]>;
}
export interface CallFilter {
  /** The client's number ends with these digits; other characters are ignored. */
  readonly number?: string;
  /** Some conversation is (not) sent to the CRMs. */
  readonly isRegistered?: boolean;
  /** Some conversation was held back for this reason. */
  readonly reason?: string;
  /** Some delivery of the call to this CRM, or to any, stands in this state. */
  readonly crm?: string;
  readonly deliveryState?: string;
}

const cursorSchema = z.tuple([z.string(), z.string(), z.number().int().safe(), z.number().int().safe()]);
const maxLimit = 500;
/** States that few deliveries of a long ledger are in: their calls are found from them, not the other way round. */
const fewStates: ReadonlySet<string> = new Set(['pending', 'leased', 'rejected']);

interface Order {
  readonly sort: string;
  readonly order: 'asc' | 'desc';
}
/** The columns that a list is ordered by: the value, then the row's id. */
interface KeyColumns {
  /** The rows repeat keys: a call stands once for each of its conversations. */
  readonly isRepeated?: boolean;
  readonly value: string;
  readonly id: string;
}
interface Key {
  readonly value: number;
  readonly id: number;
}

function encodeCursor({ sort, order }: Order, key: Key): string {
  return Buffer.from(JSON.stringify([sort, order, key.value, key.id])).toString('base64url');
}

function decodeCursor({ sort, order }: Order, cursor: string): Key {
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    decoded = null;
  }
  const checked = cursorSchema.safeParse(decoded);
  if (!checked.success || checked.data[0] !== sort || checked.data[1] !== order) {
    throw new BadCursor('The page cursor does not belong to this list');
  }
  const [, , value, id] = checked.data;
  return { value, id };
}

/** The column of a sort name; the names are typed, but they come from outside. */
function columnOf(columns: Readonly<Record<string, string>>, { sort, order, limit }: PageRequest<string>): string {
  if (order !== 'asc' && order !== 'desc') throw new RangeError(`An order is asc or desc, not ${String(order)}`);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new RangeError(`A page has 1 to ${maxLimit} rows, not ${String(limit)}`);
  }
  if (!Object.hasOwn(columns, sort)) throw new RangeError(`This list is not sorted by ${sort}`);
  return columns[sort]!;
}

/** Runs the query for one page and one row more, which tells whether there is a next page. */
async function readKeys(
  query: Knex.QueryBuilder,
  page: PageRequest<string>,
  columns: KeyColumns,
): Promise<{ readonly ids: readonly number[]; readonly nextCursor: string | null }> {
  const { order, limit, after } = page;
  if (after !== null) {
    const { value, id } = decodeCursor(page, after);
    void query.whereRaw(`(??, ??) ${order === 'asc' ? '>' : '<'} (?, ?)`, [columns.value, columns.id, value, id]);
  }
  if (columns.isRepeated === true) void query.distinct();
  const keys = (await query
    .select({ value: columns.value, id: columns.id })
    .orderBy([
      { column: columns.value, order },
      { column: columns.id, order },
    ])
    .limit(limit + 1)) as Key[];
  const shown = keys.slice(0, limit);
  return {
    ids: shown.map((key) => key.id),
    nextCursor: keys.length > limit ? encodeCursor(page, shown.at(-1)!) : null,
  };
}

/** `from` inclusive, `to` exclusive. */
function addRange(query: Knex.QueryBuilder, column: string, { from, to }: { from?: Date; to?: Date }): void {
  if (from !== undefined) void query.where(column, '>=', from.getTime());
  if (to !== undefined) void query.where(column, '<', to.getTime());
}

function addEqual(query: Knex.QueryBuilder, wanted: Readonly<Record<string, unknown>>): void {
  for (const [column, value] of Object.entries(wanted)) if (value !== undefined) void query.where(column, value);
}

/** Digits sort below `:`, so this is every number that ends with the given ones. */
function addNumber(query: Knex.QueryBuilder, number: string): void {
  const reversed = reverseDigits(number);
  if (reversed !== '')
    void query.where('c.client_reversed', '>=', reversed).where('c.client_reversed', '<', `${reversed}:`);
}

/** Reads lists and single records for people; on SQLite over the connection that does not hold up saving. */
export function createLedgerQueries({ reader: knex }: Database): LedgerReports {
  function callKeys(query: CallQuery & CallFilter) {
    columnOf({ startedAt: 'started_at' }, query);
    const { extension, extensions, reason } = query;
    // A page of one extension or reason walks that index, not all calls.
    const isNarrow = extension !== undefined || extensions?.length === 1 || reason !== undefined;
    const from = isNarrow ? knex('conversations as v').join('calls as c', 'c.id', 'v.call_id') : knex('calls as c');
    const columns = isNarrow
      ? { value: 'v.call_started_at', id: 'v.call_id', isRepeated: true }
      : { value: 'c.started_at', id: 'c.id' };
    addRange(from, columns.value, query);
    addEqual(from, {
      'v.extension': extension,
      ...(extension === undefined ? { 'v.reason': reason } : {}),
      'c.source': query.source,
      'c.direction': query.direction,
      'c.client': query.client,
      'c.did': query.did,
      'c.trunk': query.trunk,
      'c.queue': query.queue,
    });
    // Hidden from the index of reasons: of one extension's conversations the next that fits is nearer.
    if (extension !== undefined && reason !== undefined) void from.whereRaw(`coalesce(v.reason, '') = ?`, [reason]);
    // What the index holds; the number itself only decides between those that end alike.
    if (query.client !== undefined) addEqual(from, { 'c.client_reversed': reverseDigits(query.client) });
    if (query.clients !== undefined) {
      void from.whereIn('c.client_reversed', query.clients.map(reverseDigits)).whereIn('c.client', query.clients);
    }
    if (extensions !== undefined && isNarrow) void from.whereIn('v.extension', extensions);
    if (extensions !== undefined && !isNarrow) {
      // Of a group's calls the newest are near: walking all calls by their start finds them without sorting the group's.
      void from.whereExists((some) => {
        void some.from('conversations as g').select(knex.raw('1')).whereRaw('g.call_id = c.id');
        void some.whereIn('g.extension', extensions);
      });
    }
    if (query.results !== undefined) void from.whereIn('c.result', query.results);
    if (query.isOpen === true) void from.whereNull('c.ended_at');
    if (query.isOpen === false) void from.whereNotNull('c.ended_at');
    if (query.number !== undefined) addNumber(from, query.number);
    const { isRegistered, crm, deliveryState } = query;
    if (isRegistered !== undefined) {
      void from.whereExists((some) =>
        some
          .from('conversations as r')
          .select(knex.raw('1'))
          .whereRaw('r.call_id = c.id')
          .where('r.registered', isRegistered),
      );
    }
    if (deliveryState !== undefined && fewStates.has(deliveryState)) {
      const few = knex('deliveries').where('state', deliveryState).select('call_id');
      addEqual(few, { crm });
      void from.whereIn('c.id', few);
    } else if (crm !== undefined || deliveryState !== undefined) {
      void from.whereExists((some) => {
        void some.from('deliveries as d').select(knex.raw('1')).whereRaw('d.call_id = c.id');
        addEqual(some, { 'd.crm': crm });
        // Hidden from the index of states: the call's own few deliveries are looked at, not all delivered ones.
        if (deliveryState !== undefined) void some.whereRaw(`coalesce(d.state, '') = ?`, [deliveryState]);
      });
    }
    return readKeys(from, query, columns);
  }

  const deliveryRows = () =>
    knex('deliveries as d').join('calls as c', 'c.id', 'd.call_id').select<DeliveryRow[]>('d.*', 'c.linked_id');

  return {
    async listCalls(query) {
      const { ids, nextCursor } = await callKeys(query);
      return { items: (await readCalls(knex, ids)).map(({ call }) => call), nextCursor };
    },

    async findCall(source, linkedId) {
      const ids = await knex('call_links').where({ source, linked_id: linkedId }).pluck<number[]>('call_id');
      return (await readCalls(knex, ids))[0]?.call ?? null;
    },

    async listEvents(source, linkedId) {
      const steps = await knex('call_events as e')
        .join('call_links as l', 'l.call_id', 'e.call_id')
        .where({ 'l.source': source, 'l.linked_id': linkedId })
        .orderBy('e.id')
        .pluck<string[]>('e.events');
      return parseEvents(steps);
    },

    async listConversations(query: ConversationQuery) {
      const value = columnOf({ requestedAt: 'v.requested_at', duration: 'v.duration', waiting: 'v.waiting' }, query);
      const from = knex('conversations as v').join('calls as c', 'c.id', 'v.call_id');
      addRange(from, 'v.requested_at', query);
      addEqual(from, {
        'v.source': query.source,
        'v.extension': query.extension,
        'v.registered': query.isRegistered,
        'v.request_id': query.requestId,
        'c.direction': query.direction,
        'c.client': query.client,
      });
      if (query.extensions !== undefined) void from.whereIn('v.extension', query.extensions);
      if (query.results !== undefined) void from.whereIn('v.result', query.results);
      const { ids, nextCursor } = await readKeys(from, query, { value, id: 'v.id' });
      const places: { id: number; call_id: number; unique_id: string }[] = await knex('conversations')
        .whereIn('id', ids)
        .select('id', 'call_id', 'unique_id');
      const placeById = new Map(places.map((place) => [place.id, place]));
      const calls = new Map(
        (await readCalls(knex, [...new Set(places.map((place) => place.call_id))])).map(({ id, call }) => [id, call]),
      );
      const items = ids.flatMap((id) => {
        const place = placeById.get(id);
        const whole = place && calls.get(place.call_id);
        const conversation = whole?.conversations.find((one) => one.uniqueId === place?.unique_id);
        if (whole === undefined || conversation === undefined) return [];
        const { conversations: _, ...call } = whole;
        return [{ conversation, call }];
      });
      return { items, nextCursor };
    },

    async listDeliveries(query: DeliveryQuery) {
      const value = columnOf({ createdAt: 'd.created_at', dueAt: 'd.due_at', attempts: 'd.attempts' }, query);
      const from = knex('deliveries as d');
      addRange(from, 'd.created_at', query);
      addEqual(from, {
        'd.crm': query.crm,
        'd.kind': query.kind,
        'd.source': query.source,
        'd.unique_id': query.uniqueId,
      });
      if (query.states !== undefined) void from.whereIn('d.state', query.states);
      if (query.linkedId !== undefined) {
        const links = knex('call_links').where('linked_id', query.linkedId).select('call_id');
        if (query.source !== undefined) void links.where('source', query.source);
        void from.whereIn('d.call_id', links);
      }
      const { ids, nextCursor } = await readKeys(from, query, { value, id: 'd.id' });
      const rows = new Map((await deliveryRows().whereIn('d.id', ids)).map((row) => [row.id, row]));
      return { items: ids.flatMap((id) => rows.get(id) ?? []).map(toDelivery), nextCursor };
    },

    async listLacking({ crm, states, ...query }: LackingQuery) {
      const value = columnOf({ requestedAt: 'v.requested_at' }, query);
      const from = knex('conversations as v')
        .join('calls as c', 'c.id', 'v.call_id')
        .leftJoin('deliveries as d', (on) => {
          // By its call: that index is small and near.
          on.on('d.call_id', 'v.call_id').on('d.unique_id', 'v.unique_id');
          on.andOnVal('d.crm', crm).andOnVal('d.kind', 'conversation');
        })
        .where('v.registered', true)
        .whereNotNull('v.ended_at');
      addRange(from, 'v.requested_at', query);
      const wanted: string[] = states.flatMap((state) => (state === 'pending' ? ['pending', 'leased'] : [state]));
      void from.where((some) => {
        void some.whereRaw(`coalesce(d.state, 'missing') in (${wanted.map(() => '?').join(', ')})`, wanted);
      });
      const { ids, nextCursor } = await readKeys(from.clone(), query, { value, id: 'v.id' });
      const rows: (LackingColumns & { id: number })[] = await from
        .clone()
        .whereIn('v.id', ids)
        .select('v.id', 'v.source', 'c.linked_id', 'v.unique_id', 'c.client', 'c.client_name', 'v.extension')
        .select('c.direction', 'v.result', 'v.requested_at', 'd.state', {
          reason: 'd.last_error',
          delivery_id: 'd.id',
        });
      const rowById = new Map(rows.map((row) => [row.id, row]));
      return { items: ids.flatMap((id) => rowById.get(id) ?? []).map(toLacking), nextCursor };
    },

    async findDelivery(id) {
      const rowId = toRowId(id);
      if (rowId === null) return null;
      const [row] = await deliveryRows().where('d.id', rowId);
      return row === undefined ? null : toDelivery(row);
    },

    async listAttempts(deliveryId) {
      const rowId = toRowId(deliveryId);
      if (rowId === null) return [];
      const rows: { at: number; node: string | null; result: string; reason: string | null }[] = await knex(
        'delivery_attempts',
      )
        .where('delivery_id', rowId)
        .orderBy('id')
        .select('at', 'node', 'result', 'reason');
      return rows.map(({ at, node, result, reason }) => ({
        at: new Date(at),
        node,
        result: result as AttemptResult,
        reason,
      }));
    },
  };
}

interface LackingColumns {
  readonly source: string;
  readonly linked_id: string;
  readonly unique_id: string;
  readonly client: string | null;
  readonly client_name: string | null;
  readonly extension: string | null;
  readonly direction: string;
  readonly result: string;
  readonly requested_at: number;
  readonly state: string | null;
  readonly reason: string | null;
  readonly delivery_id: number | null;
}

const toLacking = (row: LackingColumns): LackingRow => ({
  source: row.source,
  linkedId: row.linked_id,
  uniqueId: row.unique_id,
  client: row.client,
  clientName: row.client_name,
  extension: row.extension,
  direction: row.direction as Direction,
  result: row.result as CallResult,
  requestedAt: new Date(row.requested_at),
  state: (row.state === 'leased' ? 'pending' : (row.state ?? 'missing')) as LackingState,
  reason: row.reason,
  deliveryId: row.delivery_id === null ? null : String(row.delivery_id),
});
