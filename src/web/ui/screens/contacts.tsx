import { useEffect, useState } from 'preact/hooks';
import type { Contact } from '../../../core/ports.ts';
import { ask } from '../api.ts';
import { showMoment, showNumber } from '../format.ts';
import { t } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { ContactImport } from '../parts/people/contact-import.tsx';
import { FormDialog, Input, Select } from '../parts/dialog.tsx';
import { TextField, useFilters } from '../parts/filters.tsx';
import { PagesFoot, usePages } from '../parts/pages.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, nameOf, staff } from '../parts/people/staff.ts';
import { addressOf } from '../router.ts';
import { session } from '../session.ts';
import type { Wire } from '../wire.ts';

const listOf = (text: string | undefined) =>
  (text ?? '')
    .split(/[,;]+/)
    .map((part) => part.trim())
    .filter(Boolean);

/** The built-in CRM's people and companies. */
export function Contacts() {
  const { filters, set } = useFilters('contacts');
  const pages = usePages<Contact>('contacts', { text: filters.text, sort: 'name' });
  const [edited, setEdited] = useState<Wire<Contact> | 'new' | null>(null);
  const [isImporting, setImporting] = useState(false);
  useEffect(loadStaff, []);
  const mayEdit = session.value?.user?.role !== 'own';
  const contact = edited === 'new' ? null : edited;
  const save = async (values: Readonly<Record<string, string>>) => {
    const body = {
      name: values.name,
      company: values.company || null,
      numbers: listOf(values.numbers),
      responsibleId: values.responsibleId || null,
      tags: listOf(values.tags),
    };
    await ask(contact === null ? 'contacts' : `contacts/${encodeURIComponent(contact.id)}`, {
      method: contact === null ? 'POST' : 'PATCH',
      body,
    });
    pages.reload();
  };
  return (
    <>
      <ScreenHead title={t('screen.contacts')}>
        {mayEdit && (
          <>
            <a class="button" href="/api/v1/contacts.csv" download="contacts.csv">
              {t('action.csv')}
            </a>
            <button onClick={() => setImporting(true)}>{t('import.action')}</button>
            <button onClick={() => setEdited('new')}>{t('contacts.add')}</button>
          </>
        )}
      </ScreenHead>
      <div class="filters" role="search">
        <TextField
          width="wide"
          label={t('contacts.search')}
          value={filters.text ?? ''}
          onChange={(text) => set({ text })}
        />
      </div>
      {pages.rows !== null && (
        <div class="sheet">
          {pages.rows.length === 0 ? (
            <Empty>{t('contacts.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>{t('column.name')}</th>
                  <th>{t('column.company')}</th>
                  <th>{t('column.numbers')}</th>
                  <th>{t('column.responsible')}</th>
                  <th class="roomy">{t('column.changed')}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {pages.rows.map((row) => (
                  <tr class="line" key={row.id}>
                    <td class="reason">
                      {row.name}{' '}
                      {row.tags.map((tag) => (
                        <span class="badge" key={tag}>
                          {tag}
                        </span>
                      ))}
                    </td>
                    <td class="reason">{row.company}</td>
                    <td>
                      {row.numbers.map((number) => (
                        <div key={number}>
                          <a class="number" href={addressOf('calls', { number: number.replace(/\D/g, '') })}>
                            {showNumber(number)}
                          </a>
                        </div>
                      ))}
                    </td>
                    <td>{nameOf(row.responsibleId)}</td>
                    <td class="number quiet off roomy">{showMoment(row.updatedAt)}</td>
                    <td class="right end">
                      {mayEdit && (
                        <button class="plain" onClick={() => setEdited(row)}>
                          {t('action.edit')}
                        </button>
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
      {isImporting && <ContactImport onClose={() => setImporting(false)} onDone={pages.reload} />}
      {edited !== null && (
        <FormDialog
          title={t(contact === null ? 'contacts.add' : 'contacts.edit')}
          onClose={() => setEdited(null)}
          onSubmit={save}
        >
          <Input name="name" label={t('column.name')} value={contact?.name ?? ''} />
          <Input name="company" label={t('column.company')} value={contact?.company ?? ''} />
          <Input name="numbers" label={t('contacts.numbers')} value={contact?.numbers.join(', ') ?? ''} />
          <Select
            name="responsibleId"
            label={t('column.responsible')}
            value={contact?.responsibleId ?? ''}
            options={[['', t('filter.nobody')], ...staff.value.map(({ id, name }) => [id, name] as const)]}
          />
          <Input name="tags" label={t('contacts.tags')} value={contact?.tags.join(', ') ?? ''} />
        </FormDialog>
      )}
    </>
  );
}
