import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { ConfigFault } from './fault.ts';
import { allowsNull, outlineAt, wantsText, type Outline } from './outline.ts';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML file as values, with the place of every key and value, and what YAML itself finds wrong. */
export interface YamlSource {
  readonly value: unknown;
  /** Where the value at this path stands; `key` for the place of its name; for a missing one the nearest place above. */
  positionOf(path: readonly PropertyKey[], part: 'key' | 'value'): Position | null;
  readonly faults: readonly ConfigFault[];
}

interface Place {
  readonly key: number;
  readonly value: number;
}

const pathKey = (path: readonly PropertyKey[]) => JSON.stringify(path.map(String));

/**
 * Reads YAML 1.2. Where the outline wants text, numbers are taken as they are written (`0101` stays `0101`); a key with
 * nothing after it counts as absent, so that a section whose lines are all commented out is valid.
 */
export function readYaml(text: string, file: string, outline: Outline): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'silent',
  });
  const places = new Map<string, Place>();
  const toPosition = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = [...findSyntaxFaults(document), ...document.warnings].map((error) => ({
    file,
    ...toPosition(error.pos[0]!),
    path: '',
    message: `not valid YAML: ${error.message.replace(/\n[\s\S]*$/, '')}`,
  }));
  // A file with syntax faults has no trustworthy values: its other faults would only mislead.
  const value =
    faults.length > 0 ? undefined : toValue(document, document.contents, { outline, path: [], places, depth: 0 });
  return {
    value,
    faults,
    positionOf(path, part) {
      for (let length = path.length; length > 0; length--) {
        const place = places.get(pathKey(path.slice(0, length)));
        if (place === undefined) continue;
        return toPosition(length === path.length && part === 'value' ? place.value : place.key);
      }
      return null;
    },
  };
}

interface SyntaxFault {
  /** Where it begins, and more that nobody asks for. */
  readonly pos: readonly number[];
  readonly message: string;
}

/** Why the text has no values. `*8` without quotes names an anchor; of that the parser complains only when asked for the values, and throws. */
export function findSyntaxFaults(document: Document): readonly SyntaxFault[] {
  const found: SyntaxFault[] = [...document.errors];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return;
      found.push({ pos: [alias.range?.[0] ?? 0], message: `*${alias.source} names nothing here; put it in quotes` });
    },
  });
  return found;
}

interface Walk {
  readonly outline: Outline;
  readonly path: readonly (string | number)[];
  readonly places: Map<string, Place>;
  readonly depth: number;
}

const maximumDepth = 32;

function toValue(document: Document, node: unknown, walk: Walk): unknown {
  // Aliases may name each other in a ring.
  if (walk.depth > maximumDepth) return undefined;
  if (isAlias(node)) return toValue(document, node.resolve(document), { ...walk, depth: walk.depth + 1 });
  if (isScalar(node)) return scalarValue(node.value, node.source, walk.outline);
  if (isMap(node)) {
    const plain: unknown = node.toJS(document);
    const entries: [string, unknown][] = [];
    for (const pair of node.items) {
      const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
      const value = step(document, { key, keyNode: pair.key, valueNode: pair.value, parent: plain }, walk);
      if (value !== undefined) entries.push([key, value]);
    }
    return Object.fromEntries(entries);
  }
  if (isSeq(node)) {
    return node.items.map((item, index) =>
      step(document, { key: index, keyNode: item, valueNode: item, parent: null }, walk),
    );
  }
  return undefined;
}

interface Step {
  readonly key: string | number;
  readonly keyNode: unknown;
  readonly valueNode: unknown;
  readonly parent: unknown;
}

function step(document: Document, { key, keyNode, valueNode, parent }: Step, walk: Walk): unknown {
  const path = [...walk.path, key];
  const keyOffset = offsetOf(keyNode) ?? 0;
  walk.places.set(pathKey(path), { key: keyOffset, value: offsetOf(valueNode) ?? keyOffset });
  const outline = outlineAt(walk.outline, key, parent);
  const value = toValue(document, valueNode, { outline, path, places: walk.places, depth: walk.depth + 1 });
  return value === null && !allowsNull(outline) && typeof key === 'string' ? undefined : value;
}

function offsetOf(node: unknown): number | undefined {
  return typeof node === 'object' && node !== null && 'range' in node
    ? (node.range as [number] | null)?.[0]
    : undefined;
}

function scalarValue(value: unknown, source: string | undefined, outline: Outline): unknown {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return wantsText(outline, typeof value === 'number' ? 'number' : 'boolean') ? (source ?? String(value)) : value;
  }
  return value;
}
