import { useRef, useState } from 'preact/hooks';
import type { DialplanFinding, DialplanOutcome, DialplanPreview, DialplanVersion } from '../../ports.ts';
import { ask } from '../api.ts';
import { showMoment } from '../format.ts';
import { say, t } from '../i18n/words.ts';
import { ActionsHead } from '../parts/actions-head.tsx';
import { AskFirst } from '../parts/ask-first.tsx';
import { Badge } from '../parts/badge.tsx';
import { Difference } from '../parts/difference.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { tellFault } from '../parts/notices.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import type { Wire } from '../wire.ts';
import '../styles/settings.css';

/** The dialplan that is generated for Asterisk: seen, checked, put into force, put back. */
export function Dialplan() {
  return (
    <>
      <ScreenHead title={t('screen.dialplan')} about={t('dialplan.about')} />
      <DialplanWork />
    </>
  );
}

interface Wish {
  readonly path: 'dialplan/apply' | 'dialplan/rollback';
  readonly version: string | null;
  readonly isForced: boolean;
}

/** All that can be done with it, also as a step of the first set-up. */
export function DialplanWork({ onApplied }: { readonly onApplied?: () => void }) {
  const preview = useLoaded('dialplan', (signal) => ask<DialplanPreview>('dialplan', { signal }));
  const versions = useLoaded('dialplan-versions', (signal) =>
    ask<{ items: readonly DialplanVersion[] }>('dialplan/versions', { signal }),
  );
  const [findings, setFindings] = useState<readonly DialplanFinding[] | null>(null);
  const [outcome, setOutcome] = useState<Wire<DialplanOutcome> | null>(null);
  const [wish, setWish] = useState<Wish | null>(null);
  const [isChecking, setChecking] = useState(false);
  const [shown, setShown] = useState<string | null>(null);

  const check = async () => {
    setChecking(true);
    setOutcome(null);
    try {
      setFindings((await ask<{ items: readonly DialplanFinding[] }>('dialplan/check')).items);
    } catch (error) {
      tellFault(error);
    } finally {
      setChecking(false);
    }
  };
  const next = useRef<Wish | null>(null);
  const carryOut = async ({ path, version, isForced }: Wish) => {
    const body = path === 'dialplan/apply' ? { isForced } : { version, isForced };
    const done = await ask<DialplanOutcome>(path, { method: 'POST', body });
    setFindings(null);
    setOutcome(done);
    preview.reload();
    versions.reload();
    if (done.state === 'applied') onApplied?.();
    // Asked again once this question is closed, with the names of what would be replaced.
    else if (done.needsForce) next.current = { path, version, isForced: true };
  };
  const isFirst = versions.value?.items.every(({ isInForce }) => isInForce) ?? true;

  return (
    <Await loaded={preview}>
      {({ files, difference, folder, edited, includeFrom, includeLine, isIncluded }) => {
        const file = files.find(({ name }) => name === shown);
        return (
          <div class="stack">
            <div class="row spread">
              <code>{folder}</code>
              <div class="row">
                <button disabled={isChecking} onClick={() => void check()}>
                  {t('dialplan.check')}
                </button>
                <button
                  disabled={isFirst}
                  onClick={() => setWish({ path: 'dialplan/rollback', version: null, isForced: false })}
                >
                  {t('dialplan.rollBack')}
                </button>
                <button
                  class="primary"
                  onClick={() => setWish({ path: 'dialplan/apply', version: null, isForced: false })}
                >
                  {t('dialplan.applyNow')}
                </button>
              </div>
            </div>
            {!isIncluded && (
              <div class="note warn">
                <p>{t('dialplan.include', { file: includeFrom })}</p>
                <pre class="lines">{includeLine}</pre>
              </div>
            )}
            {edited.length > 0 && (
              <p class="note warn">{t('dialplan.edited', { files: edited.map(({ name }) => name).join(', ') })}</p>
            )}
            {outcome !== null && <Outcome outcome={outcome} />}
            {findings !== null && <Findings items={findings} />}
            <div>
              <div class="tabs">
                <button aria-pressed={shown === null} onClick={() => setShown(null)}>
                  {t('dialplan.difference')}
                </button>
                <button aria-pressed={shown === ''} onClick={() => setShown('')}>
                  {t('dialplan.versions')}
                </button>
                {files.map(({ name }) => (
                  <button key={name} aria-pressed={name === shown} onClick={() => setShown(name)}>
                    {name}
                  </button>
                ))}
              </div>
              <div class="sheet">
                {shown === '' ? (
                  <Await loaded={versions}>
                    {({ items }) => (
                      <Versions
                        items={items}
                        onWish={(version) => setWish({ path: 'dialplan/rollback', version, isForced: false })}
                      />
                    )}
                  </Await>
                ) : file !== undefined ? (
                  <pre class="file" tabIndex={0}>
                    {file.text}
                  </pre>
                ) : difference === '' ? (
                  <p class="empty">{t('dialplan.same')}</p>
                ) : (
                  <Difference text={difference} label={t('dialplan.difference')} />
                )}
              </div>
            </div>
            {wish !== null && (
              <Question
                key={String(wish.isForced)}
                wish={wish}
                edited={edited.map(({ name }) => name)}
                onClose={() => {
                  setWish(next.current);
                  next.current = null;
                }}
                onAgree={() => carryOut(wish)}
              />
            )}
          </div>
        );
      }}
    </Await>
  );
}

function Question(props: {
  readonly wish: Wish;
  readonly edited: readonly string[];
  readonly onClose: () => void;
  readonly onAgree: () => Promise<unknown>;
}) {
  const { path, version, isForced } = props.wish;
  const isApply = path === 'dialplan/apply';
  if (isForced) {
    return (
      <AskFirst
        title={t('dialplan.forceTitle')}
        action={t('dialplan.force')}
        onClose={props.onClose}
        onAgree={props.onAgree}
      >
        <p>{t('dialplan.forceAbout')}</p>
        <ul class="plain-list">
          {props.edited.map((name) => (
            <li key={name}>
              <code>{name}</code>
            </li>
          ))}
        </ul>
      </AskFirst>
    );
  }
  return (
    <AskFirst
      title={t(isApply ? 'dialplan.applyTitle' : 'dialplan.rollBackTitle')}
      action={t(isApply ? 'dialplan.applyNow' : 'dialplan.rollBack')}
      onClose={props.onClose}
      onAgree={props.onAgree}
    >
      <p>{t(isApply ? 'dialplan.applyAbout' : 'dialplan.rollBackAbout')}</p>
      {version !== null && <code>{version}</code>}
    </AskFirst>
  );
}

function Outcome({ outcome }: { readonly outcome: Wire<DialplanOutcome> }) {
  const { state, message, written, removed, verifiedContexts, version, findings } = outcome;
  const isApplied = state === 'applied';
  return (
    <div class={isApplied ? 'note good' : 'note bad'} role="status">
      <p>
        <strong>{t(`dialplan.state.${state}`)}</strong>
      </p>
      {message !== null && <p>{sayPlaced(message)}</p>}
      {isApplied && (
        <ul class="plain-list">
          {written.length > 0 && <li>{t('dialplan.written', { files: written.join(', ') })}</li>}
          {removed.length > 0 && <li>{t('dialplan.removed', { files: removed.join(', ') })}</li>}
          {written.length + removed.length === 0 && <li>{t('dialplan.same')}</li>}
          {verifiedContexts !== null && <li>{t('dialplan.verified', { count: verifiedContexts })}</li>}
          {version !== null && <li>{t('dialplan.version', { version })}</li>}
        </ul>
      )}
      {findings.length > 0 && <Findings items={findings} />}
    </div>
  );
}

/** `inbound.conf:12: there is no context office`, `/etc/…/menu.conf.hbs:3: …`: the place is nobody's words. */
function sayPlaced(message: string): string {
  const [, where = '', finding = message] = /^(\S+\.(?:conf|hbs)(?::\d+)?: )([^]*)$/.exec(message) ?? [];
  return where + say(finding);
}

function Findings({ items }: { readonly items: readonly DialplanFinding[] }) {
  if (items.length === 0) return <p class="note good">{t('dialplan.inOrder')}</p>;
  return (
    <ul class="sheet findings" aria-label={t('dialplan.check')}>
      {items.map(({ level, message }, index) => (
        <li key={index}>
          <Badge kind="dialplan.level" word={level} />
          <div class="words">{sayPlaced(message)}</div>
        </li>
      ))}
    </ul>
  );
}

function Versions(props: { readonly items: readonly Wire<DialplanVersion>[]; readonly onWish: (id: string) => void }) {
  if (props.items.length === 0) return <p class="empty">{t('dialplan.noVersions')}</p>;
  return (
    <table class="cards">
      <thead>
        <tr>
          <th>{t('column.time')}</th>
          <th>{t('dialplan.origin')}</th>
          <th class="right">{t('dialplan.files')}</th>
          <ActionsHead />
        </tr>
      </thead>
      <tbody>
        {props.items.map(({ id, savedAt, origin, files, isInForce }) => (
          <tr class="line" key={id}>
            <td class="number">{showMoment(savedAt)}</td>
            <td class="end">{t(`dialplan.origin.${origin}`)}</td>
            <td class="right number off">{files}</td>
            <td class="right wide">
              {isInForce ? (
                <span class="badge good">{t('dialplan.inForce')}</span>
              ) : (
                <button onClick={() => props.onWish(id)}>{t('dialplan.putBack')}</button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
