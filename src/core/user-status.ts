import { findAsker } from './click-to-call.ts';
import type { EmployeeDirectory } from './employees.ts';
import type { Log, PbxSource } from './ports.ts';

/** What the state of a CRM's user means for his phones. */
export interface UserStatusRules {
  /** States in which he takes no calls. */
  readonly away: readonly string[];
  readonly setsDnd: boolean;
  readonly pausesQueues: boolean;
}

/**
 * Takes the phones of a CRM's user out of distribution and queues while he is away, and back in. A state that is told
 * again changes nothing. Rejects with `CallRefused` when phone and user do not belong together, and as the phone system
 * does.
 */
export async function applyUserStatus(
  change: {
    readonly crm: string;
    readonly userId: string | null;
    /** Null: all of his. */
    readonly extension: string | null;
    readonly status: string;
  },
  parts: {
    readonly rules: UserStatusRules;
    readonly directory: EmployeeDirectory;
    readonly sources: Iterable<PbxSource>;
    readonly log: Log;
  },
): Promise<void> {
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
