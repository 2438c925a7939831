import { CallerLookup, type CallerLookupParts, type CallerLookupSettings } from '../../src/core/caller-lookup.ts';
import type { CallerQuestion } from '../../src/core/caller-lookup.ts';
import { ContactMirror } from '../../src/core/contact-mirror.ts';
import { ContactSearch, type ContactSource } from '../../src/core/contact-search.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import type { Contact, DeviceState, Employee, Log } from '../../src/core/ports.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { silentLog } from './silent-log.ts';

export const contactOf = (fields: Partial<Contact> & { readonly id: string }): Contact => ({
  name: `Contact ${fields.id}`,
  company: null,
  numbers: ['+79161110002'],
  responsibleId: '1',
  updatedAt: new Date('2026-11-01T00:00:00Z'),
  tags: [],
  url: null,
  ...fields,
});

export const employeeOf = (fields: Partial<Employee> & { readonly id: string }): Employee => ({
  name: `Employee ${fields.id}`,
  extensions: [`10${fields.id}`],
  email: null,
  deputies: [],
  mobile: null,
  isActive: true,
  workingHours: null,
  ...fields,
});

export const mirrorOf = (...contacts: readonly Contact[]): ContactMirror => {
  const mirror = new ContactMirror();
  mirror.put(contacts);
  return mirror;
};

export const questionOf = (fields: Partial<CallerQuestion> = {}): CallerQuestion => ({
  callerNumber: '+79161110002',
  callerName: '',
  did: '7000001',
  trunk: 'provider',
  requestData: {},
  askedAtMs: performance.now(),
  ...fields,
});

export interface TestLookupOptions {
  readonly sources?: readonly ContactSource[];
  readonly employees?: readonly Employee[];
  readonly states?: Readonly<Record<string, DeviceState>>;
  readonly hook?: CallerLookupParts['customizeAutodistribution'];
  readonly settings?: Partial<CallerLookupSettings>;
  readonly breakerFailures?: number;
  readonly now?: Date;
  readonly monotonicMs?: () => number;
  readonly log?: Log;
}

/** A lookup over given contacts and employees, in Moscow, with all phones free unless said otherwise. */
export function createTestLookup(options: TestLookupOptions = {}): CallerLookup {
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const log = options.log ?? silentLog;
  const directory = new StaffDirectory({
    employees: options.employees ?? [employeeOf({ id: '1' })],
    timeZone: 'Europe/Moscow',
  });
  const search = new ContactSearch({
    sources: options.sources ?? [{ name: 'local', mirror: mirrorOf(contactOf({ id: '7' })), findContact: null }],
    settings: {
      breaker: { failures: options.breakerFailures ?? 5, openMs: 10_000 },
      freshMs: 30_000,
      staleMs: 3_600_000,
    },
    monotonicMs,
    log,
  });
  return new CallerLookup(
    {
      search,
      directory,
      numberPlan: createNumberPlan(numberingConfig.parse({})),
      stateOf: (extension) => options.states?.[extension] ?? 'idle',
      customizeAutodistribution: options.hook ?? null,
      clock: { now: () => options.now ?? new Date('2026-11-20T09:00:00Z') },
      monotonicMs,
      log,
    },
    {
      deadlineMs: 800,
      hookMs: 200,
      policy: { ringsWhileTalking: false, ringsUnknown: true },
      name: { template: '{{name}}', transliterate: null },
      ...options.settings,
    },
  );
}
