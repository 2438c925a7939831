import { z } from 'zod';
import { configSchema, parseConfig } from '../../src/config.ts';
import { ConfigError } from '../../src/config/fault.ts';

type Json = z.core.JSONSchema.BaseSchema;
type Path = readonly (string | number)[];

/** What people write in the place of what is wanted. */
const wrong: readonly unknown[] = [
  'Ω',
  '',
  'Ω'.repeat(300),
  'group:Ω',
  -1.5,
  -1,
  1e12,
  true,
  null,
  [],
  {},
  ['Ω', '', 1, true, { Ω: 1 }],
  { Ω: 1 },
  { name: 'Ω', numbers: [] },
];

/** The messages of all faults that the text has, as the web interface and the command line get them. */
export function faultsOf(text: string, env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    parseConfig({ file: '/etc/ringledger/ringledger.yaml', text, env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ message }) => message);
    throw error;
  }
}

/** The messages that arise when each setting there is has each of the wrong values, alone and all together. */
export function faultsOfAllSettings(): ReadonlySet<string> {
  const messages = new Set<string>();
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Json;
  const tell = (settings: unknown) => {
    for (const message of faultsOf(JSON.stringify(settings))) messages.add(message);
  };
  for (const path of pathsOf(schema, [])) for (const value of wrong) tell(nested(path, value));
  return messages;
}

function variantsOf(schema: Json): Json[] {
  return [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])] as Json[];
}

/** Lists have one entry; where an entry is one of several kinds, each kind is a path of its own. */
function* pathsOf(schema: Json, path: Path): Generator<Path> {
  if (path.length > 0) yield path;
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    yield* pathsOf(property as Json, [...path, key]);
  if (typeof schema.items === 'object' && !Array.isArray(schema.items))
    yield* pathsOf(schema.items as Json, [...path, 0]);
  if (typeof schema.additionalProperties === 'object' && Object.keys(schema.additionalProperties).length > 0)
    yield* pathsOf(schema.additionalProperties as Json, [...path, 'Ω']);
  for (const variant of variantsOf(schema)) {
    const kind = (variant.properties?.['kind'] as Json | undefined)?.const;
    for (const inner of pathsOf(variant, path))
      if (inner.length > path.length) yield kind === undefined ? inner : withKind(inner, path.length, String(kind));
  }
}
const kindMark = 'kind=';
const withKind = (path: Path, at: number, kind: string): Path => [
  ...path.slice(0, at),
  `${kindMark}${kind}`,
  ...path.slice(at),
];

function nested(path: Path, value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => {
    if (typeof key === 'number') return [inner];
    if (!key.startsWith(kindMark)) return { [key]: inner };
    return { ...(inner as object), kind: (inner as { kind?: unknown }).kind ?? key.slice(kindMark.length) };
  }, value);
}
