import { useState } from 'preact/hooks';
import type { HookVersionEntry, OpenHook } from '../../../hook-door.ts';
import { ask } from '../../api.ts';
import { showExactTime, showDate } from '../../format.ts';
import { t } from '../../i18n/words.ts';
import type { Wire } from '../../wire.ts';
import { Await, useLoaded } from '../loading.tsx';
import { tell, tellFault } from '../notices.tsx';
import { Difference } from '../difference.tsx';

interface HookVersionsProps {
  readonly open: Wire<OpenHook>;
  readonly onRestored: (hook: Wire<OpenHook>) => void;
  /** Nothing is shown where there is none. */
  readonly isQuiet?: boolean;
}

/** The last versions that worked, newest first. */
export function HookVersions({ open, onRestored, isQuiet = false }: HookVersionsProps) {
  const { hook, crm } = open;
  const path = `hooks/${encodeURIComponent(hook)}/versions`;
  const loaded = useLoaded(`${crm}/${hook} ${open.file?.stamp}`, (signal) =>
    ask<{ items: readonly HookVersionEntry[] }>(path, { query: { crm }, signal }),
  );
  const [shown, setShown] = useState<string | null>(null);
  const restore = async (id: string) => {
    try {
      const body = { basedOn: open.file?.stamp ?? null };
      const restored = `${path}/${encodeURIComponent(id)}/restore`;
      onRestored(await ask<OpenHook>(restored, { method: 'POST', query: { crm }, body }));
      tell(t('hooks.restored'));
      setShown(null);
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <Await loaded={loaded}>
      {({ items }) =>
        items.length === 0 ? (
          !isQuiet && <p class="quiet">{t('hooks.noVersions')}</p>
        ) : (
          <>
            {isQuiet && <h2 class="spaced">{t('hooks.tab.versions')}</h2>}
            <ol class="sheet versions">
              {items.map(({ id, keptAt, fileName, isPresent }) => (
                <li key={id}>
                  <div class="row spread">
                    <span>
                      <span class="number">
                        {showDate(keptAt)} {showExactTime(keptAt)}
                      </span>{' '}
                      <code class="quiet">{fileName}</code>
                    </span>
                    {isPresent ? (
                      <span class="badge good">{t('hooks.present')}</span>
                    ) : (
                      <span class="row">
                        <button
                          class="plain"
                          aria-expanded={shown === id}
                          onClick={() => setShown(shown === id ? null : id)}
                        >
                          {t('hooks.difference')}
                        </button>
                        {open.obstacle === null && (
                          <button onClick={() => void restore(id)}>{t('hooks.restore')}</button>
                        )}
                      </span>
                    )}
                  </div>
                  {shown === id && <FromPresent path={`${path}/${encodeURIComponent(id)}`} crm={crm} />}
                </li>
              ))}
            </ol>
          </>
        )
      }
    </Await>
  );
}

function FromPresent({ path, crm }: { readonly path: string; readonly crm: string | null }) {
  const loaded = useLoaded(path, (signal) => ask<{ difference: string }>(path, { query: { crm }, signal }));
  return (
    <Await loaded={loaded}>
      {({ difference }) =>
        difference === '' ? (
          <p class="quiet small">{t('hooks.same')}</p>
        ) : (
          <Difference text={difference} label={t('hooks.difference')} />
        )
      }
    </Await>
  );
}
