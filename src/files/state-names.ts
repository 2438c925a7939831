/** Names of the former states that are kept of a file or folder: `20261121T085300.123Z-1f3a`. They sort by time. */

/**
 * The name of a state that is kept now, and the moment in it. `newest` is the moment of the newest one so far: two in one
 * millisecond, or a clock that was set back, do not change the order. `mark`: four or eight hex digits.
 */
export function nameState(options: { readonly now: Date; readonly newest: Date | null; readonly mark: string }): {
  readonly name: string;
  readonly at: Date;
} {
  const { now, newest, mark } = options;
  const at = new Date(Math.max(now.getTime(), newest === null ? -Infinity : newest.getTime() + 1));
  return { name: `${at.toISOString().replaceAll(/[-:]/g, '')}-${mark}`, at };
}

/** The moment in the name; null: it is no such name. */
export function momentOfState(name: string): Date | null {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)-(?:[0-9a-f]{4}){1,2}$/.exec(name);
  if (found === null) return null;
  const [, year, month, day, hour, minute, second] = found;
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}`);
  return Number.isNaN(at.getTime()) ? null : at;
}
