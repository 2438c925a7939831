import type { AccountsAnswer } from '../../routes/reports.ts';
import { ask } from '../api.ts';
import { t } from '../i18n/words.ts';
import { Await, useLoaded } from '../parts/loading.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { addressOf } from '../router.ts';
import type { Wire } from '../wire.ts';

type Answer = Wire<AccountsAnswer>;

/** Who works here, with which phones, and who that is in each CRM; what does not fit together is told first. */
export function Staff() {
  const loaded = useLoaded('accounts', (signal) => ask<AccountsAnswer>('accounts', { signal }));
  return (
    <>
      <ScreenHead title={t('screen.staff')} about={t('staff.about')}>
        <button onClick={loaded.reload}>{t('action.refresh')}</button>
      </ScreenHead>
      <Await loaded={loaded}>
        {(answer) => (
          <div class="stack">
            <Unmatched answer={answer} />
            <Employees answer={answer} />
          </div>
        )}
      </Await>
    </>
  );
}

function Unmatched({ answer }: { readonly answer: Answer }) {
  const strangers = answer.strangers;
  const lost = answer.crms.flatMap(({ crm, users }) =>
    (users ?? []).filter(({ employeeId, isActive }) => isActive && employeeId === null).map((user) => ({ crm, user })),
  );
  const unknown = answer.crms.filter(({ users }) => users === null);
  const without = answer.employees.filter(({ isActive, extensions }) => isActive && extensions.length === 0);
  const isWhole = strangers.length + lost.length + unknown.length + without.length === 0;
  return (
    <section class="sheet" aria-label={t('staff.unmatched')}>
      <h2>{t('staff.unmatched')}</h2>
      {isWhole ? (
        <Empty>{t('staff.whole')}</Empty>
      ) : (
        <ul class="findings">
          {strangers.length > 0 && (
            <li>
              <span class="badge warn">{t('staff.extensions')}</span>
              <div class="words">
                {t('staff.strangers')}{' '}
                {strangers.map((extension) => (
                  <a key={extension} class="chip" href={addressOf('calls', { extension })}>
                    {extension}
                  </a>
                ))}
                <p class="mend">→ {t('staff.strangersMend')}</p>
              </div>
            </li>
          )}
          {lost.map(({ crm, user }) => (
            <li key={crm + user.id}>
              <span class="badge warn">{crm}</span>
              <div class="words">
                {t('staff.lost', { name: user.name, id: user.id })}
                <p class="mend">→ {t('staff.lostMend')}</p>
              </div>
            </li>
          ))}
          {without.map(({ id, name }) => (
            <li key={id}>
              <span class="badge">{t('staff.employee')}</span>
              <div class="words">{t('staff.without', { name })}</div>
            </li>
          ))}
          {unknown.map(({ crm }) => (
            <li key={crm}>
              <span class="badge">{crm}</span>
              <div class="words">{t('staff.unknown')}</div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Employees({ answer }: { readonly answer: Answer }) {
  return (
    <div class="sheet">
      {answer.employees.length === 0 ? (
        <Empty>{t('staff.none')}</Empty>
      ) : (
        <table class="cards">
          <thead>
            <tr>
              <th>{t('column.name')}</th>
              <th>{t('staff.extensions')}</th>
              {answer.crms.map(({ crm }) => (
                <th key={crm}>{crm}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {answer.employees.map(({ id, name, extensions, email, isActive }) => (
              <tr class="line" key={id}>
                <td>
                  {name} {!isActive && <span class="badge">{t('staff.off')}</span>}
                  {email !== null && <div class="quiet small">{email}</div>}
                </td>
                <td class="number end">{extensions.join(', ') || <span class="quiet">{t('extension.none')}</span>}</td>
                {answer.crms.map(({ crm, users }) => (
                  <td key={crm}>
                    <Account users={(users ?? []).filter(({ employeeId }) => employeeId === id)} crm={crm} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Account({
  users,
  crm,
}: {
  readonly users: NonNullable<Answer['crms'][number]['users']>;
  readonly crm: string;
}) {
  if (users.length === 0) return <span class="badge warn">{t('staff.noAccount', { crm })}</span>;
  return (
    <>
      {users.map((user) => (
        <div key={user.id}>
          <span class="sr">{crm}: </span>
          {user.name} <span class="quiet small">{user.id}</span>{' '}
          {!user.isActive && <span class="badge">{t('staff.off')}</span>}
        </div>
      ))}
    </>
  );
}
