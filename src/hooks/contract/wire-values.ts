import { z } from 'zod';

/** Hooks in PHP and shell like to give numbers as text. */
export const wholeNumber = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform(Number)
    .pipe(z.int()),
]);

/** Telephone numbers lose their quotes on the way through other languages. */
export const dialledText = z.union([z.string(), z.int().min(0).transform(String).pipe(z.string())]);

/** An entity's id in the CRM: a number where the CRM counts, else text; null and 0: none. */
export const entityId = z.union([z.int().min(0), z.string()]).nullable();

/** `12` for `'12'`, the text itself where it is no plain number. */
export function toEntityId(id: string | null): number | string | null {
  if (id === null) return null;
  const number = Number(id);
  return Number.isSafeInteger(number) && String(number) === id && number >= 0 ? number : id;
}

export function fromEntityId(id: number | string | null): string | null {
  return id === null || id === 0 || id === '' ? null : String(id);
}

/** An id as a hook gave it, in the way in which the CRM wants it. */
export const asEntityId = (id: number | string | null): number | string | null => toEntityId(fromEntityId(id));

export const toUnixTime = (at: Date): number => Math.floor(at.getTime() / 1000);
export const fromUnixTime = (seconds: number): Date => new Date(seconds * 1000);

/** How the contract writes a time that has not come. */
export const unsetTime = '0001-01-01 00:00:00';

/** `YYYY-MM-DD HH:MM:SS` by the clocks of the time zone. */
export function toLocalTime(at: Date | null, timeZone: string): string {
  if (at === null) return unsetTime;
  return formatOf(timeZone).format(at).replace(',', '');
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  formats.set(timeZone, made);
  return made;
}

/** What a hook left out or gave back unchanged stays exactly as it was; the rest is converted. */
export function changed<Wire, Own>(change: {
  readonly sent: Wire;
  readonly returned: Wire | undefined;
  readonly own: Own;
  readonly convert: (value: Wire) => Own;
}): Own {
  const { sent, returned, own, convert } = change;
  if (returned === undefined || JSON.stringify(returned) === JSON.stringify(sent)) return own;
  return convert(returned);
}
