import type { LookupTrace } from '../../../core/caller-lookup.ts';
import { ask } from '../api.ts';
import { say, t } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { FilterBar, TextField, useFilters } from '../parts/filters.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { momentOfLocal } from '../../local-time.ts';
import { zone } from '../format.ts';

/** Who would get a call, step by step; nothing is changed and nobody rings. */
export function Routing() {
  const { filters, set } = useFilters('routing');
  const { number = '', did = '', at = '' } = filters;
  return (
    <>
      <ScreenHead title={t('screen.routing')} about={t('routing.about')} />
      <FilterBar>
        <TextField
          label={t('routing.number')}
          value={number}
          onChange={(value) => set({ number: value })}
          placeholder="+7 916 …"
        />
        <TextField label={t('column.did')} value={did} onChange={(value) => set({ did: value })} />
        <TextField label={t('routing.at')} type="datetime-local" value={at} onChange={(value) => set({ at: value })} />
      </FilterBar>
      {number === '' ? (
        <div class="sheet">
          <p class="empty">{t('routing.type')}</p>
        </div>
      ) : (
        <Trace number={number} did={did} at={at} />
      )}
    </>
  );
}

function Trace({ number, did, at }: { readonly number: string; readonly did: string; readonly at: string }) {
  const query = { number, did, at: momentOfLocal(at, zone())?.toISOString() };
  const loaded = useLoaded(JSON.stringify(query), (signal) => ask<LookupTrace>('lookup', { query, signal }));
  return (
    <Await loaded={loaded}>
      {(trace) => (
        <div class="stack">
          <div class="sheet padded">
            <div class="row">
              <Badge kind="lookup" word={trace.status} />
              <strong>
                {trace.extension === null
                  ? t('routing.nobody')
                  : t('routing.rings', { who: [trace.employee, trace.extension].filter(Boolean).join(' · ') })}
              </strong>
            </div>
            {trace.deputies.length > 0 && <p class="quiet">{t('routing.then', { who: trace.deputies.join(', ') })}</p>}
            {trace.name !== '' && <p class="quiet">{t('routing.display', { name: trace.name })}</p>}
            {trace.contact !== null && (
              <p class="quiet">{t('routing.contact', { name: trace.contact, crm: trace.crm ?? '' })}</p>
            )}
            {trace.error !== null && <p class="fault">{say(trace.error)}</p>}
          </div>
          <div class="sheet">
            <h2>{t('routing.steps')}</h2>
            <table>
              <thead>
                <tr>
                  <th>{t('routing.step')}</th>
                  <th>{t('routing.outcome')}</th>
                  <th class="right">{t('routing.ms')}</th>
                </tr>
              </thead>
              <tbody>
                {trace.steps.map(({ step, outcome, ms }, index) => (
                  <tr class="line" key={index}>
                    <td>{say(step)}</td>
                    <td class="reason">{say(outcome)}</td>
                    <td class="right number">{ms.toFixed(1)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
      )}
    </Await>
  );
}
