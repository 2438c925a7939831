import { findAsker } from './click-to-call.ts';
import type { EmployeeDirectory } from './employees.ts';
import { Retryable } from './errors.ts';
import type { Clock, Log, PbxSource, ToldState, ToldStates } from './ports.ts';
import { Turns } from './turns.ts';

/** What the state of a CRM's user means for his phones. */
export interface UserStatusRules {
  /** States in which he takes no calls. */
  readonly away: readonly string[];
  readonly setsDnd: boolean;
  readonly pausesQueues: boolean;
}

export interface UserStatusChange {
  readonly crm: string;
  readonly userId: string | null;
  /** Null: all of his. */
  readonly extension: string | null;
  readonly status: string;
}
export interface UserStatusParts {
  readonly rules: UserStatusRules;
  readonly directory: EmployeeDirectory;
  readonly sources: Iterable<PbxSource>;
  readonly log: Log;
}

/**
 * Takes the phones of a CRM's user out of distribution and queues while he is away, and back in. A state that is told
 * again changes nothing. Rejects with `CallRefused` when phone and user do not belong together, and as the phone system
 * does.
 */
export async function applyUserStatus(change: UserStatusChange, parts: UserStatusParts): Promise<void> {
  const { crm, userId, extension, status } = change;
  const { rules, directory, log } = parts;
  const crmUser = userId === null ? null : { crm, userId };
  const employee = findAsker(directory, { crmUser, employeeId: null, extension });
  const isThere = !rules.away.includes(status);
  const availability = {
    isDisturbable: rules.setsDnd ? isThere : null,
    isInQueues: rules.pausesQueues ? isThere : null,
    reason: status,
  };
  // One phone system that is away must not keep the others from being told.
  const faults: unknown[] = [];
  for (const source of parts.sources) {
    for (const phone of extension === null ? employee.extensions : [extension]) {
      await source.setAvailability?.(phone, availability).catch((error: unknown) => faults.push(error));
    }
  }
  if (faults.length > 0) throw faults[0];
  log.info({ crm, employee: employee.id, status, isThere }, "A CRM's user changed his state");
}

export interface UserStatusesParts extends Omit<UserStatusParts, 'rules'> {
  readonly store: ToldStates;
  readonly clock: Clock;
  /** Null: the CRM tells no states (any more). */
  rulesOf(crm: string): UserStatusRules | null;
}

/**
 * The states of CRMs' users, of which a CRM tells once and does not ask what became of it: what a phone system could not be
 * told because it was away is kept until it can, over restarts too. A phone system that was restarted may have forgotten
 * who is away, and is told again whenever it can be commanded anew. Of each user the newest state counts.
 */
export class UserStatuses {
  readonly #turns = new Turns();
  readonly #parts: UserStatusesParts;
  /** Since when each phone system could be commanded when it was last told who is away. */
  readonly #told = new Map<PbxSource, number>();
  /** Of each user's state, which of all changes was its last one here. */
  readonly #lastChange = new Map<string, number>();
  #changes = 0;

  constructor(parts: UserStatusesParts) {
    this.#parts = parts;
  }

  /** As `applyUserStatus`; after `Retryable` it is tried again by `catchUp`. */
  async change(change: UserStatusChange): Promise<void> {
    const { store, clock, directory } = this.#parts;
    const crmUser = change.userId === null ? null : { crm: change.crm, userId: change.userId };
    // What is refused is not kept.
    findAsker(directory, { crmUser, employeeId: null, extension: change.extension });
    const state: ToldState = { ...change, toldAt: clock.now(), isOwed: true };
    await this.#turns.take(keyOf(state), async () => {
      await store.put(state);
      this.#lastChange.set(keyOf(state), ++this.#changes);
      await this.#tell(state);
    });
  }

  /** Tells what is still owed, and who is away to a phone system that has come back. Never rejects. */
  async catchUp(): Promise<void> {
    const { store, log } = this.#parts;
    const cameBack = new Map<PbxSource, number>();
    for (const source of this.#parts.sources) {
      const since = source.commandedSince?.()?.getTime();
      if (since !== undefined && this.#told.get(source) !== since) cameBack.set(source, since);
    }
    const changesBefore = this.#changes;
    try {
      let isDone = true;
      for (const state of await store.list()) {
        if (!this.#isDue(state, cameBack.size > 0)) continue;
        await this.#turns.take(keyOf(state), async () => {
          // A newer state that came meanwhile was told, or is owed and told next time; so is one that came to another node.
          if ((this.#lastChange.get(keyOf(state)) ?? 0) > changesBefore) return;
          await this.#tell(state).catch((error: unknown) => {
            if (error instanceof Retryable) isDone = false;
          });
        });
      }
      if (isDone) for (const [source, since] of cameBack) this.#told.set(source, since);
    } catch (error) {
      log.warn({ err: error }, "The states of CRMs' users cannot be read; it is tried again");
    }
  }

  /** Who is there was not put out by us, and may have gone out by himself since. */
  #isDue({ crm, status, isOwed }: ToldState, isNewlyBack: boolean): boolean {
    return isOwed || (isNewlyBack && this.#parts.rulesOf(crm)?.away.includes(status) === true);
  }

  async #tell(state: ToldState): Promise<void> {
    const { store } = this.#parts;
    const rules = this.#parts.rulesOf(state.crm);
    try {
      if (rules !== null) await applyUserStatus(state, { ...this.#parts, rules });
    } catch (error) {
      if (!(error instanceof Retryable)) await store.settle(state);
      throw error;
    }
    await store.settle(state);
  }
}

const keyOf = ({ crm, userId, extension }: UserStatusChange) => JSON.stringify([crm, userId, extension]);
