import type { Knex } from 'knex';

export type ColumnType = 'text' | 'bigint' | 'integer' | 'boolean';

/** Values that are one JSON document per statement; larger lists are sent in several. */
const rowsPerStatement = 1_000;

export function* portions<T>(rows: readonly T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; start += rowsPerStatement) yield rows.slice(start, start + rowsPerStatement);
}

/** Without NUL, which PostgreSQL cannot store, and without halves of characters, which its JSON refuses. */
function toStorable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
}

/** How JSON writes what is not storable. */
const unstorable = /\\u(?:0000|d[89a-f])/;

/**
 * Inserts many rows by one statement whose text depends on the table alone, so that the database compiles it once and
 * an error message carries no one's data. `onConflict` is SQL after `on conflict`. Ids are given in the order of rows.
 * Returns the `returning` columns of the rows that were written.
 */
export async function insertRows<Row extends object>(
  knex: Knex,
  insert: {
    readonly table: string;
    readonly columns: { readonly [Column in keyof Row & string]: ColumnType };
    readonly rows: readonly Row[];
    readonly onConflict: string;
    readonly returning?: readonly string[];
  },
): Promise<readonly unknown[]> {
  const { table, columns, rows, onConflict, returning = [] } = insert;
  const names = Object.keys(columns);
  const isPostgres = knex.client.driverName === 'pg';
  const source = isPostgres
    ? `select ${names.join(', ')} from json_to_recordset(?::json) as row(${Object.entries<ColumnType>(columns)
        .map(([name, type]) => `${name} ${type}`)
        .join(', ')})`
    : `select ${names.map((name) => `value ->> '${name}'`).join(', ')} from json_each(?) where true`;
  const sql =
    `insert into ${table} (${names.join(', ')}) ${source} on conflict ${onConflict}` +
    (returning.length > 0 ? ` returning ${returning.join(', ')}` : '');
  const written: unknown[] = [];
  for (const portion of portions(rows)) {
    let json = JSON.stringify(portion);
    // Looking at each value takes longer than all the rest, and hardly ever finds anything.
    if (unstorable.test(json))
      json = JSON.stringify(portion, (_, value: unknown) => (typeof value === 'string' ? toStorable(value) : value));
    const answer = (await knex.raw(sql, [json])) as unknown[] | { readonly rows: unknown[] };
    written.push(...(Array.isArray(answer) ? answer : answer.rows));
  }
  return written;
}

/** `do update` of all given columns to the new values. */
export function overwrite(columns: readonly string[]): string {
  return `do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}
