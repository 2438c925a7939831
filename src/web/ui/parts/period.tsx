import { dayAfter } from '../../local-time.ts';
import { dayOf, timeOf } from '../format.ts';
import { t } from '../i18n/words.ts';
import { TextField, type Filters } from './filters.tsx';

/** Days (`2026-11-21`) or times (`2026-11-21T14:00`) by the installation's clocks, as the address and the server know them. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

/** What the filters say, else the last days up to and with today. */
export function periodOf({ from, to = dayOf(Date.now()) }: Filters, days: number): Period {
  return { from: from ?? dayAfter(to, 1 - days), to };
}

/** A moment with its offset, as a link from elsewhere may hold it, as the clocks here show it. */
function toLocal(text: string): string {
  const at = Date.parse(text);
  return text.length <= 16 || Number.isNaN(at) ? text : `${dayOf(at)}T${timeOf(at)}`;
}

const presets = [
  ['today', 0, 0],
  ['yesterday', -1, -1],
  ['week', -6, 0],
  ['month', -29, 0],
] as const;

/** From when to when: days, with times where they are wanted. `hasTimes` false: figures are by whole days. */
export function PeriodFields({
  period,
  set,
  hasTimes = true,
}: {
  readonly period: Partial<Period>;
  readonly set: (change: { from?: string; to?: string }) => void;
  readonly hasTimes?: boolean;
}) {
  const from = toLocal(period.from ?? '');
  const to = toLocal(period.to ?? '');
  const today = dayOf(Date.now());
  const isTurned =
    from !== '' && to !== '' && (from.length === to.length ? from > to : from.slice(0, 10) > to.slice(0, 10));
  const edge = (name: 'from' | 'to', value: string, otherDay: string) => {
    const [day = '', time = ''] = value.split('T');
    const change = (newDay: string, newTime: string) =>
      set({ [name]: newDay === '' || newTime === '' ? newDay : `${newDay}T${newTime}` });
    return (
      <div class="moment">
        <TextField label={t(`filter.${name}`)} type="date" value={day} onChange={(text) => change(text, time)} />
        {hasTimes && (
          <TextField
            label={t(`filter.${name}Time`)}
            isLabelHidden
            type="time"
            value={time}
            onChange={(text) => change(day || otherDay || today, text)}
          />
        )}
      </div>
    );
  };
  return (
    <div class="period">
      {edge('from', from, to.slice(0, 10))}
      {edge('to', to, from.slice(0, 10))}
      <div class="presets" role="group" aria-label={t('filter.presets')}>
        {presets.map(([name, first, last]) => {
          const wanted = { from: dayAfter(today, first), to: dayAfter(today, last) };
          const isOn = from === wanted.from && to === wanted.to;
          return (
            <button key={name} class="plain" aria-pressed={isOn} onClick={() => set(wanted)}>
              {t(`filter.preset.${name}`)}
            </button>
          );
        })}
      </div>
      {isTurned && (
        <p class="setting-fault small" role="status">
          {t('filter.turned')}
        </p>
      )}
    </div>
  );
}
