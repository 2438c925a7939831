import type { Examination } from '../../ports.ts';
import { say } from '../i18n/words.ts';
import { Badge } from './badge.tsx';

/** What the doctor found, with what mends it. `role`: `status` where it appears at a person's asking. */
export function Findings({ items, role }: { readonly items: readonly Examination[]; readonly role?: 'status' }) {
  return (
    <ul class="sheet findings" role={role}>
      {items.map(({ check, state, message, mend }, index) => (
        <li key={index}>
          <Badge kind="health" word={state} />
          <div class="words">
            <strong>{say(check)}</strong> {say(message)}
            {mend !== null && <p class="mend">→ {say(mend)}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}
