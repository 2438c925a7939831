import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ConversationCount, Overview as OverviewAnswer } from '../../../core/call-reports.ts';
import { ask } from '../api.ts';
import { dayOf, offsetMinutes, showCount, showDate, showDuration } from '../format.ts';
import { t } from '../i18n/words.ts';
import { FilterBar, useFilters } from '../parts/filters.tsx';
import { Await, useLoaded } from '../parts/loading.tsx';
import { PeriodFields, periodOf } from '../parts/period.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, showExtension } from '../parts/people/staff.ts';
import { theme } from '../preferences.ts';
import type { Wire } from '../wire.ts';

/** Figures of a period: by day, by hour, by employee, by number. */
export function Overview() {
  const { filters, set } = useFilters('overview');
  const period = periodOf(filters, 7);
  const loaded = useLoaded(JSON.stringify(period), (signal) =>
    ask<OverviewAnswer>('overview', { query: { ...period }, signal }),
  );
  useEffect(loadStaff, []);
  return (
    <>
      <ScreenHead title={t('screen.overview')} />
      <FilterBar>
        <PeriodFields period={period} set={set} />
      </FilterBar>
      <Await loaded={loaded}>
        {(answer) => <Figures answer={answer} from={period.from.slice(0, 10)} to={period.to.slice(0, 10)} />}
      </Await>
    </>
  );
}

function Figures({
  answer,
  from,
  to,
}: {
  readonly answer: Wire<OverviewAnswer>;
  readonly from: string;
  readonly to: string;
}) {
  const sum = (fits: (line: Wire<OverviewAnswer>['calls'][number]) => boolean) =>
    answer.calls.reduce((total, line) => total + (fits(line) ? line.calls : 0), 0);
  const inbound = sum(({ direction }) => direction === 'inbound');
  const answered = sum(({ direction, result }) => direction === 'inbound' && result === 'answered');
  const totals = answer.extensions.reduce(
    (total, line) => ({
      answered: total.answered + line.answered,
      talk: total.talk + line.talkSeconds,
      waiting: total.waiting + line.waitingSeconds,
      all: total.all + line.answered + line.unanswered,
    }),
    { answered: 0, talk: 0, waiting: 0, all: 0 },
  );
  const days: string[] = [];
  for (let day = from; day <= to && days.length < 400; day = dayOf(Date.parse(`${day}T12:00:00Z`) + 86_400_000))
    days.push(day);
  const byDay = new Map(days.map((day) => [day, { answered: 0, missed: 0 }]));
  const byHour = Array.from({ length: 24 }, () => ({ answered: 0, missed: 0 }));
  for (const line of answer.calls) {
    if (line.direction !== 'inbound') continue;
    const at = new Date(line.from);
    const hour = new Date(at.getTime() + offsetMinutes(at) * 60_000).getUTCHours();
    for (const slot of [byDay.get(dayOf(at)), byHour[hour]]) {
      if (slot !== undefined) slot[line.result === 'answered' ? 'answered' : 'missed'] += line.calls;
    }
  }
  return (
    <div class="stack">
      <div class="sums">
        <Sum figure={showCount(inbound)} word={t('overview.inbound')} />
        <Sum
          figure={inbound === 0 ? '–' : `${Math.round((answered / inbound) * 100)}%`}
          word={t('overview.answeredShare')}
        />
        <Sum figure={showCount(inbound - answered)} word={t('overview.missed')} />
        <Sum figure={showCount(sum(({ direction }) => direction === 'outbound'))} word={t('overview.outbound')} />
        <Sum
          figure={totals.answered === 0 ? '–' : showDuration(totals.talk / totals.answered)}
          word={t('overview.talk')}
        />
        <Sum figure={totals.all === 0 ? '–' : showDuration(totals.waiting / totals.all)} word={t('overview.waiting')} />
      </div>
      <div class="columns">
        <section class="sheet">
          <h2>{t('overview.byDay')}</h2>
          <Bars labels={days.map((day) => showDate(`${day}T12:00:00Z`))} bars={days.map((day) => byDay.get(day)!)} />
        </section>
        <section class="sheet">
          <h2>{t('overview.byHour')}</h2>
          <Bars labels={byHour.map((_, hour) => String(hour))} bars={byHour} />
        </section>
        <CountTable title={t('overview.byEmployee')} lines={answer.extensions} nameOf={showExtension} />
        {answer.queues.length > 0 && (
          <CountTable title={t('overview.byQueue')} lines={answer.queues} nameOf={(name) => name ?? ''} />
        )}
        <CountTable title={t('overview.byDid')} lines={answer.dids} nameOf={(did) => did ?? t('overview.noDid')} />
      </div>
    </div>
  );
}

function Sum({ figure, word }: { readonly figure: string; readonly word: string }) {
  return (
    <div class="sum">
      <b>{figure}</b>
      <span>{word}</span>
    </div>
  );
}

interface Bar {
  readonly answered: number;
  readonly missed: number;
}

/** Answered calls with the missed ones on top of them; the figures stand in a table for those who cannot see it. */
function Bars({ labels, bars }: { readonly labels: readonly string[]; readonly bars: readonly Bar[] }) {
  const place = useRef<HTMLDivElement>(null);
  const key = JSON.stringify([labels, bars, theme.value]);
  useEffect(() => {
    const parent = place.current;
    if (parent === null) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: colour('quiet'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } };
    const column = UPlot.paths.bars!({ size: [0.7, 40], radius: 0.08 });
    const series = (label: string, name: string) => ({
      label,
      fill: colour(name),
      width: 0,
      paths: column,
      points: { show: false },
    });
    const plot = new UPlot(
      {
        width: Math.max(240, parent.clientWidth),
        height: 220,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-0.6, labels.length - 0.4] },
          y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.1)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 30,
            splits: (self) => {
              const step = Math.ceil(labels.length / Math.max(2, Math.floor(self.width / 72)));
              return labels.map((_, index) => index).filter((index) => index % step === 0);
            },
            values: (_plot, places) => places.map((index) => labels[index] ?? ''),
          },
          { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        ],
        series: [{}, series('all', 'ring'), series('answered', 'talk')],
      },
      [labels.map((_, index) => index), bars.map((bar) => bar.answered + bar.missed), bars.map((bar) => bar.answered)],
      parent,
    );
    const resize = new ResizeObserver(() => plot.setSize({ width: Math.max(240, parent.clientWidth), height: 220 }));
    resize.observe(parent);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [key]);
  return (
    <div class="chart">
      <div ref={place} aria-hidden="true" />
      <div class="legend" aria-hidden="true">
        <span>
          <i class="dot talk" />
          {t('overview.answered')}
        </span>
        <span>
          <i class="dot ring" />
          {t('overview.missed')}
        </span>
      </div>
      <div class="sr">
        <table>
          <tbody>
            {labels.map((label, index) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                <td>{bars[index]!.answered}</td>
                <td>{bars[index]!.missed}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function CountTable(props: {
  readonly title: string;
  readonly lines: readonly Wire<ConversationCount>[];
  readonly nameOf: (name: string | null) => string;
}) {
  return (
    <section class="sheet">
      <h2>{props.title}</h2>
      {props.lines.length === 0 ? (
        <Empty>{t('overview.none')}</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={props.title}>
          <table>
            <thead>
              <tr>
                <th>
                  <span class="sr">{t('column.name')}</span>
                </th>
                <th class="right">{t('overview.answered')}</th>
                <th class="right">{t('overview.missed')}</th>
                <th class="right">{t('overview.talkShort')}</th>
                <th class="right">{t('overview.waitingShort')}</th>
              </tr>
            </thead>
            <tbody>
              {props.lines.map((line) => (
                <tr class="line" key={line.name ?? ''}>
                  <td class="number">{props.nameOf(line.name)}</td>
                  <td class="right number">{showCount(line.answered)}</td>
                  <td class="right number">{showCount(line.unanswered)}</td>
                  <td class="right number">
                    {line.answered === 0 ? '–' : showDuration(line.talkSeconds / line.answered)}
                  </td>
                  <td class="right number">
                    {showDuration(line.waitingSeconds / Math.max(1, line.answered + line.unanswered))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
