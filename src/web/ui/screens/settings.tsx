import type { ComponentType } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { FormerSettingsEntry, SettingEdit, SettingsDraft } from '../../ports.ts';
import { ask } from '../api.ts';
import { showMoment } from '../format.ts';
import { say, t, tCount, tWord } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { AskFirst } from '../parts/ask-first.tsx';
import { Difference } from '../parts/difference.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { tell, tellFault } from '../parts/notices.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { SettingField, type FormContext } from '../parts/settings/setting-field.tsx';
import { Obstacle, RestartDue } from '../parts/settings/settings-notes.tsx';
import { addressOf, go, place } from '../router.ts';
import { session } from '../session.ts';
import {
  fileKey,
  formatPath,
  loadSettings,
  saveDraft,
  tryDraft,
  valueAt,
  type Draft,
  type Path,
  type PendingSecret,
  type View,
} from '../settings-draft.ts';
import type { Schema } from '../setting-forms.ts';
import '../styles/settings.css';

type Editor = ComponentType<Parameters<typeof import('../parts/settings/yaml-editor.tsx').YamlEditor>[0]>;
const ways = ['form', 'text', 'versions'] as const;

/** The configuration file: by forms and as a whole, one and the same draft, looked at before it is saved. */
export function Settings() {
  const loaded = useLoaded('settings', (signal) => loadSettings(signal));
  return (
    <>
      <ScreenHead title={t('screen.settings')} about={t('settings.about')}>
        <button onClick={loaded.reload}>{t('action.refresh')}</button>
        <a class="button" href={addressOf('setup')}>
          {t('screen.setup')}
        </a>
      </ScreenHead>
      <Await loaded={loaded}>{(view) => <Workplace key={view.hash} view={view} reload={loaded.reload} />}</Await>
    </>
  );
}

/** What was changed and not saved, for whoever looks at another screen meanwhile: of this visit and this state of the file alone. */
let kept: {
  readonly visit: string | null;
  readonly hash: string;
  readonly draft: Draft;
  readonly secrets: readonly PendingSecret[];
} | null = null;
const visit = () => session.value?.csrfToken ?? null;

function Workplace({ view, reload }: { readonly view: View; readonly reload: () => void }) {
  const [found] = useState(() => (kept?.hash === view.hash && kept.visit === visit() ? kept : null));
  const [draft, setDraft] = useState<Draft>(found?.draft ?? view.draft);
  const [secrets, setSecrets] = useState<readonly PendingSecret[]>(found?.secrets ?? []);
  const [isSaving, setSaving] = useState(false);
  /** Until the page has read what was saved. */
  const [isSaved, setSaved] = useState(false);
  const [line, setLine] = useState<number | null>(null);
  /** Grows when the text was changed by something else than the editor. */
  const [version, setVersion] = useState(0);
  const way = ways.find((one) => one === place.value.query['way']) ?? 'form';
  const show = (wanted: (typeof ways)[number]) =>
    go(addressOf('settings', { ...place.value.query, way: wanted === 'form' ? null : wanted }), { isStep: false });
  const isReadOnly = view.obstacle !== null;

  // One after the other: each edit is made on what the one before left.
  const queue = useRef(Promise.resolve());
  const latest = useRef({ draft, secrets });
  latest.current.secrets = secrets;
  const take = (next: Draft) => {
    latest.current.draft = next;
    setDraft(next);
    setSaved(false);
  };
  const enqueue = (work: () => Promise<void>) => {
    queue.current = queue.current.then(work).catch(tellFault);
  };
  const edit = (...edits: readonly SettingEdit[]) =>
    enqueue(async () => {
      take(await tryDraft({ text: latest.current.draft.text, edits, secrets: latest.current.secrets }));
      setVersion((count) => count + 1);
    });
  const replaceSecret = (path: Path, value: string) => {
    if (valueAt(latest.current.draft.values, fileKey(path)) === undefined) return edit({ path, value });
    const next = [...secrets.filter((secret) => formatPath(secret.path) !== formatPath(path)), { path, value }];
    latest.current.secrets = next;
    setSecrets(next);
    edit();
  };
  const typed = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(typed.current), []);
  const type = (text: string) => {
    take({ ...latest.current.draft, text });
    clearTimeout(typed.current);
    typed.current = setTimeout(
      () =>
        enqueue(async () => {
          const { text: sent } = latest.current.draft;
          const { values, faults, difference } = await tryDraft({ text: sent, secrets: latest.current.secrets });
          // What was typed meanwhile is looked at next; a secret that was typed stays as it is until it is saved.
          take({ ...latest.current.draft, values, faults, difference });
        }),
      400,
    );
  };
  const showText = (path: Path) => {
    setLine(lineOf(latest.current.draft.text, path));
    show('text');
  };
  const isChanged = !isSaved && (draft.difference !== '' || secrets.length > 0 || draft.text !== view.draft.text);
  kept = isChanged ? { visit: visit(), hash: view.hash, draft, secrets } : null;
  // At once: who leaves right after saving is not to be warned.
  useLayoutEffect(() => {
    if (!isChanged) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [isChanged]);
  const discard = () => {
    clearTimeout(typed.current);
    take(view.draft);
    setSecrets([]);
    setVersion((count) => count + 1);
  };
  const save = async () => {
    await saveDraft({ hash: view.hash, text: draft.text, secrets });
    setSecrets([]);
    setSaved(true);
    tell(t('settings.saved'));
    reload();
  };
  const context: FormContext = { view, draft, secrets, isReadOnly, edit, replaceSecret, showText };

  return (
    <div class="settings">
      <Obstacle view={view} />
      <RestartDue view={view} onRestarted={reload} />
      <div class="row spread">
        <div class="tabs">
          {ways.map((one) => (
            <button key={one} aria-pressed={one === way} onClick={() => show(one)}>
              {t(`settings.way.${one}`)}
            </button>
          ))}
        </div>
        <code class="quiet">{view.file ?? t('settings.noFile')}</code>
      </div>
      {way === 'form' && <Forms context={context} />}
      {way === 'text' && (
        <WholeFile
          draft={draft}
          version={version}
          line={line}
          isReadOnly={view.obstacle?.reason === 'not_yaml'}
          onChange={type}
        />
      )}
      {way === 'versions' && (
        <Versions
          isReadOnly={isReadOnly}
          onTake={(former) => {
            take(former);
            setVersion((count) => count + 1);
            show('text');
          }}
        />
      )}
      {draft.faults.length > 0 && (
        <section class="note bad" aria-label={t('settings.faults')}>
          <p>
            <strong>{tCount('settings.faultCount', draft.faults.length)}</strong>
          </p>
          <ul class="plain-list">
            {draft.faults.map((fault, index) => (
              <li key={index}>
                {fault.line !== null && (
                  <button
                    class="plain"
                    onClick={() => {
                      setLine(fault.line);
                      show('text');
                    }}
                  >
                    {t('settings.line', { line: fault.line })}
                  </button>
                )}{' '}
                {fault.variable !== null && <code>{fault.variable}</code>} <code>{fault.path}</code>{' '}
                {say(fault.message)}
              </li>
            ))}
          </ul>
        </section>
      )}
      {isChanged && !isReadOnly && (
        <div class="save-bar">
          <span>{t('settings.changed')}</span>
          <div class="row">
            <button onClick={discard}>{t('settings.discard')}</button>
            <button class="primary" disabled={draft.faults.length > 0} onClick={() => setSaving(true)}>
              {t('settings.preview')}
            </button>
          </div>
        </div>
      )}
      {isSaving && (
        <AskFirst
          isWide
          title={t('settings.saveTitle')}
          action={t('action.save')}
          onClose={() => setSaving(false)}
          onAgree={save}
        >
          {draft.difference === '' ? (
            <p>{t('settings.noDifference')}</p>
          ) : (
            <div class="sheet">
              <Difference text={draft.difference} label={t('settings.saveTitle')} />
            </div>
          )}
          {secrets.map(({ path }) => (
            <p key={formatPath(path)}>
              {t('settings.secret.pending', { file: String(valueAt(draft.values, fileKey(path)) ?? '') })}{' '}
              <code>{formatPath(path)}</code>
            </p>
          ))}
          <p class="quiet">{t('settings.keptAbout')}</p>
        </AskFirst>
      )}
    </div>
  );
}

/** Where a setting, or the nearest one above it that is written, stands in the text. A look at the words is enough to go there. */
function lineOf(text: string, path: Path): number {
  const lines = text.split('\n');
  let at = 0;
  for (const key of path) {
    if (typeof key === 'number') continue;
    const found = lines.findIndex(
      (line, index) => index >= at && line.trimStart().replace(/^- /, '').startsWith(`${key}:`),
    );
    if (found === -1) break;
    at = found;
  }
  return at + 1;
}

function Forms({ context }: { readonly context: FormContext }) {
  const { properties = {} } = context.view.schema as Schema;
  const names = Object.keys(properties);
  const wanted = place.value.query['section'];
  const current = names.find((name) => name === wanted) ?? names[0]!;
  const open = (section: string) => go(addressOf('settings', { section }), { isStep: false });
  const faultsIn = (name: string) => context.draft.faults.filter(({ path }) => path.split(/[.[]/)[0] === name).length;
  const values = (context.draft.values ?? {}) as Readonly<Record<string, unknown>>;
  if (context.draft.values === null) return <p class="empty">{t('settings.noForms')}</p>;
  return (
    <div class="settings-columns">
      <nav class="outline" aria-label={t('settings.sections')}>
        <select
          class="outline-choice"
          aria-label={t('settings.sections')}
          value={current}
          onChange={(event) => open(event.currentTarget.value)}
        >
          {names.map((name) => (
            <option key={name} value={name} selected={name === current}>
              {tWord('settings.section', name)}
            </option>
          ))}
        </select>
        <ul>
          {names.map((name) => (
            <li key={name}>
              <a
                href={addressOf('settings', { section: name })}
                aria-current={name === current ? 'true' : undefined}
                class={values[name] === undefined ? 'quiet' : undefined}
              >
                {tWord('settings.section', name)}
                {faultsIn(name) > 0 && <span class="badge bad">{faultsIn(name)}</span>}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <section class="sheet padded" key={current}>
        <h2>
          {tWord('settings.section', current)} <code class="quiet">{current}</code>
        </h2>
        <SettingField context={context} schema={properties[current]!} path={[current]} />
      </section>
    </div>
  );
}

function WholeFile(props: {
  readonly draft: Draft;
  readonly version: number;
  readonly line: number | null;
  readonly isReadOnly: boolean;
  readonly onChange: (text: string) => void;
}) {
  const [loaded, setLoaded] = useState<{ readonly Editor: Editor } | null>(null);
  useEffect(() => {
    import('../parts/settings/yaml-editor.tsx').then(
      ({ YamlEditor }) => setLoaded({ Editor: YamlEditor }),
      () => tellFault(new Error(t('error.newVersion'))),
    );
  }, []);
  return (
    <>
      <p class="small quiet">{t('settings.textAbout')}</p>
      {loaded === null ? (
        <p class="quiet">{t('state.loading')}</p>
      ) : (
        <loaded.Editor
          label={t('settings.way.text')}
          text={props.draft.text}
          version={props.version}
          faults={props.draft.faults}
          isReadOnly={props.isReadOnly}
          line={props.line}
          onChange={props.onChange}
        />
      )}
    </>
  );
}

function Versions(props: { readonly isReadOnly: boolean; readonly onTake: (draft: Draft) => void }) {
  const loaded = useLoaded('settings-versions', (signal) =>
    ask<{ items: readonly FormerSettingsEntry[] }>('settings/versions', { signal }),
  );
  const take = (id: string) =>
    ask<SettingsDraft>(`settings/versions/${encodeURIComponent(id)}`).then(props.onTake, tellFault);
  return (
    <Await loaded={loaded}>
      {({ items }) => (
        <>
          <p class="small quiet">{t('settings.versionsAbout')}</p>
          <div class="sheet">
            {items.length === 0 ? (
              <p class="empty">{t('settings.noVersions')}</p>
            ) : (
              <table class="cards">
                <thead>
                  <tr>
                    <th>{t('settings.replacedAt')}</th>
                    <th class="right">{t('settings.size')}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {items.map(({ id, savedAt, bytes }) => (
                    <tr class="line" key={id}>
                      <td class="number">{showMoment(savedAt)}</td>
                      <td class="right number end">{t('settings.bytes', { count: bytes })}</td>
                      <td class="right wide">
                        <button disabled={props.isReadOnly} onClick={() => void take(id)}>
                          {t('settings.goBack')}
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </div>
        </>
      )}
    </Await>
  );
}
