import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { HookTextFault, HookTrialReport } from '../../../hook-door.ts';
import type { ListedCall } from '../../../routes/calls.ts';
import { ask } from '../../api.ts';
import { showMoment, showNumber } from '../../format.ts';
import { say, t } from '../../i18n/words.ts';
import type { Wire, WirePage } from '../../wire.ts';
import { Badge } from '../badge.tsx';
import { Await, useLoaded } from '../loading.tsx';
import { explain } from '../notices.tsx';

interface ChosenCall {
  readonly source: string | null;
  readonly linkedId: string;
}
const looksLikeLinkedId = (text: string) => /^[\w.-]*\d{6,}\.\d+$/.test(text);

/** Runs the hook about a call, beside the service, and shows what would become of it. */
export function HookTrial(props: {
  readonly hook: string;
  readonly crm: string | null;
  /** What was typed and not saved. */
  readonly draft: { readonly text: string; readonly language: string; readonly basedOn: string | null } | null;
  readonly hasFile: boolean;
  readonly mayTryText: boolean;
  readonly onFaults: (faults: readonly HookTextFault[]) => void;
}) {
  const { hook, crm, draft, hasFile, mayTryText, onFaults } = props;
  const [call, setCall] = useState<ChosenCall | null>(null);
  const [report, setReport] = useState<Wire<HookTrialReport> | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async (isDraft: boolean) => {
    setBusy(true);
    setFault(null);
    try {
      const text =
        isDraft && draft !== null
          ? { text: draft.text, ...(draft.basedOn === null ? { language: draft.language } : {}) }
          : {};
      const answer = await ask<HookTrialReport>(`hooks/${encodeURIComponent(hook)}/test`, {
        method: 'POST',
        query: { crm },
        body: { ...text, call },
      });
      setReport(answer);
      onFaults(isDraft || draft === null ? answer.faults.filter(({ line }) => line !== null) : []);
    } catch (error) {
      setReport(null);
      setFault(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="stack">
      <CallChoice call={call} onChoose={setCall} />
      <div class="row">
        {draft !== null && mayTryText && (
          <button class="primary" disabled={isBusy} onClick={() => void run(true)}>
            {t('hooks.runText')}
          </button>
        )}
        {hasFile && (
          <button class={draft === null ? 'primary' : undefined} disabled={isBusy} onClick={() => void run(false)}>
            {draft === null ? t('hooks.run') : t('hooks.runSaved')}
          </button>
        )}
        {isBusy && <span class="quiet">{t('hooks.running')}</span>}
      </div>
      {fault !== null && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      {report !== null && (
        <div class={isBusy ? 'loading' : undefined} role="status">
          <Report report={report} />
        </div>
      )}
      <p class="quiet small">{t('hooks.trialAbout')}</p>
    </div>
  );
}

function CallChoice({
  call,
  onChoose,
}: {
  readonly call: ChosenCall | null;
  readonly onChoose: (call: ChosenCall | null) => void;
}) {
  const [wanted, setWanted] = useState('');
  const search = wanted.trim();
  const isLinkedId = looksLikeLinkedId(search);
  const digits = search.replace(/\D/g, '');
  const query = { limit: 20, ...(isLinkedId || digits === '' ? {} : { number: digits }) };
  const loaded = useLoaded(
    JSON.stringify(query),
    (signal) => ask('calls', { query, signal }) as unknown as Promise<WirePage<ListedCall>>,
  );
  const choose = (text: string) => {
    setWanted(text);
    if (looksLikeLinkedId(text.trim())) onChoose({ source: null, linkedId: text.trim() });
  };
  return (
    <fieldset class="call-choice">
      <legend>{t('hooks.aboutCall')}</legend>
      <input
        type="search"
        aria-label={t('hooks.findCall')}
        placeholder={t('hooks.findCall')}
        value={wanted}
        maxLength={100}
        onInput={(event) => choose(event.currentTarget.value)}
      />
      <div class="choices">
        <Choice isChosen={call === null} onChoose={() => onChoose(null)}>
          {t('hooks.sampleCall')}
        </Choice>
        {isLinkedId && (
          <Choice isChosen={call?.linkedId === search} onChoose={() => onChoose({ source: null, linkedId: search })}>
            <code>{search}</code>
          </Choice>
        )}
        <Await loaded={loaded}>
          {({ items }) =>
            items.map((one) => (
              <Choice
                key={`${one.source}/${one.linkedId}`}
                isChosen={call?.linkedId === one.linkedId && call.source === one.source}
                onChoose={() => onChoose({ source: one.source, linkedId: one.linkedId })}
              >
                <span class="number quiet">{showMoment(one.startedAt)}</span>
                <span class="who">{one.contact?.name ?? (showNumber(one.client) || t('client.withheld'))}</span>
                <Badge kind="result" word={one.result} />
              </Choice>
            ))
          }
        </Await>
      </div>
    </fieldset>
  );
}

function Choice(props: {
  readonly isChosen: boolean;
  readonly onChoose: () => void;
  readonly children: ComponentChildren;
}) {
  return (
    <label class={props.isChosen ? 'choice chosen' : 'choice'}>
      <input type="radio" name="trial-call" checked={props.isChosen} onChange={props.onChoose} />
      {props.children}
    </label>
  );
}

const inJson = (value: unknown) => JSON.stringify(value, null, 2);
const short = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function Report({ report }: { readonly report: Wire<HookTrialReport> }) {
  const { fault, changes, ignored, tookMs, printed, input, answer, result } = report;
  return (
    <div class="report">
      <p class="row">
        <span class={`badge ${fault !== null ? 'bad' : changes.length > 0 ? 'good' : 'calm'}`}>
          {fault !== null ? t('hooks.failed') : changes.length > 0 ? t('hooks.changed') : t('hooks.unchanged')}
        </span>
        {tookMs !== null && <span class="quiet number">{t('hooks.took', { ms: tookMs.toFixed(1) })}</span>}
      </p>
      {fault !== null && <pre class="fault stack-trace">{say(fault)}</pre>}
      {changes.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={t('hooks.changes')}>
          <table>
            <thead>
              <tr>
                <th>{t('hooks.field')}</th>
                <th>{t('hooks.before')}</th>
                <th>{t('hooks.after')}</th>
              </tr>
            </thead>
            <tbody>
              {changes.map(({ field, before, after }) => (
                <tr key={field}>
                  <td>
                    <code>{field}</code>
                  </td>
                  <td>
                    <code>{short(before)}</code>
                  </td>
                  <td>
                    <code>{short(after)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {ignored.length > 0 && <p class="small">{t('hooks.ignored', { fields: ignored.join(', ') })}</p>}
      <Part title={t('hooks.printed')} text={printed} isOpen />
      <Part title={t('hooks.input')} text={input === null ? '' : inJson(input)} />
      <Part title={t('hooks.answer')} text={answer === null ? '' : inJson(answer)} />
      <Part title={t('hooks.result')} text={result === null ? '' : inJson(result)} />
    </div>
  );
}

function Part({
  title,
  text,
  isOpen = false,
}: {
  readonly title: string;
  readonly text: string;
  readonly isOpen?: boolean;
}) {
  if (text === '') return null;
  return (
    <details open={isOpen}>
      <summary>{title}</summary>
      <pre class="file" tabIndex={0} role="region" aria-label={title}>
        {text}
      </pre>
    </details>
  );
}
