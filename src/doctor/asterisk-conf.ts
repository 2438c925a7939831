import { readdirSync, readFileSync } from 'node:fs';
import { dirname, basename, isAbsolute, join } from 'node:path';

/** A file of Asterisk's configuration: section → its `key = value` lines in order, templates and includes resolved. */
export type AsteriskConf = ReadonlyMap<string, readonly ConfLine[]>;
export type ConfLine = readonly [key: string, value: string];

/** The last value of a key, which is the one that counts for most settings. */
export function settingOf(conf: AsteriskConf | null, section: string, key: string): string | undefined {
  const lines = conf?.get(section) ?? [];
  return lines.filter(([name]) => name.toLowerCase() === key.toLowerCase()).at(-1)?.[1];
}

const deepestInclude = 10;

/**
 * Reads a file of the configuration folder as Asterisk's own parser does: `;` and `;-- --;` comments, `[section](template)`,
 * `(!)`, `(+)`, `#include` and `#tryinclude` with patterns. Null when there is no such file; throws when it may not be
 * read. `#exec` is never run.
 */
export function readAsteriskConf(folder: string, name: string): AsteriskConf | null {
  const text = readIfThere(join(folder, name));
  if (text === null) return null;
  const sections = new Map<string, ConfLine[]>();
  let current: ConfLine[] | null = null;

  const visit = (content: string, depth: number): void => {
    for (const line of linesOf(content)) {
      const include = /^#(?:try)?include\s+["<]?([^">]+?)[">]?$/i.exec(line);
      if (include !== null) {
        if (depth >= deepestInclude) continue;
        for (const file of filesOf(folder, include[1]!)) visit(readIfThere(file) ?? '', depth + 1);
        continue;
      }
      const head = /^\[([^\]]+)\]\s*(?:\(([^)]*)\))?/.exec(line);
      if (head !== null) {
        const options = (head[2] ?? '').split(',').map((option) => option.trim());
        const inherited = options.flatMap((option) => sections.get(option) ?? []);
        const before = sections.get(head[1]!) ?? [];
        current = [...before, ...inherited];
        sections.set(head[1]!, current);
        continue;
      }
      const setting = /^([^=]+?)\s*=>?\s*(.*)$/.exec(line);
      if (setting !== null && current !== null) current.push([setting[1]!, setting[2]!]);
    }
  };
  visit(text, 0);
  return sections;
}

function linesOf(content: string): string[] {
  return content
    .replaceAll(/;--(?!-)[\s\S]*?--;/g, '')
    .split(/\r?\n/)
    .map((line) =>
      line
        .replace(/(?<!\\);.*$/, '')
        .replaceAll('\\;', ';')
        .trim(),
    )
    .filter((line) => line !== '');
}

function filesOf(folder: string, pattern: string): string[] {
  const path = isAbsolute(pattern) ? pattern : join(folder, pattern);
  const name = basename(path);
  if (!/[*?]/.test(name)) return [path];
  const wanted = new RegExp(
    `^${name
      .replaceAll(/[.+^$(){}|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  try {
    return readdirSync(dirname(path))
      .filter((entry) => wanted.test(entry) && (!entry.startsWith('.') || name.startsWith('.')))
      .sort()
      .map((entry) => join(dirname(path), entry));
  } catch {
    return [];
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
