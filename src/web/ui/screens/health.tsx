import type { PartStatus } from '../../../core/ports.ts';
import type { Examination } from '../../ports.ts';
import { ask } from '../api.ts';
import { showMoment } from '../format.ts';
import { say, t } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { Findings } from '../parts/findings.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';
import { firstLine, Trace } from '../parts/trace.tsx';

/** Moments within a sentence, as clocks here show them. */
const withLocalTimes = (text: string) =>
  text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g, (moment) => showMoment(moment));

/** How each part does now, and what the doctor finds wrong with the installation. */
export function HealthScreen() {
  const parts = useLoaded('parts', (signal) => ask<{ items: readonly PartStatus[] }>('parts', { signal }));
  const doctor = useLoaded('doctor', (signal) => ask<{ items: readonly Examination[] }>('doctor', { signal }));
  const order = ['error', 'warning', 'unknown', 'ok'];
  return (
    <>
      <ScreenHead title={t('screen.health')} about={t('health.about')}>
        <button
          onClick={() => {
            parts.reload();
            doctor.reload();
          }}
        >
          {t('action.refresh')}
        </button>
      </ScreenHead>
      <div class="stack">
        <section>
          <h2>{t('health.now')}</h2>
          <Await loaded={parts}>
            {({ items }) => (
              <ul class="sheet findings">
                {items.map(({ part, health, message }, index) => (
                  <li key={index}>
                    <Badge kind="health" word={health} />
                    <div class="words">
                      <strong>{say(part)}</strong> <span class="quiet">{withLocalTimes(say(firstLine(message)))}</span>
                      <Trace text={message} />
                    </div>
                  </li>
                ))}
              </ul>
            )}
          </Await>
        </section>
        <section>
          <h2>{t('health.doctor')}</h2>
          <Await loaded={doctor}>
            {({ items }) => (
              <Findings items={[...items].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))} />
            )}
          </Await>
        </section>
      </div>
    </>
  );
}
