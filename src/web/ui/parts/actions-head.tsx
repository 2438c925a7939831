import { t } from '../i18n/words.ts';

/** Heads the column of buttons, in words for those who hear the page. */
export function ActionsHead() {
  return (
    <th>
      <span class="sr">{t('column.actions')}</span>
    </th>
  );
}
