import { useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SessionAnswer } from '../routes/people.ts';
import { ask } from './api.ts';
import { t, useLanguage, type Key } from './i18n/words.ts';
import { Icon, type IconName } from './parts/icon.tsx';
import { FormDialog, Input } from './parts/dialog.tsx';
import { Notices, tell } from './parts/notices.tsx';
import { language, theme, type Theme } from './preferences.ts';
import { addressOf, go, place } from './router.ts';
import { SignIn } from './screens/sign-in.tsx';
import { session, type Role } from './session.ts';

interface Screen {
  readonly name: string;
  readonly icon: IconName;
  readonly roles: readonly Role[];
  readonly load: () => Promise<ComponentType>;
}
interface Group {
  readonly title: Key;
  readonly screens: readonly Screen[];
}

const everybody: readonly Role[] = ['admin', 'supervisor', 'own'];
const admins: readonly Role[] = ['admin'];
const groups: readonly Group[] = [
  {
    title: 'nav.calls',
    screens: [
      { name: 'live', icon: 'live', roles: everybody, load: async () => (await import('./screens/live.tsx')).Live },
      {
        name: 'calls',
        icon: 'ledger',
        roles: everybody,
        load: async () => (await import('./screens/ledger.tsx')).Ledger,
      },
      {
        name: 'missed',
        icon: 'missed',
        roles: everybody,
        load: async () => (await import('./screens/missed.tsx')).Missed,
      },
      {
        name: 'overview',
        icon: 'chart',
        roles: everybody,
        load: async () => (await import('./screens/overview.tsx')).Overview,
      },
    ],
  },
  {
    title: 'nav.clients',
    screens: [
      {
        name: 'contacts',
        icon: 'person',
        roles: everybody,
        load: async () => (await import('./screens/contacts.tsx')).Contacts,
      },
      { name: 'leads', icon: 'lead', roles: everybody, load: async () => (await import('./screens/leads.tsx')).Leads },
      { name: 'tasks', icon: 'task', roles: everybody, load: async () => (await import('./screens/tasks.tsx')).Tasks },
    ],
  },
  {
    title: 'nav.crm',
    screens: [
      {
        name: 'deliveries',
        icon: 'send',
        roles: admins,
        load: async () => (await import('./screens/deliveries.tsx')).Deliveries,
      },
      {
        name: 'completeness',
        icon: 'check',
        roles: admins,
        load: async () => (await import('./screens/completeness.tsx')).Completeness,
      },
    ],
  },
  {
    title: 'nav.telephony',
    screens: [
      {
        name: 'routing',
        icon: 'route',
        roles: admins,
        load: async () => (await import('./screens/routing.tsx')).Routing,
      },
      {
        name: 'dialplan',
        icon: 'code',
        roles: admins,
        load: async () => (await import('./screens/dialplan.tsx')).Dialplan,
      },
      { name: 'hooks', icon: 'hook', roles: admins, load: async () => (await import('./screens/hooks.tsx')).Hooks },
    ],
  },
  {
    title: 'nav.installation',
    screens: [
      {
        name: 'settings',
        icon: 'sliders',
        roles: admins,
        load: async () => (await import('./screens/settings.tsx')).Settings,
      },
      { name: 'staff', icon: 'people', roles: admins, load: async () => (await import('./screens/staff.tsx')).Staff },
      { name: 'people', icon: 'key', roles: admins, load: async () => (await import('./screens/people.tsx')).People },
      {
        name: 'health',
        icon: 'health',
        roles: admins,
        load: async () => (await import('./screens/health.tsx')).HealthScreen,
      },
      { name: 'setup', icon: 'steps', roles: admins, load: async () => (await import('./screens/setup.tsx')).Setup },
    ],
  },
];

/** The frame around every screen; before anybody signed in, the door. */
export function Shell() {
  const user = session.value?.user ?? null;
  if (user === null)
    return (
      <>
        <SignIn />
        <Notices />
      </>
    );
  const shown = groups
    .map((group) => ({ ...group, screens: group.screens.filter(({ roles }) => roles.includes(user.role)) }))
    .filter(({ screens }) => screens.length > 0);
  const all = shown.flatMap(({ screens }) => screens);
  const current = all.find(({ name }) => name === place.value.screen) ?? all.find(({ name }) => name === 'calls')!;
  return (
    <div class="shell">
      <a class="skip" href="#main">
        {t('nav.skip')}
      </a>
      <Navigation groups={shown} current={current.name} userName={user.name} />
      <main id="main" tabIndex={-1}>
        <ScreenSlot key={current.name} screen={current} />
      </main>
      <Notices />
    </div>
  );
}

function ScreenSlot({ screen }: { readonly screen: Screen }) {
  const [Loaded, setLoaded] = useState<{ readonly View: ComponentType } | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    document.title = `${t(`screen.${screen.name}` as Key)} · Ringledger`;
    screen.load().then(
      (View) => setLoaded({ View }),
      () => setFailure(t('error.newVersion')),
    );
  }, [screen]);
  if (failure !== null)
    return (
      <p class="fault" role="alert">
        {failure} <button onClick={() => location.reload()}>{t('action.reload')}</button>
      </p>
    );
  return Loaded === null ? <p class="quiet">{t('state.loading')}</p> : <Loaded.View />;
}

function Navigation(props: { readonly groups: readonly Group[]; readonly current: string; readonly userName: string }) {
  const isOpen = useSignal(false);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    isOpen.value = false;
  }, [props.current]);
  useEffect(() => {
    const close = (event: KeyboardEvent) => {
      if (event.key === 'Escape') isOpen.value = false;
    };
    addEventListener('keydown', close);
    return () => removeEventListener('keydown', close);
  }, []);
  return (
    <header class={isOpen.value ? 'side open' : 'side'}>
      <div class="brand">
        <a href={addressOf('calls')} class="logo">
          <Icon name="logo" /> Ringledger
        </a>
        <button
          class="plain burger"
          aria-expanded={isOpen.value}
          aria-controls="navigation"
          aria-label={t('nav.menu')}
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          <Icon name={isOpen.value ? 'close' : 'menu'} />
        </button>
      </div>
      <nav id="navigation" ref={nav} aria-label={t('nav.main')}>
        {props.groups.map((group) => (
          <div class="group" key={group.title}>
            <h2>{t(group.title)}</h2>
            <ul>
              {group.screens.map(({ name, icon }) => (
                <li key={name}>
                  <a href={addressOf(name)} aria-current={props.current === name ? 'page' : undefined}>
                    <Icon name={icon} />
                    {t(`screen.${name}` as Key)}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <Account userName={props.userName} />
    </header>
  );
}

function Account({ userName }: { readonly userName: string }) {
  const [isChanging, setChanging] = useState(false);
  const change = async (body: Readonly<Record<string, string>>) => {
    session.value = await ask<SessionAnswer>('session/password', { method: 'POST', body });
    tell(t('account.changed'));
  };
  const signOut = async () => {
    await ask('session', { method: 'DELETE' }).catch(() => undefined);
    session.value = session.value && { ...session.value, user: null, csrfToken: null };
    go(addressOf('calls'));
  };
  return (
    <div class="account">
      <div class="row">
        <LanguageChoice />
        <ThemeChoice />
      </div>
      <div class="row spread">
        <button class="plain who" title={t('account.password')} onClick={() => setChanging(true)}>
          {userName}
        </button>
        <button class="plain" onClick={signOut}>
          {t('action.signOut')}
        </button>
      </div>
      {isChanging && (
        <FormDialog title={t('account.password')} onClose={() => setChanging(false)} onSubmit={change}>
          <Input name="password" type="password" label={t('account.present')} isRequired />
          <Input name="newPassword" type="password" label={t('door.newPassword')} isRequired />
        </FormDialog>
      )}
    </div>
  );
}

export function LanguageChoice() {
  return (
    <select
      aria-label={t('choice.language')}
      value={language.value}
      onChange={(event) => void useLanguage(event.currentTarget.value === 'ru' ? 'ru' : 'en')}
    >
      <option value="en">English</option>
      <option value="ru">Русский</option>
    </select>
  );
}

function ThemeChoice() {
  return (
    <select
      aria-label={t('choice.theme')}
      value={theme.value}
      onChange={(event) => (theme.value = event.currentTarget.value as Theme)}
    >
      <option value="system">{t('theme.system')}</option>
      <option value="light">{t('theme.light')}</option>
      <option value="dark">{t('theme.dark')}</option>
    </select>
  );
}
