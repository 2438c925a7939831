/** How the name on the phone's display is made. */
export interface CallerNameSettings {
  /** `{{name}}`, `{{company}}` and `{{trunk}}` stand for what is known; all else is shown as it is. */
  readonly template: string;
  /** Turns the text into what phones can show (ASCII); null: shown as it is. */
  readonly transliterate: ((text: string) => string) | null;
}

export interface CallerNameParts {
  readonly name: string | null;
  readonly company: string | null;
  readonly trunk: string | null;
}

/** User-perceived characters. */
const mostGraphemes = 20;
const mostBytes = 80;
/** The longest emoji has 35 bytes; a longer "character" is a heap of combining marks. */
const mostBytesOfOne = 40;
/** More of a name is never looked at. */
const mostUnits = 2000;

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/**
 * What would mean something to AGI, AMI, the dialplan's variables, expressions, conditionals and argument lists, or to a
 * SIP header, and what stands for it on the display.
 */
const harmless: Readonly<Record<string, string>> = {
  '"': "'",
  '`': "'",
  ',': ' ',
  ';': ' ',
  ':': ' ',
  '?': ' ',
  $: ' ',
  '%': ' ',
  '^': ' ',
  '~': '-',
  '=': '-',
  '&': '+',
  '|': '/',
  '\\': '/',
  '<': '(',
  '>': ')',
  '[': '(',
  ']': ')',
  '{': '(',
  '}': ')',
};

/**
 * One line of harmless, valid text: no control characters, line breaks, bidi or invisible characters, no lone
 * surrogates, nothing that AGI, AMI or the dialplan would take for syntax. Letters such as ё and й are kept (composed).
 */
export function makeHarmless(text: string): string {
  return (
    text
      .slice(0, mostUnits)
      .normalize('NFC')
      .replace(/[\p{Cc}\p{Z}]+/gu, ' ')
      // The joiner stays where it holds an emoji together.
      .replace(
        /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d|\u200d(?!\p{Extended_Pictographic})/gu,
        '',
      )
      .replace(/(?!\u200d)[\p{C}\ufffd]/gu, '')
      .replace(/["`,;:?$%^~=&|\\<>[\]{}]/g, (sign) => harmless[sign]!)
      .replace(/\([ ()]*\)/g, ' ')
      .replace(/ {2,}/g, ' ')
      .replace(/^[ \-/]+|[ \-/]+$/g, '')
  );
}

/** At most 20 user-perceived characters and 80 bytes of UTF-8, cut between characters. */
export function cutName(text: string): string {
  let result = '';
  let bytes = 0;
  let count = 0;
  for (const { segment } of graphemes.segment(text)) {
    const size = Buffer.byteLength(segment);
    if (size > mostBytesOfOne) continue;
    if (count === mostGraphemes || bytes + size > mostBytes) break;
    result += segment;
    bytes += size;
    count += 1;
  }
  return result;
}

/** The text for the phone's display from any text: harmless, transliterated if so set, and cut. */
export function toDisplay(text: string, transliterate: CallerNameSettings['transliterate']): string {
  const clean = makeHarmless(text);
  // What a transliteration brings in is no more trusted than the name itself.
  const shown = transliterate === null ? clean : makeHarmless(transliterate(clean));
  // The cut may leave a loose end.
  return makeHarmless(cutName(shown));
}

/**
 * The name for the phone's display. Where the template comes out empty the company stands in, so that a contact without
 * a name still shows something. Empty when nothing is known.
 */
export function renderCallerName(parts: CallerNameParts, settings: CallerNameSettings): string {
  const values: Readonly<Record<string, string | null>> = { ...parts };
  const filled = settings.template.replace(
    /\{\{\s*(name|company|trunk)\s*\}\}/g,
    (_, part: string) => values[part] ?? '',
  );
  return toDisplay(filled, settings.transliterate) || toDisplay(parts.company ?? '', settings.transliterate);
}
