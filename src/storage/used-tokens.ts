import type { UsedTokens } from '../core/ports.ts';
import type { Database } from './connection.ts';

/** One-time tokens in the database, so that they are used once on all nodes and over restarts. */
export function createUsedTokens({ knex }: Database): UsedTokens {
  return {
    async use(id, { expiresAt, now }) {
      await knex('used_tokens').where('expires_at', '<', now.getTime()).delete();
      // Of two that ask at once, the insert decides.
      const rows = await knex('used_tokens')
        .insert({ id, expires_at: expiresAt.getTime() })
        .onConflict('id')
        .ignore()
        .returning('id');
      return (rows as unknown[]).length > 0;
    },
  };
}
