import type { ContactMirror } from './contact-mirror.ts';
import type { StaffDirectory } from './employees.ts';
import { Retryable } from './errors.ts';
import type { Clock, CrmAdapter, Log, PartStatus } from './ports.ts';

export interface CrmSyncSettings {
  /** Between two looks at what changed. */
  readonly everyMs: number;
  /** Between two full listings, which alone show what was deleted. */
  readonly fullEveryMs: number;
}

/** Changes are asked for from a little before the last known one: CRMs show some of them late. */
const overlapMs = 60_000;

/**
 * Keeps the mirror of one CRM's contacts, and the staff directory's view of its users, up to date: everything at the
 * start, then what changed, and everything again once in a while. A CRM that fails leaves both as they were.
 */
export class CrmSync {
  readonly #crm: Pick<CrmAdapter, 'name' | 'listUsers' | 'listContacts'>;
  readonly #mirror: ContactMirror;
  readonly #directory: StaffDirectory;
  readonly #settings: CrmSyncSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  /** The newest change seen, by the CRM's own clock. */
  #newestChangeAt: Date | null = null;
  #fullAt: Date | null = null;
  #succeededAt: Date | null = null;
  #lastError: string | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #round: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(parts: {
    readonly crm: Pick<CrmAdapter, 'name' | 'listUsers' | 'listContacts'>;
    readonly mirror: ContactMirror;
    readonly directory: StaffDirectory;
    readonly settings: CrmSyncSettings;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#crm = parts.crm;
    this.#mirror = parts.mirror;
    this.#directory = parts.directory;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Starts the rounds and returns at once: calls are answered meanwhile, from what is there. */
  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#schedule(0);
  }

  /** Resolves when the round under way is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#round;
  }

  /** One round. Rejects as the CRM does; what had arrived until then is kept. */
  async syncOnce(): Promise<void> {
    const users = await this.#crm.listUsers();
    // No CRM is without users: an empty list is a fault of the other side, and would leave everybody without a phone.
    if (users.length > 0) this.#directory.setCrmUsers(this.#crm.name, users);
    if (this.#crm.listContacts) await this.#syncContacts(this.#crm.listContacts.bind(this.#crm));
    this.#succeededAt = this.#clock.now();
    this.#lastError = null;
  }

  status(): readonly PartStatus[] {
    const part = `contacts of ${this.#crm.name}`;
    const counts = { contacts: this.#mirror.size, succeededAt: this.#succeededAt };
    if (this.#lastError !== null) {
      const message = `cannot be read (${this.#lastError}); callers are known as of the last success, and it is tried again by itself`;
      return [{ part, health: 'warning', message, ...counts }];
    }
    const message = this.#succeededAt ? `${this.#mirror.size} in memory` : 'being read for the first time';
    return [{ part, health: 'ok', message, ...counts }];
  }

  async #syncContacts(list: NonNullable<CrmAdapter['listContacts']>): Promise<void> {
    const now = this.#clock.now();
    const isFull = this.#fullAt === null || now.getTime() - this.#fullAt.getTime() >= this.#settings.fullEveryMs;
    const since = isFull || !this.#newestChangeAt ? null : new Date(this.#newestChangeAt.getTime() - overlapMs);
    const ids = new Set<string>();
    for await (const contacts of list(since, (id) => this.#mirror.remove(id))) {
      this.#mirror.put(contacts);
      for (const { id, updatedAt } of contacts) {
        if (since === null) ids.add(id);
        if (!this.#newestChangeAt || updatedAt > this.#newestChangeAt) this.#newestChangeAt = updatedAt;
      }
    }
    if (since !== null) return;
    this.#mirror.retain(ids);
    this.#fullAt = now;
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#round = this.#runRound();
    }, delayMs);
  }

  async #runRound(): Promise<void> {
    let delayMs = this.#settings.everyMs;
    try {
      await this.syncOnce();
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : String(error);
      this.#log.warn({ crm: this.#crm.name, error }, 'the contacts and users of the CRM could not be read');
      if (error instanceof Retryable) delayMs = Math.max(delayMs, error.retryAfterMs ?? 0);
    }
    if (!this.#isStopped) this.#schedule(delayMs);
  }
}
