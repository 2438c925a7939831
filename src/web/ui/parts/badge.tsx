import { tWord } from '../i18n/words.ts';

type Tone = 'good' | 'bad' | 'warn' | 'calm';
const tones: Readonly<Record<string, Tone>> = {
  answered: 'good',
  delivered: 'good',
  ok: 'good',
  FOUND: 'good',
  talking: 'good',
  ringing: 'warn',
  NOT_FOUND: 'warn',
  TIMEOUT: 'bad',
  ERROR: 'bad',
  voicemail: 'warn',
  missed: 'bad',
  failed: 'bad',
  rejected: 'bad',
  error: 'bad',
  no_answer: 'warn',
  busy: 'warn',
  warning: 'warn',
  pending: 'warn',
  leased: 'warn',
  retry: 'warn',
};

/** A result or state, in words and a calm colour. */
export function Badge({ kind, word }: { readonly kind: string; readonly word: string }) {
  return <span class={`badge ${tones[word] ?? 'calm'}`}>{tWord(kind, word)}</span>;
}
