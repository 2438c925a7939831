import type { Knex } from 'knex';
import type { Page, PageRequest } from '../../core/ledger-queries.ts';
import { BadCursor } from '../../core/ledger-queries.ts';
import { faultyField } from './faults.ts';

export type EntityKind = 'contact' | 'lead' | 'incoming_lead' | 'task' | 'call_note';

/** The row's number of an id given from outside; null when it cannot be one. */
export function toRowId(id: string): number | null {
  return /^[1-9]\d{0,8}$/.test(id) ? Number(id) : null;
}

export const toId = (rowId: number | null): string | null => (rowId === null ? null : String(rowId));
export const toDate = (ms: number | string): Date => new Date(Number(ms));
export const toDateOrNull = (ms: number | string | null): Date | null => (ms === null ? null : toDate(ms));
export const toTags = (json: string): readonly string[] => JSON.parse(json) as string[];

/** Text as both databases can keep it: valid UTF-8, no control characters but line breaks and tabs, no NUL, trimmed. */
export function toStoredText(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('utf8')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, ' ')
    .trim();
}

export function toStoredTags(tags: readonly string[]): string {
  return JSON.stringify([...new Set(tags.map(toStoredText).filter((tag) => tag !== ''))]);
}

/** The number of the row that an id means, which must exist. */
export async function requireRow(
  db: Knex,
  reference: { readonly table: string; readonly field: string; readonly id: string | null },
): Promise<number | null> {
  if (reference.id === null) return null;
  const rowId = toRowId(reference.id);
  const row: unknown = rowId === null ? undefined : await db(reference.table).where({ id: rowId }).first('id');
  if (row === undefined) throw faultyField(reference.field, `there is no ${reference.id}`);
  return rowId;
}

/** The user's id, who must exist. */
export async function requireUser(db: Knex, field: string, id: string | null): Promise<string | null> {
  if (id === null) return null;
  const row: unknown = await db('local_users').where({ id }).first('id');
  if (row === undefined) throw faultyField(field, `there is no user ${id}`);
  return id;
}

/**
 * Makes one entity per kind and key: the first caller's. Others with the same key wait for it and get its id, on any
 * node. The key's row is written first, so on SQLite the transaction is a writing one from its first statement.
 */
export async function createOnce(
  db: Knex,
  identity: { readonly kind: EntityKind; readonly key: string },
  make: (transaction: Knex.Transaction) => Promise<number>,
): Promise<number> {
  return db.transaction(async (transaction) => {
    const added: unknown[] = await transaction('local_idempotency_keys')
      .insert({ ...identity, entity_id: null })
      .onConflict(['kind', 'key'])
      .ignore()
      .returning('key');
    if (added.length === 0) {
      const row: { entity_id: number } = await transaction('local_idempotency_keys').where(identity).first('entity_id');
      return row.entity_id;
    }
    const id = await make(transaction);
    await transaction('local_idempotency_keys').where(identity).update({ entity_id: id });
    return id;
  });
}

/** Holds the number until the end of the transaction: nobody else makes or looks for its contact meanwhile. */
export async function lockNumber(transaction: Knex.Transaction, number: string): Promise<void> {
  await transaction('local_number_locks').insert({ number }).onConflict('number').merge();
}

/** Holds the contact until the end of the transaction: nobody else looks for its open leads and tasks meanwhile. */
export async function lockContact(transaction: Knex.Transaction, contactId: string | null): Promise<void> {
  const rowId = toRowId(contactId ?? '');
  if (rowId === null) return;
  await transaction('local_contacts')
    .where({ id: rowId })
    .update({ name: transaction.ref('name') });
}

export async function insertRow(db: Knex, table: string, row: object): Promise<number> {
  const added: { id: number }[] = await db(table).insert(row).returning('id');
  return added[0]!.id;
}

function decodeCursor(request: PageRequest<string>): { value: string | number; id: number } | null {
  if (request.after === null) return null;
  try {
    const cursor: unknown = JSON.parse(Buffer.from(request.after, 'base64url').toString('utf8'));
    if (Array.isArray(cursor) && cursor.length === 4 && cursor[0] === request.sort && cursor[1] === request.order) {
      const [value, id]: unknown[] = cursor.slice(2);
      if ((typeof value === 'string' || typeof value === 'number') && Number.isInteger(id)) {
        return { value, id: id as number };
      }
    }
  } catch {
    // Not ours; said below.
  }
  throw new BadCursor('the cursor does not belong to this list');
}

/** One page of the query's rows, sorted by `column` and then by id. */
export async function readPage<Row extends { id: number }>(
  query: Knex.QueryBuilder,
  request: PageRequest<string>,
  column: string,
): Promise<Page<Row>> {
  const after = decodeCursor(request);
  const sign = request.order === 'asc' ? '>' : '<';
  if (after !== null) {
    void query.where((either) =>
      either
        .where(column, sign, after.value)
        .orWhere((same) => same.where(column, after.value).where('id', sign, after.id)),
    );
  }
  const limit = Math.min(Math.max(Math.trunc(request.limit), 1), 500);
  const rows: (Row & Record<string, unknown>)[] = await query
    .orderBy([
      { column, order: request.order },
      { column: 'id', order: request.order },
    ])
    .limit(limit + 1);
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  if (rows.length <= limit || last === undefined) return { items, nextCursor: null };
  const value = typeof last[column] === 'string' && column.endsWith('_at') ? Number(last[column]) : last[column];
  const cursor = JSON.stringify([request.sort, request.order, value, last.id]);
  return { items, nextCursor: Buffer.from(cursor, 'utf8').toString('base64url') };
}
