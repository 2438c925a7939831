import { findAsker } from './click-to-call.ts';
import type { EmployeeDirectory } from './employees.ts';
import { Retryable } from './errors.ts';
import type { Log, PbxSource } from './ports.ts';
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

/**
 * The states of CRMs' users, of which a CRM tells once and does not ask what became of it: what a phone system could not be
 * told because it was away is kept until it can. Of each user the newest state counts.
 */
export class UserStatuses {
  readonly #turns = new Turns();
  readonly #owed = new Map<string, () => Promise<void>>();

  /** As `applyUserStatus`; after `Retryable` it is tried again by `catchUp`. */
  async change(change: UserStatusChange, parts: UserStatusParts): Promise<void> {
    const key = JSON.stringify([change.crm, change.userId, change.extension]);
    const apply = () => applyUserStatus(change, parts);
    this.#owed.delete(key);
    await this.#turns.take(key, async () => {
      await apply().catch((error: unknown) => {
        if (error instanceof Retryable) this.#owed.set(key, apply);
        throw error;
      });
    });
  }

  /** Tries again what is still owed. Never rejects. */
  async catchUp(): Promise<void> {
    for (const [key, apply] of [...this.#owed]) {
      await this.#turns.take(key, async () => {
        // A newer state has come meanwhile.
        if (this.#owed.get(key) !== apply) return;
        const isDone = await apply().then(
          () => true,
          (error: unknown) => !(error instanceof Retryable),
        );
        if (isDone && this.#owed.get(key) === apply) this.#owed.delete(key);
      });
    }
  }
}
