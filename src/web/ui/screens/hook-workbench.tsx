import { useEffect, useState } from 'preact/hooks';
import type { HookDraft, HookTextFault, OpenHook } from '../../hook-door.ts';
import { ApiFault, ask } from '../api.ts';
import { say, t, tWord, type Key } from '../i18n/words.ts';
import { HookHealth } from '../parts/hooks/hook-health.tsx';
import { HookEditor } from '../parts/hooks/hook-editor.tsx';
import { HookFields } from '../parts/hooks/hook-fields.tsx';
import { HookTrial } from '../parts/hooks/hook-trial.tsx';
import { HookVersions } from '../parts/hooks/hook-versions.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { explain, tell, tellFault } from '../parts/notices.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { addressOf, go } from '../router.ts';
import type { Wire } from '../wire.ts';

type Open = Wire<OpenHook>;

/** What was typed and not saved, by place, as long as the page stands open: leaving a hook loses nothing. */
interface Draft {
  readonly text: string;
  readonly language: string;
  readonly fileName: string;
  /** What the text began with; null: there was no file. */
  readonly basedOn: string | null;
}
const drafts = new Map<string, Draft>();
addEventListener('beforeunload', (event) => {
  if (drafts.size > 0) event.preventDefault();
});

const languages = ['ts', 'js', 'php', 'python'] as const;
const tabs = ['test', 'versions', 'fields'] as const;
type Tab = (typeof tabs)[number];

const pathOf = (hook: string) => `hooks/${encodeURIComponent(hook)}`;

/** One hook: its text, trials with calls, versions. */
export function HookWorkbench({ hook, crm }: { readonly hook: string; readonly crm: string | null }) {
  const loaded = useLoaded(`${crm}/${hook}`, (signal) => ask<OpenHook>(pathOf(hook), { query: { crm }, signal }));
  return (
    <>
      <p class="small">
        <a href={addressOf('hooks')}>← {t('hooks.back')}</a>
      </p>
      <Await loaded={loaded}>{(open) => <Bench first={open} />}</Await>
    </>
  );
}

function Bench({ first }: { readonly first: Open }) {
  const [open, setOpen] = useState(first);
  const { hook, crm, file, obstacle } = open;
  const place = `${crm ?? ''}/${hook}`;
  const [draft, setDraftState] = useState<Draft | null>(drafts.get(place) ?? null);
  const [faults, setFaults] = useState<readonly HookTextFault[]>([]);
  const [fault, setFault] = useState<string | null>(null);
  const [isConflict, setConflict] = useState(
    (drafts.get(place)?.basedOn ?? null) !== (file?.stamp ?? null) && drafts.has(place),
  );
  const [isBusy, setBusy] = useState(false);
  const [tab, setTab] = useState<Tab>('test');
  const setDraft = (next: Draft | null) => {
    if (next === null) drafts.delete(place);
    else drafts.set(place, next);
    setDraftState(next);
  };
  /** What stands on the server now, in place of what was typed. */
  const show = (now: Open) => {
    setOpen(now);
    setDraft(null);
    setConflict(false);
    setFault(null);
    setFaults([]);
  };
  const shown: Draft | null =
    draft ??
    (file === null || file.text === null
      ? null
      : { text: file.text, language: file.language, fileName: file.name, basedOn: file.stamp });
  const isNew = shown !== null && shown.basedOn === null;
  const isChanged = draft !== null;
  const isForbidden = obstacle?.kind === 'forbidden';

  const type = (text: string) => {
    if (shown === null) return;
    if (faults.length > 0) setFaults([]);
    setFault(null);
    setDraft(!isNew && text === file?.text && shown.basedOn === file.stamp ? null : { ...shown, text });
  };
  const begin = async (language: string) => {
    try {
      const made = await ask<HookDraft>(`${pathOf(hook)}/draft`, { query: { crm, language } });
      setDraft({ text: made.text, language, fileName: made.name, basedOn: null });
    } catch (error) {
      tellFault(error);
    }
  };
  const save = async (basedOn: string | null) => {
    if (shown === null || isBusy || obstacle !== null) return;
    setBusy(true);
    setFault(null);
    try {
      const language = languages.find((one) => one === shown.language) ?? null;
      const saved = await ask<OpenHook>(pathOf(hook), {
        method: 'PATCH',
        query: { crm },
        body: { text: shown.text, basedOn, ...(basedOn === null ? { language } : {}) },
      });
      show(saved);
      tell(t('hooks.saved'));
    } catch (error) {
      if (error instanceof ApiFault && error.status === 409) setConflict(true);
      else if (error instanceof ApiFault && error.code === 'does_not_load') setFaults(readFaults(error));
      setFault(explain(error));
    } finally {
      setBusy(false);
    }
  };
  const saveOver = async () => {
    try {
      const now = await ask<OpenHook>(pathOf(hook), { query: { crm } });
      setConflict(false);
      await save(now.file?.stamp ?? null);
    } catch (error) {
      tellFault(error);
    }
  };
  const takeTheirs = async () => {
    try {
      show(await ask<OpenHook>(pathOf(hook), { query: { crm } }));
    } catch (error) {
      tellFault(error);
    }
  };
  const discard = () => {
    // At once: whoever leaves the page in the next moment has nothing unsaved any more.
    setDraft(null);
    void takeTheirs();
  };
  const switchOff = async () => {
    if (file === null) return;
    try {
      const body = { basedOn: file.stamp };
      show(await ask<OpenHook>(`${pathOf(hook)}/switch-off`, { method: 'POST', query: { crm }, body }));
      tell(t('hooks.isOff', { file: `${file.name}.off` }));
    } catch (error) {
      tellFault(error);
    }
  };
  // A conflict that was there when the draft came back is told as one that came while saving.
  useEffect(() => {
    if (isConflict && fault === null) setFault(t('hooks.changedMeanwhile'));
  }, []);

  return (
    <>
      <ScreenHead title={hook} about={tWord('hooks.purpose', hook)}>
        <label class="row small">
          <span class="quiet">{t('hooks.for')}</span>
          <select
            value={crm ?? ''}
            onChange={(event) => go(addressOf('hooks', { hook, crm: event.currentTarget.value }))}
          >
            <option value="">{t('hooks.allCrms')}</option>
            {open.crms.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </ScreenHead>
      {obstacle !== null && <p class="hook-note">{isForbidden ? t('hooks.forbidden') : say(obstacle.message)}</p>}
      {file !== null && open.health !== null && open.health !== 'ok' && <p class="fault">{say(open.message ?? '')}</p>}
      {shown === null ? (
        <div class="sheet padded stack">
          {file !== null ? <p>{t('hooks.notText', { file: file.name })}</p> : <p>{t('hooks.noneYet')}</p>}
          {file === null && !isForbidden && (
            <div class="row">
              {languages.map((language) => (
                <button key={language} onClick={() => void begin(language)}>
                  {t(`hooks.language.${language}` as Key)}
                </button>
              ))}
            </div>
          )}
        </div>
      ) : (
        <div class="bench">
          <section class="sheet code" aria-label={t('hooks.code')}>
            <header class="row spread">
              <span class="row">
                <code>{crm === null ? shown.fileName : `${crm}/${shown.fileName}`}</code>
                {file !== null && !isChanged && open.health !== null && <HookHealth health={open.health} hook={open} />}
                {isChanged && <span class="badge warn">{isNew ? t('hooks.new') : t('hooks.unsaved')}</span>}
              </span>
              <span class="row">
                {isChanged && (
                  <button class="plain" onClick={discard}>
                    {t('hooks.discard')}
                  </button>
                )}
                {file !== null && !isChanged && obstacle === null && (
                  <button class="plain" onClick={() => void switchOff()}>
                    {t('hooks.switchOff')}
                  </button>
                )}
                <button
                  class="primary"
                  disabled={!isChanged || isBusy || obstacle !== null}
                  onClick={() => void save(shown.basedOn)}
                >
                  {t('action.save')}
                </button>
              </span>
            </header>
            {fault !== null && (
              <div class="fault" role="alert">
                {fault}{' '}
                {isConflict && (
                  <span class="row">
                    <button onClick={() => void saveOver()}>{t('hooks.saveOver')}</button>
                    <button onClick={() => void takeTheirs()}>{t('hooks.takeTheirs')}</button>
                  </span>
                )}
              </div>
            )}
            <HookEditor
              text={shown.text}
              language={shown.language}
              label={t('hooks.code')}
              isReadOnly={isForbidden}
              faults={faults}
              fields={open.fields}
              onChange={type}
              onSave={() => void save(shown.basedOn)}
            />
            <p class="quiet small keys">{t('hooks.keys')}</p>
          </section>
          <section class="side-sheet">
            <div class="tabs">
              {tabs.map((name) => (
                <button key={name} aria-pressed={tab === name} onClick={() => setTab(name)}>
                  {t(`hooks.tab.${name}` as Key)}
                </button>
              ))}
            </div>
            {/* The trial stays, whatever is looked up meanwhile. */}
            <div hidden={tab !== 'test'}>
              <HookTrial
                hook={hook}
                crm={crm}
                draft={isChanged ? shown : null}
                hasFile={file !== null}
                mayTryText={!isForbidden}
                onFaults={setFaults}
              />
            </div>
            {tab === 'versions' && <HookVersions open={open} onRestored={show} />}
            {tab === 'fields' && <HookFields fields={open.fields} />}
          </section>
        </div>
      )}
      {shown === null && file === null && <HookVersions open={open} onRestored={show} isQuiet />}
    </>
  );
}

/** `{'text:12:5': 'Unexpected ";"'}` of the server's answer. */
function readFaults({ fields }: ApiFault): readonly HookTextFault[] {
  return Object.entries(fields).map(([field, message]) => {
    const [, line, column] = field.split(':');
    return {
      line: line === undefined ? null : Number(line),
      column: column === undefined ? null : Number(column),
      message,
    };
  });
}
