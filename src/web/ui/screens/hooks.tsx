import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { HookList, ListedHook } from '../../hook-door.ts';
import '../styles/hooks.css';
import { ask } from '../api.ts';
import { showCount, showMoment } from '../format.ts';
import { say, t, tWord } from '../i18n/words.ts';
import { HookHealth } from '../parts/hooks/hook-health.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { firstLine, Trace } from '../parts/trace.tsx';
import { sayOfHook } from '../parts/hooks/hook-words.ts';
import { addressOf, place } from '../router.ts';
import type { Wire } from '../wire.ts';

type Listed = Wire<ListedHook>;
const milliseconds = (value: number | null) => (value === null ? '–' : value.toFixed(1));

/** The integrators' code: where it stands and how it does, or one hook to work on. */
export function Hooks() {
  const { hook, crm } = place.value.query;
  return hook === undefined ? <AllHooks /> : <Workbench key={`${crm ?? ''}/${hook}`} hook={hook} crm={crm ?? null} />;
}

/** Comes with the editor, which is much heavier than the list. */
function Workbench(props: { readonly hook: string; readonly crm: string | null }) {
  const [loaded, setLoaded] = useState<{ readonly View: ComponentType<typeof props> } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import('./hook-workbench.tsx').then(
      ({ HookWorkbench }) => setLoaded({ View: HookWorkbench }),
      () => setFailed(true),
    );
  }, []);
  if (failed)
    return (
      <p class="fault" role="alert">
        {t('error.newVersion')} <button onClick={() => location.reload()}>{t('action.reload')}</button>
      </p>
    );
  return loaded === null ? <p class="quiet">{t('state.loading')}</p> : <loaded.View {...props} />;
}

function AllHooks() {
  const loaded = useLoaded('hooks', (signal) => ask<HookList>('hooks', { signal }));
  return (
    <>
      <ScreenHead title={t('screen.hooks')} about={t('hooks.about')}>
        <button onClick={loaded.reload}>{t('action.refresh')}</button>
      </ScreenHead>
      <Await loaded={loaded}>
        {({ items, notices, folder, isEnabled }) => {
          const installed = items.filter(({ fileName }) => fileName !== null);
          return (
            <div class="stack">
              {!isEnabled && <p class="fault">{t('hooks.disabled')}</p>}
              <div class="sheet scroll" tabIndex={0} role="region" aria-label={t('screen.hooks')}>
                <table class="cards">
                  <thead>
                    <tr>
                      <th>{t('hooks.hook')}</th>
                      <th>{t('hooks.for')}</th>
                      <th class="roomy">{t('hooks.language')}</th>
                      <th>{t('filter.state')}</th>
                      <th class="right">{t('hooks.runs')}</th>
                      <th class="right">{t('hooks.failures')}</th>
                      <th class="right">{t('hooks.median')}</th>
                      <th class="right roomy">{t('hooks.slowest')}</th>
                      <th>{t('hooks.lastRun')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {installed.map((hook) => (
                      <Installed key={`${hook.crm ?? ''}/${hook.hook}`} hook={hook} />
                    ))}
                    {items
                      .filter(({ fileName }) => fileName === null)
                      .map((hook) => (
                        <tr class="line" key={hook.hook}>
                          <td class="wide">
                            <HookLink hook={hook} />
                          </td>
                          <td colSpan={8} class="wide quiet">
                            {t('hooks.standard')}
                          </td>
                        </tr>
                      ))}
                  </tbody>
                </table>
              </div>
              {notices.length > 0 && (
                <section>
                  <h2>{t('hooks.notTaken')}</h2>
                  <ul class="sheet findings">
                    {notices.map(({ path, message }) => (
                      <li key={path}>
                        <div class="words">
                          <code>{path}</code> {say(message)}
                        </div>
                      </li>
                    ))}
                  </ul>
                </section>
              )}
              <Errors hooks={installed} />
              <p class="quiet small">
                {t('hooks.folder')} <code>{folder}</code>
              </p>
            </div>
          );
        }}
      </Await>
    </>
  );
}

function HookLink({ hook }: { readonly hook: Listed }) {
  return (
    <>
      <a href={addressOf('hooks', { hook: hook.hook, crm: hook.crm })}>
        <code>{hook.hook}</code>
      </a>
      <div class="quiet small">{tWord('hooks.purpose', hook.hook)}</div>
    </>
  );
}

function Installed({ hook }: { readonly hook: Listed }) {
  return (
    <tr class="line">
      <td class="wide">
        <HookLink hook={hook} />
      </td>
      <td class="number">{hook.crm ?? t('hooks.allCrms')}</td>
      <td class="off roomy" title={hook.fileName ?? undefined}>
        {tWord('hooks.language', hook.language ?? '')}
      </td>
      <td class="end" title={hook.message === null ? undefined : say(hook.message)}>
        {hook.health === null ? t('hooks.notLoaded') : <HookHealth health={hook.health} hook={hook} />}
      </td>
      <td class="right number off">{showCount(hook.runs)}</td>
      <td class="right number off">{showCount(hook.failures)}</td>
      <td class="right number off">{milliseconds(hook.p50Ms)}</td>
      <td class="right number off roomy">{milliseconds(hook.p99Ms)}</td>
      <td class="number off">{hook.lastRunAt === null ? '–' : showMoment(hook.lastRunAt)}</td>
    </tr>
  );
}

function Errors({ hooks }: { readonly hooks: readonly Listed[] }) {
  const all = hooks
    .flatMap(({ hook, errors: own }) => own.map((error) => ({ ...error, hook, times: 1 })))
    .sort((a, b) => b.at.localeCompare(a.at));
  // The same fault of many calls is told once, with its last time.
  const groups = new Map<string, (typeof all)[number]>();
  for (const error of all) {
    const key = `${error.hook} ${error.kind} ${firstLine(error.message)}`;
    const known = groups.get(key);
    groups.set(key, known === undefined ? error : { ...known, times: known.times + 1 });
  }
  const errors = [...groups.values()];
  if (errors.length === 0) return null;
  return (
    <section>
      <h2>{t('hooks.errors')}</h2>
      <ul class="sheet findings">
        {errors.map(({ at, hook, kind, message, times }, index) => (
          <li key={index}>
            <span class="number quiet">{showMoment(at)}</span>
            <div class="words">
              <strong>{hook}</strong> <span class="quiet">{tWord('hooks.fault', kind)}</span>{' '}
              {firstLine(sayOfHook(kind, message))} {times > 1 && <span class="quiet number">× {times}</span>}
              <Trace text={message} />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
