/** The people who use the web interface: what is kept of them, their sessions and what they did. */
import type { Page } from './ledger-queries.ts';

/** `admin` sees and changes everything; `supervisor` sees the calls of a group of extensions; `own` those of the own ones. */
export type WebRole = 'admin' | 'supervisor' | 'own';
export const webRoles = ['admin', 'supervisor', 'own'] as const satisfies readonly WebRole[];

export interface WebUser {
  readonly id: string;
  /** Lower case; unique. */
  readonly name: string;
  readonly role: WebRole;
  /** Whose calls the person sees; empty for an admin, who sees all. */
  readonly extensions: readonly string[];
  readonly isActive: boolean;
  readonly createdAt: Date;
}
/** A user as administrators see it. */
export interface ListedWebUser extends WebUser {
  /** Too many wrong passwords: nobody can sign in as this user until then. Null, or past: not locked. */
  readonly lockedUntil: Date | null;
}
export type WebUserFields = Pick<WebUser, 'name' | 'role' | 'extensions' | 'isActive'> & {
  readonly passwordHash: string;
};

/** What signing in needs to know. */
export interface WebUserAccess {
  readonly user: WebUser;
  readonly passwordHash: string;
  readonly lockedUntil: Date | null;
}

export interface WebSession {
  readonly user: WebUser;
  readonly csrfToken: string;
  readonly createdAt: Date;
  readonly usedAt: Date;
}

export interface AuditEntry {
  readonly at: Date;
  /** A user's or a token's name. */
  readonly who: string;
  readonly address: string;
  readonly action: string;
  readonly target: string;
}

export interface WebUserStore {
  isEmpty(): Promise<boolean>;
  list(): Promise<readonly ListedWebUser[]>;
  findByName(name: string): Promise<WebUserAccess | null>;
  /** Null: the name is taken. */
  add(fields: WebUserFields, now: Date): Promise<WebUser | null>;
  /** Only while there is nobody; null: somebody was there already, or came first. */
  addFirst(fields: WebUserFields, now: Date): Promise<WebUser | null>;
  /** Ends the user's sessions. Null: there is none; rejects with `LastAdmin` rather than lock everybody out. */
  change(id: string, change: Partial<Omit<WebUserFields, 'name'>>): Promise<WebUser | null>;
  /** Returns how many wrong passwords there were in a row; from `lockAfter` on the user is locked until then. */
  countFailure(id: string, options: { readonly lockAfter: number; readonly lockedUntil: Date }): Promise<number>;
  clearFailures(id: string): Promise<void>;

  openSession(session: {
    readonly tokenHash: string;
    readonly csrfToken: string;
    readonly userId: string;
    readonly now: Date;
  }): Promise<void>;
  /** Null for those of people who were switched off, too. */
  findSession(tokenHash: string): Promise<WebSession | null>;
  noteUse(tokenHash: string, now: Date): Promise<void>;
  closeSession(tokenHash: string): Promise<void>;
  /** Forgets sessions that nobody used since then. */
  closeUnused(since: Date): Promise<void>;

  record(entry: AuditEntry): Promise<void>;
  /** Newest first. */
  listAudit(page: { readonly limit: number; readonly after: string | null }): Promise<Page<AuditEntry>>;
}

/** Without an active admin nobody could give anybody access again. */
export class LastAdmin extends Error {
  override readonly name = 'LastAdmin';
}
