import { compileNumberPattern } from '../core/number-pattern.ts';

/**
 * A test for extensions from an Asterisk pattern (`_1XX`, `_[1-4]XX`, `_5.`), a range of numbers of one length
 * (`100-199`), or one number. Throws an `Error` that says what is wrong with the text.
 */
export function compileExtensionPattern(text: string): (number: string) => boolean {
  if (text.startsWith('_')) {
    const matches = compileNumberPattern(text);
    return (number) => /^\d+$/.test(number) && matches(number);
  }
  const range = /^(\d{1,12})-(\d{1,12})$/.exec(text);
  if (range) {
    const [from, to] = [range[1]!, range[2]!];
    if (from.length !== to.length || from > to) {
      throw new Error(`"${text}" is not a range of extensions; write for example 100-199`);
    }
    return (number) => number.length === from.length && /^\d+$/.test(number) && number >= from && number <= to;
  }
  if (!/^[0-9]{1,12}$/.test(text)) {
    throw new Error(`"${text}" is neither an extension, nor a range (100-199), nor a pattern (_1XX)`);
  }
  return (number) => number === text;
}
