/** What a form can be made of, read off the JSON Schema of the configuration. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly writeOnly?: boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
}

/**
 * `group`: named settings. `entries`: a list of groups. `variants`: a group whose first word, `kind`, says what else belongs to
 * it. `record`: free names with plain values. `other`: only to be written as text.
 */
export type Form =
  | { readonly kind: 'text' | 'secret' }
  | { readonly kind: 'number'; readonly minimum: number | undefined; readonly maximum: number | undefined }
  | { readonly kind: 'choice'; readonly options: readonly (string | boolean)[] }
  | { readonly kind: 'list'; readonly isNumbers: boolean }
  | {
      readonly kind: 'group';
      readonly properties: Readonly<Record<string, Schema>>;
      readonly required: readonly string[];
    }
  | { readonly kind: 'entries'; readonly items: Schema }
  | { readonly kind: 'variants'; readonly tag: string; readonly variants: readonly Schema[] }
  | { readonly kind: 'record' }
  | { readonly kind: 'other' };

function formsOf(schema: Schema): readonly Schema[] {
  if (Array.isArray(schema.type)) return (schema.type as readonly string[]).map((type) => ({ ...schema, type }));
  return schema.anyOf ?? schema.oneOf ?? [schema];
}

export const isNullable = (schema: Schema) => formsOf(schema).some(({ type }) => type === 'null');

export function formOf(schema: Schema): Form {
  const forms = formsOf(schema).filter(({ type }) => type !== 'null');
  if (schema.writeOnly === true) return { kind: 'secret' };
  const [only] = forms;
  if (forms.length === 1 && only !== schema) return formOf({ ...only!, writeOnly: false });
  if (only === undefined) return { kind: 'other' };
  if (forms.length > 1) {
    const tag = 'kind';
    if (forms.every((form) => form.properties?.[tag]?.const !== undefined))
      return { kind: 'variants', tag, variants: forms };
    return forms.every(({ type }) => type === 'string') ? { kind: 'text' } : { kind: 'other' };
  }
  if (schema.properties?.['kind']?.const !== undefined) return { kind: 'variants', tag: 'kind', variants: [schema] };
  if (schema.enum !== undefined) return { kind: 'choice', options: schema.enum.map(String) };
  if (schema.const !== undefined) return { kind: 'choice', options: [String(schema.const)] };
  switch (schema.type) {
    case 'string':
      return { kind: 'text' };
    case 'integer':
    case 'number':
      return { kind: 'number', minimum: schema.minimum, maximum: schema.maximum };
    case 'boolean':
      return { kind: 'choice', options: [true, false] };
    case 'array': {
      const items = formOf(schema.items ?? {});
      if (items.kind === 'text' || items.kind === 'number') return { kind: 'list', isNumbers: items.kind === 'number' };
      if (items.kind === 'choice') return { kind: 'list', isNumbers: false };
      return items.kind === 'group' || items.kind === 'variants'
        ? { kind: 'entries', items: schema.items! }
        : { kind: 'other' };
    }
    case 'object': {
      const { properties = {}, additionalProperties } = schema;
      const isOpen = typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0;
      if (!isOpen) return { kind: 'group', properties, required: schema.required ?? [] };
      const isPlain = Object.keys(properties).length === 0 && formOf(additionalProperties).kind === 'text';
      return isPlain ? { kind: 'record' } : { kind: 'other' };
    }
    default:
      return { kind: 'other' };
  }
}

/** The variant that this value is of; where it does not say so itself, the first that knows all that it has. */
export function variantOf(variants: readonly Schema[], tag: string, value: unknown): Schema | null {
  const written = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  if (written[tag] !== undefined)
    return variants.find(({ properties }) => properties?.[tag]?.const === written[tag]) ?? null;
  const keys = Object.keys(written).map((key) => key.replace(/File$/, ''));
  return variants.find(({ properties = {} }) => keys.every((key) => Object.hasOwn(properties, key))) ?? null;
}

/** In one line, for people: `RU`, `101, 102`, nothing for groups. */
export function showPlain(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.every((item) => typeof item !== 'object') ? value.join(', ') : null;
  return typeof value === 'object' ? null : String(value);
}
