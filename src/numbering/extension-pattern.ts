/** Asterisk's single-character classes of a pattern (see "Pattern matching" in the Asterisk documentation). */
const classes: Readonly<Record<string, string>> = { X: '[0-9]', Z: '[1-9]', N: '[2-9]' };

function compileAsteriskPattern(pattern: string): RegExp {
  const faulty = () => new Error(`"${pattern}" is not a pattern for extensions; write for example _1XX or _[1-4]XX`);
  const source = pattern
    .slice(1)
    .match(/\[[0-9-]+\]|./g)
    ?.map((part, index, parts) => {
      if (/^\[(?:\d(?:-\d)?)+\]$/.test(part) || /^[0-9*#]$/.test(part)) return part === '*' ? '\\*' : part;
      if ((part === '.' || part === '!') && index === parts.length - 1) return part === '.' ? '[0-9]+' : '[0-9]*';
      const charClass = classes[part.toUpperCase()];
      if (charClass === undefined) throw faulty();
      return charClass;
    })
    .join('');
  if (!source) throw faulty();
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw faulty();
  }
}

/**
 * A test for extensions from an Asterisk pattern (`_1XX`, `_[1-4]XX`, `_5.`), a range of numbers of one length
 * (`100-199`), or one number. Throws an `Error` that says what is wrong with the text.
 */
export function compileExtensionPattern(text: string): (number: string) => boolean {
  if (text.startsWith('_')) {
    const pattern = compileAsteriskPattern(text);
    return (number) => pattern.test(number);
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
