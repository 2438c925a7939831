import type { EmployeeDirectory } from './employees.ts';
import type { DeviceState, Employee } from './ports.ts';

/** The most extensions handed to the dialplan besides the first. */
export const mostDeputies = 5;

export interface DistributionPolicy {
  /** A second call may ring an employee who is talking (call waiting). */
  readonly ringsWhileTalking: boolean;
  /** A phone of which nothing is known may be rung. */
  readonly ringsUnknown: boolean;
}

/** What is asked about each step, for people who want to know why a call went where it went. */
export type StepNote = (step: string, outcome: string) => void;

/** Who gets the call: the first extension and those to try after it. Null when nobody can take it. */
export interface Choice {
  readonly employee: Employee;
  readonly extension: string;
  readonly deputies: readonly string[];
}

/**
 * True for what the dialplan takes for one extension. It comes from CRMs and hooks, where `500&SIP/trunk` would ring
 * outside; deputies are joined by `-`.
 */
export const isDialable = (extension: string) => /^[0-9*#]{1,32}$/.test(extension);

const talkingStates: ReadonlySet<DeviceState> = new Set(['in_use', 'on_hold', 'ringing', 'busy']);

/**
 * The extension on which an employee can be reached now, or why not. A person talking on one phone is not free on
 * another, unless a second call may ring; a phone that is switched off or on do-not-disturb only takes itself out.
 */
export function findFreeExtension(
  employee: Employee,
  stateOf: (extension: string) => DeviceState,
  policy: DistributionPolicy,
): { readonly extension: string } | { readonly reason: string } {
  const extensions = employee.extensions.filter(isDialable);
  if (extensions.length === 0) return { reason: 'has no extension' };
  const phones = extensions.map((extension) => ({ extension, state: stateOf(extension) }));
  const talking = phones.find(({ state }) => talkingStates.has(state));
  if (talking && !policy.ringsWhileTalking) return { reason: `${talking.extension} is ${talking.state}` };
  const allowed: readonly DeviceState[] = [
    'idle',
    ...(policy.ringsUnknown ? (['unknown'] as const) : []),
    // `busy` is a phone that refuses a second call itself.
    ...(policy.ringsWhileTalking ? (['in_use', 'on_hold', 'ringing'] as const) : []),
  ];
  for (const state of allowed) {
    const phone = phones.find((each) => each.state === state);
    if (phone) return { extension: phone.extension };
  }
  return { reason: phones.map(({ extension, state }) => `${extension} is ${state}`).join(', ') };
}

/**
 * The responsible, else the first deputy who is employed, at work and reachable at that moment, with the reachable
 * deputies behind as the ones to try next.
 */
export function chooseExtensions(question: {
  readonly responsible: Employee;
  readonly directory: EmployeeDirectory;
  readonly stateOf: (extension: string) => DeviceState;
  readonly policy: DistributionPolicy;
  readonly at: Date;
  readonly note?: StepNote;
}): Choice | null {
  const { directory, at, note } = question;
  const reachable: { readonly employee: Employee; readonly extension: string }[] = [];
  for (const employee of [question.responsible, ...directory.deputiesOf(question.responsible)]) {
    if (reachable.length > mostDeputies) break;
    const role = employee === question.responsible ? 'responsible' : 'deputy';
    const found = !employee.isActive
      ? { reason: 'is dismissed or switched off' }
      : !directory.isAtWork(employee, at)
        ? { reason: 'is outside working hours' }
        : findFreeExtension(employee, question.stateOf, question.policy);
    note?.(`${role} ${employee.name}`, 'reason' in found ? found.reason : `can take it on ${found.extension}`);
    if ('extension' in found && !reachable.some((other) => other.extension === found.extension)) {
      reachable.push({ employee, extension: found.extension });
    }
  }
  const [first, ...deputies] = reachable;
  if (!first) return null;
  return { ...first, deputies: deputies.map(({ extension }) => extension) };
}
