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

/** In words for people, and in their language as far as the server's words have a translation. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiFault)) return say(error instanceof Error ? error.message : String(error));
  if (error.code === 'offline') return t('error.offline');
  return explainFields(error) ?? say(error.message);
}

/** In these the sentence of the whole only strings together what is wrong with each field. */
const toldByField = ['invalid_input', 'rejected', 'faulty'];

/** What is wrong with which field, the field called as `nameOf` says. Null: the fault is not about fields. */
export function explainFields({ code, fields }: ApiFault, nameOf = (field: string) => field): string | null {
  const entries = Object.entries(fields);
  if (entries.length === 0 || !toldByField.includes(code)) return null;
  // What is wrong with all of them together is told of none.
  return entries
    .map(([field, message]) => (field === 'body' ? say(message) : `${nameOf(field)}: ${say(message)}`))
    .join('; ');
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
