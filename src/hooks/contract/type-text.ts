/** The schemas of hooks as people read them: types for the head of a file, tables for the documentation. */
import { z } from 'zod';
import type { HookName } from '../../core/hooks.ts';
import { callFull, channel, party } from './call-full.ts';
import { contracts } from './contracts.ts';
import type { HookContract } from './hook-contract.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any' });

/** JSON Schema of what a hook gets and of what it answers. */
export function hookSchema(name: HookName): object {
  const { purpose, input, answer } = contracts[name];
  const envelope = z.object({ state: z.literal('success'), data: answer });
  return {
    hook: name,
    purpose,
    input: jsonSchemaOf(input, 'output'),
    answer: jsonSchemaOf(envelope, 'input'),
  };
}

/** The types `Input` and `Answer` of a hook in TypeScript. */
export function hookTypes(name: HookName): string {
  const { input, answer } = contracts[name];
  const callTypes = [
    declare('Party', party, {}),
    declare('Channel', channel, { from: 'Party', to: 'Party', trunk: 'Party' }),
    declare('CallFull', callFull, { channel: 'Channel' }),
  ];
  const data = typeText(jsonSchemaOf(answer, 'input'), '  ', {});
  return [
    ...('call_full' in input.shape ? callTypes : []),
    declare('Input', input, { call_full: 'CallFull' }),
    `interface Answer {\n  state: 'success';\n  /** What is left out stays as it was. */\n  data: ${data};\n}`,
  ].join('\n\n');
}

/** Names of types by the key that they stand under. */
type Named = Readonly<Record<string, string>>;

const declare = (name: string, schema: z.ZodType, named: Named) =>
  `interface ${name} ${typeText(jsonSchemaOf(schema, 'output'), '', named)}`;

function typeText(schema: JsonSchema, indent: string, named: Named): string {
  if (schema.const !== undefined) return quote(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(quote).join(' | ');
  if (Array.isArray(schema.type))
    return schema.type.map((type) => typeText({ ...schema, type } as JsonSchema, indent, named)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined)
    return [...new Set(choices.map((choice) => typeText(choice as JsonSchema, indent, named)))].join(' | ');
  if (schema.type === 'array') {
    const item = typeText((schema.items ?? {}) as JsonSchema, indent, named);
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'object') return objectText(schema, indent, named);
  if (schema.type === 'integer') return 'number';
  return typeof schema.type === 'string' ? schema.type : 'unknown';
}

function objectText(schema: JsonSchema, indent: string, named: Named): string {
  const properties = Object.entries(schema.properties ?? {}) as [string, JsonSchema][];
  const more = schema.additionalProperties;
  if (properties.length === 0)
    return `Record<string, ${typeof more === 'object' ? typeText(more as JsonSchema, indent, named) : 'unknown'}>`;
  const inner = `${indent}  `;
  const lines = properties.flatMap(([key, property]) => [
    ...(property.description === undefined ? [] : [`${inner}/** ${property.description} */`]),
    `${inner}${key}${schema.required?.includes(key) === true ? '' : '?'}: ${named[key] ?? typeText(property, inner, named)};`,
  ]);
  return ['{', ...lines, ...(typeof more === 'object' ? [`${inner}[more: string]: unknown;`] : []), `${indent}}`].join(
    '\n',
  );
}

const quote = (value: unknown) => (typeof value === 'string' ? `'${value}'` : String(value));

/** The reference of all hooks in Markdown. */
export function hookReference(): string {
  const call = [
    '### `call_full`: the call',
    '',
    'Read only. Given to every hook that is about a call.',
    '',
    fieldTable(jsonSchemaOf(callFull, 'output')),
  ];
  const hooks = Object.values<HookContract>(contracts as never).flatMap((contract) => {
    const { name, purpose, input, answer, passesUnknown } = contract;
    const answered = jsonSchemaOf(answer, 'input');
    const inputSchema = jsonSchemaOf(input, 'output');
    const hasAnswer = Object.keys(answered.properties ?? {}).length > 0;
    const returned = Object.keys(answered.properties ?? {}).map((key) => `\`${key}\``);
    return [
      `### \`${name}\``,
      '',
      purpose,
      '',
      'Gets:',
      '',
      fieldTable(inputSchema),
      '',
      hasAnswer
        ? `Answers in \`data\`: ${returned.join(', ')}.${passesUnknown ? ' Other fields go to the CRM as they are.' : ''}`
        : 'The answer does not matter.',
      ...(name === 'need_registration' ? ['`result`: true or false; false keeps it from the CRM.'] : []),
      '',
    ];
  });
  return [...hooks, ...call].join('\n');
}

function fieldTable(schema: JsonSchema): string {
  const rows = fieldRows(schema);
  return ['| field | type | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function fieldRows(schema: JsonSchema): string[] {
  return listFields(schema, '', { isShort: true }).map(({ path, type, description }) => {
    if (path === 'call_full') return '| `call_full` | object | the call, see below |';
    return `| \`${path}\` | ${type.replaceAll('|', '\\|')} | ${description} |`;
  });
}

/** A field of what a hook gets or answers. */
export interface HookField {
  /** `call_full.conversations.*.user.name`, `tags[].name`: `*` stands for any key, `[]` for any place of a list. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
}

/** All fields of a hook, for completion: those that it gets, and those of `data` in its answer. */
export function hookFields(name: HookName): {
  readonly input: readonly HookField[];
  readonly answer: readonly HookField[];
} {
  const { input, answer } = contracts[name];
  const all = { isShort: false };
  return {
    input: listFields(jsonSchemaOf(input, 'output'), '', all),
    answer: listFields(jsonSchemaOf(answer, 'input'), '', all),
  };
}

/** `isShort`: without what the page tells elsewhere. */
function listFields(schema: JsonSchema, prefix: string, options: { readonly isShort: boolean }): HookField[] {
  return (Object.entries(schema.properties ?? {}) as [string, JsonSchema][]).flatMap(([key, property]) => {
    const path = `${prefix}${key}`;
    const inner = innerOf(property);
    const isSimple = inner === null || key === 'extra' || key === 'request_data';
    const text = isSimple ? typeText(property, '', {}) : property.type === 'array' ? 'list' : 'object';
    const field = { path, type: text.includes('\n') ? 'object' : text, description: property.description ?? '' };
    // The channel of a conversation is like that of the call.
    const isTold = options.isShort && (path === 'call_full' || path === 'conversations.*.channel');
    if (isSimple || isTold) return [field];
    return [field, ...listFields(inner.schema, `${path}${inner.step}`, options)];
  });
}

function innerOf(schema: JsonSchema): { readonly schema: JsonSchema; readonly step: string } | null {
  if (schema.type === 'object' && schema.properties !== undefined) return { schema, step: '.' };
  const more = schema.additionalProperties;
  if (schema.type === 'object' && typeof more === 'object' && Object.keys(more).length > 0)
    return step(more as JsonSchema, '.*');
  if (schema.type === 'array') return step(schema.items as JsonSchema, '[]');
  const objects = (schema.anyOf ?? []).filter((one) => (one as JsonSchema).type === 'object') as JsonSchema[];
  return objects.length === 1 && objects[0]!.properties !== undefined ? { schema: objects[0]!, step: '.' } : null;
}

function step(schema: JsonSchema, sign: string) {
  const inner = innerOf(schema);
  return inner === null ? null : { schema: inner.schema, step: `${sign}${inner.step}` };
}
