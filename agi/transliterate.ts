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
  // Ukrainian, Belarusian, Kazakh, Azerbaijani: the package makes `@` of ә and apostrophes of many others.
  ['Ґ', 'G'],
  ['ґ', 'g'],
  ['Є', 'Ye'],
  ['є', 'ye'],
  ['Ї', 'Yi'],
  ['ї', 'yi'],
  ['Ў', 'U'],
  ['ў', 'u'],
  ['Ә', 'A'],
  ['ә', 'a'],
  ['Ə', 'A'],
  ['ə', 'a'],
  ['Ғ', 'G'],
  ['ғ', 'g'],
  ['Қ', 'K'],
  ['қ', 'k'],
  ['Ң', 'N'],
  ['ң', 'n'],
  ['Ұ', 'U'],
  ['ұ', 'u'],
  ['Ү', 'U'],
  ['ү', 'u'],
  ['Һ', 'H'],
  ['һ', 'h'],
  ['Ъ', ''],
  ['ъ', ''],
  ['Ь', ''],
  ['ь', ''],
];

/** Text in ASCII for phones that show nothing else; what has no ASCII form (emoji) is left out. */
export function toAscii(text: string): string {
  return transliterate(text, { replace, unknown: '' }).replace(/[^\x20-\x7e]/g, '');
}
