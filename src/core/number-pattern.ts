/** What an owner writes to mean callers, lines, extensions or trunks: compiled once, matched for each call. */
export type NumberPattern = (value: string | null) => boolean;

/** Asterisk's classes of a pattern (docs.asterisk.org, "Pattern Matching"). */
const classes: Readonly<Record<string, string>> = { X: '[0-9]', Z: '[1-9]', N: '[2-9]', '.': '.+', '!': '.*' };

const withoutPlus = (text: string) => (text.startsWith('+') ? text.slice(1) : text);

/**
 * One of: `anonymous` (no number at all); a number in any way of writing, matched whole; a beginning of the
 * international number (`7916*`); an Asterisk pattern of it (`_7916XXXXXXX`, `_[78]800.`). A plus in front does not
 * matter. Extensions and trunks are matched as they are written. Throws an `Error` that says what is wrong.
 */
export function compileNumberPattern(
  text: string,
  toClientNumber: (raw: string) => string | null = (raw) => raw,
): NumberPattern {
  const pattern = text.trim();
  if (pattern === '') throw new Error('an empty pattern matches nothing');
  if (pattern.toLowerCase() === 'anonymous') return (value) => value === null || value === '';
  if (pattern.startsWith('_')) {
    const expression = compileAsteriskPattern(pattern);
    return (value) => value !== null && expression.test(withoutPlus(value));
  }
  if (pattern.endsWith('*')) {
    const prefix = withoutPlus(pattern.slice(0, -1));
    if (prefix === '' || prefix.includes('*')) throw new Error(`"${text}" is no beginning of a number`);
    return (value) => value !== null && withoutPlus(value).startsWith(prefix);
  }
  const number = toClientNumber(pattern);
  return (value) =>
    value !== null &&
    value !== '' &&
    (withoutPlus(value) === withoutPlus(pattern) || (number !== null && toClientNumber(value) === number));
}

function compileAsteriskPattern(pattern: string): RegExp {
  const parts = withoutPlus(pattern.slice(1)).match(/\[[0-9-]+\]|./g) ?? [];
  const faulty = new Error(`"${pattern}" is not a pattern; write for example _7916XXXXXXX or _8800.`);
  if (parts.length === 0) throw faulty;
  const source = parts.map((part, index) => {
    if (/^\[(?:\d(?:-\d)?)+\]$/.test(part) || /^\d$/.test(part)) return part;
    const charClass = classes[part.toUpperCase()];
    const isOpenEnd = part === '.' || part === '!';
    if (charClass === undefined || (isOpenEnd && index < parts.length - 1)) throw faulty;
    return charClass;
  });
  try {
    return new RegExp(`^${source.join('')}$`);
  } catch {
    throw faulty;
  }
}
