import { parse } from 'yaml';
import { nearest } from './fault.ts';
import { knownKeys, outlineAt, wantsList, wantsText, type Outline } from './outline.ts';
import { readSecretFile } from './secrets.ts';

const prefix = 'RINGLEDGER_';
/** Read by the program itself; no settings. */
const reserved = new Set(['RINGLEDGER_CONFIG']);

export interface Override {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly variable: string;
}

export interface Environment {
  readonly overrides: readonly Override[];
  readonly faults: readonly { readonly variable: string; readonly message: string }[];
  /** Variables that look like ours and name no setting: said, not refused, for other programs may use the prefix. */
  readonly unknown: readonly { readonly variable: string; readonly message: string }[];
  readonly files: readonly string[];
}

/**
 * `RINGLEDGER_HTTP_PORT=8480` sets `http.port`; entries of lists are named by their position or by their `name`
 * (`RINGLEDGER_PBX_0_…`, `RINGLEDGER_PBX_OFFICE_…`); `…_FILE` reads the value from that file.
 */
export function readEnvironment(env: NodeJS.ProcessEnv, outline: Outline, current: unknown): Environment {
  const overrides: Override[] = [];
  const faults: { variable: string; message: string }[] = [];
  const unknown: { variable: string; message: string }[] = [];
  const files: string[] = [];
  for (const [variable, text] of Object.entries(env).sort()) {
    if (!variable.startsWith(prefix) || reserved.has(variable) || text === undefined) continue;
    const words = variable.slice(prefix.length);
    const direct = findPath(words, outline, current);
    if (direct !== null) {
      overrides.push({ path: direct.path, value: fromText(text, direct.outline), variable });
      continue;
    }
    const fromFile = words.endsWith('_FILE') ? findPath(words.slice(0, -'_FILE'.length), outline, current) : null;
    if (fromFile === null) {
      const near = nearest(variable, settingNames(outline, current, prefix.slice(0, -1)));
      unknown.push({ variable, message: `names no setting${near === null ? '' : `; did you mean ${near}?`}` });
      continue;
    }
    const content = readSecretFile(text);
    if ('fault' in content) faults.push({ variable, message: content.fault });
    else {
      overrides.push({ path: fromFile.path, value: fromText(content.text, fromFile.outline), variable });
      files.push(text);
    }
  }
  return { overrides, faults, unknown, files };
}

const toWords = (key: string) =>
  key
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();

interface Found {
  readonly path: readonly (string | number)[];
  readonly outline: Outline;
}

function findPath(words: string, outline: Outline, current: unknown): Found | null {
  if (words === '') return { path: [], outline };
  for (const { key, next, value } of stepsFrom(outline, current)) {
    const name = toWords(String(key));
    const matched = namesOfStep(key, name, value).find((word) => words === word || words.startsWith(`${word}_`));
    if (matched === undefined) continue;
    const rest = findPath(words.slice(matched.length + 1), next, value);
    if (rest !== null) return { path: [key, ...rest.path], outline: rest.outline };
  }
  return null;
}

function namesOfStep(key: string | number, name: string, value: unknown): string[] {
  if (typeof key === 'string' || typeof value !== 'object' || value === null) return [name];
  const { name: title, id } = value as { name?: unknown; id?: unknown };
  return [name, ...[title, id].filter((word) => typeof word === 'string').map(toWords)];
}

function stepsFrom(outline: Outline, current: unknown): { key: string | number; next: Outline; value: unknown }[] {
  if (outline.forms.some((form) => form.type === 'array')) {
    const items: unknown[] = Array.isArray(current) ? current : [];
    // One past the end: a variable may add the first entry of a list.
    return Array.from({ length: items.length + 1 }, (_, index) => ({
      key: index,
      next: outlineAt(outline, index, null),
      value: items[index],
    }));
  }
  const known = knownKeys(outline, current);
  return [...(known ?? [])].map(([key, next]) => ({
    key,
    next,
    value: (current as Record<string, unknown> | undefined)?.[key],
  }));
}

function settingNames(outline: Outline, current: unknown, name: string, depth = 0): string[] {
  if (depth > 6) return [];
  const steps = stepsFrom(outline, current);
  if (steps.length === 0) return [name];
  return steps.flatMap(({ key, next, value }) =>
    settingNames(next, value, `${name}_${toWords(String(key))}`, depth + 1),
  );
}

function fromText(text: string, outline: Outline): unknown {
  if (wantsList(outline)) {
    const item = outlineAt(outline, 0, null);
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => fromText(part, item));
  }
  if (outline.forms.some((form) => form.type === 'string') && wantsText(outline, 'number')) return text;
  try {
    const value: unknown = parse(text, { logLevel: 'silent' });
    return value === null ? text : value;
  } catch {
    return text;
  }
}

/** A copy of the value with the overrides put in; groups and lists on the way are made. */
export function applyOverrides(value: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce<unknown>((root, { path, value: given }) => put(root, path, given), value);
}

function put(place: unknown, path: readonly (string | number)[], given: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return given;
  if (typeof key === 'number') {
    const list: unknown[] = Array.isArray(place) ? [...place] : [];
    list[key] = put(list[key], rest, given);
    return list;
  }
  const group =
    typeof place === 'object' && place !== null && !Array.isArray(place) ? (place as Record<string, unknown>) : {};
  return { ...group, [key]: put(group[key], rest, given) };
}
