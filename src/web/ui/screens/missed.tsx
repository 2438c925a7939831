import { useEffect } from 'preact/hooks';
import type { MissedRow } from '../../routes/reports.ts';
import { ask } from '../api.ts';
import { showMoment, showNumber } from '../format.ts';
import { t, tCount } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { Client } from '../parts/calls/client.tsx';
import { FilterBar, TextField, useFilters } from '../parts/filters.tsx';
import { Icon } from '../parts/icon.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { tell, tellFault } from '../parts/notices.tsx';
import { PeriodFields, periodOf } from '../parts/period.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { recalled, remember } from '../preferences.ts';
import { addressOf } from '../router.ts';
import { session } from '../session.ts';
import { useState } from 'preact/hooks';

const refreshMs = 15_000;

/** Clients who called in vain and have talked to nobody since. */
export function Missed() {
  const { filters, set } = useFilters('missed');
  const period = periodOf(filters, 7);
  const loaded = useLoaded(JSON.stringify(period), (signal) =>
    ask<{ items: readonly MissedRow[] }>('missed', { query: { ...period }, signal }),
  );
  useEffect(() => {
    const timer = setInterval(loaded.reload, refreshMs);
    return () => clearInterval(timer);
  }, [loaded.reload]);
  const [extension, setExtension] = useState(recalled('extension') ?? session.value?.user?.extensions[0] ?? '');
  const take = async (client: string, isTaken: boolean) => {
    try {
      await ask('missed/take', { method: 'POST', body: { client, isTaken } });
      loaded.reload();
    } catch (error) {
      tellFault(error);
    }
  };
  const callBack = async (number: string) => {
    try {
      await ask('call-back', { method: 'POST', body: { number, extension } });
      tell(t('missed.ringing', { extension, number: showNumber(number) }));
      await take(number, true);
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <>
      <ScreenHead title={t('screen.missed')} about={t('missed.about')}>
        <TextField
          label={t('missed.extension')}
          width="narrow"
          value={extension}
          hint={extension === '' ? t('missed.needExtension') : null}
          onChange={(value) => {
            remember('extension', value);
            setExtension(value);
          }}
        />
      </ScreenHead>
      <FilterBar>
        <PeriodFields period={period} set={set} />
      </FilterBar>
      <Await loaded={loaded}>
        {({ items }) => (
          <div class="sheet">
            {items.length === 0 ? (
              <Empty>{t('missed.none')}</Empty>
            ) : (
              <table class="cards">
                <thead>
                  <tr>
                    <th>{t('column.client')}</th>
                    <th>{t('missed.lastCall')}</th>
                    <th>{t('missed.howOften')}</th>
                    <th>{t('column.did')}</th>
                    <th>{t('missed.whoTook')}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {items.map((item) => (
                    <tr class="line" key={item.client}>
                      <td class="wide">
                        <Client number={item.client} callerName={item.clientName} contact={item.contact} />
                      </td>
                      <td>
                        <a
                          href={addressOf('calls', {
                            call: `${item.source}/${item.linkedId}`,
                            number: item.client.replace(/\D/g, ''),
                          })}
                        >
                          {showMoment(item.calledAt)}
                        </a>
                      </td>
                      <td>
                        {tCount('missed.calls', item.calls)}
                        {item.triedBack > 0 && <div class="quiet small">{tCount('missed.tried', item.triedBack)}</div>}
                      </td>
                      <td class="number off">{item.did}</td>
                      <td>
                        {item.takenBy === null ? (
                          <button class="plain" onClick={() => void take(item.client, true)}>
                            {t('missed.take')}
                          </button>
                        ) : (
                          <>
                            <span class="badge good">{item.takenBy}</span>{' '}
                            <button class="plain" onClick={() => void take(item.client, false)}>
                              {t('missed.giveBack')}
                            </button>
                          </>
                        )}
                      </td>
                      <td class="end right">
                        <button
                          disabled={extension === ''}
                          title={extension === '' ? t('missed.needExtension') : ''}
                          onClick={() => void callBack(item.client)}
                        >
                          <Icon name="phone" /> {t('action.callBack')}
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </div>
        )}
      </Await>
    </>
  );
}
