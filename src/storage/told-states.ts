import type { ToldStates } from '../core/ports.ts';
import type { Database } from './connection.ts';

interface StateRow {
  readonly crm: string;
  readonly user_id: string;
  readonly extension: string;
  readonly status: string;
  readonly told_at: number;
  readonly is_owed: boolean | number;
}
const orNull = (text: string) => (text === '' ? null : text);

/** The last state that each CRM told of each of its users. */
export function createToldStates({ knex }: Database): ToldStates {
  return {
    async put({ crm, userId, extension, status, toldAt, isOwed }) {
      await knex('crm_user_states')
        .insert({
          crm,
          user_id: userId ?? '',
          extension: extension ?? '',
          status,
          told_at: toldAt.getTime(),
          is_owed: isOwed,
        })
        .onConflict(['crm', 'user_id', 'extension'])
        .merge();
    },
    async settle({ crm, userId, extension, status, toldAt }) {
      await knex('crm_user_states')
        .where({ crm, user_id: userId ?? '', extension: extension ?? '', status, told_at: toldAt.getTime() })
        .update({ is_owed: false });
    },
    async list() {
      const rows: StateRow[] = await knex('crm_user_states').orderBy('told_at').select('*');
      return rows.map((row) => ({
        crm: row.crm,
        userId: orNull(row.user_id),
        extension: orNull(row.extension),
        status: row.status,
        toldAt: new Date(Number(row.told_at)),
        isOwed: Boolean(row.is_owed),
      }));
    },
  };
}
