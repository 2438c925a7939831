import { transliterate } from 'transliteration';

/** Signs whose replacement by the package would be wrong or would mean something to Asterisk (« » become << >>). */
const replace: [string, string][] = [
  ['«', "'"],
  ['»', "'"],
  ['“', "'"],
  ['”', "'"],
  ['„', "'"],
  ['№', 'N'],
  ['Ц', 'Ts'],
  ['ц', 'ts'],
  ['Ё', 'Yo'],
  ['ё', 'yo'],
  ['Й', 'Y'],
  ['й', 'y'],
  ['Х', 'Kh'],
  ['х', 'kh'],
  ['Щ', 'Shch'],
  ['щ', 'shch'],
  ['Ъ', ''],
  ['ъ', ''],
  ['Ь', ''],
  ['ь', ''],
];

/** Text in ASCII for phones that show nothing else; what has no ASCII form (emoji) is left out. */
export function toAscii(text: string): string {
  return transliterate(text, { replace, unknown: '' }).replace(/[^\x20-\x7e]/g, '');
}
