import { Fragment } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ListedCall } from '../../routes/calls.ts';
import { queryText, type Query } from '../api.ts';
import { dayOf, showDay, showDuration, showTime } from '../format.ts';
import { t, tWord } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { CallDetail } from '../parts/calls/call-detail.tsx';
import { Client } from '../parts/calls/client.tsx';
import { FilterBar, Choice, TextField, useFilters, type Filters } from '../parts/filters.tsx';
import { Icon } from '../parts/icon.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { PeriodFields } from '../parts/period.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { useCrms } from '../parts/deliveries/crms.ts';
import { loadStaff, showExtension } from '../parts/people/staff.ts';
import { isAdmin } from '../session.ts';
import type { Wire } from '../wire.ts';

const directions = ['inbound', 'outbound', 'internal'];
const results = [
  'answered',
  'missed',
  'no_answer',
  'busy',
  'cancelled',
  'rejected',
  'failed',
  'not_found',
  'voicemail',
];
const states = ['pending', 'delivered', 'rejected', 'skipped'];
const reasons = ['internal', 'consultation', 'rang_elsewhere', 'hook'] as const;

/** What the address says, as the server is asked. */
function toQuery(filters: Filters): Query {
  const { from, to, number, name, extension, did, queue, direction, result, registered, reason, crm, state } = filters;
  return {
    from,
    to,
    number,
    name,
    extension,
    did,
    queue,
    direction,
    result,
    registered,
    reason,
    crm,
    deliveryState: state,
  };
}

/** One row for each call; what became of it opens below. */
export function Ledger() {
  const { filters, set, clear } = useFilters('calls');
  const query = toQuery(filters);
  const pages = usePages<ListedCall>('calls', query);
  const [opened, setOpened] = useState<string | null>(null);
  useEffect(loadStaff, []);
  useEffect(() => setOpened(filters.call ?? null), [filters.call]);
  // Whoever looks for other calls has left the one that the address named.
  const leave = { call: '', t: '', sound: '' };
  const field = (name: string) => ({
    value: filters[name] ?? '',
    onChange: (value: string) => set({ ...leave, [name]: value }),
  });
  const crms = useCrms();
  const keyOf = (call: Wire<ListedCall>) => `${call.source}/${call.linkedId}`;
  const [namedSource, namedId] = (filters.call ?? '').split(/\/(.*)/s);
  const isAlone = namedId && pages.rows !== null && !pages.rows.some((call) => keyOf(call) === filters.call);
  const all = [['', t('filter.all')] as const];
  let day = '';
  return (
    <>
      <ScreenHead title={t('screen.calls')}>
        <a class="button" href={`/api/v1/calls.csv${queryText(query)}`} download="calls.csv">
          {t('action.csv')}
        </a>
      </ScreenHead>
      <FilterBar isDense>
        <PeriodFields period={filters} set={(change) => set({ ...leave, ...change })} />
        <TextField label={t('filter.number')} {...field('number')} placeholder={t('filter.lastDigits')} />
        <TextField label={t('filter.name')} {...field('name')} />
        <TextField label={t('filter.extension')} width="narrow" {...field('extension')} />
        <TextField label={t('filter.did')} width="narrow" {...field('did')} />
        <TextField label={t('filter.queue')} width="narrow" {...field('queue')} />
        <Choice
          label={t('filter.direction')}
          {...field('direction')}
          options={[...all, ...directions.map((word) => [word, tWord('direction', word)] as const)]}
        />
        <Choice
          label={t('filter.result')}
          {...field('result')}
          options={[...all, ...results.map((word) => [word, tWord('result', word)] as const)]}
        />
        <Choice
          label={t('filter.registration')}
          value={filters.reason ?? filters.registered ?? ''}
          onChange={(word) =>
            set({
              ...leave,
              ...(word === 'true' || word === 'false'
                ? { registered: word, reason: '' }
                : { registered: '', reason: word }),
            })
          }
          options={[
            ...all,
            ['true', t('filter.goesToCrm')],
            ['false', t('filter.notForCrm')],
            ...reasons.map((word) => [word, t(`filter.reason.${word}`)] as const),
            ...(filters.reason?.startsWith('rule:') ? [[filters.reason, filters.reason.slice(5)] as const] : []),
          ]}
        />
        {isAdmin() && (
          <Choice
            label={t('filter.crmState')}
            {...field('state')}
            options={[...all, ...states.map((word) => [word, tWord('state', word)] as const)]}
          />
        )}
        {isAdmin() && crms.length > 1 && (
          <Choice
            label={t('filter.crm')}
            {...field('crm')}
            options={[...all, ...crms.map((name) => [name, name] as const)]}
          />
        )}
        {Object.keys(filters).length > 0 && (
          <button class="plain" onClick={clear}>
            {t('filter.clear')}
          </button>
        )}
      </FilterBar>
      {isAlone && (
        <section class="sheet alone" aria-label={t('calls.alone')}>
          <CallDetail source={namedSource!} linkedId={namedId} />
        </section>
      )}
      {pages.rows !== null && (
        <div class="sheet">
          {pages.rows.length === 0 ? (
            <Empty>{t('calls.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>
                    <span class="sr">{t('calls.open')}</span>
                  </th>
                  <th>{t('column.time')}</th>
                  <th>{t('column.client')}</th>
                  <th class="way">
                    <span class="word">{t('column.direction')}</span>
                  </th>
                  <th>{t('column.employee')}</th>
                  <th>{t('column.result')}</th>
                  <th class="right">{t('column.waiting')}</th>
                  <th class="right">{t('column.talk')}</th>
                </tr>
              </thead>
              <tbody>
                {pages.rows.map((call) => {
                  const key = `${call.source}/${call.linkedId}`;
                  const isNewDay = day !== (day = dayOf(call.startedAt));
                  return (
                    <Fragment key={key}>
                      {isNewDay && (
                        <tr class="day">
                          <td colSpan={8}>{showDay(call.startedAt)}</td>
                        </tr>
                      )}
                      <Row
                        call={call}
                        isOpen={opened === key}
                        onToggle={() => setOpened(opened === key ? null : key)}
                      />
                      {opened === key && (
                        <tr class="detail">
                          <td colSpan={8}>
                            <CallDetail source={call.source} linkedId={call.linkedId} />
                          </td>
                        </tr>
                      )}
                    </Fragment>
                  );
                })}
              </tbody>
            </table>
          )}
        </div>
      )}
      <PagesFoot pages={pages} />
    </>
  );
}

const wayIcons = { inbound: 'in', outbound: 'out', internal: 'inner' } as const;

function Row({
  call,
  isOpen,
  onToggle,
}: {
  readonly call: Wire<ListedCall>;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  const answered = call.conversations.filter(({ answeredAt }) => answeredAt !== null);
  const asked = answered.length > 0 ? answered : call.conversations;
  const names = [...new Set(asked.map(({ extension }) => extension))].filter((extension) => extension !== null);
  const talk = call.conversations.reduce((sum, { duration }) => sum + duration, 0);
  const waiting = answered[0]?.waiting ?? call.conversations[0]?.waiting ?? 0;
  return (
    <tr
      class={isOpen ? 'line open' : 'line'}
      onClick={(event) => (event.target as Element).closest('a,button') === null && onToggle()}
    >
      <td class="off">
        <button class="expander" aria-expanded={isOpen} aria-label={t('calls.open')} onClick={onToggle}>
          <Icon name="down" />
        </button>
      </td>
      <td class="number top">{showTime(call.startedAt)}</td>
      <td class="wide">
        <Client number={call.client} callerName={call.clientName} contact={call.contact} />
      </td>
      <td class="off">
        <span class="way" title={[tWord('direction', call.direction), call.did].filter(Boolean).join(' · ')}>
          <Icon name={wayIcons[call.direction]} />
          <span class="word">{tWord('direction', call.direction)}</span>
        </span>
      </td>
      <td>
        {names.slice(0, 2).map((extension) => (
          <div key={extension} class="number">
            {showExtension(extension)}
          </div>
        ))}
        {names.length > 2 && <div class="quiet small">{t('calls.andMore', { count: names.length - 2 })}</div>}
        {names.length === 0 && <span class="quiet">{t(call.isIvr ? 'calls.nobodyRang' : 'extension.none')}</span>}
      </td>
      <td class="end top">
        {call.endedAt === null ? <Badge kind="state" word="lasts" /> : <Badge kind="result" word={call.result} />}
      </td>
      <td class="right number off">{showDuration(waiting)}</td>
      <td class="right number off">{talk > 0 ? showDuration(talk) : ''}</td>
    </tr>
  );
}
