import { useState } from 'preact/hooks';
import type { Delivery } from '../../../core/ports.ts';
import { ask } from '../api.ts';
import { showCount, showMoment } from '../format.ts';
import { say, t, tCount, tWord } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { Badge } from '../parts/badge.tsx';
import { SendAgain } from '../parts/calls/call-detail.tsx';
import { CloseDelivery } from '../parts/deliveries/close-delivery.tsx';
import { FormDialog } from '../parts/dialog.tsx';
import { FilterBar, Choice, useFilters } from '../parts/filters.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { tell, tellFault } from '../parts/notices.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { PeriodFields } from '../parts/period.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { addressOf } from '../router.ts';

interface CrmLine {
  readonly name: string;
  readonly pausedReason: string | null;
  readonly deliveries: Readonly<Record<string, number>>;
}
const states = ['pending', 'leased', 'rejected', 'skipped', 'delivered'];

/** What each CRM is owed, and why something did not get there. */
export function Deliveries() {
  const { filters, set } = useFilters('deliveries');
  const crms = useLoaded('crms', (signal) => ask<{ items: readonly CrmLine[] }>('crms', { signal }));
  const state = filters.state ?? 'rejected';
  const span = { from: filters.from, to: filters.to };
  const kind = filters.kind ?? '';
  const pages = usePages<Delivery>('deliveries', {
    crm: filters.crm,
    kind,
    state: state === 'all' ? '' : state,
    ...span,
  });
  const [isResending, setResending] = useState(false);
  const resendAll = async () => {
    const filter = { crm: filters.crm, kind, ...span };
    const body = { state: [state], ...Object.fromEntries(Object.entries(filter).filter(([, value]) => value)) };
    const { resent } = await ask<{ resent: number }>('deliveries/resend', { method: 'POST', body });
    tell(tCount('deliveries.resent', resent));
    refresh();
  };
  const refresh = () => {
    crms.reload();
    pages.reload();
  };
  return (
    <>
      <ScreenHead title={t('screen.deliveries')} about={t('deliveries.about')}>
        <button onClick={refresh}>{t('action.refresh')}</button>
      </ScreenHead>
      <Await loaded={crms}>
        {({ items }) => (
          <div class="tiles">
            {items.map((crm) => (
              <CrmTile key={crm.name} crm={crm} onChange={refresh} />
            ))}
          </div>
        )}
      </Await>
      <FilterBar>
        <Choice
          label={t('filter.crm')}
          value={filters.crm ?? ''}
          onChange={(crm) => set({ crm })}
          options={[['', t('filter.all')], ...(crms.value?.items ?? []).map(({ name }) => [name, name] as const)]}
        />
        <Choice
          label={t('filter.state')}
          value={state}
          onChange={(value) => set({ state: value })}
          options={[...states.map((word) => [word, tWord('state', word)] as const), ['all', t('filter.all')]]}
        />
        <Choice
          label={t('deliveries.kind')}
          value={kind}
          onChange={(value) => set({ kind: value })}
          options={[
            ['', t('filter.all')],
            ['conversation', t('deliveries.conversation')],
            ['recording', t('recording.title')],
          ]}
        />
        <PeriodFields period={span} set={set} />
        {['rejected', 'skipped'].includes(state) && (pages.rows?.length ?? 0) > 0 && (
          <button onClick={() => setResending(true)}>{t('deliveries.resendAll')}</button>
        )}
      </FilterBar>
      {pages.rows !== null && (
        <div class="sheet">
          {pages.rows.length === 0 ? (
            <Empty>{t('deliveries.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>{t('column.time')}</th>
                  <th>{t('filter.crm')}</th>
                  <th>{t('filter.state')}</th>
                  <th class="right">{t('column.attempts')}</th>
                  <th>{t('column.reason')}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {pages.rows.map((delivery) => (
                  <tr class="line" key={delivery.id}>
                    <td class="number">
                      <a href={addressOf('calls', { call: `${delivery.source}/${delivery.linkedId}`, from: null })}>
                        {showMoment(delivery.createdAt)}
                      </a>
                    </td>
                    <td class="end">{delivery.crm}</td>
                    <td>
                      <Badge kind="state" word={delivery.state} />
                    </td>
                    <td class="right number end">{delivery.attempts}</td>
                    <td class="reason wide">{say(delivery.lastError ?? '')}</td>
                    <td class="right wide together">
                      <SendAgain delivery={delivery} onSent={refresh} />{' '}
                      <CloseDelivery delivery={delivery} onClosed={refresh} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
      <PagesFoot pages={pages} />
      {isResending && (
        <FormDialog
          title={t('deliveries.resendAll')}
          submit={t('action.sendAgain')}
          onClose={() => setResending(false)}
          onSubmit={resendAll}
        >
          <p>{t('deliveries.resendAbout', { state: tWord('state', state) })}</p>
        </FormDialog>
      )}
    </>
  );
}

function CrmTile({ crm, onChange }: { readonly crm: CrmLine; readonly onChange: () => void }) {
  const change = async (verb: 'pause' | 'resume') => {
    try {
      const body = verb === 'pause' ? { reason: t('deliveries.pausedByPerson') } : {};
      await ask(`crms/${encodeURIComponent(crm.name)}/${verb}`, { method: 'POST', body });
      onChange();
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <section class="tile">
      <div class="top">
        <h2>{crm.name}</h2>
        {crm.pausedReason === null ? (
          <button class="plain" onClick={() => void change('pause')}>
            {t('action.pause')}
          </button>
        ) : (
          <button onClick={() => void change('resume')}>{t('action.resume')}</button>
        )}
      </div>
      {crm.pausedReason !== null && (
        <p class="fault small">{t('deliveries.paused', { reason: say(crm.pausedReason) })}</p>
      )}
      <ul>
        {states.map((state) => (
          <li key={state}>
            <span class="quiet">{tWord('state', state)}</span>
            <span class="figure">{showCount(crm.deliveries[state] ?? 0)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
