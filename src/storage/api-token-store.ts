import type { ApiTokenEntry, ApiTokenStore } from '../core/api-tokens.ts';
import type { Database } from './connection.ts';
import { toRowId } from './delivery-store.ts';

interface TokenRow {
  readonly id: number;
  readonly name: string;
  readonly access: string;
  readonly made_by: string;
  readonly made_at: number;
  readonly used_at: number | null;
}

const toEntry = (row: TokenRow): ApiTokenEntry => ({
  id: String(row.id),
  name: row.name,
  access: row.access === 'full' ? 'full' : 'read',
  madeBy: row.made_by,
  madeAt: new Date(row.made_at),
  usedAt: row.used_at === null ? null : new Date(row.used_at),
});

/** Tokens in the service's own database, as hashes. Those that were revoked stay, so that the log of changes has its names. */
export function createApiTokenStore({ knex }: Database): ApiTokenStore {
  const valid = () => knex('api_tokens').whereNull('revoked_at');
  return {
    async list() {
      return (await valid().orderBy('id', 'desc').select<TokenRow[]>('*')).map(toEntry);
    },

    add: ({ name, access, madeBy, tokenHash }, now) =>
      knex.transaction(async (trx) => {
        if (knex.client.driverName === 'pg') await trx.raw('lock table api_tokens in exclusive mode');
        const taken = await trx('api_tokens').whereNull('revoked_at').where({ name }).first<{ id: number }>('id');
        if (taken !== undefined) return null;
        const [row] = await trx('api_tokens')
          .insert({ name, access, made_by: madeBy, token_hash: tokenHash, made_at: now.getTime() })
          .returning<TokenRow[]>('*');
        return toEntry(row!);
      }),

    async find(tokenHash) {
      const row = await valid().where({ token_hash: tokenHash }).first<TokenRow | undefined>('*');
      return row === undefined ? null : toEntry(row);
    },

    async noteUse(id, now) {
      await knex('api_tokens').where('id', toRowId(id)).update({ used_at: now.getTime() });
    },

    async revoke(id, now) {
      const rowId = toRowId(id);
      if (rowId === null) return false;
      return (await valid().where('id', rowId).update({ revoked_at: now.getTime() })) > 0;
    },
  };
}
