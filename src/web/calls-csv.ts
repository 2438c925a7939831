import type { ListedCall } from './routes/calls.ts';

const columns = [
  'started',
  'ended',
  'direction',
  'client',
  'name',
  'did',
  'trunk',
  'result',
  'extensions',
  'waiting',
  'talk',
  'registered',
  'source',
  'linkedid',
] as const;

/** The head of the file; with a byte order mark, by which Excel knows UTF-8. */
export const csvHead = `\uFEFF${columns.join(',')}\r\n`;

/**
 * One field. What a spreadsheet would take for a formula gets an apostrophe in front; `+` with digits alone is a number
 * in international form and stays as it is.
 */
export function toCsvField(value: string | number | null): string {
  if (typeof value === 'number') return String(value);
  const text = value ?? '';
  const isHarmless = /^\+\d{3,15}$/.test(text) || !/^[\s\u0000-\u001f]*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/.test(text);
  const safe = isHarmless ? text : `'${text}`;
  return /[",\r\n;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Times as `2026-11-21 10:32:51` in this zone: what spreadsheets understand. */
export function createCsvLine(timeZone: string): (call: ListedCall) => string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const time = (at: Date | null) => (at === null ? '' : format.format(at));
  return (call) => {
    const { conversations } = call;
    const extensions = [...new Set(conversations.map(({ extension }) => extension))].filter((one) => one !== null);
    const fields: Record<(typeof columns)[number], string | number | null> = {
      started: time(call.startedAt),
      ended: time(call.endedAt),
      direction: call.direction,
      client: call.client,
      name: call.contact?.name ?? call.clientName,
      did: call.did,
      trunk: call.trunk,
      result: call.result,
      extensions: extensions.join(' '),
      waiting: conversations.find(({ answeredAt }) => answeredAt !== null)?.waiting ?? conversations[0]?.waiting ?? 0,
      talk: conversations.reduce((sum, { duration }) => sum + duration, 0),
      registered: conversations.some(({ registered }) => registered) ? 'yes' : 'no',
      source: call.source,
      linkedid: call.linkedId,
    };
    return `${columns.map((column) => toCsvField(fields[column])).join(',')}\r\n`;
  };
}
