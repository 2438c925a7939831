import { useEffect, useRef, useState } from 'preact/hooks';
import type { ImportReport } from '../../../contacts-import.ts';
import { ask } from '../../api.ts';
import { showCount, showNumber } from '../../format.ts';
import { say, t, tWord } from '../../i18n/words.ts';
import type { Wire } from '../../wire.ts';
import { explain, tell } from '../notices.tsx';

const shown = 200;

/** Reads a file, shows what would become of each of its lines, and does it when told so. */
export function ContactImport({ onClose, onDone }: { readonly onClose: () => void; readonly onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [report, setReport] = useState<Wire<ImportReport> | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const send = async (chosen: File, isDry: boolean) => {
    setBusy(true);
    setFault(null);
    try {
      const answer = await ask<ImportReport>('contacts/import', {
        method: 'POST',
        query: { dryRun: isDry },
        file: chosen,
      });
      if (isDry) setReport(answer);
      else {
        tell(t('import.done', { created: answer.created, changed: answer.changed }));
        onDone();
        onClose();
      }
    } catch (error) {
      setReport(null);
      setFault(explain(error));
    } finally {
      setBusy(false);
    }
  };
  const choose = (chosen: File | undefined) => {
    setReport(null);
    setFile(chosen ?? null);
    if (chosen !== undefined) void send(chosen, true);
  };
  const todo = report === null ? 0 : report.created + report.changed;
  return (
    <dialog ref={dialog} class="wide" onClose={onClose} aria-label={t('import.title')}>
      <div class="import">
        <h2>{t('import.title')}</h2>
        <p class="quiet small">{t('import.about')}</p>
        <label class="field">
          <span>{t('import.file')}</span>
          <input type="file" accept=".csv,.txt,text/csv" onChange={(event) => choose(event.currentTarget.files?.[0])} />
        </label>
        {isBusy && <p class="quiet">{t('import.reading')}</p>}
        {fault !== null && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        {report !== null && (
          <>
            <p role="status">
              {t('import.summary', {
                created: showCount(report.created),
                changed: showCount(report.changed),
                unchanged: showCount(report.unchanged),
                failed: showCount(report.failed.length),
              })}
            </p>
            <ImportLines report={report} />
          </>
        )}
        <div class="row">
          <button type="button" onClick={onClose}>
            {t('action.cancel')}
          </button>
          <button
            class="primary"
            disabled={isBusy || file === null || todo === 0}
            onClick={() => file !== null && void send(file, false)}
          >
            {t('import.do', { count: showCount(todo) })}
          </button>
        </div>
      </div>
    </dialog>
  );
}

/** Faults first: they are what a person came to see. */
function ImportLines({ report }: { readonly report: Wire<ImportReport> }) {
  const failed = report.failed.map(({ line, message }) => ({
    line,
    outcome: 'failed' as const,
    message,
    ...(({ name, numbers }) => ({ name, numbers }))(
      report.lines.find((one) => one.line === line) ?? { name: '', numbers: [] },
    ),
  }));
  const rest = report.lines.filter(({ outcome }) => outcome !== 'failed');
  const lines = [...failed, ...rest];
  const tones = { created: 'good', changed: 'warn', unchanged: 'calm', failed: 'bad' } as const;
  return (
    <div class="sheet import-lines" tabIndex={0} role="region" aria-label={t('import.lines')}>
      <table>
        <thead>
          <tr>
            <th class="right">{t('import.line')}</th>
            <th>{t('import.outcome')}</th>
            <th>{t('column.name')}</th>
            <th>{t('column.numbers')}</th>
          </tr>
        </thead>
        <tbody>
          {lines.slice(0, shown).map(({ line, outcome, name, numbers, message }) => (
            <tr class="line" key={line}>
              <td class="right number">{line}</td>
              <td>
                <span class={`badge ${tones[outcome]}`}>{tWord('import.outcome', outcome)}</span>
                {message !== null && <div class="small reason">{say(message)}</div>}
              </td>
              <td class="reason">{name}</td>
              <td class="number">{numbers.map(showNumber).join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {lines.length > shown && (
        <p class="quiet small">{t('import.more', { count: showCount(lines.length - shown) })}</p>
      )}
    </div>
  );
}
