import { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * What a place in the configuration may hold, read off its zod schema: known keys, items, whether text is wanted there.
 * Lets the reader treat a file the same way whichever room wrote the schema.
 */
export interface Outline {
  readonly forms: readonly JsonSchema[];
}

/** The outline of what may be written in the file (before defaults and transformations). */
export function outlineOf(schema: z.ZodType): Outline {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return { forms: formsOf(json) };
}

function formsOf(schema: JsonSchema | boolean | undefined): JsonSchema[] {
  if (schema === undefined || typeof schema === 'boolean') return [{}];
  if (Array.isArray(schema.type)) return schema.type.map((type) => ({ ...schema, type }) as JsonSchema);
  const parts = schema.anyOf ?? schema.oneOf;
  return parts === undefined ? [schema] : parts.flatMap((part) => formsOf(part as JsonSchema));
}

const isAnything = (form: JsonSchema) => form.type === undefined && form.const === undefined && form.enum === undefined;

/** The keys that may stand here; null when any key may (a record) or nothing is known. `value` picks the variant by its `kind`. */
export function knownKeys(outline: Outline, value: unknown): ReadonlyMap<string, Outline> | null {
  const objects = outline.forms.filter((form) => form.type === 'object');
  if (objects.length === 0 || outline.forms.some(isAnything)) return null;
  const fitting = objects.filter((form) => fitsConstants(form, value));
  const keys = new Map<string, Outline>();
  for (const form of fitting.length > 0 ? fitting : objects) {
    if (typeof form.additionalProperties === 'object' && Object.keys(form.additionalProperties).length > 0) return null;
    for (const [key, property] of Object.entries(form.properties ?? {})) {
      const more = formsOf(property as JsonSchema);
      keys.set(key, { forms: [...(keys.get(key)?.forms ?? []), ...more] });
    }
  }
  return keys;
}

function fitsConstants(form: JsonSchema, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(form.properties ?? {}).every(([key, property]) => {
    const wanted = (property as JsonSchema).const;
    const given = (value as Record<string, unknown>)[key];
    return wanted === undefined || given === undefined || given === wanted;
  });
}

/** What may stand under this key or index. */
export function outlineAt(outline: Outline, key: string | number, value: unknown): Outline {
  if (typeof key === 'number') {
    const items = outline.forms.filter((form) => form.type === 'array').flatMap((form) => itemForms(form, key));
    return { forms: items.length > 0 ? items : [{}] };
  }
  const known = knownKeys(outline, value)?.get(key);
  if (known !== undefined) return known;
  const extra = outline.forms
    .filter((form) => typeof form.additionalProperties === 'object')
    .flatMap((form) => {
      const named = (form.properties ?? {})[key];
      return formsOf((named ?? form.additionalProperties) as JsonSchema);
    });
  return { forms: extra.length > 0 ? extra : [{}] };
}

function itemForms(form: JsonSchema, index: number): JsonSchema[] {
  const tuple = form.prefixItems as JsonSchema[] | undefined;
  return formsOf((tuple?.[index] ?? form.items) as JsonSchema | undefined);
}

const typesOf = (outline: Outline) => new Set(outline.forms.map((form) => (isAnything(form) ? 'any' : form.type)));

/** True where text is wanted and a number or truth value is not: `101` and `0101` are then taken as they are written. */
export function wantsText(outline: Outline, found: 'number' | 'boolean'): boolean {
  const types = typesOf(outline);
  const takesFound = types.has(found) || (found === 'number' && types.has('integer'));
  return types.has('string') && !takesFound && !types.has('any');
}

export function wantsList(outline: Outline): boolean {
  const types = typesOf(outline);
  return types.has('array') && !types.has('string') && !types.has('any');
}

export function allowsNull(outline: Outline): boolean {
  const types = typesOf(outline);
  return types.has('null') || types.has('any');
}

/** The constants allowed here, for "one of …"; empty when it is not a choice. */
export function choicesOf(outline: Outline): readonly string[] {
  return outline.forms.flatMap((form) =>
    form.const !== undefined ? [String(form.const)] : (form.enum ?? []).map(String),
  );
}
