/** What the configuration says of the installation as a whole: its numbers, its people, its rules. Shared by service and commands. */
import { getCountryCallingCode, type CountryCode } from 'libphonenumber-js/max';
import { employeesOf, type Config } from '../config.ts';
import type { ClickToCallSettings } from '../core/click-to-call.ts';
import { StaffDirectory } from '../core/employees.ts';
import { compileNumberPattern } from '../core/number-pattern.ts';
import type { Employee, NumberPlan } from '../core/ports.ts';
import type { Installation } from '../core/registration-plan.ts';
import { findHoldingList, type CallList, type RegistrationRules } from '../core/rules.ts';
import type { CallTrackerParts } from '../core/tracking/call-tracker.ts';
import { buildRegistrationRules } from '../crm/rules-config.ts';
import { createNumberPlan } from '../numbering/number-plan.ts';

/** What numbers mean depends on who works here, and the other way round: both, from the configuration alone. */
export function createNumbering(config: Config) {
  const directory = new StaffDirectory({ employees: [], timeZone: config.installation.timezone });
  const plan = createNumberPlan(
    config.numbering,
    (number) => directory.byExtension(number) !== null,
    (number) => directory.byMobile(number) !== null,
  );
  const withMobile = (employee: Employee): Employee => ({
    ...employee,
    mobile: employee.mobile === null ? null : plan.toClientNumber(employee.mobile),
  });
  const configured = employeesOf(config).map(withMobile);
  directory.setEmployees(configured);
  return { directory, plan, configured, withMobile };
}

/** The rules of one registration section, in the installation's language and numbers. */
export function readRules(config: Config, registration: Config['registration'], plan: NumberPlan): RegistrationRules {
  return buildRegistrationRules(registration, {
    language: config.installation.language,
    toClientNumber: (raw) => plan.toClientNumber(raw),
  });
}

/** What decides how a conversation is registered in one CRM. */
export function createInstallation(
  config: Config,
  entry: Config['crm'][number],
  { directory, plan }: Pick<ReturnType<typeof createNumbering>, 'directory' | 'plan'>,
): Installation {
  return {
    crm: entry.name,
    rules: readRules(config, entry.registration ?? config.registration, plan),
    staff: directory,
    numbers: plan,
    timeZone: config.installation.timezone,
  };
}

/** The lists of the whole installation; those of one CRM alone are its registration's. */
export function createScreen(lists: readonly CallList[]): CallTrackerParts['screen'] {
  return (call, conversation) => {
    const list = findHoldingList(lists, call, conversation);
    return list === null ? null : `rule:${list}`;
  };
}

/** How long AMI waits beyond the time that the dialplan rings the phone: the dialplan is to decide. */
const originateSlackMs = 5_000;

/** Click-to-call as configured, in the installation's numbers. */
export function readClickToCall(config: Config, plan: NumberPlan): ClickToCallSettings {
  const { allow, deny, contexts, repeatMs, ...limits } = config.clickToCall;
  const compile = (patterns: readonly string[]) =>
    patterns.map((pattern) => compileNumberPattern(pattern, (raw) => plan.toClientNumber(raw)));
  const domestic = `${getCountryCallingCode(config.numbering.country as CountryCode)}*`;
  return {
    allow: compile(allow ?? [domestic]),
    deny: compile(deny),
    limits,
    repeatMs,
    ringMs: config.dialplan.clickToCall.ringSeconds * 1_000 + originateSlackMs,
    contexts: contexts.map(({ users, dids, context }) => ({
      employees: users,
      dids: dids === null ? null : compile(dids),
      context,
    })),
  };
}
