import { createHmac, randomBytes } from 'node:crypto';
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type Scalar } from 'yaml';
import { isSecretKey } from './secrets.ts';

/** Where a secret stands in the text of a configuration. */
interface SecretPlace {
  readonly start: number;
  readonly end: number;
  readonly value: string;
  /** Written within `{}` or `[]`, where fewer characters may stand without quotes. */
  readonly isFlow: boolean;
  /** An alias may show it elsewhere: it is masked, and nothing is put back there. */
  readonly isShared: boolean;
}

const placeholder = /<kept-secret-[0-9a-f]{10}>/g;
const urlPassword = /\b[a-z][a-z0-9+.-]*:\/\/[^:/?#\s"']*:([^\s"']*)@/gi;
const setting = /\b([A-Za-z]+)["']?[ \t]*:[ \t]*("[^"\n]*"|'[^'\n]*'|[^\s,}\]#]+)/g;

/**
 * A configuration's text as it may leave the machine: each secret replaced by a placeholder, which stands for it again when
 * the text comes back. A placeholder is believed only where a secret would be masked as well, so none can be moved
 * to a place that is shown. Holds what it masked in memory; another process knows none of its placeholders.
 */
export class MaskedTexts {
  readonly #key = randomBytes(32);
  readonly #kept = new Map<string, { readonly raw: string; readonly value: string; readonly isFlow: boolean }>();

  /** Null: the text is no YAML, so nobody knows where its secrets stand. */
  mask(text: string): string | null {
    const places = findSecrets(text);
    if (places === null) return null;
    return replaceAt(text, places, ({ start, end, value, isFlow }) => {
      const raw = text.slice(start, end);
      if (isPlaceholder(raw)) return raw;
      const id = createHmac('sha256', this.#key).update(value).update(raw).digest('hex').slice(0, 10);
      const name = `<kept-secret-${id}>`;
      this.#kept.set(name, { raw, value, isFlow });
      return name;
    });
  }

  /** The text with its secrets, and the placeholders that stand for nothing or where no secret may stand, with their lines. */
  unmask(text: string): { readonly text: string; readonly strangers: readonly { readonly line: number }[] } {
    const places = findSecrets(text) ?? [];
    const restored = replaceAt(text, places, ({ start, end, isFlow, isShared }) => {
      const raw = text.slice(start, end);
      const kept = this.#kept.get(raw);
      if (kept === undefined || isShared) return raw;
      const fits = !kept.raw.includes('\n') && (kept.isFlow || !isFlow || /^["']/.test(kept.raw));
      return fits ? kept.raw : JSON.stringify(kept.value);
    });
    const strangers = restored
      .split('\n')
      .flatMap((line, index) => (line.match(placeholder) === null ? [] : [{ line: index + 1 }]));
    return { text: restored, strangers };
  }

  /** A message without any secret that was masked. */
  clean(message: string): string {
    let cleaned = message;
    for (const { value } of this.#kept.values()) if (value.length >= 4) cleaned = cleaned.replaceAll(value, '***');
    return cleaned;
  }
}

const isPlaceholder = (raw: string) => raw.replace(placeholder, '') === '' && raw !== '';

function replaceAt(text: string, places: readonly SecretPlace[], replace: (place: SecretPlace) => string): string {
  let result = '';
  let from = 0;
  for (const place of places) {
    result += text.slice(from, place.start) + replace(place);
    from = place.end;
  }
  return result + text.slice(from);
}

/** In their order; null when the text is not valid YAML. */
function findSecrets(text: string): SecretPlace[] | null {
  const document = parseDocument(text, { prettyErrors: false, stringKeys: true, logLevel: 'silent' });
  if (document.errors.length > 0) return null;
  const places: SecretPlace[] = [];
  const scalars: [number, number][] = [];
  const seen = new Set<Node>();

  const take = (scalar: Scalar, isFlow: boolean, isShared: boolean) => {
    const [start, valueEnd] = scalar.range!;
    // A block of text reaches over its last line break, which the next line needs.
    const end = start + text.slice(start, valueEnd).trimEnd().length;
    if (start === end || scalar.value === null || typeof scalar.value === 'boolean') return;
    places.push({ start, end, value: String(scalar.value), isFlow, isShared: isShared || scalar.anchor !== undefined });
  };
  const visit = (node: Node | null, isSecret: boolean, isFlow: boolean, isShared = false): void => {
    if (isAlias(node)) {
      const target = node.resolve(document as Document) as Node | undefined;
      if (!isSecret || target === undefined || seen.has(target)) return;
      seen.add(target);
      return visit(target, true, isFlow, true);
    }
    if (isMap(node))
      for (const { key, value } of node.items) {
        if (isScalar(key)) scalars.push([key.range![0], key.range![1]]);
        visit(
          value as Node | null,
          isSecret || isSecretKey(String(isScalar(key) ? key.value : key)),
          isFlow || node.flow === true,
          isShared,
        );
      }
    else if (isSeq(node))
      for (const item of node.items) visit(item as Node | null, isSecret, isFlow || node.flow === true, isShared);
    else if (isScalar(node) && node.range) {
      const [start, end] = node.range;
      scalars.push([start, end]);
      if (isSecret) take(node, isFlow, isShared);
      else if (typeof node.value === 'string') {
        for (const found of text.slice(start, end).matchAll(urlPassword)) places.push(passwordOf(found, start));
      }
    }
  };
  visit(document.contents as Node | null, false, false);

  const isWithin = (offset: number) => scalars.some(([start, end]) => offset >= start && offset < end);
  // What a person comments out is a secret still: `# secret: abc`.
  for (let hash = text.indexOf('#'); hash !== -1; hash = text.indexOf('#', hash + 1)) {
    // Within a value it begins no comment.
    if (isWithin(hash)) continue;
    const end = text.indexOf('\n', hash);
    const comment = text.slice(hash, end === -1 ? text.length : end);
    for (const found of comment.matchAll(setting)) {
      const [whole, key, value] = found as unknown as [string, string, string];
      if (!isSecretKey(key) || value === 'null' || value === '…') continue;
      const start = hash + found.index + whole.length - value.length;
      places.push({ start, end: start + value.length, value, isFlow: true, isShared: false });
    }
    hash += comment.length - 1;
  }
  for (const found of text.matchAll(urlPassword)) {
    if (!isWithin(found.index)) places.push(passwordOf(found, 0));
  }
  places.sort((a, b) => a.start - b.start);
  return places.filter(
    (place, index) => place.end > place.start && (index === 0 || place.start >= places[index - 1]!.end),
  );
}

function passwordOf(found: RegExpExecArray, offset: number): SecretPlace {
  const start = offset + found.index + found[0].length - 1 - found[1]!.length;
  return { start, end: start + found[1]!.length, value: found[1]!, isFlow: true, isShared: false };
}
