import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { UnplacedFault } from './fault.ts';
import { knownKeys, outlineAt, type Outline } from './outline.ts';

const secretKey = /(secret|password|token|apiKey|authorizationCode)$/i;

/** True for settings whose value must never be printed. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

export interface SecretFilesRead {
  readonly value: unknown;
  readonly faults: readonly UnplacedFault[];
  /** Absolute paths of the files that were read, for `doctor` to look at their rights. */
  readonly files: readonly string[];
}

/**
 * Replaces every `<setting>File: path` whose `<setting>` the schema knows (and which the schema does not know itself) by
 * the content of that file without its last line break. Paths are relative to the configuration file.
 */
export function readSecretFiles(value: unknown, outline: Outline, configFile: string | null): SecretFilesRead {
  const faults: UnplacedFault[] = [];
  const files: string[] = [];
  const folder = configFile === null ? process.cwd() : dirname(configFile);
  const visit = (place: unknown, here: Outline, path: readonly PropertyKey[]): unknown => {
    if (Array.isArray(place))
      return place.map((item, index) => visit(item, outlineAt(here, index, null), [...path, index]));
    if (typeof place !== 'object' || place === null) return place;
    const known = knownKeys(here, place);
    const entries: [string, unknown][] = [];
    for (const [key, item] of Object.entries(place)) {
      const target = key.endsWith('File') ? key.slice(0, -'File'.length) : null;
      if (target === null || known === null || known.has(key) || !known.has(target)) {
        entries.push([key, visit(item, outlineAt(here, key, place), [...path, key])]);
        continue;
      }
      const fault = (message: string) => faults.push({ path: [...path, key], isAboutKey: false, message });
      if (target in place) fault(`give either '${target}' or '${key}', not both`);
      else if (typeof item !== 'string') fault('is not the name of a file');
      else {
        const file = resolve(folder, item);
        const content = readSecretFile(file);
        if ('fault' in content) fault(content.fault);
        else {
          entries.push([target, content.text]);
          files.push(file);
        }
      }
    }
    return Object.fromEntries(entries);
  };
  return { value: visit(value, outline, []), faults, files };
}

/** The text of a secret file without its last line break, or what is wrong with it in plain words. */
export function readSecretFile(file: string): { readonly text: string } | { readonly fault: string } {
  try {
    const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    return text === '' ? { fault: `the file ${file} is empty` } : { text };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { fault: `there is no file ${file}` };
    if (code === 'EACCES') return { fault: `the file ${file} may not be read by this user` };
    return { fault: `the file ${file} cannot be read (${code ?? String(error)})` };
  }
}

/** True when a secret, or a URL with a password, stands somewhere in it. */
export function hasSecrets(value: unknown): boolean {
  return JSON.stringify(maskSecrets(value)) !== JSON.stringify(value);
}

/** Deeper than any configuration; a ring of objects must come to an end. */
const deepest = 16;

/** A copy that may be printed: secrets and the passwords inside of URLs are replaced by `***`. */
export function maskSecrets(value: unknown, depth = 0): unknown {
  if (depth > deepest) return '…';
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item, depth + 1));
  if (typeof value === 'string') return value.replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/?#\s]*):.*@/i, '$1:***@');
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      isSecretKey(key) && (typeof item === 'string' || typeof item === 'number') ? '***' : maskSecrets(item, depth + 1),
    ]),
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
