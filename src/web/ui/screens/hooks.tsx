import type { PartStatus } from '../../../core/ports.ts';
import { ask } from '../api.ts';
import { showCount, showMoment } from '../format.ts';
import { t } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';

/** What a part of the status tells when it is a hook. */
interface HookPart extends Pick<PartStatus, 'part' | 'health' | 'message'> {
  readonly hook: string;
  readonly crm: string | null;
  readonly runs: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly lastRunAt: string | null;
  readonly errors: readonly { readonly at: string; readonly kind: string; readonly message: string }[];
}

const isHook = (part: { readonly hook?: unknown }): boolean => typeof part.hook === 'string';
const milliseconds = (value: number | null) => (value === null ? '–' : value.toFixed(1));

/** The integrators' code that runs in this house, how it does, and what went wrong last. */
export function Hooks() {
  const loaded = useLoaded('hooks', (signal) => ask<{ items: readonly HookPart[] }>('parts', { signal }));
  return (
    <>
      <ScreenHead title={t('screen.hooks')} about={t('hooks.about')}>
        <button onClick={loaded.reload}>{t('action.refresh')}</button>
      </ScreenHead>
      <Await loaded={loaded}>
        {({ items }) => {
          const hooks = items.filter(isHook);
          if (hooks.length === 0)
            return (
              <div class="sheet">
                <Empty>{t('hooks.none')}</Empty>
              </div>
            );
          return (
            <div class="stack">
              <div class="sheet scroll" tabIndex={0} role="region" aria-label={t('screen.hooks')}>
                <table>
                  <thead>
                    <tr>
                      <th>{t('hooks.hook')}</th>
                      <th>{t('filter.crm')}</th>
                      <th>{t('filter.state')}</th>
                      <th class="right">{t('hooks.runs')}</th>
                      <th class="right">{t('hooks.failures')}</th>
                      <th class="right">{t('hooks.median')}</th>
                      <th class="right">{t('hooks.slowest')}</th>
                      <th>{t('hooks.lastRun')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {hooks.map((hook) => (
                      <tr class="line" key={hook.part}>
                        <td>
                          <code>{hook.hook}</code>
                        </td>
                        <td>{hook.crm ?? t('filter.all')}</td>
                        <td title={hook.message}>
                          <Badge kind="health" word={hook.health} />
                        </td>
                        <td class="right number">{showCount(hook.runs)}</td>
                        <td class="right number">
                          {showCount(Object.values(hook.failures).reduce((sum, count) => sum + count, 0))}
                        </td>
                        <td class="right number">{milliseconds(hook.p50Ms)}</td>
                        <td class="right number">{milliseconds(hook.p99Ms)}</td>
                        <td class="number">{hook.lastRunAt === null ? '–' : showMoment(hook.lastRunAt)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <Errors hooks={hooks} />
            </div>
          );
        }}
      </Await>
    </>
  );
}

function Errors({ hooks }: { readonly hooks: readonly HookPart[] }) {
  const errors = hooks
    .flatMap(({ hook, errors: own }) => own.map((error) => ({ ...error, hook })))
    .sort((a, b) => b.at.localeCompare(a.at))
    .slice(0, 50);
  if (errors.length === 0) return null;
  return (
    <section>
      <h2>{t('hooks.errors')}</h2>
      <ul class="sheet findings">
        {errors.map(({ at, hook, kind, message }, index) => (
          <li key={index}>
            <span class="number quiet">{showMoment(at)}</span>
            <div class="words">
              <strong>{hook}</strong> <span class="quiet">{kind}</span> {message.split('\n')[0]}
              {message.includes('\n') && (
                <details>
                  <summary>{t('hooks.trace')}</summary>
                  <pre class="stack-trace">{message}</pre>
                </details>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
