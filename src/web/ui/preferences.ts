import { effect, signal } from '@preact/signals';

export type Theme = 'light' | 'dark' | 'system';
export type Language = 'en' | 'ru';

/** What this browser remembers; a browser that may not remember only forgets. */
function recall(name: string): string | null {
  try {
    return localStorage.getItem(`ringledger.${name}`);
  } catch {
    return null;
  }
}
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`ringledger.${name}`, value);
  } catch {
    return;
  }
}
export const recalled = recall;

const themes: readonly string[] = ['light', 'dark', 'system'];
const languages: readonly string[] = ['en', 'ru'];

const keptTheme = recall('theme');
export const theme = signal<Theme>(keptTheme !== null && themes.includes(keptTheme) ? (keptTheme as Theme) : 'system');

const keptLanguage = recall('language');
const browserLanguage = navigator.language.toLowerCase().startsWith('ru') ? 'ru' : 'en';
export const language = signal<Language>(
  keptLanguage !== null && languages.includes(keptLanguage) ? (keptLanguage as Language) : browserLanguage,
);

/** Shows the chosen theme at once and keeps choices for the next visit. */
export function keepPreferences(): void {
  const isDark = matchMedia('(prefers-color-scheme: dark)');
  const show = () => {
    const chosen = theme.value === 'system' ? (isDark.matches ? 'dark' : 'light') : theme.value;
    document.documentElement.dataset.theme = chosen;
  };
  effect(() => {
    show();
    remember('theme', theme.value);
  });
  effect(() => {
    document.documentElement.lang = language.value;
    remember('language', language.value);
  });
  isDark.addEventListener('change', show);
}
