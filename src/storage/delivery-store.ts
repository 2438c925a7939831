import type { Knex } from 'knex';
import type { Clock, Delivery, DeliveryKind, DeliveryState, DeliveryStore } from '../core/ports.ts';
import type { Database } from './connection.ts';
import { insertRows } from './insert-rows.ts';

/** A row of `deliveries` with the linkedid of its call. */
export interface DeliveryRow {
  readonly id: number;
  readonly crm: string;
  readonly kind: string;
  readonly call_id: number;
  readonly source: string;
  readonly linked_id: string;
  readonly unique_id: string;
  readonly state: string;
  readonly attempts: number;
  readonly due_at: number;
  readonly fence: number;
  readonly node: string | null;
  readonly progress: string;
  readonly last_error: string | null;
  readonly crm_id: string | null;
  readonly created_at: number;
  readonly delivered_at: number | null;
}

export function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: String(row.id),
    crm: row.crm,
    kind: row.kind as DeliveryKind,
    source: row.source,
    linkedId: row.linked_id,
    uniqueId: row.unique_id,
    state: row.state as DeliveryState,
    attempts: row.attempts,
    dueAt: new Date(row.due_at),
    fence: row.fence,
    progress: JSON.parse(row.progress) as Record<string, string>,
    lastError: row.last_error,
    crmId: row.crm_id,
    createdAt: new Date(row.created_at),
    deliveredAt: row.delivered_at === null ? null : new Date(row.delivered_at),
  };
}

/** How one attempt ended: `lost` when its node died or fell silent, `put_back` when it was not counted. */
export type AttemptResult = 'delivered' | 'retry' | 'rejected' | 'skipped' | 'lost' | 'put_back' | 'resent' | 'closed';

const openStates = ['pending', 'leased'];
/** Rows written in one transaction, so that calls that are being saved need not wait for long. */
const portion = 200;

export const deliveryColumns = {
  crm: 'text',
  kind: 'text',
  call_id: 'bigint',
  source: 'text',
  unique_id: 'text',
  state: 'text',
  attempts: 'integer',
  due_at: 'bigint',
  fence: 'integer',
  progress: 'text',
  created_at: 'bigint',
} as const;

/** A debt as it begins. */
export const newDelivery = (
  of: { readonly crm: string; readonly call_id: number; readonly source: string; readonly unique_id: string },
  times: { readonly due_at: number; readonly created_at: number },
) => ({ ...of, ...times, kind: 'conversation', state: 'pending', attempts: 0, fence: 0, progress: '{}' });

/** A row's id from the text form that the outside sees; null for anything that we did not make. */
export function toRowId(id: string): number | null {
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : null;
}

/**
 * The deliveries table as a queue. A lease ends by the clock of the node that took it, so nodes that share a database
 * keep their clocks within a few seconds of each other; where they do not, a fence stops the slower one's writes and the
 * idempotency key makes its request harmless.
 */
export function createDeliveryStore(options: { readonly database: Database; readonly clock: Clock }): DeliveryStore {
  const { database, clock } = options;
  const { knex } = database;

  async function logAttempts(
    trx: Knex,
    attempts: readonly {
      readonly id: number;
      readonly node: string | null;
      readonly at: Date;
      readonly result: AttemptResult;
      readonly reason: string | null;
    }[],
  ): Promise<void> {
    if (attempts.length === 0) return;
    await trx('delivery_attempts').insert(
      attempts.map(({ id, node, at, result, reason }) => ({
        delivery_id: id,
        at: at.getTime(),
        node,
        result,
        reason,
      })),
    );
  }

  /** Ends the lease with the given outcome; false when another claim was made since. */
  async function finish(
    delivery: Delivery,
    outcome: {
      readonly result: AttemptResult;
      readonly reason: string | null;
      readonly at: Date;
      readonly columns: Record<string, unknown>;
    },
  ): Promise<boolean> {
    return knex.transaction(async (trx) => {
      const rows: { id: number; node: string | null }[] = await trx('deliveries')
        .where({ id: toRowId(delivery.id), fence: delivery.fence })
        // A lease that ran out and was taken by nobody is still ours to finish.
        .whereIn('state', openStates)
        .update({ ...outcome.columns, leased_until: null })
        .returning(['id', 'node']);
      const { at, result, reason } = outcome;
      await logAttempts(
        trx,
        rows.map(({ id, node }) => ({ id, node, at, result, reason })),
      );
      return rows.length > 0;
    });
  }
  const attempted = knex.raw('attempts + 1');

  /** Back to pending; `states`: only those that still stand so. Returns how many were. */
  async function resendRows(ids: readonly number[], now: Date, states?: readonly DeliveryState[]): Promise<number> {
    return knex.transaction(async (trx) => {
      const query = trx('deliveries').whereIn('id', ids).whereNot('state', 'leased');
      if (states !== undefined) void query.whereIn('state', states);
      const rows: { id: number }[] = await query
        .update({
          state: 'pending',
          attempts: 0,
          due_at: now.getTime(),
          fence: knex.raw('fence + 1'),
          node: null,
          last_error: null,
          delivered_at: null,
        })
        .returning(['id']);
      await logAttempts(
        trx,
        rows.map((row) => ({ id: row.id, node: null, at: now, result: 'resent', reason: null })),
      );
      return rows.length;
    });
  }

  return {
    async claim({ crm, node, limit, leaseMs, now }) {
      return knex.transaction(async (trx) => {
        // One claim per CRM at a time: two that run side by side could take two deliveries of one call. The database
        // lets SKIP LOCKED see rows as they were before the other's commit.
        if (database.kind === 'postgres') {
          await trx.raw('select pg_advisory_xact_lock(hashtext(?))', [`ringledger claim ${crm}`]);
        }
        const at = now.getTime();
        const lost: { id: number; node: string | null }[] = await trx('deliveries')
          .whereRaw(`state = 'leased'`)
          .where('crm', crm)
          .where('leased_until', '<=', at)
          .update({ state: 'pending', leased_until: null })
          .returning(['id', 'node']);
        await logAttempts(
          trx,
          lost.map(({ id, node: holder }) => ({
            id,
            node: holder,
            at: now,
            result: 'lost',
            reason: `Node ${holder} did not finish in time; taken over`,
          })),
        );

        const rows = await trx('deliveries')
          .whereIn('id', (due) => {
            void due
              .from('deliveries as d')
              .select('d.id')
              // Literal, or SQLite does not see that the index of pending ones holds them all.
              .whereRaw(`d.state = 'pending'`)
              .where('d.crm', crm)
              .where('d.due_at', '<=', at)
              .whereNotExists((other) =>
                other
                  .from('deliveries as o')
                  .select(knex.raw('1'))
                  .whereRaw('o.call_id = d.call_id and o.crm = d.crm and o.id <> d.id')
                  .whereRaw(`(o.state = 'leased' or (o.state = 'pending' and o.id < d.id))`),
              )
              .whereNotExists((pause) => pause.from('paused_crms as p').select(knex.raw('1')).where('p.crm', crm))
              .orderBy('d.id')
              .limit(limit);
            if (database.kind === 'postgres') void due.forUpdate('d').skipLocked();
          })
          .update({ state: 'leased', node, leased_until: at + leaseMs, fence: knex.raw('fence + 1') })
          .returning([
            '*',
            knex.raw('(select linked_id from calls where calls.id = deliveries.call_id) as linked_id'),
          ] as unknown as '*');
        return (rows as DeliveryRow[]).sort((a, b) => a.id - b.id).map(toDelivery);
      });
    },

    async releaseLeases(node, now) {
      await knex.transaction(async (trx) => {
        const rows: { id: number }[] = await trx('deliveries')
          .where({ state: 'leased', node })
          .update({ state: 'pending', leased_until: null })
          .returning(['id']);
        await logAttempts(
          trx,
          rows.map(({ id }) => ({
            id,
            node,
            at: now,
            result: 'lost',
            reason: `Node ${node} was stopped in the middle`,
          })),
        );
      });
    },

    async renew(delivery, leaseMs, now) {
      const renewed = await knex('deliveries')
        .where({ id: toRowId(delivery.id), fence: delivery.fence, state: 'leased' })
        .update({ leased_until: now.getTime() + leaseMs });
      return renewed > 0;
    },

    async saveProgress(delivery, progress) {
      const saved = await knex('deliveries')
        .where({ id: toRowId(delivery.id), fence: delivery.fence })
        .whereIn('state', openStates)
        .update({ progress: JSON.stringify(progress) });
      return saved > 0;
    },

    delivered: (delivery, crmId, at) =>
      finish(delivery, {
        result: 'delivered',
        reason: null,
        at,
        columns: {
          state: 'delivered',
          attempts: attempted,
          crm_id: crmId,
          delivered_at: at.getTime(),
          last_error: null,
        },
      }),

    retryLater: (delivery, dueAt, error) =>
      finish(delivery, {
        result: 'retry',
        reason: error,
        at: clock.now(),
        columns: { state: 'pending', attempts: attempted, due_at: dueAt.getTime(), last_error: error },
      }),

    putBack: (delivery, dueAt, reason) =>
      finish(delivery, {
        result: 'put_back',
        reason,
        at: clock.now(),
        columns: { state: 'pending', due_at: dueAt.getTime(), last_error: reason },
      }),

    rejected: (delivery, reason) =>
      finish(delivery, {
        result: 'rejected',
        reason,
        at: clock.now(),
        columns: { state: 'rejected', attempts: attempted, last_error: reason },
      }),

    skipped: (delivery, reason) =>
      finish(delivery, {
        result: 'skipped',
        reason,
        at: clock.now(),
        columns: { state: 'skipped', attempts: attempted, last_error: reason },
      }),

    async resend(id, now) {
      const rowId = toRowId(id);
      if (rowId === null) return false;
      return (await resendRows([rowId], now)) > 0;
    },

    async resendMatching({ states, crm, kind, from, to, requestedFrom, requestedTo, limit }, now) {
      let lastId = 0;
      let count = 0;
      while (count < limit) {
        const query = knex('deliveries as d')
          .whereIn('d.state', states)
          .where('d.id', '>', lastId)
          .orderBy('d.id')
          .limit(Math.min(portion, limit - count));
        if (crm !== undefined) void query.where('d.crm', crm);
        if (kind !== undefined) void query.where('d.kind', kind);
        if (from !== undefined) void query.where('d.created_at', '>=', from.getTime());
        if (to !== undefined) void query.where('d.created_at', '<', to.getTime());
        if (requestedFrom !== undefined || requestedTo !== undefined) {
          void query.join('conversations as v', (on) => on.on('v.source', 'd.source').on('v.unique_id', 'd.unique_id'));
          if (requestedFrom !== undefined) void query.where('v.requested_at', '>=', requestedFrom.getTime());
          if (requestedTo !== undefined) void query.where('v.requested_at', '<', requestedTo.getTime());
        }
        const ids = await query.pluck<number[]>('d.id');
        if (ids.length === 0) break;
        count += await resendRows(ids, now, states);
        lastId = ids.at(-1)!;
      }
      return count;
    },

    async close(id, reason, now) {
      const rowId = toRowId(id);
      if (rowId === null) return false;
      return knex.transaction(async (trx) => {
        const rows: { id: number }[] = await trx('deliveries')
          .where('id', rowId)
          .whereIn('state', ['pending', 'rejected'])
          .update({ state: 'skipped', fence: knex.raw('fence + 1'), node: null, last_error: reason })
          .returning(['id']);
        await logAttempts(
          trx,
          rows.map((row) => ({ id: row.id, node: null, at: now, result: 'closed', reason })),
        );
        return rows.length > 0;
      });
    },

    async oweMissing({ crm, from, to, now, limit }) {
      const at = now.getTime();
      let count = 0;
      while (count < limit) {
        const rows: { call_id: number; source: string; unique_id: string }[] = await knex('conversations as v')
          .join('calls as c', 'c.id', 'v.call_id')
          .where('v.registered', true)
          .whereNotNull('v.ended_at')
          .whereNotNull('c.ended_at')
          .where('v.requested_at', '>=', from.getTime())
          .where('v.requested_at', '<', to.getTime())
          .whereNotExists((owed) =>
            owed
              .from('deliveries as d')
              .select(knex.raw('1'))
              .whereRaw('d.source = v.source and d.unique_id = v.unique_id')
              .where({ 'd.crm': crm, 'd.kind': 'conversation' }),
          )
          .orderBy(['v.requested_at', 'v.id'])
          .limit(Math.min(portion, limit - count))
          .select('v.call_id', 'v.source', 'v.unique_id');
        if (rows.length === 0) break;
        await insertRows(knex, {
          table: 'deliveries',
          columns: deliveryColumns,
          rows: rows.map((row) => newDelivery({ crm, ...row }, { due_at: at, created_at: at })),
          onConflict: '(source, unique_id, crm, kind) do nothing',
        });
        count += rows.length;
      }
      return count;
    },

    async retryNow(crm, now) {
      const at = now.getTime();
      await knex('deliveries')
        .whereRaw(`state = 'pending'`)
        .where('crm', crm)
        .where('attempts', '>', 0)
        .where('due_at', '>', at)
        .update({ due_at: at });
    },

    async pause(crm, reason) {
      await knex('paused_crms')
        .insert({ crm, reason, paused_at: clock.now().getTime() })
        .onConflict('crm')
        .merge(['reason']);
    },
    async resume(crm) {
      await knex('paused_crms').where({ crm }).delete();
    },
    async paused() {
      const rows: { crm: string; reason: string }[] = await knex('paused_crms').orderBy('crm').select('crm', 'reason');
      return new Map(rows.map(({ crm, reason }) => [crm, reason]));
    },

    async counts() {
      const rows: { crm: string; state: string; count: number }[] = await database
        .reader('deliveries')
        .groupBy('crm', 'state')
        .orderBy(['crm', 'state'])
        .select('crm', 'state', knex.raw('count(*) as count'));
      return rows.map(({ crm, state, count }) => ({ crm, state: state as DeliveryState, count }));
    },
  };
}
