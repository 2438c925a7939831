/** Times as clocks of a time zone show them. Known to the server and to the pages. */

const minuteMs = 60_000;
const dayMs = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** How many minutes clocks of the zone are ahead of UTC at a moment. */
export function offsetMinutes(at: Date, timeZone: string): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const two = '2-digit';
    const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two } as const;
    format = new Intl.DateTimeFormat('en-CA', { timeZone, hourCycle: 'h23', calendar: 'iso8601', ...fields });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(parts['year']!, parts['month']! - 1, parts['day']!, parts['hour']!, parts['minute']!);
  return Math.round((local - Math.floor(at.getTime() / minuteMs) * minuteMs) / minuteMs);
}

/**
 * How clocks of the zone go within a span: from its beginning, and from each change on, to the minute. A zone that changes
 * its clocks and changes them back within a day is taken not to have done so.
 */
export function clocksWithin(
  { from, to }: { readonly from: Date; readonly to: Date },
  timeZone: string,
): readonly { readonly from: Date; readonly aheadMs: number }[] {
  let offset = offsetMinutes(from, timeZone);
  const clocks = [{ from, aheadMs: offset * minuteMs }];
  for (let at = from.getTime(); at < to.getTime(); at += dayMs) {
    const next = Math.min(at + dayMs, to.getTime());
    const after = offsetMinutes(new Date(next), timeZone);
    if (after === offset) continue;
    // The old way is kept at `low`, the new one at `high`.
    let [low, high] = [Math.floor(at / minuteMs), Math.ceil(next / minuteMs)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetMinutes(new Date(middle * minuteMs), timeZone) === offset) low = middle;
      else high = middle;
    }
    clocks.push({ from: new Date(high * minuteMs), aheadMs: after * minuteMs });
    offset = after;
  }
  return clocks;
}

const shape = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/;

/** As if it were UTC; null for what is no such text, also `2026-02-30` and `24:00`. */
function wallOf(text: string): { readonly at: number; readonly isDay: boolean } | null {
  const found = shape.exec(text);
  if (found === null) return null;
  const [, day = '', time = '00:00'] = found;
  const at = Date.parse(`${day}T${time}:00Z`);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 16) !== `${day}T${time}`) return null;
  return { at, isDay: found[2] === undefined };
}

/**
 * The moment at which clocks of the zone show this; of a day, its first. Where a clock change repeats an hour, `edge` says
 * which pass: a span reaches from the first to the last, so that it holds both. A time that a change leaves out is read by
 * the clock as it went before. Null for what is no local time.
 */
export function momentOfLocal(text: string, timeZone: string, edge: 'from' | 'to' = 'from'): Date | null {
  const wall = wallOf(text);
  if (wall === null) return null;
  const offsetAt = (instant: number) => offsetMinutes(new Date(instant), timeZone) * minuteMs;
  const before = offsetAt(wall.at - dayMs);
  const after = offsetAt(wall.at + dayMs);
  const passes = [wall.at - before, wall.at - after].filter((instant) => instant + offsetAt(instant) === wall.at);
  if (passes.length > 0) return new Date(edge === 'from' ? Math.min(...passes) : Math.max(...passes));
  return new Date(wall.at - before);
}

/** Where a span that ends with this ends: a time itself is outside, of a day all of it is within. */
export function endOfLocal(text: string, timeZone: string): Date | null {
  const wall = wallOf(text);
  if (wall === null) return null;
  if (!wall.isDay) return momentOfLocal(text, timeZone, 'to');
  return momentOfLocal(dayAfter(text, 1), timeZone);
}

/** The day of the calendar so many days later (earlier: negative); `text` is to be a day or a local time. */
export function dayAfter(text: string, days: number): string {
  return new Date(Date.parse(`${text.slice(0, 10)}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10);
}
