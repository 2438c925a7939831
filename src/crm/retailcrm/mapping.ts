/** The CRM's shapes and words, and what they are with us. The only file that knows both. */
import { z } from 'zod';
import type { CallResult } from '../../core/call.ts';
import type { Contact, NumberPlan } from '../../core/ports.ts';

const text = z.string().nullish();

export const customerSchema = z.looseObject({
  id: z.number(),
  externalId: text,
  firstName: text,
  lastName: text,
  email: text,
  createdAt: text,
  managerId: z.number().nullish(),
  site: text,
  phones: z.array(z.looseObject({ number: text })).nullish(),
  tags: z
    .array(z.union([z.string(), z.looseObject({ name: z.string() })]))
    .nullish()
    .catch(null),
});
export type Customer = z.output<typeof customerSchema>;

export const historySchema = z.looseObject({
  createdAt: z.string(),
  deleted: z.boolean().optional(),
  customer: z.looseObject({ id: z.number() }).nullish(),
});

export const orderSchema = z.looseObject({
  id: z.number(),
  status: text,
  orderMethod: text,
  managerId: z.number().nullish(),
  createdAt: text,
});
export type Order = z.output<typeof orderSchema>;

export const taskSchema = z.looseObject({
  id: z.number(),
  text: text,
  commentary: text,
  complete: z.boolean().nullish(),
  customer: z.looseObject({ id: z.number().optional() }).nullish().catch(null),
  order: z.looseObject({ id: z.number().optional() }).nullish().catch(null),
});

export const userSchema = z.looseObject({
  id: z.number(),
  active: z.boolean().nullish(),
  email: text,
  firstName: text,
  lastName: text,
});

export const createdSchema = z.looseObject({ id: z.number() });

export const managerSchema = z.looseObject({
  manager: z.looseObject({ id: z.number() }).nullish().catch(null),
  customer: customerSchema.nullish().catch(null),
  links: z.looseObject({ customerLink: text }).nullish().catch(null),
});

export const uploadSchema = z.looseObject({
  processedCallsCount: z.number().optional(),
  duplicateCalls: z.array(z.coerce.string()).nullish().catch(null),
});

export const eventSchema = z.looseObject({
  notExistCodes: z.array(z.coerce.string()).nullish().catch(null),
});

// ---------------------------------------------------------------- customers

export const nameOf = (person: {
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
}) => [person.firstName, person.lastName].flatMap((part) => part?.trim() || []).join(' ');

/** The CRM's number in one of our ids; null when it cannot be one. */
export const toNumber = (id: string | null): number | null =>
  id !== null && /^[1-9]\d{0,14}$/.test(id) ? Number(id) : null;

export function toContact(
  customer: Customer,
  known: {
    readonly numbers: NumberPlan;
    readonly address: string;
    readonly timeZone: string;
    readonly changedAt?: Date;
  },
): Contact {
  const numbers = (customer.phones ?? []).flatMap(({ number }) => known.numbers.toClientNumber(number ?? '') ?? []);
  const createdAt = customer.createdAt ? fromLocalTime(customer.createdAt, known.timeZone) : null;
  return {
    id: String(customer.id),
    name: nameOf(customer) || customer.email || numbers[0] || String(customer.id),
    company: null,
    numbers: [...new Set(numbers)],
    responsibleId: customer.managerId ? String(customer.managerId) : null,
    updatedAt: known.changedAt ?? createdAt ?? new Date(0),
    tags: (customer.tags ?? []).map((tag) => (typeof tag === 'string' ? tag : tag.name)),
    url: `${known.address}/customers/${customer.id}`,
  };
}

// ---------------------------------------------------------------- calls

/** Only the six results that every version of the CRM knows. */
const results: Readonly<Record<CallResult, 'answered' | 'busy' | 'failed' | 'no answer'>> = {
  answered: 'answered',
  missed: 'no answer',
  no_answer: 'no answer',
  busy: 'busy',
  cancelled: 'no answer',
  rejected: 'busy',
  failed: 'failed',
  not_found: 'failed',
  voicemail: 'no answer',
};
export const toResult = (result: CallResult) => results[result];

const hangups: Readonly<Record<CallResult, 'answered' | 'busy' | 'cancel' | 'failed' | 'no answered'>> = {
  answered: 'answered',
  missed: 'no answered',
  no_answer: 'no answered',
  busy: 'busy',
  cancelled: 'cancel',
  rejected: 'busy',
  failed: 'failed',
  not_found: 'failed',
  voicemail: 'no answered',
};
export const toHangupStatus = (result: CallResult) => hangups[result];

/** One call in the CRM for each conversation; the same in events and in the history. */
export const toExternalId = (source: string, uniqueId: string): string => `${source}:${uniqueId}`;

/** An id of ours that the CRM keeps unique: what makes creating something twice impossible. */
export const toOwnId = (key: string): string => `ringledger-${key.replaceAll(/[^\w.-]+/g, '-')}`.slice(0, 200);

/** Fields that a hook added, which only the CRM itself understands. */
export function extrasOf(wanted: object, ours: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => !ours.includes(key)));
}

// ---------------------------------------------------------------- times

const formats = new Map<string, Intl.DateTimeFormat>();

/** `2026-11-21 11:00:05` by the clocks of the account's zone. */
export function toLocalTime(at: Date, timeZone: string): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const two = '2-digit' as const;
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    });
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${part['year']}-${part['month']}-${part['day']} ${part['hour']}:${part['minute']}:${part['second']}`;
}

/** The moment that clocks of the zone show so; null when it is no time. */
export function fromLocalTime(local: string, timeZone: string): Date | null {
  const asUtc = Date.parse(`${local.trim().slice(0, 19).replace(' ', 'T')}Z`);
  if (Number.isNaN(asUtc)) return null;
  const offsetAt = (ms: number) => Date.parse(`${toLocalTime(new Date(ms), timeZone).replace(' ', 'T')}Z`) - ms;
  const guess = asUtc - offsetAt(asUtc);
  return new Date(asUtc - offsetAt(guess));
}
