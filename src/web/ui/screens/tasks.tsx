import { useEffect } from 'preact/hooks';
import type { Task } from '../../../core/contact-book.ts';
import { ask } from '../api.ts';
import { showMoment } from '../format.ts';
import { t } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { FilterBar, Choice, useFilters } from '../parts/filters.tsx';
import { tellFault } from '../parts/notices.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, nameOf, staff } from '../parts/people/staff.ts';

/** What is to be done, oldest due first. */
export function Tasks() {
  const { filters, set } = useFilters('tasks');
  const done = filters.done ?? 'false';
  const pages = usePages<Task>('tasks', {
    done,
    responsibleId: filters.who,
    sort: done === 'true' ? '-dueAt' : 'dueAt',
  });
  useEffect(loadStaff, []);
  const complete = async (id: string) => {
    try {
      await ask(`tasks/${encodeURIComponent(id)}/complete`, { method: 'POST' });
      pages.reload();
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <>
      <ScreenHead title={t('screen.tasks')} />
      <FilterBar>
        <Choice
          label={t('filter.state')}
          value={done}
          onChange={(value) => set({ done: value })}
          options={[
            ['false', t('tasks.open')],
            ['true', t('tasks.done')],
          ]}
        />
        <Choice
          label={t('column.responsible')}
          value={filters.who ?? ''}
          onChange={(who) => set({ who })}
          options={[['', t('filter.all')], ...staff.value.map(({ id, name }) => [id, name] as const)]}
        />
      </FilterBar>
      {pages.rows !== null && (
        <div class="sheet">
          {pages.rows.length === 0 ? (
            <Empty>{t('tasks.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>{t('tasks.due')}</th>
                  <th>{t('tasks.text')}</th>
                  <th>{t('column.responsible')}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {pages.rows.map((task) => (
                  <tr class="line" key={task.id}>
                    <td class="number">
                      {task.doneAt === null && Date.parse(task.dueAt) < Date.now() ? (
                        <span class="badge bad">{showMoment(task.dueAt)}</span>
                      ) : (
                        showMoment(task.dueAt)
                      )}
                    </td>
                    <td class="reason wide">{task.text}</td>
                    <td>{nameOf(task.responsibleId)}</td>
                    <td class="right end">
                      {task.doneAt === null ? (
                        <button onClick={() => void complete(task.id)}>{t('action.done')}</button>
                      ) : (
                        <span class="quiet small">{showMoment(task.doneAt)}</span>
                      )}
                    </td>
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
