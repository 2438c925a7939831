/**
 * Handlebars inside its shell: the only file that knows the package. What a template may write is decided here: values go
 * through typed helpers and nothing else, so no setting can become dialplan code, whoever wrote the template.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import type { DialplanModel } from './model.ts';
import { valueKinds, type ValueKindName } from './values.ts';

/** A template that cannot be used, or a value that does not fit where the template puts it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly file: string;
  /** From 1; null where it is not known. */
  readonly line: number | null;
  constructor(place: { readonly file: string; readonly line: number | null }, message: string) {
    super(`${place.file}${place.line === null ? '' : `:${place.line}`}: ${message}`);
    this.file = place.file;
    this.line = place.line;
  }
}

/** One file of the generated dialplan, without the header that writing adds. */
export interface RenderedFile {
  /** `inbound.conf` */
  readonly name: string;
  readonly text: string;
  /** The template it was made from. */
  readonly template: string;
}

const ending = '.conf.hbs';
const blockHelpers = ['if', 'unless', 'each', 'with'];

/** The folder of the templates that come with the product. */
export function shippedTemplatesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'dialplan-templates'))) {
    if (dirname(folder) === folder) throw new Error('the folder dialplan-templates is missing from the installation');
    folder = dirname(folder);
  }
  return join(folder, 'dialplan-templates');
}

interface ParsedTemplate {
  readonly file: string;
  readonly ast: hbs.AST.Program;
}

/**
 * Compiles the shipped templates and those of the owner's folder, which replace shipped ones of the same name file by
 * file (`inbound.conf.hbs`, `partials/goto.hbs`) and may add new ones. Throws `TemplateError` for a template that does not
 * compile or that writes a value without a helper.
 */
export function compileTemplates(folders: { readonly shipped: string; readonly owner: string | null }): {
  render(model: DialplanModel): RenderedFile[];
} {
  const found = { ...findTemplates(folders.shipped), ...(folders.owner === null ? {} : findTemplates(folders.owner)) };
  const engine = Handlebars.create();
  for (const name of Object.keys(engine.helpers)) if (!blockHelpers.includes(name)) engine.unregisterHelper(name);
  engine.registerHelper(helpers);

  const known = Object.fromEntries([...Object.keys(helpers), ...blockHelpers].map((name) => [name, true]));
  const options = { strict: true, noEscape: true, knownHelpers: known, knownHelpersOnly: true, trackIds: true };
  const parsed = new Map(Object.entries(found).map(([name, file]) => [name, parseTemplate(engine, file)]));
  const partials = new Set([...parsed.keys()].filter((name) => name.startsWith('partials/')).map(partialName));
  const compiled: { name: string; file: string; run: Run }[] = [];
  for (const [name, template] of parsed) {
    checkTemplate(template, partials);
    const run = compileOne(engine, template, options);
    if (name.startsWith('partials/')) engine.registerPartial(partialName(name), run);
    else compiled.push({ name: name.slice(0, -'.hbs'.length), file: template.file, run });
  }
  return {
    render: (model) =>
      compiled
        .map(({ name, file, run }) => ({
          name,
          template: file,
          text: tidy(runTemplate(file, () => run(model, noPrototypes))),
        }))
        .filter(({ text }) => /^\[/m.test(text)),
  };
}

function findTemplates(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const places = [
    ...readdirSync(folder).filter((name) => name.endsWith(ending)),
    ...(existsSync(join(folder, 'partials')) ? readdirSync(join(folder, 'partials')) : [])
      .filter((name) => name.endsWith('.hbs'))
      .map((name) => `partials/${name}`),
  ].sort();
  for (const place of places) {
    if (!/^(?:partials\/[a-z0-9-]+|[a-z0-9-]+\.conf)\.hbs$/.test(place)) {
      throw new TemplateError(
        { file: join(folder, place), line: null },
        'the name may have small letters, digits and hyphens only',
      );
    }
  }
  return Object.fromEntries(places.map((place) => [place, join(folder, place)]));
}

const partialName = (place: string) => basename(place, '.hbs');

function parseTemplate(engine: typeof Handlebars, file: string): ParsedTemplate {
  const text = readFileSync(file, 'utf8');
  try {
    return { file, ast: engine.parse(text) };
  } catch (error) {
    throw asTemplateError(file, error);
  }
}

type Run = (model: DialplanModel, options?: object) => string;

const noPrototypes = { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false };

function compileOne(engine: typeof Handlebars, template: ParsedTemplate, options: object): Run {
  try {
    const run = engine.compile(template.ast, options) as Run & { _setup?: unknown };
    // compile() is lazy; the faults of an owner's template must show now and not at the first call of it.
    engine.precompile(template.ast, options);
    return run;
  } catch (error) {
    throw asTemplateError(template.file, error);
  }
}

function runTemplate(file: string, run: () => string): string {
  try {
    return run();
  } catch (error) {
    throw asTemplateError(file, error);
  }
}

function asTemplateError(file: string, error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  const missing =
    error instanceof TypeError ? /^Cannot read properties of \w+ \(reading '(.+)'\)$/.exec(error.message) : null;
  if (missing !== null) return namePathThatEnds(file, missing[1]!);
  if (error instanceof TypeError || error instanceof RangeError) throw error;
  if (error instanceof ValueError)
    return new TemplateError({ file: error.file ?? file, line: error.line }, error.message);
  const { message, lineNumber } = error as Error & { lineNumber?: number };
  const line = lineNumber ?? Number(/(?:Parse error on line |- )(\d+)/.exec(message)?.[1] ?? Number.NaN);
  const plain = message.replace(/^Parse error on line \d+:\n/, '').replace(/ - \d+:\d+$/, '');
  return new TemplateError({ file, line: Number.isNaN(line) ? null : line }, plain.replaceAll('\n', ' '));
}

/** Handlebars tells a missing setting by its name, but for one below another that is missing JavaScript does, without a place. */
function namePathThatEnds(file: string, name: string): TemplateError {
  const lines = readFileSync(file, 'utf8').split('\n');
  const index = lines.findIndex(
    (line) => line.includes('{{') && line.split(/[^\w./-]/).some((word) => word.endsWith(`.${name}`)),
  );
  const at = { file, line: index === -1 ? null : index + 1 };
  return new TemplateError(
    at,
    `what should have '${name}' is not there; src/dialplan/model.ts tells what a template sees`,
  );
}

// ---------------------------------------------------------------- what a template may contain

/**
 * Walks the template, refuses everything that writes a value without a typed helper, and leaves with each helper call the
 * place it stands at, so that a refused value can be found.
 */
function checkTemplate(template: ParsedTemplate, partials: ReadonlySet<string>): void {
  const refuse = (node: hbs.AST.Node, message: string): never => {
    throw new TemplateError({ file: template.file, line: node.loc.start.line }, message);
  };
  const visit = (node: hbs.AST.Node): void => {
    switch (node.type) {
      case 'Program':
        (node as hbs.AST.Program).body.forEach(visit);
        return;
      case 'ContentStatement':
      case 'CommentStatement':
        return;
      case 'MustacheStatement': {
        const { path, params, hash, escaped } = node as hbs.AST.MustacheStatement;
        const name = (path as hbs.AST.PathExpression).original;
        if (!escaped)
          refuse(node, `{{{${String(name)}}}} writes a value as it is; use a helper such as {{ext …}} or {{str …}}`);
        if (typeof name !== 'string' || !Object.hasOwn(helpers, name)) {
          refuse(
            node,
            `{{${String(name)}}} has no helper; write for example {{str ${String(name)}}} (helpers: ${Object.keys(helpers).join(', ')})`,
          );
        }
        if (params.length === 0) refuse(node, `{{${name}}} needs a value`);
        for (const param of params) {
          if (param.type === 'SubExpression') refuse(param, 'calls inside a call are not allowed');
        }
        node.type = 'MustacheStatement';
        (node as hbs.AST.MustacheStatement).hash = placeHash(hash, template.file, node);
        return;
      }
      case 'BlockStatement': {
        const { path, program, inverse, params } = node as hbs.AST.BlockStatement;
        if (!blockHelpers.includes(path.original as string))
          refuse(node, `{{#${path.original as string}}} is not known here`);
        for (const param of params)
          if (param.type === 'SubExpression') refuse(param, 'calls inside a call are not allowed');
        visit(program);
        // The types say that there always is one.
        if (inverse as hbs.AST.Program | undefined) visit(inverse);
        return;
      }
      case 'PartialStatement': {
        const { name } = node as hbs.AST.PartialStatement;
        const written = name.type === 'PathExpression' ? (name as hbs.AST.PathExpression).original : null;
        if (written === null) refuse(node, 'the name of a partial must be written out');
        if (!partials.has(written!)) refuse(node, `there is no partials/${written}.hbs`);
        return;
      }
      default:
        refuse(node, `${node.type} is not allowed in a dialplan template`);
    }
  };
  visit(template.ast);
}

function placeHash(hash: hbs.AST.Hash | undefined, file: string, node: hbs.AST.Node): hbs.AST.Hash {
  const literal = (value: string): hbs.AST.StringLiteral => ({
    type: 'StringLiteral',
    value,
    original: value,
    loc: node.loc,
  });
  const pair = (key: string, value: string): hbs.AST.HashPair => ({
    type: 'HashPair',
    key,
    value: literal(value),
    loc: node.loc,
  });
  const line = String(node.loc.start.line);
  return { type: 'Hash', loc: node.loc, pairs: [...(hash?.pairs ?? []), pair('file', file), pair('line', line)] };
}

// ---------------------------------------------------------------- the helpers

class ValueError extends Error {
  readonly file: string | null;
  readonly line: number | null;
  constructor(message: string, place: { readonly file: string | null; readonly line: number | null }) {
    super(message);
    this.file = place.file;
    this.line = place.line;
  }
}

interface HelperOptions {
  readonly hash: { readonly file?: string; readonly line?: string };
  readonly ids?: readonly (string | null | undefined)[];
  readonly data?: { readonly contextPath?: string | true };
}

function settingName(options: HelperOptions, index: number): string {
  const id = options.ids?.[index];
  // Inside a partial Handlebars starts a path anew, with the word true when the partial has arguments.
  const written = options.data?.contextPath;
  const above = typeof written === 'string' ? written.replace(/^true\.?/, '') : null;
  return [above, id === '.' || id === 'this' ? null : id]
    .filter((part) => part !== null && part !== undefined && part !== '')
    .join('.');
}

function refuseValue(value: unknown, form: string, options: HelperOptions, index = 0): never {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value).replace(/[^\x20-\x7e\p{L}\p{N}…]/gu, '?')
      : String(value);
  const line = options.hash.line === undefined ? null : Number(options.hash.line);
  throw new ValueError(`${settingName(options, index) || 'the value'} is ${shown} and must be ${form}`, {
    file: options.hash.file ?? null,
    line,
  });
}

const typed =
  (kind: ValueKindName, write: (text: string) => string = (text) => text) =>
  (value: unknown, options: HelperOptions): string =>
    typeof value === 'string' && valueKinds[kind].accepts(value)
      ? write(value)
      : refuseValue(value, valueKinds[kind].form, options);

/** Asterisk cuts a line at an unescaped semicolon. */
const escapeSemicolons = (text: string) => text.replaceAll(';', '\\;');

const helpers = {
  ext: typed('extension'),
  num: typed('number'),
  exten: typed('extenOrPattern'),
  name: typed('name'),
  ctx: typed('context'),
  dest: typed('destination'),
  sound: typed('sound'),
  file: typed('folder'),
  word: typed('word'),
  server: typed('server'),
  mailbox: typed('mailbox'),
  hours: typed('timeRange'),
  days: typed('dayRange'),
  date: typed('date'),
  zone: typed('timeZone'),
  str: typed('text', escapeSemicolons),
  devicestart: typed('device'),
  deviceend: typed('deviceEnd'),
  int: (value: unknown, options: HelperOptions): string =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 1_000_000
      ? String(value)
      : refuseValue(value, 'a whole number', options),
  /** Milliseconds as the seconds that Asterisk wants. */
  seconds: (value: unknown, options: HelperOptions): string =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 86_400_000
      ? String((value as number) / 1000)
      : refuseValue(value, 'a number of milliseconds', options),
  /** A device in one word: start, extension (null: the one that was dialled, empty: none), end. */
  device: (start: unknown, extension: unknown, end: unknown, options: HelperOptions): string => {
    if (typeof start !== 'string' || !valueKinds.device.accepts(start))
      return refuseValue(start, valueKinds.device.form, options);
    if (typeof end !== 'string' || !valueKinds.deviceEnd.accepts(end))
      return refuseValue(end, valueKinds.deviceEnd.form, options, 2);
    if (extension === null) return `${start}\${FILTER(0-9*#,\${EXTEN})}${end}`;
    if (extension !== '' && (typeof extension !== 'string' || !valueKinds.extension.accepts(extension))) {
      return refuseValue(extension, valueKinds.extension.form, options, 1);
    }
    return start + extension + end;
  },
  /** The strftime form that a holiday is compared with. */
  dateformat: (value: unknown, options: HelperOptions): string =>
    value === '%m-%d' || value === '%Y-%m-%d' ? value : refuseValue(value, '%m-%d or %Y-%m-%d', options),
};

/** Templates are indented for people; Asterisk and a diff want lines without the holes that blocks leave. */
function tidy(text: string): string {
  return `${text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line, index, lines) => line !== '' || (lines[index - 1] ?? '') !== '')
    .join('\n')
    .trim()}\n`;
}
