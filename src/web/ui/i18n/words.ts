import { signal } from '@preact/signals';
import { language, type Language } from '../preferences.ts';
import en from './en.json';
import { createSpoken, type Spoken } from './spoken.ts';
import settingsEn from './settings.en.json';

export type Key = keyof typeof en;
type Dictionary = Readonly<Record<string, string>>;

const english: Dictionary = { ...en, ...settingsEn };
const dictionary = signal<Dictionary>(english);

/** Sentences that the server says; as they came until a language has its own. */
const spoken = signal<Spoken>((text) => text);

interface Words {
  readonly dictionary: Dictionary;
  readonly spoken: Spoken;
}
const loaders: Readonly<Record<Language, () => Promise<Words>>> = {
  en: async () => ({ dictionary: english, spoken: (text) => text }),
  ru: async () => {
    const [words, settings, findings] = await Promise.all([
      import('./ru.json'),
      import('./settings.ru.json'),
      import('./findings.ru.json'),
    ]);
    return { dictionary: { ...words.default, ...settings.default }, spoken: createSpoken(findings.default) };
  },
};

/** Loads the language's words before the page shows them. */
export async function useLanguage(chosen: Language): Promise<void> {
  const words = await loaders[chosen]();
  dictionary.value = words.dictionary;
  spoken.value = words.spoken;
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

/**
 * What a setting is for, in the chosen language; null where no dictionary says it. `place` is its path without places in lists.
 * One CRM's own rules mean what those of the section `registration` mean.
 */
export function settingText(place: string): string | null {
  const key = `setting.${place}`;
  return (
    dictionary.value[key] ?? dictionary.value[key.replace('setting.crm.registration.', 'setting.registration.')] ?? null
  );
}

/** What the doctor and the parts of the service say, in the chosen language; what has no translation stays English. */
export const say = (text: string): string => spoken.value(text);
