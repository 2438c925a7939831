import type { Knex } from 'knex';
import { z } from 'zod';
import { BadCursor } from '../core/ledger-queries.ts';
import { LastAdmin, type WebRole, type WebUser, type WebUserFields, type WebUserStore } from '../core/web-users.ts';
import type { Database } from './connection.ts';

interface UserRow {
  readonly id: number;
  readonly name: string;
  readonly password_hash: string;
  readonly role: string;
  readonly extensions: string;
  readonly is_active: boolean | number;
  readonly failures: number;
  readonly locked_until: number | null;
  readonly created_at: number;
}

const extensionList = z.array(z.string());
const idText = /^\d{1,15}$/;

const toUser = (row: UserRow): WebUser => ({
  id: String(row.id),
  name: row.name,
  role: row.role as WebRole,
  extensions: extensionList.parse(JSON.parse(row.extensions)),
  isActive: Boolean(row.is_active),
  createdAt: new Date(row.created_at),
});

const toRow = (fields: WebUserFields, now: Date): Omit<UserRow, 'id'> => ({
  name: fields.name.toLowerCase(),
  password_hash: fields.passwordHash,
  role: fields.role,
  extensions: JSON.stringify(fields.extensions),
  is_active: fields.isActive,
  failures: 0,
  locked_until: null,
  created_at: now.getTime(),
});

/** Users of the interface in the service's own database. */
export function createWebUserStore({ knex }: Database): WebUserStore {
  const insert = async (on: Knex, fields: WebUserFields, now: Date): Promise<WebUser | null> => {
    const [row] = await on<UserRow>('web_users')
      .insert(toRow(fields, now))
      .onConflict('name')
      .ignore()
      .returning<UserRow[]>('*');
    return row === undefined ? null : toUser(row);
  };

  return {
    async isEmpty() {
      return (await knex('web_users').first('id')) === undefined;
    },

    async list() {
      return (await knex<UserRow>('web_users').orderBy('name')).map((row) => ({
        ...toUser(row),
        lockedUntil: row.locked_until === null ? null : new Date(row.locked_until),
      }));
    },

    async findByName(name) {
      const row = await knex<UserRow>('web_users').where({ name: name.toLowerCase() }).first();
      if (row === undefined) return null;
      return {
        user: toUser(row),
        passwordHash: row.password_hash,
        lockedUntil: row.locked_until === null ? null : new Date(row.locked_until),
      };
    },

    add: (fields, now) => insert(knex, fields, now),

    addFirst: (fields, now) =>
      knex.transaction(async (transaction) => {
        if (knex.client.driverName === 'pg') await transaction.raw('lock table web_users in exclusive mode');
        if ((await transaction('web_users').first('id')) !== undefined) return null;
        return insert(transaction, fields, now);
      }),

    async change(id, { role, extensions, isActive, passwordHash }) {
      if (!idText.test(id)) return null;
      return knex.transaction(async (transaction) => {
        if (knex.client.driverName === 'pg') await transaction.raw('lock table web_users in exclusive mode');
        const changed = {
          ...(role === undefined ? {} : { role }),
          ...(extensions === undefined ? {} : { extensions: JSON.stringify(extensions) }),
          ...(isActive === undefined ? {} : { is_active: isActive }),
          ...(passwordHash === undefined ? {} : { password_hash: passwordHash }),
          failures: 0,
          locked_until: null,
        };
        const [row] = await transaction('web_users')
          .where({ id: Number(id) })
          .update(changed)
          .returning<UserRow[]>('*');
        if (row === undefined) return null;
        const admin = await transaction('web_users').where({ role: 'admin', is_active: true }).first('id');
        if (admin === undefined) throw new LastAdmin('At least one active admin must remain.');
        await transaction('web_sessions').where({ user_id: row.id }).delete();
        return toUser(row);
      });
    },

    async countFailure(id, { lockAfter, lockedUntil }) {
      const [row] = await knex('web_users')
        .where({ id: Number(id) })
        .increment('failures', 1)
        .returning<{ failures: number }[]>('failures');
      const failures = row?.failures ?? 0;
      if (failures >= lockAfter) {
        await knex('web_users')
          .where({ id: Number(id) })
          .update({ locked_until: lockedUntil.getTime(), failures: 0 });
      }
      return failures;
    },

    async clearFailures(id) {
      if (!idText.test(id)) return;
      await knex('web_users')
        .where({ id: Number(id) })
        .update({ failures: 0, locked_until: null });
    },

    async openSession({ tokenHash, csrfToken, userId, now }) {
      await knex('web_sessions').insert({
        token_hash: tokenHash,
        csrf_token: csrfToken,
        user_id: Number(userId),
        created_at: now.getTime(),
        used_at: now.getTime(),
      });
    },

    async findSession(tokenHash) {
      const row: (UserRow & { csrf_token: string; opened_at: number; used_at: number }) | undefined = await knex(
        'web_sessions as s',
      )
        .join('web_users as u', 'u.id', 's.user_id')
        .where({ 's.token_hash': tokenHash, 'u.is_active': true })
        .first('u.*', 's.csrf_token', 's.used_at', { opened_at: 's.created_at' });
      if (row === undefined) return null;
      return {
        user: toUser(row),
        csrfToken: row.csrf_token,
        createdAt: new Date(row.opened_at),
        usedAt: new Date(row.used_at),
      };
    },

    async noteUse(tokenHash, now) {
      await knex('web_sessions').where({ token_hash: tokenHash }).update({ used_at: now.getTime() });
    },

    async closeSession(tokenHash) {
      await knex('web_sessions').where({ token_hash: tokenHash }).delete();
    },

    async closeUnused(since) {
      await knex('web_sessions').where('used_at', '<', since.getTime()).delete();
    },

    async record({ at, who, address, action, target }) {
      await knex('web_audit').insert({ at: at.getTime(), who, address, action, target });
    },

    async listAudit({ limit, after }) {
      const query = knex('web_audit')
        .orderBy('id', 'desc')
        .limit(limit + 1);
      if (after !== null) {
        if (!idText.test(after)) throw new BadCursor('The page cursor does not belong to this list');
        void query.where('id', '<', Number(after));
      }
      const rows: { id: number; at: number; who: string; address: string; action: string; target: string }[] =
        await query;
      const shown = rows.slice(0, limit);
      return {
        items: shown.map(({ at, who, address, action, target }) => ({
          at: new Date(at),
          who,
          address,
          action,
          target,
        })),
        nextCursor: rows.length > limit ? String(shown.at(-1)!.id) : null,
      };
    },
  };
}
