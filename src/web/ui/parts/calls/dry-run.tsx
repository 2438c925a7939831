import { useState } from 'preact/hooks';
import type { DryRunAnswer } from '../../../routes/calls.ts';
import { ask } from '../../api.ts';
import { showMoment } from '../../format.ts';
import { t, tWord } from '../../i18n/words.ts';
import type { Wire } from '../../wire.ts';
import { explain } from '../notices.tsx';

/** Ids that only this run knows. */
const internal: ReadonlySet<string> = new Set(['id', 'uniqueId', 'callKey']);
const moment = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

function showValue(value: unknown): string {
  if (typeof value === 'string') return moment.test(value) ? showMoment(value) : value;
  return Array.isArray(value) ? value.map(showValue).join(', ') : JSON.stringify(value);
}

/** What the call would become in each CRM by the rules and hooks of now; nothing is written. */
export function DryRun({ path }: { readonly path: string }) {
  const [answer, setAnswer] = useState<Wire<DryRunAnswer> | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    setFault(null);
    try {
      setAnswer(await ask<DryRunAnswer>(`${path}/dry-run`, { method: 'POST', body: {} }));
    } catch (error) {
      setFault(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="dry-run" aria-label={t('dryRun.title')}>
      <div class="row">
        <button onClick={() => void run()} disabled={isBusy}>
          {t(answer === null ? 'dryRun.run' : 'dryRun.again')}
        </button>
        <span class="quiet small">{t('dryRun.about')}</span>
      </div>
      {fault !== null && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      {answer !== null && (
        <div class="sheet" role="status">
          {answer.items.length === 0 && <p class="empty">{t('dryRun.nothing')}</p>}
          <ul class="writes">
            {answer.items.map(({ crm, action, ...fields }, index) => (
              <li key={index}>
                <span>
                  <strong>{String(crm)}</strong> {tWord('dryRun.action', String(action))}
                </span>
                <code>
                  {Object.entries(fields)
                    .filter(([name, value]) => !internal.has(name) && value !== null && value !== '')
                    .map(([name, value]) => `${name}: ${showValue(value)}`)
                    .join(' · ')}
                </code>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}
