import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { z } from 'zod';
import { AuthRequired } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports.ts';
import { withOwnDatabase } from './node-locks.ts';

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAtMs: number;
}

const tokensSchema = z.object({ accessToken: z.string(), refreshToken: z.string(), expiresAtMs: z.number() });

export interface StoredTokens {
  readonly tokens: Tokens;
  /** Of the authorisation code they came from. */
  readonly codeDigest: string | null;
}

/** An account's tokens in the database, encrypted (AES-256-GCM) with a key that stands elsewhere. */
export class TokenStore {
  readonly #db: Knex;
  readonly #crm: string;
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly crm: string; readonly secret: string; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#crm = parts.crm;
    this.#key = createHash('sha256').update(parts.secret, 'utf8').digest();
    this.#clock = parts.clock;
  }

  /** Null: there are none. Rejects with `AuthRequired` when they were encrypted with another secret. */
  async read(): Promise<StoredTokens | null> {
    const row: { sealed: string; code_digest: string | null } | undefined = await withOwnDatabase(() =>
      this.#db('crm_tokens').where({ crm: this.#crm }).first('sealed', 'code_digest'),
    );
    return row === undefined ? null : { tokens: this.#open(row.sealed), codeDigest: row.code_digest };
  }

  async write({ tokens, codeDigest }: StoredTokens): Promise<void> {
    const row = { sealed: this.#seal(tokens), code_digest: codeDigest, updated_at: this.#clock.now().getTime() };
    await withOwnDatabase(() =>
      this.#db('crm_tokens')
        .insert({ crm: this.#crm, ...row })
        .onConflict('crm')
        .merge(row),
    );
  }

  #seal(tokens: Tokens): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(this.#crm));
    const text = Buffer.concat([cipher.update(JSON.stringify(tokens), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
  }

  #open(sealed: string): Tokens {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const cipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12), { authTagLength: 16 })
        .setAAD(Buffer.from(this.#crm))
        .setAuthTag(bytes.subarray(12, 28));
      const text = Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString('utf8');
      return tokensSchema.parse(JSON.parse(text));
    } catch (error) {
      throw new AuthRequired(
        `The stored tokens of ${this.#crm} cannot be decrypted: encryptionSecret is not the one they were stored with. ` +
          `Put the old one back, or connect the account anew with a new authorizationCode.`,
        { cause: error },
      );
    }
  }
}
