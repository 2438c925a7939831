/** Texts about a call: templates that owners write, filled from what is known. */
import type { Call, Conversation } from './call.ts';
import type { EmployeeDirectory } from './employees.ts';
import type { Contact } from './ports.ts';

/** What `{{…}}` may name in texts. */
export const placeholders = [
  'client',
  'name',
  'company',
  'did',
  'trunk',
  'employee',
  'extension',
  'direction',
  'result',
  'startedAt',
  'duration',
  'waiting',
] as const;
export type Placeholder = (typeof placeholders)[number];

const placeholder = /\{\{\s*(\w+)\s*\}\}/g;

/** The placeholders of a text that do not exist. */
export function findUnknownPlaceholders(template: string): readonly string[] {
  const named = [...template.matchAll(placeholder)].map((match) => match[1]!);
  return named.filter((name) => !(placeholders as readonly string[]).includes(name));
}

/** Puts the values in place, once: a value that itself looks like a placeholder stays as it is. */
export function fillTemplate(template: string, values: Readonly<Record<Placeholder, string>>): string {
  const { client } = values;
  const filled = template
    .replace(placeholder, (whole, name: string) => (name in values ? values[name as Placeholder] : whole))
    .replace(/[^\S\n]+/g, ' ')
    .trim();
  // A stranger's name is the number: once is enough.
  return client === '' ? filled : filled.replaceAll(`${client} ${client}`, client);
}

/** Of the client's contact, as far as it is known. */
export type KnownClient = Pick<Contact, 'company' | 'responsibleId'> & {
  readonly id: string | null;
  readonly name: string | null;
};

/** What the placeholders stand for; `timeZone` is an IANA name. */
export function describeCall(
  situation: { readonly call: Call; readonly conversation: Conversation; readonly client: KnownClient | null },
  installation: { readonly staff: EmployeeDirectory; readonly timeZone: string },
): Readonly<Record<Placeholder, string>> {
  const { call, conversation, client } = situation;
  const { extension } = conversation;
  const employee = extension === null ? null : installation.staff.byExtension(extension);
  const time = new Intl.DateTimeFormat('sv-SE', {
    timeZone: installation.timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  return {
    client: call.client ?? '',
    name: client?.name || client?.company || call.clientName || call.client || '',
    company: client?.company ?? '',
    did: call.did ?? '',
    trunk: call.trunk ?? '',
    employee: employee?.name ?? extension ?? '',
    extension: extension ?? '',
    direction: call.direction,
    result: conversation.result,
    startedAt: time.format(call.startedAt),
    duration: String(conversation.duration),
    waiting: String(conversation.waiting),
  };
}

/** A text that cannot come out empty: CRMs refuse things without a name. */
export function writeText(template: string, values: Readonly<Record<Placeholder, string>>): string {
  return fillTemplate(template, values) || values.client || values.result;
}
