import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AuthRequired, Rejected } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports.ts';
import type { KommoConfig } from '../config.ts';
import type { NodeLocks } from './node-locks.ts';
import type { StoredTokens, TokenStore } from './token-store.ts';

/** Where the bearer token of requests comes from. */
export interface AccessTokens {
  /** One that should be valid. */
  current(): Promise<string>;
  /** The CRM refused this one: another, or null when there is none without a person. */
  renew(refused: string): Promise<string | null>;
  /** What a person must do now that the CRM refuses us. */
  readonly advice: string;
}

const answerSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  expires_in: z.number().positive(),
});

/** A token that lives for months and cannot be renewed by us. */
export function createLongLivedToken(token: string): AccessTokens {
  const expiresAt = readExpiry(token);
  const until = expiresAt === null ? '' : ` (it is valid until ${expiresAt.toISOString().slice(0, 10)})`;
  return {
    current: async () => token,
    renew: async () => null,
    advice: `Make a new long-lived token on the Keys tab of the integration${until}, put it into longLivedToken, restart, then resume the deliveries.`,
  };
}

/** When a JWT says that it ends; null when it does not say. */
function readExpiry(token: string): Date | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { exp } = z.object({ exp: z.number() }).parse(claims);
    return new Date(exp * 1_000);
  } catch {
    return null;
  }
}

/** Renewed this long before the end, so that no request meets a token that has just run out. */
const renewBeforeMs = 120_000;

/**
 * OAuth tokens (authorisation code, then refresh). A refresh token works once and the answer brings the next one, so
 * over all nodes only one asks at a time, and what it got is stored before anybody uses it.
 */
export class OAuthTokens implements AccessTokens {
  readonly #config: NonNullable<KommoConfig['oauth']>;
  readonly #crm: string;
  readonly #store: TokenStore;
  readonly #locks: NodeLocks;
  readonly #clock: Clock;
  readonly #exchange: (body: object) => Promise<unknown>;
  readonly #codeDigest: string | null;
  #known: StoredTokens | null = null;

  readonly advice =
    'Open the integration in the CRM, copy a new authorisation code (valid for 20 minutes) into oauth.authorizationCode, restart, then resume the deliveries.';

  constructor(parts: {
    readonly config: NonNullable<KommoConfig['oauth']>;
    readonly crm: string;
    readonly store: TokenStore;
    readonly locks: NodeLocks;
    readonly clock: Clock;
    /** `POST /oauth2/access_token`. */
    readonly exchange: (body: object) => Promise<unknown>;
  }) {
    this.#config = parts.config;
    this.#crm = parts.crm;
    this.#store = parts.store;
    this.#locks = parts.locks;
    this.#clock = parts.clock;
    this.#exchange = parts.exchange;
    const code = parts.config.authorizationCode;
    this.#codeDigest = code === null ? null : createHash('sha256').update(code).digest('hex');
  }

  async current(): Promise<string> {
    if (this.#isFresh(this.#known)) return this.#known.tokens.accessToken;
    return this.#obtain(null);
  }

  async renew(refused: string): Promise<string> {
    return this.#obtain(refused);
  }

  #isFresh(stored: StoredTokens | null): stored is StoredTokens {
    return stored !== null && stored.tokens.expiresAtMs - renewBeforeMs > this.#clock.now().getTime();
  }

  #obtain(refused: string | null): Promise<string> {
    return this.#locks.hold(`tokens:${this.#crm}`, async () => {
      // Another worker, or another node, may have been here before.
      let stored = await this.#store.read();
      const isNewCode = this.#codeDigest !== null && stored?.codeDigest !== this.#codeDigest;
      if (stored === null || isNewCode) stored = await this.#redeemCode(stored);
      else if (stored.tokens.accessToken === refused || !this.#isFresh(stored)) stored = await this.#refresh(stored);
      this.#known = stored;
      return stored.tokens.accessToken;
    });
  }

  async #redeemCode(stored: StoredTokens | null): Promise<StoredTokens> {
    const code = this.#config.authorizationCode;
    if (code === null) throw new AuthRequired(`${this.#crm} is not connected yet. ${this.advice}`);
    try {
      return await this.#ask({ grant_type: 'authorization_code', code }, this.#codeDigest);
    } catch (error) {
      // A used-up code in the configuration must not end an access that works.
      if (stored !== null && error instanceof AuthRequired)
        return this.#isFresh(stored) ? stored : this.#refresh(stored);
      throw error;
    }
  }

  #refresh({ tokens, codeDigest }: StoredTokens): Promise<StoredTokens> {
    return this.#ask({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }, codeDigest);
  }

  async #ask(grant: object, codeDigest: string | null): Promise<StoredTokens> {
    const { clientId, clientSecret, redirectUri } = this.#config;
    const body = { client_id: clientId, client_secret: clientSecret, redirect_uri: redirectUri, ...grant };
    let answer: unknown;
    try {
      answer = await this.#exchange(body);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      throw new AuthRequired(`${this.#crm} gives us no token (${error.message}). ${this.advice}`, { cause: error });
    }
    const { access_token, refresh_token, expires_in } = answerSchema.parse(answer);
    const expiresAtMs = this.#clock.now().getTime() + expires_in * 1_000;
    const stored = { tokens: { accessToken: access_token, refreshToken: refresh_token, expiresAtMs }, codeDigest };
    await this.#store.write(stored);
    return stored;
  }
}
