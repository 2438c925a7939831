import type { SessionAnswer } from '../routes/people.ts';
import { session } from './session.ts';
import type { Wire } from './wire.ts';

/** An answer that says no, in the server's words. */
export class ApiFault extends Error {
  readonly status: number;
  readonly code: string;
  /** What is wrong, by field. */
  readonly fields: Readonly<Record<string, string>>;
  constructor(status: number, code: string, message: string, fields: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** `?a=1&b=2` without what is empty. */
export function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

interface Ask {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly query?: Query;
  readonly body?: unknown;
  /** Sent as it is, in place of a body. */
  readonly file?: Blob;
  readonly signal?: AbortSignal;
}

/** Asks `/api/v1/<path>`; parts of the path are to be encoded by the caller. Rejects with `ApiFault`. */
export async function ask<Answer>(
  path: string,
  { method = 'GET', query = {}, body, file, signal }: Ask = {},
): Promise<Wire<Answer>> {
  const headers: Record<string, string> = { accept: 'application/json' };
  const csrfToken = session.value?.csrfToken;
  if (method !== 'GET' && csrfToken) headers['x-csrf-token'] = csrfToken;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (file !== undefined) headers['content-type'] = 'text/csv';
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}${queryText(query)}`, {
      method,
      headers,
      body: file ?? (body === undefined ? null : JSON.stringify(body)),
      signal: signal ?? null,
      credentials: 'same-origin',
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiFault(0, 'offline', 'The server does not answer.');
  }
  if (response.status === 204) return undefined as Wire<Answer>;
  const answer = (await response.json().catch(() => null)) as unknown;
  if (response.ok) return answer as Wire<Answer>;
  if (response.status === 401 && path !== 'session' && session.value?.user)
    session.value = { ...session.value, user: null };
  throw toFault(response.status, answer);
}

function toFault(status: number, answer: unknown): ApiFault {
  const { error } = (answer ?? {}) as {
    error?: { code: string; message: string; fields?: { field: string; message: string }[] };
  };
  if (error === undefined) return new ApiFault(status, 'unknown', `The server answered ${status}.`);
  const fields = Object.fromEntries((error.fields ?? []).map(({ field, message }) => [field, message]));
  return new ApiFault(status, error.code, error.message, fields);
}

export const loadSession = () => ask<SessionAnswer>('session');
