/** The CRM's shapes and words, and what they are with us. The only file that knows both. */
import { z } from 'zod';
import type { CallResult, Conversation } from '../../core/call.ts';
import type { Contact, NumberPlan } from '../../core/ports.ts';

const embedded = <Shape extends z.ZodRawShape>(shape: Shape) =>
  // An empty object is written as an empty list.
  z.object(shape).partial().optional().catch(undefined);
const idOnly = z.object({ id: z.number() });
const list = <Item extends z.ZodType>(item: Item) => z.array(item).nullable().catch(null);

const fieldValue = z.object({
  field_id: z.number().optional(),
  field_code: z.string().nullable().optional(),
  values: z.array(z.object({ value: z.unknown(), enum_id: z.number().nullish(), enum_code: z.string().nullish() })),
});
export type FieldValue = z.output<typeof fieldValue>;

/** A contact or a company. */
export const cardSchema = z.object({
  id: z.number(),
  name: z.string().nullish(),
  responsible_user_id: z.number().nullish(),
  created_at: z.number().nullish(),
  updated_at: z.number(),
  is_deleted: z.boolean().nullish(),
  is_unsorted: z.boolean().nullish(),
  custom_fields_values: z.array(fieldValue).nullish(),
  _embedded: embedded({ tags: list(z.object({ name: z.string() })), companies: list(idOnly), leads: list(idOnly) }),
});
export type Card = z.output<typeof cardSchema>;

export const leadSchema = z.object({
  id: z.number(),
  name: z.string().nullish(),
  pipeline_id: z.number().nullish(),
  status_id: z.number().nullish(),
  responsible_user_id: z.number().nullish(),
  created_at: z.number().nullish(),
  updated_at: z.number().nullish(),
  closed_at: z.number().nullish(),
  is_deleted: z.boolean().nullish(),
  _embedded: embedded({ contacts: list(idOnly), companies: list(idOnly) }),
});
export type Lead = z.output<typeof leadSchema>;

export const taskSchema = z.object({
  id: z.number(),
  text: z.string().nullish(),
  complete_till: z.number().nullish(),
  entity_id: z.number().nullish(),
  entity_type: z.string().nullish(),
  task_type_id: z.number().nullish(),
  is_completed: z.boolean().nullish(),
});

export const noteSchema = z.object({
  id: z.number(),
  entity_id: z.number(),
  note_type: z.union([z.string(), z.number()]).nullish(),
  params: z.record(z.string(), z.unknown()).nullish().catch(null),
});
export type Note = z.output<typeof noteSchema>;

export const requestSchema = z.object({
  uid: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(null),
  created_at: z.number().nullish(),
  _embedded: embedded({ contacts: list(idOnly), leads: list(idOnly) }),
});

export const userSchema = z.object({
  id: z.number(),
  name: z.string().nullish(),
  email: z.string().nullish(),
  rights: z.object({ is_active: z.boolean().nullish() }).nullish().catch(null),
});

export const accountSchema = z.object({
  id: z.number(),
  name: z.string().nullish(),
  is_unsorted_on: z.boolean().nullish(),
});

export const pipelineSchema = z.object({
  id: z.number(),
  name: z.string().nullish(),
  is_main: z.boolean().nullish(),
  is_archive: z.boolean().nullish(),
  is_unsorted_on: z.boolean().nullish(),
  _embedded: embedded({ statuses: list(z.object({ id: z.number(), type: z.number().nullish() })) }),
});

export const customFieldSchema = z.object({
  id: z.number(),
  code: z.string().nullish(),
  enums: z
    .array(
      z.object({
        id: z.number(),
        value: z.string().nullish(),
        enum_code: z.string().nullish(),
        code: z.string().nullish(),
      }),
    )
    .nullish()
    .catch(null),
});

/** The answer to a creation: the new ones in the list under `key`. */
export const createdSchema = <Key extends string>(key: Key) =>
  z
    .object({ _embedded: z.object({ [key]: z.array(z.object({ id: z.number() })).min(1) }) })
    .transform((answer) => (answer._embedded[key] as { id: number }[])[0]!.id);

export const callAnswerSchema = z.object({
  errors: z
    .array(z.object({ title: z.string().nullish(), detail: z.string().nullish(), status: z.unknown() }))
    .nullish(),
  _embedded: z
    .object({ calls: z.array(z.object({ id: z.number(), entity_id: z.number(), entity_type: z.string() })).nullish() })
    .nullish()
    .catch(null),
});

// ---------------------------------------------------------------- ids

export type CardKind = 'contacts' | 'companies';
export type EntityKind = CardKind | 'leads' | 'customers';
export interface EntityRef<Kind extends EntityKind = EntityKind> {
  readonly kind: Kind;
  readonly id: number;
}

/** The CRM's number in one of our ids; null when it cannot be one. */
export function toNumber(id: string | null): number | null {
  return id !== null && /^[1-9]\d{0,15}$/.test(id) ? Number(id) : null;
}

/** Companies share our ids of contacts: `company:12`. */
export function toCardRef(id: string): EntityRef<CardKind> | null {
  const [, company, digits] = /^(company:)?(\d+)$/.exec(id) ?? [];
  const number = toNumber(digits ?? null);
  return number === null ? null : { kind: company === undefined ? 'contacts' : 'companies', id: number };
}
export const toContactId = (ref: EntityRef<CardKind>): string =>
  ref.kind === 'companies' ? `company:${ref.id}` : String(ref.id);

const plurals: Readonly<Record<string, EntityKind>> = {
  contact: 'contacts',
  company: 'companies',
  lead: 'leads',
  customer: 'customers',
};
/** `contact` and `contacts` alike. */
export function toEntityKind(word: string): EntityKind | null {
  const known = plurals[word] ?? word;
  return Object.values(plurals).find((kind) => kind === known) ?? null;
}

export const toSeconds = (at: Date): number => Math.floor(at.getTime() / 1_000);

// ---------------------------------------------------------------- contacts

const phoneCode = 'PHONE';

/** The phone numbers as they are written on the card. */
export function phonesOf(card: Card): string[] {
  return (card.custom_fields_values ?? [])
    .filter((field) => field.field_code === phoneCode)
    .flatMap((field) => field.values.map(({ value }) => String(value ?? '')))
    .filter((value) => value !== '');
}

/** A contact or company as the core knows it. */
export function toContact(
  card: Card,
  known: {
    readonly kind: CardKind;
    readonly numbers: NumberPlan;
    readonly address: string;
    readonly company: string | null;
  },
): Contact {
  const numbers = phonesOf(card).flatMap((phone) => known.numbers.toClientNumber(phone) ?? []);
  const name = card.name?.trim() ?? '';
  return {
    id: toContactId({ kind: known.kind, id: card.id }),
    name: name || numbers[0] || '',
    company: known.kind === 'companies' ? name || null : known.company,
    numbers: [...new Set(numbers)],
    responsibleId: card.responsible_user_id ? String(card.responsible_user_id) : null,
    updatedAt: new Date(card.updated_at * 1_000),
    tags: card._embedded?.tags?.map(({ name: tag }) => tag) ?? [],
    url: `${known.address}/${known.kind}/detail/${card.id}`,
  };
}

/** A lead that is neither won nor lost (142 and 143 in every pipeline). */
export function isOpenLead(lead: Lead): boolean {
  return !lead.closed_at && lead.status_id !== 142 && lead.status_id !== 143 && lead.is_deleted !== true;
}

// ---------------------------------------------------------------- calls

/** 1 left message, 2 call back later, 3 not available, 4 conversation held, 5 wrong number, 6 no answer, 7 busy. */
const statuses: Readonly<Record<CallResult, number>> = {
  answered: 4,
  missed: 6,
  no_answer: 6,
  busy: 7,
  cancelled: 6,
  rejected: 7,
  failed: 3,
  not_found: 5,
  voicemail: 1,
};
export const toCallStatus = (result: CallResult): number => statuses[result];

const words: Readonly<Record<'en' | 'ru', Readonly<Record<CallResult, string>>>> = {
  en: {
    answered: 'Talked',
    missed: 'Missed',
    no_answer: 'No answer',
    busy: 'Busy',
    cancelled: 'Given up by the caller',
    rejected: 'Declined',
    failed: 'Did not get through',
    not_found: 'No such number',
    voicemail: 'Left a message',
  },
  ru: {
    answered: 'Разговор состоялся',
    missed: 'Пропущен',
    no_answer: 'Нет ответа',
    busy: 'Занято',
    cancelled: 'Звонивший положил трубку',
    rejected: 'Вызов отклонён',
    failed: 'Не дозвонились',
    not_found: 'Нет такого номера',
    voicemail: 'Оставлено сообщение',
  },
};

/** What stands beside the call in the CRM. */
export function describeResult(conversation: Conversation, language: 'en' | 'ru'): string {
  const { result, forwardedTo } = conversation;
  return forwardedTo === null ? words[language][result] : `${words[language][result]} → ${forwardedTo}`;
}

export const texts = {
  en: { collecting: 'Calls without a contact', recording: 'Recording of the call' },
  ru: { collecting: 'Звонки без контакта', recording: 'Запись разговора' },
} as const;

/** Fields that a hook added, which only the CRM itself understands. */
export function extrasOf(wanted: object, ours: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => !ours.includes(key)));
}
