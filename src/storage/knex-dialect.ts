import { createRequire } from 'node:module';
import type { Knex } from 'knex';

/** What knex hands to a dialect's `_query` and takes back. */
export interface Query {
  sql: string;
  bindings?: readonly unknown[];
  /** `rows`: lists of bindings, for each of which the statement is run. */
  options?: { readonly rows?: readonly (readonly unknown[])[] };
  response?: unknown;
  context?: { lastID: number | undefined; changes: number | undefined };
}
interface Dialect extends Knex.Client {
  _formatBindings(bindings: readonly unknown[] | undefined): readonly unknown[];
  _query(connection: unknown, query: Query): Promise<Query>;
}
export type DialectClass = new (config: Knex.Config) => Dialect;

const require = createRequire(import.meta.url);

/** A dialect of knex's own to build upon; the driver is the caller's. */
export const loadDialect = (name: 'better-sqlite3' | 'postgres') =>
  require(`knex/lib/dialects/${name}/index.js`) as DialectClass;

/** Knex prints what it also throws; whoever catches it logs it. Its warnings of lost connections follow from the same. */
export const quiet: Knex.Logger = { warn() {}, error() {}, debug() {}, deprecate() {} };
