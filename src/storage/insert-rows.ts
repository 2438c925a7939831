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

interface Insert<Row extends object> {
  readonly table: string;
  readonly columns: { readonly [Column in keyof Row & string]: ColumnType };
  readonly rows: readonly Row[];
  readonly onConflict: string;
  readonly returning?: readonly string[];
}

/**
 * Inserts many rows by statements whose text depends on the table alone, so that the database compiles them once and
 * an error message carries no one's data. `onConflict` is SQL after `on conflict`. Ids are given in the order of rows.
 * Returns the `returning` columns of the rows that were written. Of each portion of 1,000 rows, all are written or none.
 */
export async function insertRows<Row extends object>(knex: Knex, insert: Insert<Row>): Promise<readonly unknown[]> {
  const insertPortion = knex.client.driverName === 'pg' ? insertAsJson : insertOneByOne;
  const written: unknown[] = [];
  for (const rows of portions(insert.rows)) written.push(...(await insertPortion(knex, { ...insert, rows })));
  return written;
}

/** PostgreSQL: one document, since each statement is a journey to the server. */
async function insertAsJson<Row extends object>(knex: Knex, insert: Insert<Row>): Promise<readonly unknown[]> {
  let json = JSON.stringify(insert.rows);
  // Looking at each value takes longer than all the rest, and hardly ever finds anything.
  if (unstorable.test(json))
    json = JSON.stringify(insert.rows, (_, value: unknown) => (typeof value === 'string' ? toStorable(value) : value));
  const types = Object.entries<ColumnType>(insert.columns).map(([name, type]) => `${name} ${type}`);
  const values = `select ${Object.keys(insert.columns).join(', ')} from json_to_recordset(?::json) as row(${types.join(', ')})`;
  const { rows } = (await knex.raw(toSql(insert, values), [json])) as { readonly rows: unknown[] };
  return rows;
}

/** SQLite: its thread runs the statement for each row, in half the time that SQLite needs to take them out of JSON. */
async function insertOneByOne<Row extends object>(knex: Knex, insert: Insert<Row>): Promise<readonly unknown[]> {
  const names = Object.keys(insert.columns) as (keyof Row & string)[];
  const rows = insert.rows.map((row) => names.map((name) => toSqliteValue(row[name])));
  const values = `values (${names.map(() => '?').join(', ')})`;
  return (await knex.raw(toSql(insert, values)).options({ rows })) as unknown[];
}

function toSqliteValue(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) return toStorable(value);
  return value;
}

function toSql<Row extends object>(insert: Insert<Row>, values: string): string {
  const { table, columns, onConflict, returning = [] } = insert;
  return (
    `insert into ${table} (${Object.keys(columns).join(', ')}) ${values} on conflict ${onConflict}` +
    (returning.length > 0 ? ` returning ${returning.join(', ')}` : '')
  );
}

/** `do update` of all given columns to the new values. */
export function overwrite(columns: readonly string[]): string {
  return `do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}

/**
 * The same, leaving alone (with its indexes) a row that has the new values already; such a row is not returned. `others`
 * are columns with the SQL of what they get.
 */
export function overwriteChanged(
  table: string,
  columns: readonly string[],
  others: { readonly [column: string]: string } = {},
): string {
  const values = [...columns.map((column) => [column, `excluded.${column}`] as const), ...Object.entries(others)];
  const sets = values.map(([column, value]) => `${column} = ${value}`);
  const changes = values.map(([column, value]) => `${table}.${column} is distinct from ${value}`);
  return `do update set ${sets.join(', ')} where ${changes.join(' or ')}`;
}
