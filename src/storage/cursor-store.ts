import type { CursorStore } from '../core/ports.ts';
import type { Database } from './connection.ts';

/** Named positions that survive restarts. */
export function createCursorStore({ knex }: Database): CursorStore {
  return {
    async get(name) {
      const [value] = await knex('cursors').where({ name }).pluck<string[]>('value');
      return value ?? null;
    },
    async set(name, value) {
      await knex('cursors').insert({ name, value }).onConflict('name').merge();
    },
  };
}
