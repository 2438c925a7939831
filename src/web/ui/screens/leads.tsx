import { useEffect } from 'preact/hooks';
import type { IncomingLead, Lead } from '../../../core/contact-book.ts';
import { ask } from '../api.ts';
import { showMoment, showNumber } from '../format.ts';
import { t } from '../i18n/words.ts';
import { FilterBar, Choice, useFilters } from '../parts/filters.tsx';
import { tellFault } from '../parts/notices.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, nameOf } from '../parts/people/staff.ts';
import { session } from '../session.ts';

/** The built-in CRM's leads, and above them the requests that a person has still to sort. */
export function Leads() {
  const { filters, set } = useFilters('leads');
  const open = filters.open ?? 'true';
  const pages = usePages<Lead>('leads', { open: open === 'all' ? '' : open });
  useEffect(loadStaff, []);
  return (
    <>
      <ScreenHead title={t('screen.leads')} />
      {session.value?.user?.role !== 'own' && <Incoming onSorted={pages.reload} />}
      <FilterBar>
        <Choice
          label={t('filter.state')}
          value={open}
          onChange={(value) => set({ open: value })}
          options={[
            ['true', t('leads.open')],
            ['false', t('leads.closed')],
            ['all', t('filter.all')],
          ]}
        />
      </FilterBar>
      {pages.rows !== null && (
        <div class="sheet">
          {pages.rows.length === 0 ? (
            <Empty>{t('leads.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>{t('column.name')}</th>
                  <th>{t('leads.stage')}</th>
                  <th>{t('column.responsible')}</th>
                  <th>{t('column.created')}</th>
                </tr>
              </thead>
              <tbody>
                {pages.rows.map((lead) => (
                  <tr class="line" key={lead.id}>
                    <td class="reason">
                      {lead.name}{' '}
                      {lead.tags.map((tag) => (
                        <span class="badge" key={tag}>
                          {tag}
                        </span>
                      ))}
                    </td>
                    <td class="end">{lead.statusId}</td>
                    <td>{nameOf(lead.responsibleId)}</td>
                    <td class="number quiet end">{showMoment(lead.createdAt)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
      <PagesFoot pages={pages} />
    </>
  );
}

function Incoming({ onSorted }: { readonly onSorted: () => void }) {
  const pages = usePages<IncomingLead>('incoming-leads', { state: 'unsorted' });
  if (pages.rows === null || pages.rows.length === 0) return null;
  const sort = async (id: string, verb: 'accept' | 'decline') => {
    try {
      await ask(`incoming-leads/${encodeURIComponent(id)}/${verb}`, { method: 'POST', body: {} });
      pages.reload();
      onSorted();
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <section class="sheet spaced">
      <h2>{t('leads.incoming')}</h2>
      <table class="cards">
        <tbody>
          {pages.rows.map((lead) => (
            <tr class="line" key={lead.id}>
              <td class="reason">{lead.name}</td>
              <td class="number">{showNumber(lead.number)}</td>
              <td class="number quiet">{showMoment(lead.startedAt)}</td>
              <td class="right wide">
                <button onClick={() => void sort(lead.id, 'accept')}>{t('action.accept')}</button>{' '}
                <button class="plain" onClick={() => void sort(lead.id, 'decline')}>
                  {t('action.decline')}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <PagesFoot pages={pages} />
    </section>
  );
}
