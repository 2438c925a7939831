import { useEffect, useState } from 'preact/hooks';
import type { CompletenessCount } from '../../../core/call-reports.ts';
import { ask } from '../api.ts';
import { showCount, showDayOf } from '../format.ts';
import { t } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { FilterBar, useFilters } from '../parts/filters.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { PeriodFields, periodOf } from '../parts/period.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { Lacking } from '../parts/deliveries/lacking.tsx';
import { loadStaff } from '../parts/people/staff.ts';
import { addressOf } from '../router.ts';

const figures = ['registered', 'delivered', 'pending', 'rejected', 'skipped', 'missing'] as const;

const keyOf = ({ day, crm }: { readonly day: string; readonly crm: string }) => `${day} ${crm}`;

/** Day by day: what the PBX had, and what each CRM has of it. */
export function Completeness() {
  const { filters, set } = useFilters('completeness');
  const [opened, setOpened] = useState<string | null>(null);
  useEffect(loadStaff, []);
  const { from, to } = periodOf(filters, 14);
  // Figures are by whole days.
  const period = { from: from.slice(0, 10), to: to.slice(0, 10) };
  const loaded = useLoaded(JSON.stringify(period), (signal) =>
    ask<{ items: readonly CompletenessCount[] }>('completeness', { query: period, signal }),
  );
  return (
    <>
      <ScreenHead title={t('screen.completeness')} about={t('completeness.about')} />
      <FilterBar>
        <PeriodFields period={period} set={set} hasTimes={false} />
      </FilterBar>
      <Await loaded={loaded}>
        {({ items }) => {
          const line = items.find((one) => keyOf(one) === opened);
          return (
            <>
              <div class="sheet scroll" tabIndex={0} role="region" aria-label={t('screen.completeness')}>
                {items.length === 0 ? (
                  <Empty>{t('completeness.none')}</Empty>
                ) : (
                  <table class="cards tight">
                    <thead>
                      <tr>
                        <th>{t('column.day')}</th>
                        <th>{t('filter.crm')}</th>
                        <th>{t('completeness.state')}</th>
                        {figures.map((figure) => (
                          <th key={figure} class="right">
                            {t(`completeness.${figure}`)}
                          </th>
                        ))}
                        <ActionsHead />
                      </tr>
                    </thead>
                    <tbody>
                      {items.map((line) => {
                        const lacking = line.rejected + line.missing;
                        const key = keyOf(line);
                        const isOpen = opened === key;
                        return (
                          <tr key={key} class={isOpen ? 'line open' : 'line'}>
                            <td class="number">{showDayOf(line.day)}</td>
                            <td class="end">{line.crm}</td>
                            <td>
                              {lacking > 0 ? (
                                <span class="badge bad">{t('completeness.lacking', { count: lacking })}</span>
                              ) : line.pending > 0 ? (
                                <span class="badge warn">{t('completeness.underWay')}</span>
                              ) : (
                                <span class="badge good">{t('completeness.whole')}</span>
                              )}
                            </td>
                            {figures.map((figure) => (
                              <td key={figure} class="right number off">
                                {figure === 'rejected' && line.rejected > 0 ? (
                                  <a href={addressOf('deliveries', { crm: line.crm, state: 'rejected' })}>
                                    {showCount(line.rejected)}
                                  </a>
                                ) : line[figure] === 0 ? (
                                  <span class="quiet">0</span>
                                ) : (
                                  showCount(line[figure])
                                )}
                              </td>
                            ))}
                            <td class="right end">
                              {lacking + line.skipped > 0 && (
                                <button
                                  class="plain"
                                  aria-expanded={isOpen}
                                  onClick={() => setOpened(isOpen ? null : key)}
                                >
                                  {t('lacking.show')}
                                </button>
                              )}
                            </td>
                          </tr>
                        );
                      })}
                    </tbody>
                  </table>
                )}
              </div>
              {line !== undefined && <Lacking key={opened} line={line} onRepaired={loaded.reload} />}
            </>
          );
        }}
      </Await>
    </>
  );
}
