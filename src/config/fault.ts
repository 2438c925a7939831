import type { z } from 'zod';
import { choicesOf, knownKeys, outlineAt, type Outline } from './outline.ts';
import { isSecretKey } from './secrets.ts';

/** One thing that is wrong with the configuration, and what would be right. */
export interface ConfigFault {
  /** The file it stands in, or the environment variable; null: neither (a value that is missing altogether). */
  readonly file: string | null;
  /** From 1; null for environment variables. */
  readonly line: number | null;
  readonly column: number | null;
  /** As a person writes it: `pbx[0].events.secret`. */
  readonly path: string;
  readonly message: string;
}

/** Carries every fault that was found; its message is the whole list, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(formatFault).join('\n'));
    this.faults = faults;
  }
}

/** `file:line:column: path: message`, which editors and terminals make clickable. */
export function formatFault(fault: ConfigFault): string {
  const place = [fault.file, fault.line, fault.column].filter((part) => part !== null).join(':');
  return [place, fault.path, fault.message].filter((part) => part !== '').join(': ');
}

export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

/** A fault that has a path but no place yet. */
export interface UnplacedFault {
  readonly path: readonly PropertyKey[];
  /** Points at the name rather than at the value. */
  readonly isAboutKey: boolean;
  readonly message: string;
}

/** Keys that no schema knows, with the known one that was probably meant. */
export function findUnknownKeys(value: unknown, outline: Outline, path: readonly PropertyKey[] = []): UnplacedFault[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => findUnknownKeys(item, outlineAt(outline, index, null), [...path, index]));
  }
  if (typeof value !== 'object' || value === null) return [];
  const known = knownKeys(outline, value);
  return Object.entries(value).flatMap(([key, item]) => {
    if (known === null || known.has(key)) return findUnknownKeys(item, outlineAt(outline, key, value), [...path, key]);
    const near = nearest(key, [...known.keys()]);
    const allowed = [...known.keys()].sort().join(', ');
    const advice = near === null ? `allowed here: ${allowed}` : `did you mean '${near}'?`;
    return [{ path: [...path, key], isAboutKey: true, message: `unknown setting; ${advice}` }];
  });
}

/** zod's issues in an administrator's words. Unknown keys are left out: `findUnknownKeys` finds them in every schema. */
export function explainIssues(issues: readonly z.core.$ZodIssue[], value: unknown, outline: Outline): UnplacedFault[] {
  return issues.flatMap((issue) => explainIssue(issue, value, outline));
}

function explainIssue(issue: z.core.$ZodIssue, root: unknown, outline: Outline): UnplacedFault[] {
  const { path } = issue;
  const found = valueAt(root, path);
  const fault = (message: string): UnplacedFault[] => [{ path, isAboutKey: found === undefined, message }];
  const shown = isSecretKey(String(path.at(-1))) ? 'the given value' : show(found);
  const hasOwnWords = !/^(Invalid|Too small|Too big)/.test(issue.message);
  if (issue.code === 'unrecognized_keys') return [];
  if (hasOwnWords) return fault(issue.message);
  const choices = choicesOf(outlineAlong(outline, path, root));
  switch (issue.code) {
    case 'invalid_type':
      if (found === undefined) return fault(`is missing; ${nameOfType(issue.expected, choices)} is needed here`);
      return fault(`${shown} is not ${nameOfType(issue.expected, choices)}`);
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      if (found === undefined) return fault(`is missing; one of ${allowed.join(', ')} is needed here`);
      const near = nearest(String(found), allowed);
      return fault(`${shown} is not one of ${allowed.join(', ')}${near === null ? '' : `; did you mean '${near}'?`}`);
    }
    case 'too_small':
      return fault(
        `${shown} is too ${sizeWord(issue.origin, 'small')}; at least ${amount(issue.minimum, issue.origin)} needed`,
      );
    case 'too_big':
      return fault(
        `${shown} is too ${sizeWord(issue.origin, 'big')}; at most ${amount(issue.maximum, issue.origin)} allowed`,
      );
    case 'invalid_format':
      if ('includes' in issue) return fault(`${shown} does not hold '${String(issue.includes)}'`);
      return fault(`${shown} is not ${formatName(issue.format, 'pattern' in issue ? String(issue.pattern) : '')}`);
    case 'invalid_union': {
      const choiceOfKind = issue.errors.length === 0;
      if (choiceOfKind) {
        const kinds = [...new Set(choices)].join(', ');
        if (found === undefined) return fault(`is missing; one of ${kinds} is needed here`);
        return fault(`${shown} is not one of ${kinds}`);
      }
      // A form that takes this kind of value has faults inside only: those are what the writer meant.
      const meant = issue.errors
        .filter((branch) =>
          branch.every((part) => part.path.length > 0 || !['invalid_type', 'invalid_value'].includes(part.code)),
        )
        .sort((one, other) => one.length - other.length)[0];
      if (meant !== undefined) return explainIssues(prefixed(meant, path), root, outline);
      const forms = [...new Set(issue.errors.flatMap(nameForm))].join(' or ');
      return fault(found === undefined ? `is missing; ${forms} is needed here` : `${shown} is not ${forms}`);
    }
    case 'invalid_key':
    case 'invalid_element': {
      const inner = explainIssues(prefixed(issue.issues, path), root, outline);
      return inner.length > 0 ? inner : fault(issue.message);
    }
    default:
      return fault(`${shown}: ${issue.message}`);
  }
}

/** What one form of a union wanted in place of what was found. */
function nameForm(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues
    .filter((issue) => issue.path.length === 0)
    .flatMap((issue) => {
      if (issue.code === 'invalid_type') return nameOfType(issue.expected, []);
      // An empty text is a way to write nothing, and no advice.
      return issue.code === 'invalid_value' ? issue.values.map(String).filter((value) => value !== '') : issue.message;
    });
}

const prefixed = (issues: readonly z.core.$ZodIssue[], path: PropertyKey[]) =>
  issues.map((part) => ({ ...part, path: [...path, ...part.path] }));

function outlineAlong(outline: Outline, path: readonly PropertyKey[], root: unknown): Outline {
  let value = root;
  let place = outline;
  for (const key of path) {
    place = outlineAt(place, typeof key === 'number' ? key : String(key), value);
    value = valueAt(value, [key]);
  }
  return place;
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (place, key) =>
      typeof place === 'object' && place !== null ? (place as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`;
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a group of settings';
  return String(value);
}

function nameOfType(expected: string, choices: readonly string[]): string {
  if (choices.length > 0) return `one of ${choices.join(', ')}`;
  const names: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a group of settings',
    record: 'a group of settings',
    null: 'nothing',
  };
  return names[expected] ?? expected;
}

const sizeWord = (origin: string, side: 'small' | 'big') =>
  origin === 'string' || origin === 'array'
    ? side === 'small'
      ? 'short'
      : 'long'
    : side === 'small'
      ? 'small'
      : 'large';

function amount(bound: number | bigint, origin: string): string {
  if (origin === 'string') return `${bound} character${Number(bound) === 1 ? '' : 's'}`;
  if (origin === 'array') return `${bound} ${Number(bound) === 1 ? 'entry' : 'entries'}`;
  return String(bound);
}

function formatName(format: string, pattern: string): string {
  const names: Record<string, string> = {
    url: 'a URL such as https://pbx.example.org',
    email: 'an e-mail address',
    ipv4: 'an IPv4 address',
    ipv6: 'an IPv6 address',
    date: 'a date such as 2026-12-31',
    time: 'a time such as 09:00',
  };
  return names[format] ?? (pattern === '' ? `valid (${format})` : `of the form ${pattern}`);
}

/** The candidate within a few typing errors, else null. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_\s]/g, '');
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(plain(word), plain(candidate)) }))
    .filter(
      ({ candidate, distance }) => distance <= Math.max(1, Math.floor(Math.min(word.length, candidate.length) / 3)),
    )
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
}

/** With two neighbouring letters exchanged counting as one fault: the commonest of all. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchanged = isExchanged ? beforePrevious[j - 2]! + 1 : Infinity;
      row.push(Math.min(replaced, exchanged, previous[j]! + 1, row[j - 1]! + 1));
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length]!;
}
