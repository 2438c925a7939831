import { isDeepStrictEqual } from 'node:util';
import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  stringify,
  visit,
  Document,
  type Node,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { findSyntaxFaults } from './yaml-source.ts';

type Path = readonly (string | number)[];

/** One change of a setting; without a value it is taken out, so that its default holds. */
export interface YamlEdit {
  readonly path: Path;
  readonly value?: unknown;
}

const options = { prettyErrors: false, stringKeys: true, logLevel: 'silent', lineWidth: 0 } as const;
const parseYaml = (text: string) => parseDocument(text, options);

/** The edit cannot be made: the text is no YAML, or a value stands where a group would have to. */
export class CannotEdit extends Error {
  override readonly name = 'CannotEdit';
}

/**
 * The text with one setting changed, everything else as it was written: comments, order, spaces, quotes. What `yaml`'s
 * own Document makes of the same edit decides whether it is right; where only rewriting helps, no more than the section
 * of the setting is rewritten, and keeps its comments.
 */
export function editYaml(text: string, edit: YamlEdit): string {
  const document = parseYaml(text);
  if (findSyntaxFaults(document).length > 0) throw new CannotEdit('the text is not valid YAML; mend that first');
  const wanted = rewritten(text, edit);
  const meaning: unknown = parseYaml(wanted).toJS();
  const isRight = (candidate: string | null): candidate is string => {
    if (candidate === null) return false;
    const result = parseYaml(candidate);
    return result.errors.length === 0 && isDeepStrictEqual(result.toJS(), meaning);
  };
  const spliced = edit.value === undefined ? withoutPath(text, document, edit.path) : withPath(text, document, edit);
  if (isRight(spliced)) return spliced;
  const bySection = rewrittenSection(text, document, edit);
  return isRight(bySection) ? bySection : wanted;
}

function rewritten(text: string, { path, value }: YamlEdit): string {
  const document = parseYaml(text);
  if (value === undefined) {
    if (document.hasIn(path)) document.deleteIn(path);
    return document.toString(options);
  }
  for (let length = 1; length < path.length; length++) {
    const above = path.slice(0, length);
    const node = document.getIn(above, true);
    if (isCollection(node)) continue;
    if (node !== undefined && !(isScalar(node) && node.value === null))
      throw new CannotEdit(`${above.join('.')} is a single value; nothing can stand below it`);
    document.setIn(above, document.createNode(typeof path[length] === 'number' ? [] : {}));
  }
  document.setIn(path, document.createNode(value));
  return document.toString(options);
}

/** The same, of the lines of one top-level section alone. */
function rewrittenSection(text: string, document: Document.Parsed, edit: YamlEdit): string | null {
  if (!isMap(document.contents)) return null;
  const pair = document.contents.items.find(({ key }) => isScalar(key) && key.value === edit.path[0]);
  if (pair === undefined || !isScalar(pair.key) || edit.path.length < 2) return null;
  const [from, to] = [pair.key.range![0], endOfLine(text, endOf(text, pair.value as Node | null, pair.key.range![1]))];
  return text.slice(0, from) + rewritten(text.slice(from, to), edit).trimEnd() + text.slice(to);
}

/** In one line, right in every place of a file. */
const inline = (value: unknown) =>
  stringify([value], { ...options, collectionStyle: 'flow', flowCollectionPadding: false })
    .trim()
    .slice(1, -1)
    .trim();

const isShort = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  Object.keys(value).length === 0 ||
  (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null));

/** On lines of its own, lists of plain values in one. */
function block(value: unknown, indent: number): string {
  const document = new Document(value);
  visit(document, {
    Seq(_key, node) {
      if (node.items.every((item) => isScalar(item))) node.flow = true;
    },
  });
  const padding = ' '.repeat(indent);
  return document
    .toString({ ...options, flowCollectionPadding: false })
    .trimEnd()
    .split('\n')
    .map((line) => padding + line)
    .join('\n');
}

const nested = (path: Path, value: unknown): unknown =>
  path.reduceRight<unknown>((inner, key) => (typeof key === 'number' ? [inner] : { [key]: inner }), value);

const lineStart = (text: string, offset: number) => text.lastIndexOf('\n', offset - 1) + 1;
const endOfLine = (text: string, offset: number) => {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end;
};
const columnOf = (text: string, offset: number) => offset - lineStart(text, offset);

/** Behind the last character of a value; a block's own range reaches over its last line break. */
function endOf(text: string, node: Node | null | undefined, otherwise: number): number {
  let end = node?.range?.[1] ?? otherwise;
  if (end <= otherwise) return otherwise;
  while (end > otherwise && /\s/.test(text[end - 1]!)) end--;
  return end;
}

const put = (text: string, from: number, to: number, words: string) => text.slice(0, from) + words + text.slice(to);

function withPath(text: string, document: Document.Parsed, { path, value }: YamlEdit): string | null {
  let node = document.contents as Node | null;
  if (node === null) {
    const words = block(nested(path, value), 0);
    return text.trim() === '' ? `${words}\n` : `${text.trimEnd()}\n\n${words}\n`;
  }
  for (const [index, key] of path.entries()) {
    const rest = path.slice(index + 1);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair === undefined) return withKey(text, node, { key, value: nested(rest, value), isTop: index === 0 });
      if (!isScalar(pair.key)) return null;
      const isEmpty = pair.value === null || (isScalar(pair.value) && pair.value.range?.[0] === pair.value.range?.[1]);
      if (isEmpty) return filled(text, pair.key.range!, nested(rest, value));
      node = pair.value as Node;
    } else if (isSeq(node) && typeof key === 'number') {
      if (key >= node.items.length) return withItem(text, node, nested(rest, value));
      node = node.items[key] as Node;
    } else return null;
  }
  if (isCollection(node) && !node.flow) return null;
  if (!isScalar(node) && !isCollection(node)) return null;
  const isBlockText = isScalar(node) && (node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED');
  return put(text, node.range![0], node.range![1], inline(value) + (isBlockText ? '\n' : ''));
}

/** `key:` with nothing behind it. */
function filled(text: string, keyRange: readonly number[], value: unknown): string | null {
  const colon = text.indexOf(':', keyRange[1]);
  if (colon === -1 || text.slice(keyRange[1], colon).trim() !== '') return null;
  if (isShort(value)) return put(text, colon + 1, colon + 1, ` ${inline(value)}`);
  const end = endOfLine(text, colon);
  return put(text, end, end, `\n${block(value, columnOf(text, keyRange[0]!) + 2)}`);
}

function withKey(
  text: string,
  map: YAMLMap,
  { key, value, isTop }: { readonly key: string | number; readonly value: unknown; readonly isTop: boolean },
): string | null {
  const last = map.items.at(-1);
  const name = inline(String(key));
  if (last === undefined) return put(text, map.range![0], map.range![1], `{ ${name}: ${inline(value)} }`);
  const end = endOf(text, last.value as Node | null, (last.key as Node).range![1]);
  if (map.flow === true) return put(text, end, end, `, ${name}: ${inline(value)}`);
  const indent = columnOf(text, (map.items[0]!.key as Node).range![0]);
  const padding = ' '.repeat(indent);
  const words = isShort(value) ? `${name}: ${inline(value)}` : `${name}:\n${block(value, indent + 2)}`;
  const at = endOfLine(text, end);
  return put(text, at, at, `\n${isTop ? '\n' : ''}${padding}${words}`);
}

function withItem(text: string, list: YAMLSeq, value: unknown) {
  const last = list.items.at(-1) as Node | undefined;
  if (last === undefined)
    return isShort(value) ? put(text, list.range![0], list.range![1], `[${inline(value)}]`) : null;
  const end = endOf(text, last, last.range![0]);
  if (list.flow === true) return put(text, end, end, `, ${inline(value)}`);
  const dash = list.range![0];
  if (text[dash] !== '-') return null;
  const indent = columnOf(text, dash);
  const at = endOfLine(text, end);
  const padding = ' '.repeat(indent);
  return put(text, at, at, `\n${padding}- ${isShort(value) ? inline(value) : block(value, indent + 2).trimStart()}`);
}

function withoutPath(text: string, document: Document.Parsed, path: Path): string | null {
  const above = document.getIn(path.slice(0, -1), true);
  const container = path.length === 1 ? document.contents : above;
  if (!isCollection(container) || container.flow || container.items.length < 2) return null;
  const key = path.at(-1)!;
  const item = container.items.find((one, index) =>
    isPair(one) ? isScalar(one.key) && one.key.value === key : index === key,
  );
  if (item === undefined) return text;
  const first = (isPair(item) ? item.key : item) as Node;
  const value = (isPair(item) ? item.value : item) as Node | null;
  const start = lineStart(text, first.range![0]);
  const before = text.slice(start, first.range![0]);
  // A list's item begins at its dash; what shares a line with something else is not cut out by lines.
  if (isPair(item) ? before.trim() !== '' : !/^ *- +$/.test(before)) return null;
  const end = endOfLine(text, endOf(text, value, first.range![1]));
  return put(text, start, Math.min(end + 1, text.length), '');
}
