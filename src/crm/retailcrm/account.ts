import { z } from 'zod';
import { AuthRequired, Rejected } from '../../core/errors.ts';
import type { Clock, CrmUser } from '../../core/ports.ts';
import type { RetailcrmApi } from './api.ts';
import type { RetailcrmConfig } from './config.ts';
import { nameOf, userSchema } from './mapping.ts';

const usersFreshMs = 60_000;
const settingsFreshMs = 600_000;

const settingsSchema = z.looseObject({
  settings: z
    .looseObject({ timezone: z.looseObject({ value: z.string() }).nullish().catch(null) })
    .nullish()
    .catch(null),
});
const statusesSchema = z.looseObject({
  statuses: z.record(z.string(), z.looseObject({ code: z.string(), group: z.string().nullish() })).catch({}),
});
const credentialsSchema = z.looseObject({
  credentials: z.array(z.string()).catch([]),
  sitesAvailable: z.array(z.string()).catch([]),
});

/** What the account is made of, as last read; read anew when it may have changed. */
export class RetailcrmAccount {
  readonly #api: RetailcrmApi;
  readonly #settings: RetailcrmConfig;
  readonly #users: Fresh<readonly CrmUser[]>;
  readonly #timeZone: Fresh<string>;
  readonly #closedStatuses: Fresh<ReadonlySet<string>>;

  constructor(parts: { readonly api: RetailcrmApi; readonly settings: RetailcrmConfig; readonly clock: Clock }) {
    this.#api = parts.api;
    this.#settings = parts.settings;
    this.#users = new Fresh(usersFreshMs, parts.clock, () => this.#readUsers());
    this.#timeZone = new Fresh(settingsFreshMs, parts.clock, () => this.#readTimeZone());
    this.#closedStatuses = new Fresh(settingsFreshMs, parts.clock, () => this.#readClosedStatuses());
  }

  users = (): Promise<readonly CrmUser[]> => this.#users.get();
  /** In which the CRM writes and reads times. */
  timeZone = (): Promise<string> => this.#timeZone.get();
  /** Codes of the statuses in which an order is finished. */
  closedStatuses = (): Promise<ReadonlySet<string>> => this.#closedStatuses.get();

  /** What the key may do and which shops it sees. */
  async credentials(): Promise<{ readonly methods: readonly string[]; readonly sites: readonly string[] }> {
    // A key that may not even look at itself can do its work all the same.
    const answer = await this.#api.get('/credentials', credentialsSchema, { isUnversioned: true }).catch((error) => {
      if (error instanceof Rejected || error instanceof AuthRequired) return null;
      throw error;
    });
    return { methods: answer?.credentials ?? [], sites: answer?.sitesAvailable ?? [] };
  }

  /** `free`, `busy`, `dinner` or `break`. */
  async setUserStatus(userId: string, status: string): Promise<void> {
    await this.#api.post(`/users/${encodeURIComponent(userId)}/status`, z.looseObject({}), { status });
  }

  async #readUsers(): Promise<CrmUser[]> {
    const extensions = Object.entries(this.#settings.extensions);
    const users: CrmUser[] = [];
    for await (const page of this.#api.pages('/users', { key: 'users', item: userSchema })) {
      for (const user of page) {
        const email = user.email ?? null;
        const isOwner = (owner: string) => owner === String(user.id) || owner.toLowerCase() === email?.toLowerCase();
        users.push({
          id: String(user.id),
          name: nameOf(user) || email || String(user.id),
          email: email || null,
          extensions: extensions.filter(([, owner]) => isOwner(owner)).map(([extension]) => extension),
          isActive: user.active !== false,
        });
      }
    }
    return users;
  }

  async #readTimeZone(): Promise<string> {
    if (this.#settings.timeZone !== null) return this.#settings.timeZone;
    const answer = await this.#api.get('/settings', settingsSchema).catch((error: unknown) => {
      if (error instanceof Rejected) return null;
      throw error;
    });
    const zone = answer?.settings?.timezone?.value;
    if (zone === undefined) {
      throw new AuthRequired(
        "the account does not tell its time zone: set timeZone in the CRM's settings here, then resume the deliveries",
      );
    }
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
    } catch {
      throw new AuthRequired(
        `the account's time zone ${zone} is not known here: set timeZone in the CRM's settings here, then resume the deliveries`,
      );
    }
    return zone;
  }

  async #readClosedStatuses(): Promise<ReadonlySet<string>> {
    const answer = await this.#api.get('/reference/statuses', statusesSchema);
    const closed = Object.values(answer?.statuses ?? {}).filter(({ group }) =>
      this.#settings.closedGroups.includes(group ?? ''),
    );
    return new Set(closed.map(({ code }) => code));
  }
}

/** A value that is asked for again once it is older than this; asked once for all who want it meanwhile. */
class Fresh<Value> {
  readonly #freshMs: number;
  readonly #clock: Clock;
  readonly #read: () => Promise<Value>;
  #value: { readonly value: Value; readonly atMs: number } | null = null;
  #reading: Promise<Value> | null = null;

  constructor(freshMs: number, clock: Clock, read: () => Promise<Value>) {
    this.#freshMs = freshMs;
    this.#clock = clock;
    this.#read = read;
  }

  async get(): Promise<Value> {
    if (this.#value !== null && this.#clock.now().getTime() - this.#value.atMs < this.#freshMs)
      return this.#value.value;
    this.#reading ??= this.#read()
      .then((value) => {
        this.#value = { value, atMs: this.#clock.now().getTime() };
        return value;
      })
      .finally(() => {
        this.#reading = null;
      });
    return this.#reading;
  }
}
