/** Tokens that people make for programs, beside those of the configuration. */

export interface ApiTokenEntry {
  readonly id: string;
  readonly name: string;
  /** `read` may look, not change. */
  readonly access: 'full' | 'read';
  readonly madeBy: string;
  readonly madeAt: Date;
  /** To the minute; null: never. */
  readonly usedAt: Date | null;
}

export interface ApiTokenStore {
  /** Those that are valid, newest first. */
  list(): Promise<readonly ApiTokenEntry[]>;
  /** The token itself is kept nowhere; null: a valid one has this name. */
  add(
    token: Pick<ApiTokenEntry, 'name' | 'access' | 'madeBy'> & { readonly tokenHash: string },
    now: Date,
  ): Promise<ApiTokenEntry | null>;
  find(tokenHash: string): Promise<ApiTokenEntry | null>;
  noteUse(id: string, now: Date): Promise<void>;
  /** From now on it opens nothing. False: there is no such valid token. */
  revoke(id: string, now: Date): Promise<boolean>;
}
