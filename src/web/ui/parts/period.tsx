import { dayOf, startOfDay } from '../format.ts';
import { t } from '../i18n/words.ts';
import { TextField, type Filters } from './filters.tsx';

export interface Period {
  readonly from: string;
  readonly to: string;
}

/** What the filters say, else the last days up to and with today; as the server is asked. */
export function periodOf(
  filters: Filters,
  days: number,
): Period & { readonly query: { readonly from: string; readonly to: string } } {
  const to = filters.to ?? dayOf(Date.now());
  const from = filters.from ?? dayOf(startOfDay(to, 1 - days) ?? Date.now());
  return {
    from,
    to,
    query: {
      from: (startOfDay(from) ?? new Date()).toISOString(),
      to: (startOfDay(to, 1) ?? new Date()).toISOString(),
    },
  };
}

export function PeriodFields({
  period,
  set,
}: {
  readonly period: Period;
  readonly set: (change: Record<string, string>) => void;
}) {
  return (
    <>
      <TextField label={t('filter.from')} type="date" value={period.from} onChange={(from) => set({ from })} />
      <TextField label={t('filter.to')} type="date" value={period.to} onChange={(to) => set({ to })} />
    </>
  );
}
