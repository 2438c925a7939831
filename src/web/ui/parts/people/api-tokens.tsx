import { useState } from 'preact/hooks';
import type { ApiTokenEntry } from '../../../../core/api-tokens.ts';
import type { MadeToken } from '../../../routes/people.ts';
import { ask } from '../../api.ts';
import { showMoment } from '../../format.ts';
import { t } from '../../i18n/words.ts';
import type { Wire } from '../../wire.ts';
import { ActionsHead } from '../actions-head.tsx';
import { FormDialog, Input, Select } from '../dialog.tsx';
import { Await, useLoaded } from '../loading.tsx';
import { tell, tellFault } from '../notices.tsx';
import { Empty } from '../screen-head.tsx';

interface Answer {
  readonly items: readonly ApiTokenEntry[];
  readonly configured: readonly Pick<ApiTokenEntry, 'name' | 'access'>[];
}

/** Tokens of programs: made here, shown once, revoked here; those of the configuration stand beside them. */
export function ApiTokens({ onChange }: { readonly onChange: () => void }) {
  const loaded = useLoaded('api-tokens', (signal) => ask<Answer>('api-tokens', { signal }));
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Wire<MadeToken> | null>(null);
  const [revoked, setRevoked] = useState<Wire<ApiTokenEntry> | null>(null);
  const refresh = () => {
    loaded.reload();
    onChange();
  };
  const make = async ({ name, access }: Readonly<Record<string, string>>) => {
    setMade(await ask<MadeToken>('api-tokens', { method: 'POST', body: { name, access } }));
    refresh();
  };
  const revoke = async () => {
    await ask(`api-tokens/${encodeURIComponent(revoked!.id)}`, { method: 'DELETE' });
    tell(t('tokens.revoked'));
    refresh();
  };
  return (
    <section class="sheet" aria-label={t('tokens.title')}>
      <div class="sheet-head">
        <h2>{t('tokens.title')}</h2>
        <button onClick={() => setMaking(true)}>{t('tokens.add')}</button>
      </div>
      {made !== null && <ShownOnce token={made} onClose={() => setMade(null)} />}
      <Await loaded={loaded}>
        {({ items, configured }) =>
          items.length + configured.length === 0 ? (
            <Empty>{t('tokens.none')}</Empty>
          ) : (
            <table class="cards">
              <thead>
                <tr>
                  <th>{t('column.name')}</th>
                  <th>{t('people.access')}</th>
                  <th>{t('tokens.made')}</th>
                  <th>{t('tokens.used')}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {items.map((token) => (
                  <tr class="line" key={token.id}>
                    <td class="reason">{token.name}</td>
                    <td class="end">{t(`tokens.${token.access}`)}</td>
                    <td class="quiet">{t('tokens.madeBy', { who: token.madeBy, time: showMoment(token.madeAt) })}</td>
                    <td class="number">{token.usedAt === null ? t('tokens.never') : showMoment(token.usedAt)}</td>
                    <td class="right end">
                      <button class="plain" onClick={() => setRevoked(token)}>
                        {t('tokens.revoke')}
                      </button>
                    </td>
                  </tr>
                ))}
                {configured.map(({ name, access }) => (
                  <tr class="line" key={`configured ${name}`}>
                    <td class="reason">{name}</td>
                    <td class="end">{t(`tokens.${access}`)}</td>
                    <td class="quiet">{t('tokens.configured')}</td>
                    <td class="off" />
                    <td class="off" />
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Await>
      {isMaking && (
        <FormDialog title={t('tokens.add')} submit={t('tokens.make')} onClose={() => setMaking(false)} onSubmit={make}>
          <Input name="name" label={t('tokens.name')} isRequired />
          <Select
            name="access"
            label={t('people.access')}
            value="read"
            options={[
              ['read', t('tokens.read')],
              ['full', t('tokens.full')],
            ]}
          />
        </FormDialog>
      )}
      {revoked !== null && (
        <FormDialog
          title={t('tokens.revokeTitle', { name: revoked.name })}
          submit={t('tokens.revoke')}
          onClose={() => setRevoked(null)}
          onSubmit={revoke}
        >
          <p>{t('tokens.revokeAbout')}</p>
        </FormDialog>
      )}
    </section>
  );
}

function ShownOnce({ token, onClose }: { readonly token: Wire<MadeToken>; readonly onClose: () => void }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(token.token);
      tell(t('tokens.copied'));
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <div class="once" role="status">
      <p>{t('tokens.once', { name: token.name })}</p>
      <code class="secret">{token.token}</code>
      <div class="row">
        <button onClick={() => void copy()}>{t('tokens.copy')}</button>
        <button class="plain" onClick={onClose}>
          {t('tokens.close')}
        </button>
      </div>
    </div>
  );
}
