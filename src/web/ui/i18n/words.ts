import { signal } from '@preact/signals';
import { language, type Language } from '../preferences.ts';
import en from './en.json';

export type Key = keyof typeof en;
type Dictionary = Readonly<Record<string, string>>;

const dictionary = signal<Dictionary>(en);

const loaders: Readonly<Record<Language, () => Promise<Dictionary>>> = {
  en: async () => en,
  ru: async () => (await import('./ru.json')).default,
};

/** Loads the language's words before the page shows them. */
export async function useLanguage(chosen: Language): Promise<void> {
  dictionary.value = await loaders[chosen]();
  language.value = chosen;
}

/** The word or sentence in the chosen language, `{name}` replaced. English where a translation is missing. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  const text = dictionary.value[key] ?? en[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** For words of the server that have one of ours: `result.answered`. What is not known stays as it came. */
export function tWord(prefix: string, word: string): string {
  const key = `${prefix}.${word}`;
  return dictionary.value[key] ?? (en as Dictionary)[key] ?? word;
}

/** With the plural that the language wants: keys end in `.one`, `.few`, `.many`, `.other`. */
export function tCount(key: string, count: number): string {
  const form = new Intl.PluralRules(language.value).select(count);
  const text =
    dictionary.value[`${key}.${form}`] ?? dictionary.value[`${key}.other`] ?? (en as Dictionary)[`${key}.other`] ?? key;
  return text.replace('{count}', new Intl.NumberFormat(language.value).format(count));
}
