import { signal } from '@preact/signals';
import { ApiFault } from '../api.ts';
import { say, t } from '../i18n/words.ts';

interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isFault: boolean;
}
const notices = signal<readonly Notice[]>([]);
let lastId = 0;

function show(text: string, isFault: boolean): void {
  const notice = { id: ++lastId, text, isFault };
  notices.value = [...notices.value.slice(-2), notice];
  setTimeout(() => (notices.value = notices.value.filter(({ id }) => id !== notice.id)), isFault ? 10_000 : 4_000);
}

export const tell = (text: string) => show(text, false);
export const tellFault = (error: unknown) => show(explain(error), true);

/** In words for people. */
export function explain(error: unknown): string {
  if (error instanceof ApiFault) return error.code === 'offline' ? t('error.offline') : say(error.message);
  return error instanceof Error ? error.message : String(error);
}

/** What just happened, read aloud as well. */
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, isFault }) => (
        <p key={id} class={isFault ? 'notice fault' : 'notice'}>
          {text}
        </p>
      ))}
    </div>
  );
}
