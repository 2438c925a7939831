import { useState } from 'preact/hooks';
import type { HookField } from '../../../hook-door.ts';
import { t } from '../../i18n/words.ts';

/** All that a hook gets and may answer, with what it means. */
export function HookFields({
  fields,
}: {
  readonly fields: { readonly input: readonly HookField[]; readonly answer: readonly HookField[] };
}) {
  const [wanted, setWanted] = useState('');
  const fits = ({ path, description }: HookField) =>
    `${path} ${description}`.toLowerCase().includes(wanted.toLowerCase());
  const [input, answer] = [fields.input.filter(fits), fields.answer.filter(fits)];
  return (
    <div class="stack">
      <label class="field">
        <span>{t('hooks.findField')}</span>
        <input type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
      </label>
      <FieldList title={t('hooks.answers')} fields={answer} />
      <FieldList title={t('hooks.gets')} fields={input} />
    </div>
  );
}

function FieldList({ title, fields }: { readonly title: string; readonly fields: readonly HookField[] }) {
  if (fields.length === 0) return null;
  return (
    <div>
      <h3>{title}</h3>
      <dl class="sheet field-list" tabIndex={0} aria-label={title}>
        {fields.map(({ path, type, description }) => (
          <div key={path}>
            <dt>
              <code>{path}</code> <span class="quiet small">{type}</span>
            </dt>
            {description !== '' && <dd class="small">{description}</dd>}
          </div>
        ))}
      </dl>
    </div>
  );
}
