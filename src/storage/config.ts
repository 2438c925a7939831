import { z } from 'zod';

/**
 * Where the ledger is kept. SQLite: one file, nothing to install, one node. PostgreSQL: several nodes may share it.
 * `url` is a secret (it holds the password) and may name any option of the `pg` package.
 */
export const databaseConfigSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sqlite'),
    /** The file; created when absent. `:memory:` keeps nothing. */
    path: z.string().min(1),
  }),
  z.strictObject({
    kind: z.literal('postgres'),
    /** `postgres://user:password@host:5432/name` */
    url: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
      .refine((url) => URL.canParse(url), 'is no URL: special characters of the password must be percent-encoded'),
    /** Most connections of this node. */
    maxConnections: z.number().int().min(2).max(100).default(10),
    /** A statement without an answer is given up after this, and its connection with it. */
    queryTimeoutMs: z.number().int().min(100).default(15_000),
  }),
]);

export type DatabaseConfig = z.input<typeof databaseConfigSchema>;
export type PostgresSettings = Extract<z.output<typeof databaseConfigSchema>, { kind: 'postgres' }>;
