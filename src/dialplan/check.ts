import { existsSync, readFileSync } from 'node:fs';
import { basename, isAbsolute, join, relative } from 'node:path';
import type { DialplanControl } from './apply.ts';
import { matchesExten, parseDialplan, parseShownContext, type DialplanContext, type DialplanStep } from './parse.ts';
import type { RenderedFile } from './render.ts';

/** What is wrong with the dialplan that would be applied, or with the place it goes to, and how to mend it. */
export interface Finding {
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  /** The rendered file and its line; null when it concerns no file. */
  readonly file: string | null;
  readonly line: number | null;
}

export interface CheckedPlace {
  readonly folder: string;
  readonly asteriskFolder: string;
  /** The file that should include ours. */
  readonly includeFrom: string;
}

/** The line that the administrator adds once. */
export function includeLine({ folder, asteriskFolder }: CheckedPlace): string {
  const path = relative(asteriskFolder, folder);
  const isInside = path !== '' && !path.startsWith('..') && !isAbsolute(path);
  return `#tryinclude "${isInside ? path : folder}/*.conf"`;
}

/** Whether Asterisk reads our folder at all. */
export function checkInclude(place: CheckedPlace): Finding[] {
  const file = join(place.asteriskFolder, place.includeFrom);
  const finding = (level: Finding['level'], message: string): Finding[] => [{ level, message, file: null, line: null }];
  const advice = `add this line to the end of ${file}: ${includeLine(place)}`;
  if (!existsSync(file)) return finding('error', `${file} does not exist; when it does, ${advice}`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return finding(
      'warning',
      `cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)}) to see whether it includes ours`,
    );
  }
  const wanted = [place.folder, relative(place.asteriskFolder, place.folder)].map((path) => path.replace(/\/$/, ''));
  const included = [...text.matchAll(/^[ \t]*#(try)?include[ \t]+["<]?([^">\n;]+?)[">]?[ \t]*(?:;.*)?$/gm)];
  const ours = included.find(([, , path = '']) =>
    wanted.some((folder) => path === `${folder}/*.conf` || path === `${folder}/*`),
  );
  if (ours === undefined) return finding('error', `${file} does not include our folder; ${advice}`);
  if (ours[1] === undefined) {
    return finding(
      'warning',
      `${file} uses #include, which stops Asterisk from loading any dialplan when the folder is empty; write ${includeLine(place)}`,
    );
  }
  return [];
}

/** Applications that are gone or going, and what takes their place. */
const deprecated: Readonly<Record<string, string>> = {
  Macro: 'Gosub',
  MacroExclusive: 'Gosub',
  MacroExit: 'Return',
  MacroIf: 'GosubIf',
  ImportVar: 'Set(IMPORT(…))',
  Monitor: 'MixMonitor',
  StopMonitor: 'StopMixMonitor',
  ResetCDR: 'ForkCDR',
};

/** Reads the rendered files as Asterisk would: lines it would not take, steps written twice, applications that are gone. */
export function checkSyntax(files: readonly RenderedFile[]): Finding[] {
  const { contexts, faults } = parseDialplan(files);
  const findings: Finding[] = faults.map((fault) => ({ level: 'error', ...fault }));
  for (const context of contexts.values()) {
    const seen = new Map<string, DialplanStep>();
    for (const step of context.steps) {
      const key = `${step.exten},${step.priority}`;
      const other = seen.get(key);
      const at = { file: step.file, line: step.line };
      if (other !== undefined) {
        findings.push({
          level: 'error',
          message: `${context.name},${key} stands in ${other.file}:${other.line} too`,
          ...at,
        });
      }
      seen.set(key, step);
      const instead = deprecated[step.app];
      if (instead !== undefined)
        findings.push({ level: 'error', message: `${step.app} is gone from Asterisk; use ${instead}`, ...at });
      if (/^(?:Try)?System$|^ExternalIVR$/i.test(step.app) || /\bSHELL\(/.test(step.args)) {
        findings.push({
          level: 'warning',
          message: `${step.app} runs a program; nothing that a caller or a CRM wrote may get there`,
          ...at,
        });
      }
      if (/^MixMonitor$/i.test(step.app) && splitArguments(step.args).length > 2) {
        findings.push({
          level: 'warning',
          message: 'MixMonitor runs a program here; nothing that a caller wrote may get there',
          ...at,
        });
      }
    }
  }
  return findings;
}

/**
 * Whether everything that the rendered files go to exists: in themselves or, when Asterisk can be asked, in the owner's
 * dialplan. A jump that first asks DIALPLAN_EXISTS is not held to it.
 */
export async function checkTargets(
  files: readonly RenderedFile[],
  control: DialplanControl | null,
): Promise<Finding[]> {
  const { contexts } = parseDialplan(files);
  const findings: Finding[] = [];
  const foreign = new Map<string, Owned | null>();
  for (const context of contexts.values()) {
    for (const name of context.includes) {
      const plain = name.split(',')[0]!;
      if (!contexts.has(plain) && control !== null && (await ask(plain, control, foreign)) === null) {
        findings.push({
          level: 'error',
          message: `${context.name} includes ${plain}, which does not exist`,
          file: null,
          line: null,
        });
      }
    }
    for (const step of context.steps) {
      for (const jump of jumpsOf(step, context.name)) {
        const message = await findLost(jump, { contexts, control, foreign });
        if (message !== null) findings.push({ ...message, file: step.file, line: step.line });
      }
    }
  }
  return findings;
}

/** An exten of the owner's, with its priorities. */
type Owned = readonly { readonly exten: string; readonly priority: number }[];

interface Jump {
  readonly context: string;
  readonly exten: string;
  /** A number or a label. */
  readonly priority: string;
}

interface Known {
  readonly contexts: ReadonlyMap<string, DialplanContext>;
  readonly control: DialplanControl | null;
  readonly foreign: Map<string, Owned | null>;
}

async function ask(name: string, control: DialplanControl, foreign: Known['foreign']): Promise<Owned | null> {
  if (!foreign.has(name)) foreign.set(name, parseShownContext(await control.showContext(name), name));
  return foreign.get(name)!;
}

async function findLost(jump: Jump, known: Known): Promise<Pick<Finding, 'level' | 'message'> | null> {
  if (jump.context.includes('$')) return null;
  const written = `${jump.context},${jump.exten},${jump.priority}`;
  const ours = known.contexts.get(jump.context);
  if (ours === undefined) {
    if (known.control === null) {
      return { level: 'note', message: `${written} is the owner's; Asterisk cannot be asked whether it exists` };
    }
    const theirs = await ask(jump.context, known.control, known.foreign);
    if (theirs === null) return { level: 'error', message: `there is no context ${jump.context}` };
    if (jump.exten.includes('$') || theirs.some(({ exten }) => matchesExten(exten, jump.exten))) return null;
    return {
      level: 'warning',
      message: `${jump.context} has no extension ${jump.exten} of its own (it may include one)`,
    };
  }
  if (jump.exten.includes('$') || ours.includes.length > 0) return null;
  const steps = stepsAt(ours, jump.exten);
  if (steps.length === 0) return { level: 'error', message: `${jump.context} has no extension ${jump.exten}` };
  if (jump.priority.includes('$')) return null;
  const isThere = /^\d+$/.test(jump.priority)
    ? steps.some(({ priority }) => priority === Number(jump.priority))
    : steps.some(({ label }) => label === jump.priority);
  return isThere ? null : { level: 'error', message: `${written} does not exist` };
}

interface Index {
  /** As Asterisk compares them: without hyphens. */
  readonly exact: ReadonlyMap<string, readonly DialplanStep[]>;
  readonly patterns: readonly DialplanStep[];
}
/** Thousands of phones are each jumped to: going through all steps for every jump would take seconds. */
const indexes = new WeakMap<DialplanContext, Index>();

function stepsAt(context: DialplanContext, exten: string): readonly DialplanStep[] {
  let index = indexes.get(context);
  if (index === undefined) {
    const exact = new Map<string, DialplanStep[]>();
    for (const step of context.steps) {
      const key = step.exten.replaceAll('-', '');
      const known = exact.get(key);
      if (known === undefined) exact.set(key, [step]);
      else known.push(step);
    }
    index = { exact, patterns: context.steps.filter((step) => step.exten.startsWith('_')) };
    indexes.set(context, index);
  }
  const fitting = index.patterns.filter((step) => step.exten !== exten && matchesExten(step.exten, exten));
  return [...(index.exact.get(exten.replaceAll('-', '')) ?? []), ...fitting];
}

function jumpsOf(step: DialplanStep, context: string): Jump[] {
  const app = step.app.toLowerCase();
  const to = (text: string): Jump[] => {
    const [a = '', b, c] = splitArguments(text).map((part) =>
      (part.includes('$') ? part : part.replace(/\(.*$/s, '')).trim(),
    );
    if (a === '') return [];
    if (b === undefined) return [{ context, exten: step.exten, priority: a }];
    if (c === undefined) return [{ context, exten: a, priority: b }];
    return [{ context: a, exten: b, priority: /^[^($]+/.exec(c)?.[0] ?? c }];
  };
  switch (app) {
    case 'goto':
    case 'gosub':
      return to(step.args);
    case 'gotoif':
    case 'gosubif':
    case 'gotoiftime': {
      const { condition, branches } = splitCondition(step.args);
      return branches.flatMap(to).filter((jump) => !condition.includes(`DIALPLAN_EXISTS(${jump.context},`));
    }
    case 'dial': {
      const [devices = '', , options = ''] = splitArguments(step.args);
      const local = [...devices.matchAll(/(?:^|&)Local\/([^@&]+)@([^/&]+)/g)];
      const predial = [...options.matchAll(/[bBU]\(([^^()]+)\^([^^()]+)\^([^^()]+)/g)];
      return [
        ...local.map(([, exten = '', place = '']) => ({ context: place, exten, priority: '1' })),
        ...predial.map(([, place = '', exten = '', priority = '']) => ({ context: place, exten, priority })),
      ];
    }
    default:
      return [];
  }
}

/** Splits at commas that are in no parenthesis, brace or bracket. */
function splitArguments(text: string): string[] {
  return splitOutside(text, ',');
}

function splitOutside(text: string, separator: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const letter of text) {
    if ('([{'.includes(letter)) depth += 1;
    if (')]}'.includes(letter)) depth -= 1;
    if (letter === separator && depth === 0) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return parts;
}

function splitCondition(args: string): { readonly condition: string; readonly branches: string[] } {
  const [condition = '', ...rest] = splitOutside(args, '?');
  return { condition, branches: splitOutside(rest.join('?'), ':').filter((branch) => branch !== '') };
}

/** The name a finding starts with: `inbound.conf:12`. */
export function placeOf({ file, line }: Finding): string {
  return file === null ? '' : `${basename(file)}${line === null ? '' : `:${line}`}: `;
}
