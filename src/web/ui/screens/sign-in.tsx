import { useState } from 'preact/hooks';
import type { SessionAnswer } from '../../routes/people.ts';
import { ApiFault, ask, loadSession } from '../api.ts';
import { t } from '../i18n/words.ts';
import { Icon } from '../parts/icon.tsx';
import { explain } from '../parts/notices.tsx';
import { addressOf, go } from '../router.ts';
import { session } from '../session.ts';
import { LanguageChoice } from '../shell.tsx';

/** The door: signing in, or making the first user. */
export function SignIn() {
  const known = session.value;
  const [fault, setFault] = useState<ApiFault | string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const isFirstRun = known?.isFirstRun ?? false;

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = Object.fromEntries([...form].map(([name, value]) => [name, String(value)]));
    setBusy(true);
    try {
      const answer = await ask<SessionAnswer>(isFirstRun ? 'session/first-user' : 'session', { method: 'POST', body });
      if (isFirstRun) go(addressOf('setup'));
      session.value = answer;
    } catch (error) {
      setFault(error instanceof ApiFault ? error : explain(error));
      if (error instanceof ApiFault && error.code === 'not_now') session.value = await loadSession().catch(() => known);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main class="door">
      <form onSubmit={(event) => void submit(event)}>
        <p class="logo">
          <Icon name="logo" /> Ringledger
        </p>
        <h1>{t(isFirstRun ? 'door.first' : 'door.signIn')}</h1>
        {known === null && <p class="fault">{t('error.offline')}</p>}
        {isFirstRun && (
          <>
            <p>{t('door.firstAbout')}</p>
            <p>
              <code>{known?.tokenFile}</code>
            </p>
            <Field name="token" label={t('door.token')} autocomplete="off" />
          </>
        )}
        <Field name="name" label={t('door.name')} autocomplete="username" />
        <Field
          name="password"
          type="password"
          label={t(isFirstRun ? 'door.newPassword' : 'door.password')}
          autocomplete={isFirstRun ? 'new-password' : 'current-password'}
        />
        {fault !== null && (
          <p class="fault" role="alert">
            {typeof fault === 'string' ? fault : explain(fault)}
          </p>
        )}
        <button class="primary" disabled={isBusy}>
          {t(isFirstRun ? 'door.make' : 'door.enter')}
        </button>
        <div class="row spread">
          <LanguageChoice />
        </div>
      </form>
    </main>
  );
}

function Field(props: {
  readonly name: string;
  readonly label: string;
  readonly type?: 'text' | 'password';
  readonly autocomplete: string;
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <input
        name={props.name}
        type={(props.type ?? 'text') as 'text'}
        autocomplete={props.autocomplete}
        required
        maxLength={200}
      />
    </label>
  );
}
