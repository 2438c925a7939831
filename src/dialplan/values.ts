/**
 * The kinds of values that may stand in a generated dialplan, each with its one grammar. The configuration and the
 * template helpers check against the same table, so a value that passes the configuration cannot be refused by a template,
 * and a value that comes to a template some other way still cannot become dialplan code.
 *
 * What ends a value in Asterisk and therefore is in none of these grammars: line breaks, `,` `(` `)` `&` `|` `^` (argument
 * separators), `${` `$[` (substitution), `;` (comment), `"` and `\` (quoting).
 */
export interface ValueKind {
  /** What the value must look like, in words that follow "must be". */
  readonly form: string;
  readonly accepts: (text: string) => boolean;
}

const byPattern = (form: string, pattern: RegExp): ValueKind => ({ form, accepts: (text) => pattern.test(text) });

const hasDots = (path: string) => path.split('/').some((step) => step === '.' || step === '..');

function isPattern(text: string): boolean {
  if (!/^_(?:[0-9XZN*#+]|\[[0-9*#]+(?:-[0-9])?[0-9*#]*\])+[.!]?$/.test(text)) return false;
  return [...text.matchAll(/([0-9])-([0-9])/g)].every(([, from, to]) => from! <= to!);
}

/**
 * Matches what a trunk may send in place of a number, its login for example. Two letters at least: single ones are Asterisk's
 * own (h, i, t, T, …).
 */
export const anyWord = '_[A-Za-z].';

export const valueKinds = {
  /** An employee's extension, a mailbox, what a person dials inside the company. */
  extension: byPattern('an extension of digits, * and #, at most 15', /^[0-9*#]{1,15}$/),
  /** A telephone number, or the first digits of one. */
  number: byPattern('a telephone number: digits, with or without a leading +, at most 20', /^(?:\+|\+?[0-9]{1,20})$/),
  /** What an extension line may match; `s` is what Asterisk uses when no number came. */
  extenOrPattern: {
    form: 'an extension or an Asterisk pattern such as _8XXXXXXXXXX or _[1-4]XX',
    accepts: (text: string) => /^(?:[0-9*#+]{1,30}|s)$/.test(text) || text === anyWord || isPattern(text),
  },
  /** A name of ours: group, menu, schedule, trunk, label. */
  name: byPattern(
    'a name of latin letters, digits, - and _, starting with a letter, 2 to 40 long',
    /^[A-Za-z][A-Za-z0-9_-]{1,39}$/,
  ),
  /** The name of a dialplan context, ours or the owner's. */
  context: byPattern('a context name of latin letters, digits, - and _', /^[A-Za-z0-9][A-Za-z0-9_-]{0,78}$/),
  /** An extension of the owner's dialplan: a number or a word such as s. */
  destination: byPattern('an extension: digits, letters, *, # or +', /^[A-Za-z0-9*#+_][A-Za-z0-9*#+_-]{0,39}$/),
  /** `Technology/resource`, or a part of it. */
  device: byPattern(
    'a dial string such as PJSIP/101 or PJSIP/provider',
    /^(?:PJSIP|SIP|IAX2|DAHDI|Local|Motif|Console|USTM|MulticastRTP)\/[A-Za-z0-9_.@:+/*#-]{0,120}$/,
  ),
  /** What follows the number in a dial string. */
  deviceEnd: byPattern('the end of a dial string such as @provider', /^[A-Za-z0-9_.@:+/-]{0,120}$/),
  /** The name of a sound as Playback wants it: without the extension, relative or absolute. */
  sound: {
    form: 'the name of a sound such as custom/hello, without its ending',
    accepts: (text: string) => /^\/?[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}$/.test(text) && !hasDots(text),
  },
  /** An absolute path. */
  folder: {
    form: 'an absolute path of latin letters, digits and . _ -',
    accepts: (text: string) => /^\/[A-Za-z0-9_./-]{1,200}$/.test(text) && !hasDots(text),
  },
  /** `host:port` of a FastAGI server. */
  server: byPattern(
    'host:port such as 127.0.0.1:4573',
    /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,200}[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,45}\]):[0-9]{1,5}$/,
  ),
  /** A word in lower or upper case that is a keyword of Asterisk: a format, a weekday, an option. */
  word: byPattern('a word of latin letters and digits', /^[A-Za-z0-9]{1,20}$/),
  mailbox: byPattern('a mailbox such as 101 or 101@default', /^[0-9A-Za-z_]{1,40}(?:@[A-Za-z0-9_-]{1,40})?$/),
  timeRange: byPattern(
    'a range of hours such as 09:00-17:59',
    /^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]$/,
  ),
  dayRange: byPattern(
    'weekdays such as mon-fri or sat',
    /^(?:mon|tue|wed|thu|fri|sat|sun)(?:-(?:mon|tue|wed|thu|fri|sat|sun))?$/,
  ),
  /** `2026-12-31`, or `12-31` for every year. */
  date: byPattern(
    'a date such as 2026-12-31, or 12-31 for every year',
    /^(?:[0-9]{4}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/,
  ),
  timeZone: byPattern('a time zone such as Europe/Moscow', /^[A-Za-z0-9_+-]{1,40}(?:\/[A-Za-z0-9_+-]{1,40}){0,2}$/),
  /** Free text of one line; `;` is allowed because it is escaped when written. */
  text: byPattern(
    "text of letters, digits, spaces and . - _ : = @ / + < > ' ! ? # ; at most 200",
    /^[\p{L}\p{N} .\-_:=@/+<>'!?#;]{0,200}$/u,
  ),
} as const satisfies Record<string, ValueKind>;

export type ValueKindName = keyof typeof valueKinds;

/** How a name of ours stands in an extension line: Asterisk ignores hyphens when it compares extensions. */
export function toExten(name: string): string {
  return name.replaceAll('-', '_');
}
