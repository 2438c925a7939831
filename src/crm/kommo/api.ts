import { Agent, request } from 'undici';
import { z } from 'zod';
import { startDeadline } from '../../core/deadline.ts';
import { AuthRequired, Rejected, Retryable } from '../../core/errors.ts';
import { NotDone, type RequestPace, type Urgency } from './access/pace.ts';
import type { AccessTokens } from './access/tokens.ts';

export type Query = Readonly<Record<string, string | number | readonly (string | number)[]>>;

export interface Ask {
  readonly urgency: Urgency;
  readonly signal?: AbortSignal | undefined;
  /** About a part that an account need not have: 402 and 403 say only that it has not. */
  readonly isOptional?: boolean;
}

/** The CRM read the request and says no. `answer` is its body. */
export class Refused extends Rejected {
  readonly status: number;
  readonly answer: unknown;
  constructor(message: string, options: { status: number; answer: unknown; details: unknown }) {
    super(message, { details: options.details });
    this.status = options.status;
    this.answer = options.answer;
  }
}

interface RawAnswer {
  readonly status: number;
  readonly retryAfterMs: number | null;
  readonly text: string;
}

const connectTimeoutMs = 5_000;
const largestAnswer = 16 * 1_024 * 1_024;
const pageSize = 250;
/** How long nothing is sent after these answers, before one request tries again. */
const haltMs = { unauthorized: 60_000, unpaid: 60_000, banned: 600_000 };
/** With these nothing has left the machine. */
const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const validationAnswer = z.object({
  'validation-errors': z.array(
    z.object({
      request_id: z.unknown(),
      errors: z.array(z.object({ code: z.unknown(), path: z.unknown(), detail: z.unknown() })),
    }),
  ),
});
const problemAnswer = z.object({
  title: z.string().optional(),
  detail: z.string().optional(),
  hint: z.string().optional(),
});

/**
 * Requests to one account, at its pace and with its token. The only place that knows what statuses mean: everything
 * rejects with `Retryable` (`NotDone` when certainly nothing happened), `Rejected` (`Refused` when the CRM said so) or
 * `AuthRequired`. Redirects are not followed.
 */
export class KommoApi {
  readonly address: string;
  readonly #tokens: AccessTokens;
  readonly #pace: RequestPace;
  readonly #timeoutMs: number;
  readonly #agent: Agent;

  constructor(parts: {
    /** `https://company.amocrm.ru` */
    readonly address: string;
    readonly timeoutMs: number;
    readonly pace: RequestPace;
    readonly makeTokens: (exchange: (body: object) => Promise<unknown>) => AccessTokens;
  }) {
    this.address = parts.address.replace(/\/+$/, '');
    this.#pace = parts.pace;
    this.#timeoutMs = parts.timeoutMs;
    this.#agent = new Agent({
      connections: 8,
      connect: { timeout: connectTimeoutMs },
      headersTimeout: parts.timeoutMs,
      bodyTimeout: parts.timeoutMs,
      maxResponseSize: largestAnswer,
    });
    this.#tokens = parts.makeTokens((body) => this.#exchangeTokens(body));
  }

  /** The one that the path names; null: there is none, or an empty list (204, 404). */
  async get<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    ask: Ask & { query?: Query },
  ): Promise<z.output<Schema> | null> {
    const answer = await this.#send('GET', path, ask, undefined).catch((error: unknown) => {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    });
    return answer === null ? null : readAnswer(schema, answer, path);
  }

  /** All of a list, page by page; `key` is its name in `_embedded`. Reads on until there is no next page. */
  async *pages<Schema extends z.ZodType>(
    path: string,
    list: { readonly key: string; readonly item: Schema; readonly query?: Query },
    ask: Ask,
  ): AsyncGenerator<z.output<Schema>[]> {
    for (let page = 1; ; page++) {
      const items = await this.page(path, { ...list, page }, ask);
      if (items.items.length > 0) yield items.items;
      if (!items.hasMore) return;
    }
  }

  async page<Schema extends z.ZodType>(
    path: string,
    list: { readonly key: string; readonly item: Schema; readonly query?: Query; readonly page: number },
    ask: Ask,
  ): Promise<{ items: z.output<Schema>[]; hasMore: boolean }> {
    const schema = z.object({
      _links: z.object({ next: z.unknown().optional() }).optional(),
      // An empty object is written as an empty list.
      _embedded: z.record(z.string(), z.unknown()).optional().catch({}),
    });
    const answer = await this.get(path, schema, { ...ask, query: { ...list.query, page: list.page, limit: pageSize } });
    if (answer === null) return { items: [], hasMore: false };
    const items = readAnswer(z.array(list.item), answer._embedded?.[list.key] ?? [], path);
    return { items, hasMore: items.length > 0 && answer._links?.next !== undefined };
  }

  /** Writes. The answer is unread; null when it has no body. */
  write(method: 'POST' | 'PATCH', path: string, body: unknown, ask: Ask): Promise<unknown> {
    return this.#send(method, path, ask, body);
  }

  /** Why nothing is sent now; null: it is. */
  get haltReason(): string | null {
    return this.#pace.haltReason;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(method: string, path: string, ask: Ask & { query?: Query }, body: unknown): Promise<unknown> {
    const token = await this.#tokens.current();
    const first = await this.#request(method, path, ask, body, token);
    if (ask.isOptional === true && (first.status === 402 || first.status === 403))
      throw refusal(first, `${method} ${path}`);
    if (first.status !== 401) return this.#judge(first, `${method} ${path}`);
    const next = await this.#tokens.renew(token).catch((error: unknown) => {
      if (error instanceof AuthRequired) this.#pace.stopFor(haltMs.unauthorized, error.message);
      throw error;
    });
    const second = next === null ? first : await this.#request(method, path, ask, body, next);
    return this.#judge(second, `${method} ${path}`);
  }

  async #exchangeTokens(body: object): Promise<unknown> {
    const answer = await this.#request('POST', '/oauth2/access_token', { urgency: 'card' }, body, null);
    // 401 means here that the grant is refused; there is no token yet that could be renewed.
    if (answer.status === 401) throw refusal(answer, 'POST /oauth2/access_token');
    return this.#judge(answer, 'POST /oauth2/access_token');
  }

  async #request(
    method: string,
    path: string,
    { urgency, signal, query }: Ask & { query?: Query },
    body: unknown,
    token: string | null,
  ): Promise<RawAnswer> {
    const deadline = startDeadline(this.#timeoutMs, signal);
    const given = deadline.signal;
    await this.#pace.take(urgency, given).catch((error: unknown) => {
      deadline.clear();
      throw error;
    });
    try {
      const response = await request(`${this.address}${path}${writeQuery(query)}`, {
        method: method as 'GET',
        dispatcher: this.#agent,
        signal: given,
        headers: {
          accept: 'application/json',
          'user-agent': 'ringledger',
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await response.body.text();
      const retryAfter = Number(response.headers['retry-after']);
      return {
        status: response.statusCode,
        retryAfterMs: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter * 1_000 : null,
        text,
      };
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      const reason = given.aborted ? 'it did not answer in time' : code || message;
      const text = `${new URL(this.address).host} cannot be reached (${method} ${path}): ${reason}`;
      throw unsentCodes.has(code) ? new NotDone(text, { cause: error }) : new Retryable(text, { cause: error });
    } finally {
      deadline.clear();
    }
  }

  /** The answer's body, or what its status means as an error. */
  #judge(answer: RawAnswer, what: string): unknown {
    const { status, text } = answer;
    const host = new URL(this.address).host;
    const halt = (ms: number, reason: string) => {
      this.#pace.stopFor(ms, reason);
      return new AuthRequired(reason);
    };
    if (status === 429) {
      const retryAfterMs = this.#pace.slowDown(answer.retryAfterMs);
      throw new NotDone(`${host} asks for fewer requests (429)`, { retryAfterMs });
    }
    if (status === 401) throw halt(haltMs.unauthorized, `${host} no longer accepts our token. ${this.#tokens.advice}`);
    if (status === 402) {
      throw halt(
        haltMs.unpaid,
        `${host} is not paid for, or its tariff has no API (402). Pay for the account, then resume the deliveries.`,
      );
    }
    if (status === 403 && parseJson(text) === undefined) {
      throw halt(
        haltMs.banned,
        `${host} has banned us (403 on every request). All requests stop for ten minutes at a time. Ask the CRM's support to lift the ban, ` +
          'see that no other integration floods the account, then resume the deliveries.',
      );
    }
    if (status >= 300 && status < 400) {
      throw halt(
        haltMs.unauthorized,
        `${host} sends us elsewhere (${status}): the account's address in the configuration is not right.`,
      );
    }
    if (status === 408 || status >= 500) throw new Retryable(`${host} answers ${status} to ${what}`);
    if (status >= 400) throw refusal(answer, what);
    this.#pace.wentWell();
    if (status === 204 || text.trim() === '') return null;
    const body = parseJson(text);
    if (body === undefined) throw new Retryable(`${host} answers ${what} with something that is not JSON`);
    return body;
  }
}

function refusal({ status, text }: RawAnswer, what: string): Refused {
  const answer = parseJson(text);
  const problem = problemAnswer.safeParse(answer).data;
  const validation = validationAnswer.safeParse(answer).data;
  const fields = validation?.['validation-errors'].flatMap(({ errors }) =>
    errors.map(({ path, code, detail }) => [String(path), `${String(code)}: ${String(detail)}`] as const),
  );
  const words = [problem?.title, problem?.hint ?? problem?.detail].filter(Boolean).join(': ');
  return new Refused(`${what} was refused (${status}${words === '' ? '' : `, ${words}`})`, {
    status,
    answer,
    details: fields === undefined ? (answer ?? text.slice(0, 500)) : Object.fromEntries(fields),
  });
}

/** The body as it must be; `Retryable` when it is not. */
export function readAnswer<Schema extends z.ZodType>(schema: Schema, answer: unknown, path: string): z.output<Schema> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Retryable(`the answer to ${path} is not what it should be: ${z.prettifyError(parsed.error)}`);
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function writeQuery(query: Query | undefined): string {
  if (query === undefined) return '';
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value))
      for (const item of value as readonly (string | number)[]) parameters.append(`${name}[]`, String(item));
    else parameters.append(name, String(value));
  }
  return `?${parameters.toString()}`;
}
