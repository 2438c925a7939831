import { z } from 'zod';
import { compileNumberPattern } from '../core/number-pattern.ts';
import type { NumberPattern } from '../core/number-pattern.ts';
import { findUnknownPlaceholders, placeholders } from '../core/call-text.ts';
import { callKinds, clientKinds } from '../core/rules.ts';
import type { CallList, RegistrationRules, ResponsibleChoice, Rule } from '../core/rules.ts';

const template = z
  .string()
  .min(1)
  .max(1_000)
  .superRefine((text, context) => {
    for (const name of findUnknownPlaceholders(text)) {
      context.addIssue({ code: 'custom', message: `{{${name}}} does not exist; there are ${placeholders.join(', ')}` });
    }
  });

const fixedUser = z.custom<`user:${string}` | `extension:${string}`>(
  (value) => typeof value === 'string' && /^(?:user:.+|extension:[0-9*#]{1,15})$/.test(value),
  'write user:<id in the CRM> or extension:<number>',
);
const responsibleChoice = z.union([z.enum(['client', 'first_answered', 'last_answered', 'default']), fixedUser], {
  error: () => 'write client, first_answered, last_answered, default, user:<id in the CRM> or extension:<number>',
});
const responsible = z.union([
  responsibleChoice.transform((choice): ResponsibleChoice[] => [choice]),
  z.array(responsibleChoice).min(1),
]);

const pattern = z.string().superRefine((text, context) => {
  try {
    compileNumberPattern(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});
const patterns = z.union([pattern.transform((one) => [one]), z.array(pattern).min(1)]).nullable();
const tags = z.array(z.string().trim().min(1).max(100)).max(50).default([]);

const contactAction = z.strictObject({
  name: template.default('{{name}}'),
  responsible: responsible.default(['first_answered']).describe('Whom the new contact belongs to'),
  tags,
});
const leadAction = z.strictObject({
  name: template.default('{{name}}, {{client}}'),
  pipeline: z.string().min(1).nullable().default(null).describe("The CRM's id of the pipeline; null: its default"),
  status: z.string().min(1).nullable().default(null).describe("The CRM's id of the status; null: the first one"),
  responsible: responsible.default(['client', 'first_answered']),
  tags,
});
const incomingLeadAction = z.strictObject({
  name: template.default('{{name}}, {{client}}'),
  pipeline: z.string().min(1).nullable().default(null),
  responsible: responsible.default(['default']),
});
const taskAction = z.strictObject({
  text: template,
  due: z
    .union([z.int().min(0).max(525_600), z.literal('next_working_time')])
    .default(15)
    .describe('Minutes after the end of the call, or next_working_time: when the responsible is next at work'),
  responsible: responsible.default(['client']),
});

/** `false`: nothing of this kind is made, and later rules are not asked. */
const actionOf = <Action extends z.ZodType>(action: Action) =>
  z
    .union([action, z.literal(false)])
    .nullable()
    .default(null);

const ruleConfig = z.strictObject({
  name: z.string().min(1).max(200),
  calls: z.array(z.enum(callKinds)).min(1).nullable().default(null).describe('null: all kinds of calls'),
  clients: z.array(z.enum(clientKinds)).min(1).nullable().default(null).describe('null: all'),
  dids: patterns.default(null).describe('The numbers that were called from outside; null: all'),
  contact: actionOf(contactAction),
  lead: actionOf(leadAction),
  incomingLead: actionOf(incomingLeadAction).describe('Made instead of the lead where the CRM knows such requests'),
  task: actionOf(taskAction),
});

const listConfig = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(100)
      .describe('Shown with each conversation that the list keeps from the CRMs, as rule:<name>'),
    kind: z.enum(['black', 'white']),
    numbers: patterns
      .default(null)
      .describe("The client's number: whole, a beginning (7916*), a pattern, or anonymous"),
    extensions: patterns.default(null),
    trunks: patterns.default(null),
    dids: patterns.default(null),
  })
  .refine((list) => list.numbers ?? list.extensions ?? list.trunks ?? list.dids, {
    message: 'a list needs numbers, extensions, trunks or dids',
  });

const uniqueNames = <Item extends { readonly name: string }>(items: readonly Item[]) =>
  new Set(items.map((item) => item.name)).size === items.length;

/** What is made in the CRMs for a call, and which calls are kept from them. */
export const registrationConfig = z
  .strictObject({
    defaultResponsible: fixedUser
      .nullable()
      .default(null)
      .describe('Who gets what nobody else can: user:<id in the CRM> or extension:<number>'),
    rules: z
      .array(ruleConfig)
      .refine(uniqueNames, 'two rules have the same name')
      .nullable()
      .default(null)
      .describe('null: a missed call becomes a task to call back, an unknown client becomes a contact'),
    lists: z.array(listConfig).refine(uniqueNames, 'two lists have the same name').default([]),
  })
  .prefault({});

export type RegistrationConfig = z.output<typeof registrationConfig>;
type RuleConfig = z.output<typeof ruleConfig>;

const missedCallTexts = {
  en: 'Call back {{name}} {{client}}: missed call to {{did}}',
  ru: 'Перезвонить: {{name}} {{client}}, пропущенный вызов на {{did}}',
} as const;

/** The rules of an installation that has none of its own. */
export function defaultRules(language: keyof typeof missedCallTexts): readonly RuleConfig[] {
  return z.array(ruleConfig).parse([
    {
      name: 'a missed call is called back',
      calls: ['missed'],
      clients: ['known', 'unknown'],
      task: { text: missedCallTexts[language], due: 15, responsible: 'client' },
    },
    {
      name: 'an unknown client becomes a contact',
      calls: ['incoming', 'missed', 'outgoing'],
      clients: ['unknown'],
      contact: {},
    },
  ]);
}

/** The rules as the core judges them. Numbers in lists may be written in any way that `toClientNumber` reads. */
export function buildRegistrationRules(
  config: RegistrationConfig,
  installation: {
    readonly language: keyof typeof missedCallTexts;
    readonly toClientNumber: (raw: string) => string | null;
  },
): RegistrationRules {
  const asNumbers = (texts: readonly string[] | null): readonly NumberPattern[] | null =>
    texts?.map((text) => compileNumberPattern(text, installation.toClientNumber)) ?? null;
  const asWritten = (texts: readonly string[] | null): readonly NumberPattern[] | null =>
    texts?.map((text) => compileNumberPattern(text)) ?? null;
  return {
    defaultResponsible: config.defaultResponsible,
    rules: (config.rules ?? defaultRules(installation.language)).map((rule): Rule => ({
      name: rule.name,
      when: { calls: rule.calls, clients: rule.clients, dids: asNumbers(rule.dids) },
      contact: rule.contact,
      lead: rule.lead && { ...rule.lead, pipelineId: rule.lead.pipeline, statusId: rule.lead.status },
      incomingLead: rule.incomingLead && { ...rule.incomingLead, pipelineId: rule.incomingLead.pipeline },
      task: rule.task,
    })),
    lists: config.lists.map((list): CallList => ({
      name: list.name,
      kind: list.kind,
      numbers: asNumbers(list.numbers),
      extensions: asWritten(list.extensions),
      trunks: asWritten(list.trunks),
      dids: asNumbers(list.dids),
    })),
  };
}
