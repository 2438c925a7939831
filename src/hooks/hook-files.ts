import { readdir, stat } from 'node:fs/promises';
import { extname, join, parse } from 'node:path';
import { hookNames, type HookName } from '../core/hooks.ts';

/** `module` is run warm; `action` is an Itgrix PHP file, run through the shim; `executable` is run as it is. */
export type HookFileKind = 'module' | 'action' | 'executable';

export interface HookFile {
  readonly hook: HookName;
  /** Null: for all CRMs that have none of their own. */
  readonly crm: string | null;
  readonly path: string;
  readonly kind: HookFileKind;
  /** Changes with the file. */
  readonly stamp: string;
}

/** A file that looks like a hook and is not taken. */
export interface HookNotice {
  readonly path: string;
  readonly message: string;
}

export interface FoundHooks {
  /** By place: `process_call_params`, or `kommo/process_call_params` for one CRM alone. */
  readonly files: ReadonlyMap<string, HookFile>;
  readonly notices: readonly HookNotice[];
}

const moduleEndings = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']);
const otherEndings = new Set(['', '.php', '.py', '.sh', '.pl', '.rb']);

/** Asked before it is known which CRM knows the caller, or once for all of them. */
const ofNoCrm: ReadonlySet<HookName> = new Set(['customize_autodistribution', 'process_record_file_path']);

/** Where a hook stands: its name, with the CRM's before it where it is for that one alone. */
export const placeOf = (hook: HookName, crm: string | null): string => (crm === null ? hook : `${crm}/${hook}`);

/** The hooks in the folder. One that does not exist or may not be read holds none, and the reason is a notice. */
export async function findHooks(folder: string, crms: readonly string[]): Promise<FoundHooks> {
  const files = new Map<string, HookFile>();
  const notices: HookNotice[] = [];
  for (const crm of [null, ...crms]) {
    const place = crm === null ? folder : join(folder, crm);
    for (const name of await listNames(place, notices)) {
      const path = join(place, name);
      const { name: stem, ext } = parse(name);
      const ending = extname(stem) === '.d' ? '.d.ts' : ext;
      if (name.startsWith('.') || (!moduleEndings.has(ending) && !otherEndings.has(ending))) continue;
      const details = await stat(path).catch(() => null);
      if (details === null || !details.isFile()) continue;
      if (!(hookNames as readonly string[]).includes(stem)) {
        // Files that hooks share are nobody's business; a slip of the pen is.
        if (/^(need|process|customize|post)_/.test(stem))
          notices.push({ path, message: `there is no hook ${stem}; they are ${hookNames.join(', ')}` });
        continue;
      }
      const hook = stem as HookName;
      if ((details.mode & 0o002) !== 0) {
        notices.push({ path, message: `anybody may change it, so it is not run: chmod o-w ${path}` });
        continue;
      }
      if (crm !== null && crms.length > 1 && ofNoCrm.has(hook)) {
        notices.push({ path, message: `is asked for all CRMs alike, so it is not taken here: move it to ${folder}` });
        continue;
      }
      const other = files.get(placeOf(hook, crm));
      if (other !== undefined) {
        notices.push({ path, message: `stands beside ${other.path}, which is the one that runs; keep one of them` });
        continue;
      }
      const isExecutable = (details.mode & 0o111) !== 0;
      const kind = kindOf(ending, isExecutable);
      if (kind === null) {
        notices.push({ path, message: `is not executable: chmod +x ${path}` });
        continue;
      }
      const stamp = [details.ino, details.size, details.mtimeMs, details.ctimeMs, details.mode].join(':');
      files.set(placeOf(hook, crm), { hook, crm, path, kind, stamp });
    }
  }
  return { files, notices };
}

/** How a file of this ending is run; null: not at all. */
function kindOf(ending: string, isExecutable: boolean): HookFileKind | null {
  if (moduleEndings.has(ending)) return 'module';
  if (ending === '.php' && !isExecutable) return 'action';
  return isExecutable ? 'executable' : null;
}

const languages: readonly (readonly [RegExp, string])[] = [
  [/\.[mc]?ts$|^#!.*\b(?:tsx|deno)\b/, 'ts'],
  [/\.[mc]?js$|^#!.*\b(?:node|bun)\b/, 'js'],
  [/\.php$|^#!.*\bphp/, 'php'],
  [/\.py$|^#!.*\bpython/, 'python'],
  [/\.sh$|^#!.*\b(?:ba|da|z|k)?sh\b/, 'shell'],
  [/\.pl$|^#!.*\bperl/, 'perl'],
  [/\.rb$|^#!.*\bruby/, 'ruby'],
];

/** By the file's name, else by its first line; `text` where neither tells. */
export function languageOf(path: string, text = ''): string {
  const byName = languages.find(([signs]) => signs.test(path));
  const head = text.slice(0, 200).split('\n')[0]!;
  return (byName ?? languages.find(([signs]) => signs.test(head)))?.[1] ?? 'text';
}

/** A file that is not there yet, as it will be found. */
export function plannedFile(
  plan: Pick<HookFile, 'hook' | 'crm' | 'path'> & { readonly isExecutable: boolean },
): HookFile {
  const { isExecutable, ...file } = plan;
  const kind = kindOf(extname(file.path), isExecutable);
  if (kind === null) throw new Error(`${file.path} would not be run`);
  return { ...file, kind, stamp: '' };
}

async function listNames(folder: string, notices: HookNotice[]): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') notices.push({ path: folder, message: `cannot be read: ${message}` });
    return [];
  }
}
