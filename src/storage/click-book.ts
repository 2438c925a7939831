import type { Knex } from 'knex';
import type { ClickBook, ClickRequest, FollowedRequest } from '../core/click-to-call/click-book.ts';
import type { Database } from './connection.ts';
import { groupBy, readCalls } from './read-calls.ts';

interface RequestRow {
  readonly request_id: string;
  readonly requester: string;
  readonly employee_id: string;
  readonly extension: string;
  readonly number: string;
  readonly client_name: string | null;
  readonly requested_at: number;
  readonly refusal: 'pbx_refused' | 'pbx_unreachable' | null;
  readonly refused_at: number | null;
}

const hourMs = 3_600_000;
const keptMs = 24 * hourMs;
const mostListed = 200;
/** Any number that no other lock in our database has. */
const enteringLock = 7_246_802;

/** Requests by clicks in the database, told together with their calls in the ledger. */
export function createClickBook({ kind, knex }: Database): ClickBook {
  return {
    enter: (request, judge) =>
      knex.transaction(async (trx) => {
        // Until the end of the transaction. On SQLite transactions follow each other anyway.
        if (kind === 'postgres') await trx.raw('select pg_advisory_xact_lock(?)', [enteringLock]);
        const now = request.requestedAt.getTime();
        await trx('click_requests')
          .where('requested_at', '<', now - keptMs)
          .delete();
        const ofHour: Pick<RequestRow, 'employee_id' | 'requested_at'>[] = await trx('click_requests')
          .where('requested_at', '>', now - hourMs)
          .select('employee_id', 'requested_at');
        const ofExtension: RequestRow[] = await trx('click_requests')
          .where({ extension: request.extension })
          .orderBy('requested_at', 'desc')
          .select('*');
        judge({
          ofHour: ofHour.map((row) => ({ employeeId: row.employee_id, requestedAt: new Date(row.requested_at) })),
          ofExtension: await follow(trx, ofExtension),
        });
        await trx('click_requests').insert(toRow(request));
      }),

    async change(requestId, { extension, clientName, refusal }) {
      await knex('click_requests')
        .where({ request_id: requestId })
        .update({
          ...(extension !== undefined && { extension }),
          ...(clientName !== undefined && { client_name: clientName }),
          ...(refusal !== undefined && refusalColumns(refusal)),
        });
    },

    async find(requestId) {
      const rows: RequestRow[] = await knex('click_requests').where({ request_id: requestId }).select('*');
      return (await follow(knex, rows))[0] ?? null;
    },

    async list() {
      const rows: RequestRow[] = await knex('click_requests')
        .orderBy('requested_at', 'desc')
        .limit(mostListed)
        .select('*');
      return follow(knex, rows);
    },
  };
}

/** In the order of the rows. */
async function follow(knex: Knex, rows: readonly RequestRow[]): Promise<readonly FollowedRequest[]> {
  if (rows.length === 0) return [];
  const places: { request_id: string; call_id: number }[] = await knex('conversations')
    .whereIn(
      'request_id',
      rows.map((row) => row.request_id),
    )
    .distinct('request_id', 'call_id');
  const calls = await readCalls(knex, [...new Set(places.map((place) => place.call_id))]);
  const callById = new Map(calls.map(({ id, call }) => [id, call]));
  const placesByRequest = groupBy(places, (place) => place.request_id);
  return rows.map((row) => ({
    ...toRequest(row),
    calls: (placesByRequest.get(row.request_id) ?? []).flatMap((place) => callById.get(place.call_id) ?? []),
  }));
}

const refusalColumns = (refusal: ClickRequest['refusal']) => ({
  refusal: refusal?.reason ?? null,
  refused_at: refusal?.at.getTime() ?? null,
});

function toRow(request: ClickRequest): RequestRow {
  return {
    request_id: request.requestId,
    requester: request.requester,
    employee_id: request.employeeId,
    extension: request.extension,
    number: request.number,
    client_name: request.clientName,
    requested_at: request.requestedAt.getTime(),
    ...refusalColumns(request.refusal),
  };
}

function toRequest(row: RequestRow): ClickRequest {
  return {
    requestId: row.request_id,
    requester: row.requester,
    employeeId: row.employee_id,
    extension: row.extension,
    number: row.number,
    clientName: row.client_name,
    requestedAt: new Date(row.requested_at),
    refusal:
      row.refusal === null || row.refused_at === null ? null : { reason: row.refusal, at: new Date(row.refused_at) },
  };
}
