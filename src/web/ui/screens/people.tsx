import { useState } from 'preact/hooks';
import type { AuditEntry, ListedWebUser } from '../../../core/web-users.ts';
import { ask } from '../api.ts';
import { showMoment, showTime } from '../format.ts';
import { t, tWord } from '../i18n/words.ts';
import { ApiTokens } from '../parts/people/api-tokens.tsx';
import { wordsOfDeed } from '../parts/people/deeds.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { FormDialog, Input, Select } from '../parts/dialog.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { tellFault } from '../parts/notices.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import type { Wire } from '../wire.ts';

const roles = ['admin', 'supervisor', 'own'] as const;

const isLocked = ({ lockedUntil }: Wire<ListedWebUser>) => lockedUntil !== null && Date.parse(lockedUntil) > Date.now();

/** In words; the path of the API below, for whoever looks for exactly that. */
function Deed({ entry }: { readonly entry: Wire<AuditEntry> }) {
  const words = wordsOfDeed(entry);
  return (
    <td class="reason wide">
      {words}
      {entry.target !== '' && (
        <div class={words === null ? undefined : 'small quiet'}>
          <code>
            {entry.action} {entry.target}
          </code>
        </div>
      )}
    </td>
  );
}

/** Who may use the interface, and what was done in it. */
export function People() {
  const users = useLoaded('web-users', (signal) => ask<{ items: readonly ListedWebUser[] }>('web-users', { signal }));
  const audit = usePages<AuditEntry>('audit', {});
  const [edited, setEdited] = useState<Wire<ListedWebUser> | 'new' | null>(null);
  const user = edited === 'new' ? null : edited;
  const save = async (values: Readonly<Record<string, string>>) => {
    const body = {
      ...(user === null ? { name: values.name } : { isActive: values.isActive === 'true' }),
      ...(values.password === '' ? {} : { password: values.password }),
      role: values.role,
      extensions: (values.extensions ?? '').split(/[\s,;]+/).filter(Boolean),
    };
    await ask(user === null ? 'web-users' : `web-users/${user.id}`, { method: user === null ? 'POST' : 'PATCH', body });
    users.reload();
    audit.reload();
  };
  const unlock = async (id: string) => {
    try {
      await ask(`web-users/${encodeURIComponent(id)}/unlock`, { method: 'POST' });
      users.reload();
      audit.reload();
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <>
      <ScreenHead title={t('screen.people')}>
        <button onClick={() => setEdited('new')}>{t('people.add')}</button>
      </ScreenHead>
      <div class="stack">
        <Await loaded={users}>
          {({ items }) => (
            <div class="sheet">
              <table class="cards">
                <thead>
                  <tr>
                    <th>{t('column.name')}</th>
                    <th>{t('people.role')}</th>
                    <th>{t('people.extensions')}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {items.map((one) => (
                    <tr class="line" key={one.id}>
                      <td>
                        {one.name} {!one.isActive && <span class="badge">{t('people.off')}</span>}
                        {isLocked(one) && (
                          <span class="badge bad">{t('people.lockedUntil', { time: showTime(one.lockedUntil!) })}</span>
                        )}
                      </td>
                      <td class="end">{t(`role.${one.role}`)}</td>
                      <td class="reason">{one.role === 'admin' ? t('people.allCalls') : one.extensions.join(', ')}</td>
                      <td class="right end">
                        {isLocked(one) && (
                          <button class="plain" onClick={() => void unlock(one.id)}>
                            {t('people.unlock')}
                          </button>
                        )}
                        <button class="plain" onClick={() => setEdited(one)}>
                          {t('action.edit')}
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Await>
        <ApiTokens onChange={audit.reload} />
        <section class="sheet">
          <h2>{t('people.audit')}</h2>
          <table class="cards">
            <thead>
              <tr>
                <th>{t('column.time')}</th>
                <th>{t('people.who')}</th>
                <th>{t('people.what')}</th>
                <th>{t('people.address')}</th>
              </tr>
            </thead>
            <tbody>
              {audit.rows?.map((entry, index) => (
                <tr class="line" key={index}>
                  <td class="number">{showMoment(entry.at)}</td>
                  <td class="end">{tWord('people.by', entry.who)}</td>
                  <Deed entry={entry} />
                  <td class="quiet off">{entry.address}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <PagesFoot pages={audit} />
        </section>
      </div>
      {edited !== null && (
        <FormDialog title={user === null ? t('people.add') : user.name} onClose={() => setEdited(null)} onSubmit={save}>
          {user === null && <Input name="name" label={t('door.name')} isRequired />}
          <Input
            name="password"
            type="password"
            label={t(user === null ? 'door.newPassword' : 'people.newPassword')}
            isRequired={user === null}
          />
          <Select
            name="role"
            label={t('people.role')}
            value={user?.role ?? 'own'}
            options={roles.map((role) => [role, t(`role.${role}`)] as const)}
          />
          <Input name="extensions" label={t('people.extensionsOf')} value={user?.extensions.join(', ') ?? ''} />
          {user !== null && (
            <Select
              name="isActive"
              label={t('people.access')}
              value={String(user.isActive)}
              options={[
                ['true', t('people.on')],
                ['false', t('people.off')],
              ]}
            />
          )}
        </FormDialog>
      )}
    </>
  );
}
