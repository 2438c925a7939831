import type { Clock, CrmAdapter, Log, PartStatus } from './ports.ts';

/** What the CRMs say of their own settings is asked for this often; they may count requests. */
const everyMs = 300_000;
/** While something is wrong, somebody is mending it. */
const soonerMs = 30_000;

/** Keeps what each CRM's `check` last said, so that whoever asks for the state of the house waits for no CRM. */
export class CrmChecks {
  readonly #crms: readonly Pick<CrmAdapter, 'name' | 'check'>[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #last = new Map<string, readonly PartStatus[]>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(parts: {
    readonly crms: readonly Pick<CrmAdapter, 'name' | 'check'>[];
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#crms = parts.crms;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  start(): void {
    for (const crm of this.#crms) this.#schedule(crm, 0);
  }

  /** Resolves when the checks under way are over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#running);
  }

  status(): readonly PartStatus[] {
    return this.#crms.flatMap(({ name }) => this.#last.get(name) ?? []);
  }

  #schedule(crm: Pick<CrmAdapter, 'name' | 'check'>, delayMs: number): void {
    if (this.#isStopped) return;
    const timer = setTimeout(() => {
      const run = this.#run(crm).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }, delayMs);
    this.#timers.set(crm.name, timer);
  }

  async #run(crm: Pick<CrmAdapter, 'name' | 'check'>): Promise<void> {
    let statuses: readonly PartStatus[];
    try {
      statuses = await crm.check();
    } catch (error) {
      this.#log.warn({ crm: crm.name, error }, 'the settings of a CRM could not be checked');
      const message = `cannot be checked: ${error instanceof Error ? error.message : String(error)}`;
      statuses = [{ part: `crm:${crm.name}`, health: 'warning', message }];
    }
    const checkedAt = this.#clock.now();
    this.#last.set(
      crm.name,
      statuses.map((status) => ({ ...status, checkedAt })),
    );
    const isWell = statuses.every(({ health }) => health === 'ok');
    this.#schedule(crm, isWell ? everyMs : soonerMs);
  }
}
