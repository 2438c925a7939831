import type { Knex } from 'knex';
import { isSharedDatabase } from './node-locks.ts';
import type { SharedSlots } from './pace.ts';

const nowMs = '(extract(epoch from clock_timestamp()) * 1000)::bigint';

/** The account's pace for all nodes of one PostgreSQL database; null where there is one process only. */
export function createRequestSlots(db: Knex, crm: string): SharedSlots | null {
  if (!isSharedDatabase(db)) return null;
  return {
    async take(spacingMs) {
      const { rows } = await db.raw<{ rows: { wait: number }[] }>(
        `insert into crm_request_slots (crm, next_at) values (?, ${nowMs} + ?)
         on conflict (crm) do update
         set next_at = greatest(crm_request_slots.next_at, ${nowMs}) + ?
         returning next_at - ? - ${nowMs} as wait`,
        [crm, Math.ceil(spacingMs), Math.ceil(spacingMs), Math.ceil(spacingMs)],
      );
      return Math.max(0, Number(rows[0]!.wait));
    },
    async postpone(ms) {
      await db.raw(
        `insert into crm_request_slots (crm, next_at) values (?, ${nowMs} + ?)
         on conflict (crm) do update set next_at = greatest(crm_request_slots.next_at, excluded.next_at)`,
        [crm, Math.ceil(ms)],
      );
    },
  };
}
