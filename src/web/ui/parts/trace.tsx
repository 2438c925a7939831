import { t } from '../i18n/words.ts';

export const firstLine = (text: string): string => text.split('\n', 1)[0]!;

/** What went wrong where in the code, for whoever opens it; nothing for a fault of one line. */
export function Trace({ text }: { readonly text: string }) {
  if (!text.includes('\n')) return null;
  return (
    <details>
      <summary>{t('hooks.trace')}</summary>
      <pre class="stack-trace">{text}</pre>
    </details>
  );
}
