/** Where in a hook's text the fault is that a compiler, an interpreter or a stack trace tells of. */
import { basename } from 'node:path';
import { CompileFault } from './compile.ts';

export interface TextFault {
  /** From 1; null: it has no place in this text. */
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
}

/** All faults that the error names, with their places in the file where it names some. */
export function textFaultsOf(error: Error, path: string): readonly TextFault[] {
  if (error instanceof CompileFault) return error.faults;
  const name = basename(path);
  return [{ ...placeIn(error.message, name), message: shorten(error.message, name) }];
}

const escape = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

function placeIn(message: string, name: string): Pick<TextFault, 'line' | 'column'> {
  const file = escape(name);
  // Node's stack names the innermost place first, Python's the last.
  const node = new RegExp(`${file}:(\\d+):(\\d+)`).exec(message);
  if (node !== null) return { line: Number(node[1]), column: Number(node[2]) };
  const python = [...message.matchAll(new RegExp(`${file}", line (\\d+)`, 'g'))].at(-1);
  const other = python ?? new RegExp(`${file}(?: on line |: line |: |:)(\\d+)`).exec(message);
  return { line: other == null ? null : Number(other[1]), column: null };
}

/** The sentence that says what is wrong, without folders that only existed for the trial. */
function shorten(message: string, name: string): string {
  const lines = message
    .replaceAll(new RegExp(`[^\\s"'(:]*/(?=${escape(name)})`, 'g'), '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const isPython = lines.some((line) => /^File "/.test(line) || /Traceback/.test(line));
  return (isPython ? lines.at(-1) : lines[0]) ?? message;
}
