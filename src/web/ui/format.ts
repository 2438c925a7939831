import { momentOfLocal, offsetMinutes as offsetIn } from '../local-time.ts';
import { language } from './preferences.ts';
import { session } from './session.ts';

/** Times are read in the installation's zone, wherever the browser stands. */
export const zone = () => session.value?.timeZone ?? 'UTC';

const formats = new Map<string, Intl.DateTimeFormat>();
function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${name} ${language.value} ${zone()}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(language.value === 'en' ? 'en-GB' : language.value, {
      timeZone: zone(),
      ...options,
    });
    formats.set(key, found);
  }
  return found;
}

type Moment = string | number | Date;
export const showDate = (at: Moment) => format('date', { day: 'numeric', month: 'short' }).format(new Date(at));
export const showDay = (at: Moment) =>
  format('day', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }).format(new Date(at));
/** Of a day as text, `2026-11-21`. */
export const showDayOf = (day: string) => showDay(momentOfLocal(`${day}T12:00`, zone()) ?? day);
export const showTime = (at: Moment) => format('time', { hour: '2-digit', minute: '2-digit' }).format(new Date(at));
export const showExactTime = (at: Moment) =>
  format('exact', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(at));
export const showMoment = (at: Moment) =>
  format('moment', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(new Date(at));

/** `2026-11-21` of a moment in the installation's zone: what a date field holds. */
export function dayOf(at: Moment): string {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat('en-CA', { timeZone: zone(), year: 'numeric', month: '2-digit', day: '2-digit' })
      .formatToParts(new Date(at))
      .map(({ type, value }) => [type, value]),
  );
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** `14:05` of a moment in the installation's zone, in every language: what a time field holds. */
export const timeOf = (at: Moment) =>
  new Intl.DateTimeFormat('en-GB', { timeZone: zone(), hour: '2-digit', minute: '2-digit' }).format(new Date(at));

/** How many minutes the zone is ahead of UTC at a moment. */
export const offsetMinutes = (at: Date) => offsetIn(at, zone());

/** `0:07`, `12:30`, `1:02:03`. */
export function showDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const tail = String(rest).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** `+7 916 111-00-02` for Russian numbers, groups of three for others; what is no number stays. */
export function showNumber(number: string | null): string {
  if (number === null) return '';
  const russian = /^\+7(\d{3})(\d{3})(\d\d)(\d\d)$/.exec(number);
  if (russian !== null) return `+7 ${russian[1]} ${russian[2]}-${russian[3]}-${russian[4]}`;
  return number;
}

export const showCount = (count: number) => new Intl.NumberFormat(language.value).format(count);
