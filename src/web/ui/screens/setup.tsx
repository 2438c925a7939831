import { useEffect, useState } from 'preact/hooks';
import type { LiveCall, LiveChange } from '../../routes/live.ts';
import type { ShownCall } from '../../routes/calls.ts';
import type { Examination, FoundPhone, SettingEdit, SetupState } from '../../ports.ts';
import { ask } from '../api.ts';
import { t, tWord, type Key } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { Findings } from '../parts/findings.tsx';
import { CallDetail } from '../parts/calls/call-detail.tsx';
import { Client } from '../parts/calls/client.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { explain, tell } from '../parts/notices.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { Obstacle, RestartDue } from '../parts/settings/settings-notes.tsx';
import { loadStaff, showExtension } from '../parts/people/staff.ts';
import { addressOf, go } from '../router.ts';
import { changeSettings, loadSettings, valueAt, type Path, type PendingSecret } from '../settings-draft.ts';
import type { Wire } from '../wire.ts';
import { DialplanWork } from './dialplan.tsx';
import '../styles/settings.css';

type State = Wire<SetupState>;
const steps = ['ami', 'users', 'crm', 'dialplan', 'call'] as const;
type Step = (typeof steps)[number];

/** From an empty installation to the first call, in steps that can be taken in any order, later, or not at all. */
export function Setup() {
  const loaded = useLoaded('setup', (signal) => ask<SetupState>('setup', { signal }));
  const settings = useLoaded('setup-settings', (signal) => loadSettings(signal));
  const reload = () => {
    loaded.reload();
    settings.reload();
  };
  return (
    <>
      <ScreenHead title={t('screen.setup')} about={t('setup.about')}>
        <a class="button" href={addressOf('settings')}>
          {t('setup.allSettings')}
        </a>
      </ScreenHead>
      {settings.value !== null && (
        <>
          <Obstacle view={settings.value} />
          <RestartDue view={settings.value} onRestarted={reload} />
        </>
      )}
      <Await loaded={loaded}>
        {(state) => (
          <Steps
            state={state}
            reload={reload}
            isFaulty={settings.value?.obstacle != null}
            isRestartDue={settings.value?.isRestartDue ?? false}
          />
        )}
      </Await>
    </>
  );
}

function Steps(props: {
  readonly state: State;
  readonly reload: () => void;
  readonly isFaulty: boolean;
  readonly isRestartDue: boolean;
}) {
  const { state, reload } = props;
  const [at, setAt] = useState<Step>(() => steps.find((step) => step === state.at) ?? 'ami');
  const open = (step: Step, isFinished = state.isFinished) => {
    setAt(step);
    // Where one was is kept for the next visit; that it could not be is no reason to stop.
    void ask('setup', { method: 'POST', body: { at: step, isFinished } }).catch(() => undefined);
  };
  const next = () => {
    const following = steps[steps.indexOf(at) + 1];
    reload();
    if (following !== undefined) return open(following);
    open('ami', true);
    tell(t('setup.finished'));
    go(addressOf('live'));
  };
  const isDone = (step: Step) => step !== 'call' && state.done[step];
  return (
    <>
      <ol class="steps" aria-label={t('screen.setup')}>
        {steps.map((step, index) => (
          <li key={step}>
            <button aria-current={step === at ? 'step' : undefined} onClick={() => open(step)}>
              <span class={isDone(step) ? 'mark done' : 'mark'} aria-hidden="true">
                {isDone(step) ? '✓' : index + 1}
              </span>
              {t(`setup.step.${step}`)}
              {isDone(step) && <span class="sr">{t('setup.isDone')}</span>}
            </button>
          </li>
        ))}
      </ol>
      <section class="step" key={at}>
        <h2>{t(`setup.title.${at}`)}</h2>
        <p class="quiet">{t(`setup.about.${at}`)}</p>
        {at === 'ami' && <Ami state={state} isFaulty={props.isFaulty} onSaved={reload} />}
        {at === 'users' && <Users state={state} isFaulty={props.isFaulty} onSaved={reload} />}
        {at === 'crm' && <Crm state={state} isFaulty={props.isFaulty} onSaved={reload} />}
        {at === 'dialplan' && <DialplanWork onApplied={reload} />}
        {at === 'call' && <TestCall isRestartDue={props.isRestartDue} />}
        <div class="row spread step-foot">
          <button disabled={at === 'ami'} onClick={() => open(steps[Math.max(0, steps.indexOf(at) - 1)]!)}>
            {t('setup.back')}
          </button>
          <button class={at === 'call' || isDone(at) ? 'primary' : undefined} onClick={next}>
            {t(at === 'call' ? 'setup.finish' : isDone(at) ? 'setup.next' : 'setup.skip')}
          </button>
        </div>
      </section>
    </>
  );
}

/** A button whose work takes a while and may fail, with the reason beside it. */
function useWork() {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setFault(null);
    try {
      await work();
    } catch (error) {
      setFault(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, fault, run };
}

const Fault = ({ text }: { readonly text: string | null }) =>
  text === null ? null : (
    <p class="fault" role="alert">
      {text}
    </p>
  );

function Field(props: {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: 'text' | 'password';
  readonly hint?: string;
  readonly placeholder?: string;
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <input
        type={(props.type ?? 'text') as 'text'}
        value={props.value}
        placeholder={props.placeholder}
        maxLength={300}
        autocomplete={props.type === 'password' ? 'new-password' : 'off'}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      {props.hint !== undefined && <span class="hint">{props.hint}</span>}
    </label>
  );
}

const makeSecret = () =>
  [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

interface StepProps {
  readonly state: State;
  readonly isFaulty: boolean;
  readonly onSaved: () => void;
}

/** A new value of a secret: into its own file where it has one, else there where it stands. */
function secretChange(
  values: unknown,
  path: Path,
  value: string,
): { readonly edits: readonly SettingEdit[]; readonly secrets: readonly PendingSecret[] } {
  const isInFile = valueAt(values, [...path.slice(0, -1), `${String(path.at(-1))}File`]) !== undefined;
  return isInFile ? { edits: [], secrets: [{ path, value }] } : { edits: [{ path, value }], secrets: [] };
}

function Ami({ state, isFaulty, onSaved }: StepProps) {
  const [host, setHost] = useState(state.ami?.host ?? '127.0.0.1');
  const [port, setPort] = useState(String(state.ami?.port ?? 5038));
  const [events, setEvents] = useState({ username: state.ami?.events ?? 'ringledger-events', secret: '' });
  const [control, setControl] = useState({ username: state.ami?.control ?? 'ringledger-control', secret: '' });
  const [tried, setTried] = useState<{
    readonly findings: readonly Examination[];
    readonly managerLines: string;
  } | null>(null);
  const trying = useWork();
  const saving = useWork();
  const withSecret = ({ username, secret }: typeof events) => ({ username, secret: secret === '' ? null : secret });
  const tryNow = () =>
    trying.run(async () => {
      const body = {
        host,
        port: Number(port),
        events: withSecret(events),
        control: control.username === '' ? null : withSecret(control),
      };
      setTried(await ask<NonNullable<typeof tried>>('setup/ami', { method: 'POST', body }));
    });
  const save = () =>
    saving.run(async () => {
      await changeSettings((values) => {
        const list = valueAt(values, ['pbx']);
        const entries: readonly unknown[] = Array.isArray(list) ? list : [];
        const index = entries.findIndex((entry) => valueAt(entry, ['ami']) != null);
        if (index === -1) {
          const user = (name: string, file: string) => ({ username: name, secretFile: `secrets/${file}` });
          const ami = {
            host,
            port: Number(port),
            events: user(events.username, 'ami-events'),
            ...(control.username === '' ? {} : { control: user(control.username, 'ami-control') }),
          };
          const at = ['pbx', entries.length] as const;
          // What happens while AMI or this service is away is read from CEL.
          const value = {
            name: entries.length === 0 ? 'office' : `office-${entries.length + 1}`,
            kind: 'asterisk',
            ami,
            cel: {},
          };
          const secrets: PendingSecret[] = [{ path: [...at, 'ami', 'events', 'secret'], value: events.secret }];
          if (control.username !== '')
            secrets.push({ path: [...at, 'ami', 'control', 'secret'], value: control.secret });
          return { edits: [{ path: at, value }], secrets };
        }
        const ami = ['pbx', index, 'ami'] as const;
        const edits: SettingEdit[] = [
          { path: [...ami, 'host'], value: host },
          { path: [...ami, 'port'], value: Number(port) },
          { path: [...ami, 'events', 'username'], value: events.username },
        ];
        const secrets: PendingSecret[] = [];
        const takeSecret = (role: 'events' | 'control', value: string) => {
          if (value === '') return;
          const change = secretChange(values, [...ami, role, 'secret'], value);
          edits.push(...change.edits);
          secrets.push(...change.secrets);
        };
        takeSecret('events', events.secret);
        if (control.username !== '') edits.push({ path: [...ami, 'control', 'username'], value: control.username });
        takeSecret('control', control.secret);
        return { edits, secrets };
      });
      tell(t('settings.saved'));
      onSaved();
    });
  const isReady = (role: 'events' | 'control', { username, secret }: typeof events) =>
    username !== '' && (secret !== '' || state.ami?.[role] === username);
  const isComplete = isReady('events', events) && (control.username === '' || isReady('control', control));
  const kept = (role: 'events' | 'control') => (state.ami?.[role] != null ? t('setup.ami.kept') : undefined);
  const lines = (tried?.managerLines ?? '')
    .replace('CHANGE-ME-1', events.secret || 'CHANGE-ME-1')
    .replace('CHANGE-ME-2', control.secret || 'CHANGE-ME-2');
  return (
    <div class="stack">
      <div class="sheet padded">
        <div class="fields">
          <Field label={t('setup.ami.host')} value={host} onInput={setHost} />
          <Field label={t('setup.ami.port')} value={port} onInput={setPort} />
        </div>
        <h3>{t('setup.ami.events')}</h3>
        <AmiUserFields user={events} onInput={setEvents} kept={kept('events')} />
        <h3>{t('setup.ami.control')}</h3>
        <AmiUserFields user={control} onInput={setControl} kept={kept('control')} hint={t('setup.ami.controlHint')} />
        <div class="row">
          <button disabled={trying.isBusy || !isComplete} onClick={() => void tryNow()}>
            {t(trying.isBusy ? 'setup.trying' : 'setup.try')}
          </button>
          <button class="primary" disabled={saving.isBusy || isFaulty || !isComplete} onClick={() => void save()}>
            {t('action.save')}
          </button>
        </div>
      </div>
      <Fault text={trying.fault} />
      <Fault text={saving.fault} />
      {tried !== null && (
        <>
          <Findings items={tried.findings} role="status" />
          <details open={tried.findings.some(({ state: found }) => found === 'error')}>
            <summary>{t('setup.ami.lines')}</summary>
            <p class="small quiet">{t('setup.ami.linesAbout')}</p>
            <pre class="lines sheet padded" tabIndex={0}>
              {lines}
            </pre>
          </details>
        </>
      )}
    </div>
  );
}

interface AmiUser {
  readonly username: string;
  readonly secret: string;
}

function AmiUserFields(props: {
  readonly user: AmiUser;
  readonly onInput: (user: AmiUser) => void;
  /** What stands in the place of a secret that is stored already. */
  readonly kept: string | undefined;
  readonly hint?: string;
}) {
  const { user, onInput, kept, hint } = props;
  return (
    <div class="fields">
      <Field
        label={t('setup.ami.user')}
        value={user.username}
        onInput={(username) => onInput({ ...user, username })}
        {...(hint === undefined ? {} : { hint })}
      />
      <SecretField
        label={t('setup.ami.secret')}
        value={user.secret}
        placeholder={kept}
        onInput={(secret) => onInput({ ...user, secret })}
      />
    </div>
  );
}

function SecretField(props: {
  readonly label: string;
  readonly value: string;
  readonly placeholder: string | undefined;
  readonly onInput: (value: string) => void;
}) {
  return (
    <div class="row nowrap bottom">
      <Field
        label={props.label}
        type="password"
        value={props.value}
        onInput={props.onInput}
        {...(props.placeholder === undefined ? {} : { placeholder: props.placeholder })}
      />
      <button class="plain" onClick={() => props.onInput(makeSecret())}>
        {t('setup.ami.make')}
      </button>
    </div>
  );
}

interface Person {
  readonly extension: string;
  readonly name: string;
  readonly isTaken: boolean;
}

function Users({ state, isFaulty, onSaved }: StepProps) {
  const phones = useLoaded('setup-phones', (signal) =>
    ask<{ items: readonly FoundPhone[] }>('setup/phones', { signal }),
  );
  const [people, setPeople] = useState<readonly Person[] | null>(null);
  const saving = useWork();
  const owned = new Map(
    state.users.flatMap((user) => user.extensions.map((extension) => [extension, user.name] as const)),
  );
  useEffect(() => {
    if (phones.value === null && phones.fault === null) return;
    setPeople((known) => {
      const found = (phones.value?.items ?? [])
        .filter(({ extension }) => !owned.has(extension))
        .map(({ extension, name }): Person => ({ extension, name: name ?? '', isTaken: name !== null }));
      const manual = known?.filter(({ extension }) => !found.some((one) => one.extension === extension)) ?? [];
      return [...found, ...manual];
    });
  }, [phones.value, phones.fault]);
  const change = (index: number, part: Partial<Person>) =>
    setPeople((known) => known?.map((one, at) => (at === index ? { ...one, ...part } : one)) ?? null);
  const chosen = (people ?? []).filter(({ isTaken, extension }) => isTaken && extension.trim() !== '');
  const save = () =>
    saving.run(async () => {
      await changeSettings((values) => {
        const list = valueAt(values, ['users']);
        const count = Array.isArray(list) ? list.length : 0;
        const ids = new Set(state.users.map(({ id }) => id));
        const edits = chosen.map(({ extension, name }, index): SettingEdit => {
          let id = `u${extension.trim()}`;
          while (ids.has(id)) id += '-2';
          ids.add(id);
          const value = { id, name: name.trim() || extension.trim(), extensions: [extension.trim()] };
          return { path: ['users', count + index], value };
        });
        return { edits };
      });
      tell(t('settings.saved'));
      setPeople([]);
      onSaved();
      phones.reload();
    });
  return (
    <div class="stack">
      {state.users.length > 0 && (
        <p>
          {t('setup.users.known')}{' '}
          {state.users
            .map(({ name, extensions }) => [name, extensions.join(', ')].filter(Boolean).join(' · '))
            .join('; ')}
        </p>
      )}
      {phones.fault !== null && (
        <div class="note warn">
          <p>{t('setup.users.notAsked')}</p>
          <p class="small">{phones.fault}</p>
          <button onClick={phones.reload}>{t('action.retry')}</button>
        </div>
      )}
      {phones.isLoading && <p class="quiet">{t('setup.users.asking')}</p>}
      {people !== null && people.length > 0 && (
        <div class="sheet">
          <table>
            <thead>
              <tr>
                <th>
                  <span class="sr">{t('setup.users.take')}</span>
                </th>
                <th>{t('setup.users.extension')}</th>
                <th>{t('column.name')}</th>
              </tr>
            </thead>
            <tbody>
              {people.map(({ extension, name, isTaken }, index) => (
                <tr class="line" key={index}>
                  <td class="narrow">
                    <input
                      type="checkbox"
                      aria-label={`${t('setup.users.take')} ${extension}`}
                      checked={isTaken}
                      onChange={(event) => change(index, { isTaken: event.currentTarget.checked })}
                    />
                  </td>
                  <td class="narrow">
                    <input
                      class="short"
                      aria-label={t('setup.users.extension')}
                      value={extension}
                      maxLength={15}
                      onInput={(event) => change(index, { extension: event.currentTarget.value })}
                    />
                  </td>
                  <td>
                    <input
                      aria-label={`${t('column.name')} ${extension}`}
                      value={name}
                      maxLength={200}
                      onInput={(event) => change(index, { name: event.currentTarget.value, isTaken: true })}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {people?.length === 0 && phones.fault === null && !phones.isLoading && (
        <p class="quiet">{t('setup.users.none')}</p>
      )}
      <Fault text={saving.fault} />
      <div class="row">
        <button onClick={() => setPeople([...(people ?? []), { extension: '', name: '', isTaken: true }])}>
          {t('setup.users.add')}
        </button>
        <button class="primary" disabled={chosen.length === 0 || saving.isBusy || isFaulty} onClick={() => void save()}>
          {t('setup.users.save', { count: chosen.length })}
        </button>
      </div>
    </div>
  );
}

const crmFields = {
  kommo: [
    { key: 'account', isSecret: false, placeholder: 'company.amocrm.ru' },
    { key: 'longLivedToken', isSecret: true, placeholder: '' },
  ],
  retailcrm: [
    { key: 'account', isSecret: false, placeholder: 'company.retailcrm.ru' },
    { key: 'apiKey', isSecret: true, placeholder: '' },
    { key: 'clientToken', isSecret: true, placeholder: '' },
  ],
} as const;
type OutsideKind = keyof typeof crmFields;

function Crm({ state, isFaulty, onSaved }: StepProps) {
  const [kind, setKind] = useState<OutsideKind | 'local'>('local');
  const [given, setGiven] = useState<Readonly<Record<string, string>>>({});
  const [findings, setFindings] = useState<readonly Examination[] | null>(null);
  const trying = useWork();
  const saving = useWork();
  const fields = kind === 'local' ? [] : crmFields[kind];
  const name = kind === 'kommo' ? 'amo' : 'shop';
  const choose = (wanted: typeof kind) => {
    setKind(wanted);
    setGiven(wanted === 'retailcrm' ? { clientToken: makeSecret() } : {});
    setFindings(null);
  };
  const known = state.crms.filter((crm) => crm.kind === kind);
  const tryCrm = (body: object) =>
    trying.run(async () => {
      setFindings(null);
      setFindings((await ask<{ items: readonly Examination[] }>('setup/crm', { method: 'POST', body })).items);
    });
  const save = () =>
    saving.run(async () => {
      await changeSettings((values) => {
        const list = valueAt(values, ['crm']);
        const isWritten = Array.isArray(list) && list.length > 0;
        const at = isWritten ? list.length : 1;
        const taken = new Set(state.crms.map((crm) => crm.name));
        let unique: string = name;
        for (let count = 2; taken.has(unique); count++) unique = `${name}${count}`;
        const settings = Object.fromEntries(
          fields.map(({ key, isSecret }) =>
            isSecret ? [`${key}File`, `secrets/${unique}-${key.toLowerCase()}`] : [key, given[key] ?? ''],
          ),
        );
        const entry = { name: unique, kind, settings };
        const secrets = fields
          .filter(({ isSecret }) => isSecret)
          .map(({ key }): PendingSecret => ({ path: ['crm', at, 'settings', key], value: given[key] ?? '' }));
        // Without a list there is the built-in one alone, which stays.
        const edits: SettingEdit[] = isWritten
          ? [{ path: ['crm', at], value: entry }]
          : [{ path: ['crm'], value: [{ name: 'local', kind: 'local' }, entry] }];
        return { edits, secrets };
      });
      tell(t('settings.saved'));
      onSaved();
    });
  const isComplete = fields.every(({ key }) => (given[key] ?? '') !== '');
  return (
    <div class="stack">
      <div class="choices" role="radiogroup" aria-label={t('setup.title.crm')}>
        {(['local', 'kommo', 'retailcrm'] as const).map((one) => (
          <label class="choice" key={one}>
            <input type="radio" name="crm" checked={kind === one} onChange={() => choose(one)} />
            <span>
              <strong>{t(`setup.crm.${one}`)}</strong>
              <span class="small quiet">{t(`setup.crm.${one}About`)}</span>
            </span>
          </label>
        ))}
      </div>
      {known.map((crm) => (
        <p class="row" key={crm.name}>
          <span class="badge good">{t('setup.crm.known', { name: crm.name })}</span>
          {crm.kind !== 'local' && (
            <button
              disabled={trying.isBusy}
              onClick={() => void tryCrm({ name: crm.name, kind: crm.kind, settings: null })}
            >
              {t('setup.try')}
            </button>
          )}
        </p>
      ))}
      {kind !== 'local' && (
        <div class="sheet padded">
          <div class="fields">
            {fields.map(({ key, isSecret, placeholder }) => (
              <Field
                key={key}
                label={t(`setup.crm.field.${key}`)}
                type={isSecret ? 'password' : 'text'}
                placeholder={placeholder}
                value={given[key] ?? ''}
                hint={t(`setup.crm.hint.${key}` as Key)}
                onInput={(value) => setGiven({ ...given, [key]: value.trim() })}
              />
            ))}
          </div>
          <div class="row">
            <button
              disabled={!isComplete || trying.isBusy}
              onClick={() => void tryCrm({ name, kind, settings: given })}
            >
              {t(trying.isBusy ? 'setup.trying' : 'setup.try')}
            </button>
            <button class="primary" disabled={!isComplete || saving.isBusy || isFaulty} onClick={() => void save()}>
              {t('action.save')}
            </button>
          </div>
        </div>
      )}
      <Fault text={trying.fault} />
      <Fault text={saving.fault} />
      {findings !== null && <Findings items={findings} role="status" />}
    </div>
  );
}

type SeenCall = Wire<LiveCall>;

/** Waits for a call, shows it while it lasts and what was made of it afterwards. */
function TestCall({ isRestartDue }: { readonly isRestartDue: boolean }) {
  const [calls, setCalls] = useState<ReadonlyMap<string, SeenCall>>(new Map());
  const [ended, setEnded] = useState<ReadonlySet<string>>(new Set());
  const [extension, setExtension] = useState('');
  const [number, setNumber] = useState('');
  const placing = useWork();
  useEffect(loadStaff, []);
  useEffect(() => {
    const source = new EventSource('/api/v1/live');
    source.addEventListener('calls', (event) => {
      const { changed, gone } = JSON.parse((event as MessageEvent<string>).data) as Wire<LiveChange>;
      setCalls(
        (known) => new Map([...known, ...changed.map((call) => [`${call.source}/${call.linkedId}`, call] as const)]),
      );
      setEnded((known) => new Set([...known, ...gone]));
    });
    return () => source.close();
  }, []);
  const place = () =>
    placing.run(() =>
      ask('call-back', { method: 'POST', body: { extension: extension.trim(), number: number.trim() } }),
    );
  return (
    <div class="stack">
      {isRestartDue && <p class="note warn">{t('setup.call.restart')}</p>}
      <div class="sheet padded">
        <p>{t('setup.call.place')}</p>
        <div class="fields">
          <Field label={t('setup.call.extension')} value={extension} onInput={setExtension} />
          <Field label={t('setup.call.number')} value={number} onInput={setNumber} placeholder="+7 916 …" />
        </div>
        <button
          disabled={placing.isBusy || extension.trim() === '' || number.trim() === ''}
          onClick={() => void place()}
        >
          {t('setup.call.ring')}
        </button>
        <Fault text={placing.fault} />
      </div>
      {calls.size === 0 && <p class="empty waiting">{t('setup.call.waiting')}</p>}
      {[...calls.values()].map((call) => {
        const key = `${call.source}/${call.linkedId}`;
        return (
          <article class="sheet padded" key={key}>
            <div class="row spread">
              <Client number={call.client} callerName={call.clientName} contact={call.contact} />
              <span class="badge">{tWord('direction', call.direction)}</span>
            </div>
            {ended.has(key) ? (
              <MadeOf call={call} />
            ) : (
              <ul class="plain-list">
                {call.conversations
                  .filter(({ endedAt }) => endedAt === null)
                  .map(({ uniqueId, extension: whose, answeredAt }) => (
                    <li class="row" key={uniqueId}>
                      {showExtension(whose)} <Badge kind="live" word={answeredAt === null ? 'ringing' : 'talking'} />
                    </li>
                  ))}
              </ul>
            )}
          </article>
        );
      })}
    </div>
  );
}

/** The ledger has it a moment after its end. */
function MadeOf({ call }: { readonly call: SeenCall }) {
  const path = `calls/${encodeURIComponent(call.source)}/${encodeURIComponent(call.linkedId)}`;
  const [isThere, setThere] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () =>
      void ask<ShownCall>(path).then(
        ({ endedAt }) => {
          if (endedAt === null) timer = setTimeout(look, 1_000);
          else setThere(true);
        },
        () => (timer = setTimeout(look, 1_000)),
      );
    look();
    return () => clearTimeout(timer);
  }, [path]);
  return isThere ? (
    <CallDetail source={call.source} linkedId={call.linkedId} />
  ) : (
    <p class="quiet">{t('setup.call.writing')}</p>
  );
}
