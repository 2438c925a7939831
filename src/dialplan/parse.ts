/** One step of an extension. */
export interface DialplanStep {
  readonly exten: string;
  readonly priority: number;
  readonly label: string | null;
  readonly app: string;
  readonly args: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface DialplanContext {
  readonly name: string;
  readonly steps: DialplanStep[];
  readonly includes: string[];
}

/** A line that Asterisk would not take, or would take for something else. */
export interface DialplanFault {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface ParsedDialplan {
  readonly contexts: ReadonlyMap<string, DialplanContext>;
  readonly faults: readonly DialplanFault[];
}

/** Reads extension files as Asterisk's pbx_config does: the part of the syntax that generated files use, and no more. */
export function parseDialplan(files: readonly { readonly name: string; readonly text: string }[]): ParsedDialplan {
  const contexts = new Map<string, DialplanContext>();
  const faults: DialplanFault[] = [];
  for (const { name: file, text } of files) {
    let context: DialplanContext | null = null;
    let last: DialplanStep | null = null;
    for (const [index, written] of text.split('\n').entries()) {
      const line = index + 1;
      const refuse = (message: string) => faults.push({ file, line, message });
      const content = stripComment(written).trim();
      if (/[\0-\x08\x0b-\x1f]/.test(written)) refuse('has a control character');
      if (content === '') continue;
      const header = /^\[([^\]]+)\](?:\(\+\))?$/.exec(content);
      if (header !== null) {
        const name = header[1]!;
        context = contexts.get(name) ?? { name, steps: [], includes: [] };
        contexts.set(name, context);
        last = null;
        continue;
      }
      const entry = /^(exten|same|include)\s*=>?\s*(.*)$/s.exec(content);
      if (entry === null || context === null) {
        refuse(
          content.startsWith('#') ? 'a generated file may include nothing' : `is not dialplan: ${content.slice(0, 80)}`,
        );
        continue;
      }
      const [, keyword, rest = ''] = entry;
      if (keyword === 'include') {
        context.includes.push(rest.trim());
        continue;
      }
      const step = parseStep(keyword === 'same' ? (last === null ? null : `${last.exten},${rest}`) : rest, last, {
        file,
        line,
      });
      if (typeof step === 'string') {
        refuse(step);
        continue;
      }
      context.steps.push(step);
      last = step;
    }
  }
  return { contexts, faults };
}

function stripComment(line: string): string {
  for (let at = line.indexOf(';'); at !== -1; at = line.indexOf(';', at)) {
    if (line[at - 1] !== '\\') return line.slice(0, at);
    line = line.slice(0, at - 1) + line.slice(at);
  }
  return line;
}

function parseStep(
  text: string | null,
  last: DialplanStep | null,
  place: { readonly file: string; readonly line: number },
): DialplanStep | string {
  if (text === null) return 'same without an extension before it';
  const parts = /^([^,]+),\s*(\d+|n)(?:\(([A-Za-z0-9_-]+)\))?\s*,\s*(.*)$/s.exec(text);
  if (parts === null) return `is not a step of an extension: ${text.slice(0, 80)}`;
  const [, exten = '', priority = '', label = null, call = ''] = parts;
  if (priority === 'n' && last?.exten !== exten) return 'n without a priority before it';
  const opening = call.indexOf('(');
  const app = (opening === -1 ? call : call.slice(0, opening)).trim();
  if (!/^[A-Za-z0-9_]+$/.test(app)) return `is no application: ${app.slice(0, 40)}`;
  if (opening !== -1 && !call.endsWith(')')) return 'the closing parenthesis is missing';
  return {
    exten,
    priority: priority === 'n' ? last!.priority + 1 : Number(priority),
    label,
    app,
    args: opening === -1 ? '' : call.slice(opening + 1, -1),
    ...place,
  };
}

/** A step as `dialplan show` prints it; Asterisk cuts long ones. */
export interface ShownStep {
  readonly exten: string;
  readonly priority: number;
  /** `Dial(PJSIP/101,20)`, perhaps cut at the end. */
  readonly call: string;
}

/** Reads the text of `dialplan show CONTEXT`. Null: there is no such context. */
export function parseShownContext(text: string, context: string): ShownStep[] | null {
  let isInside = false;
  let wasSeen = false;
  let exten = '';
  const steps: ShownStep[] = [];
  for (const line of text.split('\n')) {
    const header = /^\s*\[ (?:Context|Included context) '([^']*)' /.exec(line);
    if (header !== null) {
      isInside = header[1] === context && !/Included context/.test(line);
      wasSeen ||= isInside;
      continue;
    }
    if (!isInside) continue;
    const step = /^\s*(?:'([^']*)' =>)?\s*(?:\[[^\]\s]*\])?\s*(\d+)\. (.*?)\s+\[[^\]]*\]\s*$/.exec(line);
    if (step === null) continue;
    exten = step[1] ?? exten;
    steps.push({ exten, priority: Number(step[2]), call: step[3]! });
  }
  return wasSeen ? steps : null;
}

/** True when an extension line matches what is dialled, by Asterisk's rules for patterns. */
export function matchesExten(pattern: string, dialled: string): boolean {
  if (!pattern.startsWith('_')) return pattern.replaceAll('-', '') === dialled.replaceAll('-', '');
  const classes: Readonly<Record<string, string>> = { X: '[0-9]', Z: '[1-9]', N: '[2-9]', '.': '.+', '!': '.*' };
  const parts = pattern.slice(1).match(/\[[^\]]*\]|./g) ?? [];
  const source = parts.map((part) =>
    part.length > 1
      ? part.replace(/[\\^]/g, '\\$&')
      : (classes[part.toUpperCase()] ?? part.replace(/[^A-Za-z0-9]/, '\\$&')),
  );
  return new RegExp(`^${source.join('')}$`).test(dialled);
}
