import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import type { HookField } from '../../../hook-door.ts';

export interface KnownFields {
  readonly input: readonly HookField[];
  readonly answer: readonly HookField[];
}

/** `input.call_full.channel.`, `$params['call_full']['`, `params.get("phone").`: a name, its steps, and the word that is being typed. */
const chain =
  /(\$?[A-Za-z_]\w*)((?:\??\.(?!get\()\w+|\??\.?\[(?:\w+|'[^']*'|"[^"]*")\]|\.get\((?:'[^']*'|"[^"]*")(?:,[^()]*)?\))*)(\??\.|\??\.?\[['"]|\.get\(['"])(\w*)$/;
const steps = /\.get\(\s*['"]([^'"]*)|\.(\w+)|\[['"]?([^\]'"]*)/g;

/** What is offered where a field of the hook's input or of its answer is being typed. */
export function completeFields(
  context: CompletionContext,
  fields: KnownFields,
  language: string,
): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const text = context.state.sliceDoc();
  const found = chain.exec(before);
  if (found !== null) {
    const [, root, path, , typed] = found as unknown as readonly string[];
    const from = context.pos - typed!.length;
    const taken = [...path!.matchAll(steps)].map(([, get, member, index]) => get ?? member ?? index ?? '');
    const options = fieldsUnder(root!, taken, fields, inputNames(text, language));
    return options.length === 0 ? null : { from, options: options.map(toCompletion), validFor: /^\w*$/ };
  }
  if (language !== 'js' && language !== 'ts') return null;
  const word = /(?:^|[\s{,])(\w*)$/.exec(before);
  if (word === null || (word[1] === '' && !context.explicit)) return null;
  const isInAnswer = /\bdata\s*:\s*\{[^{}]*$/.test(text.slice(Math.max(0, context.pos - 2_000), context.pos));
  if (!isInAnswer) return null;
  const options = childrenOf(fields.answer, []).map((field) => ({ ...toCompletion(field), apply: `${field.label}: ` }));
  return { from: context.pos - word[1]!.length, options, validFor: /^\w*$/ };
}

interface OfferedField {
  readonly label: string;
  readonly type: string;
  readonly description: string;
}
const toCompletion = ({ label, type, description }: OfferedField): Completion => ({
  label,
  detail: type,
  type: 'property',
  ...(description === '' ? {} : { info: description }),
});

/** By what names the input goes in this text. */
function inputNames(text: string, language: string): readonly string[] {
  if (language === 'php') return ['$params'];
  if (language === 'python')
    return ['params', ...[...text.matchAll(/(\w+)\s*=\s*json\.load/g)].map(([, name]) => name!)];
  const own = /export\s+default\s+(?:async\s+)?(?:function\s*\w*\s*\(\s*(\w+)|\(?\s*(\w+)\s*(?::[^)=]*)?\)?\s*=>)/.exec(
    text,
  );
  return [own?.[1] ?? own?.[2] ?? 'input'];
}

function fieldsUnder(
  root: string,
  taken: readonly string[],
  fields: KnownFields,
  names: readonly string[],
): readonly OfferedField[] {
  if (names.includes(root)) return childrenOf(fields.input, taken);
  const name = root.replace('$', '');
  if (name === 'data') {
    const own = childrenOf(fields.answer, taken);
    return own.length > 0 ? own : childrenOf(fields.input, taken);
  }
  // A field that was taken out of the input under its own name.
  return childrenOf(fields.input, [name, ...taken]);
}

const partsOf = (path: string): readonly string[] => path.replaceAll('[]', '.[]').split('.');

/** Fields one step below; `*` is any key and `[]` any place. */
function childrenOf(fields: readonly HookField[], taken: readonly string[]): readonly OfferedField[] {
  return fields.flatMap(({ path, type, description }) => {
    const parts = partsOf(path);
    const fits =
      parts.length === taken.length + 1 &&
      taken.every(
        (step, index) => parts[index] === step || parts[index] === '*' || (parts[index] === '[]' && /^\w*$/.test(step)),
      );
    const label = parts.at(-1)!;
    return fits && label !== '*' && label !== '[]' ? [{ label, type, description }] : [];
  });
}
