import { readdirSync, readFileSync, statSync } from 'node:fs';
import { parseSync } from 'vite';

/** Stands for every `${…}`: one word, whatever it will be. */
export const place = '\u0001';

const root = new URL('../../', import.meta.url);

/**
 * The sentences that a source file or a folder of them holds as literals: three words and more, each `${…}` as `place`. Left out is
 * what documents a schema (`describe`), and what goes to the log.
 */
export function declaredSentences(path: string): string[] {
  return filesOf(path).flatMap((file) => {
    const { program, errors } = parseSync(file, readFileSync(new URL(file, root), 'utf8'));
    if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
    return [...textsOf(program as unknown as Node)].filter((text) => / .* /s.test(text) && /[a-z]{2}/.test(text));
  });
}

function filesOf(path: string): string[] {
  if (path.endsWith('.ts')) return [path];
  return readdirSync(new URL(`${path}/`, root))
    .map((name) => `${path}/${name}`)
    .flatMap((inner) => (statSync(new URL(inner, root)).isDirectory() || inner.endsWith('.ts') ? filesOf(inner) : []));
}

interface Node {
  readonly type: string;
  readonly [part: string]: unknown;
}
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

function* textsOf(node: Node): Generator<string> {
  const text = textOf(node);
  if (text !== null) yield text;
  const isSilent = node.type === 'CallExpression' && isDocumentationOrLog(node['callee'] as Node);
  for (const [name, part] of Object.entries(node)) {
    if (isSilent && name === 'arguments') continue;
    if (text !== null && node.type === 'BinaryExpression') continue;
    for (const inner of Array.isArray(part) ? (part as unknown[]) : [part]) if (isNode(inner)) yield* textsOf(inner);
  }
}

/** A literal, a template, or several joined by `+`; null: something else. */
function textOf(node: Node): string | null {
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : null;
  if (node.type === 'TemplateLiteral')
    return (node['quasis'] as { value: { cooked: string } }[]).map(({ value }) => value.cooked).join(place);
  if (node.type !== 'BinaryExpression' || node['operator'] !== '+') return null;
  const [left, right] = [textOf(node['left'] as Node), textOf(node['right'] as Node)];
  return left === null || right === null ? null : left + right;
}

function isDocumentationOrLog(callee: Node): boolean {
  if (callee.type !== 'MemberExpression') return false;
  const { name } = callee['property'] as { name?: string };
  if (name === 'describe') return true;
  const { object } = callee as unknown as { object: { name?: string; property?: { name?: string } } };
  return (
    ['debug', 'info', 'warn', 'error'].includes(name ?? '') && /log$/i.test(object.name ?? object.property?.name ?? '')
  );
}
