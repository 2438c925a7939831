import { Agent, request } from 'undici';
import { z } from 'zod';
import { startDeadline } from '../../core/deadline.ts';
import { AuthRequired, Rejected, Retryable } from '../../core/errors.ts';
import { NotDone, type RequestPace } from './pace.ts';

export interface Ask {
  /** A caller or an employee waits for the answer. */
  readonly isUrgent?: boolean;
  readonly signal?: AbortSignal | undefined;
}
export type Query = Readonly<Record<string, string | number | readonly (string | number)[] | null>>;
/** Objects and lists are written as JSON into their field; null and undefined fields are left out. */
export type Form = Readonly<Record<string, unknown>>;

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

/** Requests of a key in a second, as the CRM's rules allow them. */
export const limits = { general: 10, telephony: 40 } as const;

const connectTimeoutMs = 5_000;
const largestAnswer = 32 * 1_024 * 1_024;
/** With these nothing has left the machine. */
const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const answerSchema = z.looseObject({
  success: z.boolean(),
  errorMsg: z.string().optional(),
  /** Field → message, or only messages. */
  errors: z.unknown().optional(),
});
type Answer = z.output<typeof answerSchema>;

export type ApiVersion = 'v4' | 'v5';

/**
 * Requests to one account with its key. The only place that knows what statuses mean: everything rejects with `Retryable`
 * (`NotDone` when certainly nothing happened), `Rejected` (`Refused` when the CRM said so) or `AuthRequired`. What the
 * answer says of its own success comes before its status. Redirects are not followed.
 */
export class RetailcrmApi {
  readonly address: string;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #paces: { readonly general: RequestPace; readonly telephony: RequestPace };
  readonly #agent: Agent;
  #version: Promise<ApiVersion> | null = null;

  constructor(parts: {
    /** `https://company.retailcrm.ru` */
    readonly address: string;
    readonly key: string;
    readonly timeoutMs: number;
    readonly paces: { readonly general: RequestPace; readonly telephony: RequestPace };
  }) {
    this.address = parts.address;
    this.#key = parts.key;
    this.#timeoutMs = parts.timeoutMs;
    this.#paces = parts.paces;
    this.#agent = new Agent({
      connections: 12,
      connect: { timeout: connectTimeoutMs },
      headersTimeout: parts.timeoutMs,
      bodyTimeout: parts.timeoutMs,
      maxResponseSize: largestAnswer,
    });
  }

  /** The newest version of the API that both sides know: asked once. */
  version(): Promise<ApiVersion> {
    this.#version ??= this.#readVersion().catch((error: unknown) => {
      this.#version = null;
      throw error;
    });
    return this.#version;
  }

  /** `path` as of `/customers`; below `/api` itself with `isUnversioned`. Null: there is no such thing. */
  async get<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    ask: Ask & { readonly query?: Query; readonly isUnversioned?: boolean } = {},
  ): Promise<z.output<Schema> | null> {
    const place = `${await this.#placeOf(path, ask)}${writeQuery(ask.query)}`;
    const answer = await this.#send('GET', place, path, ask, null).catch((error: unknown) => {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    });
    return answer === null ? null : readAnswer(schema, answer, path);
  }

  async post<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    form: Form,
    ask: Ask = {},
  ): Promise<z.output<Schema>> {
    return readAnswer(
      schema,
      await this.#send('POST', await this.#placeOf(path, {}), path, ask, writeForm(form)),
      path,
    );
  }

  /** All of a list, page by page, in the CRM's order. */
  async *pages<Schema extends z.ZodType>(
    path: string,
    list: { readonly key: string; readonly item: Schema; readonly query?: Query; readonly atMostPages?: number },
    ask: Ask = {},
  ): AsyncGenerator<z.output<Schema>[]> {
    const schema = z.looseObject({ pagination: z.object({ totalPageCount: z.number() }).optional() });
    for (let page = 1, last = 1; page <= Math.min(last, list.atMostPages ?? Infinity); page++) {
      const answer = await this.get(path, schema, { ...ask, query: { ...list.query, page, limit: 100 } });
      if (answer === null) return;
      last = answer.pagination?.totalPageCount ?? 1;
      yield readAnswer(z.array(list.item), answer[list.key] ?? [], path);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #readVersion(): Promise<ApiVersion> {
    const schema = z.looseObject({ versions: z.array(z.string()).catch([]) });
    const answer = await this.get('/api-versions', schema, { isUnversioned: true, isUrgent: true }).catch(
      (error: unknown) => {
        if (error instanceof Refused) return null;
        throw error;
      },
    );
    const versions = answer?.versions ?? [];
    return versions.some((one) => one.startsWith('4')) && !versions.some((one) => one.startsWith('5')) ? 'v4' : 'v5';
  }

  async #placeOf(path: string, { isUnversioned = false }: { readonly isUnversioned?: boolean }): Promise<string> {
    return isUnversioned ? `/api${path}` : `/api/${await this.version()}${path}`;
  }

  async #send(method: 'GET' | 'POST', place: string, path: string, ask: Ask, form: string | null): Promise<Answer> {
    const pace = path.startsWith('/telephony') ? this.#paces.telephony : this.#paces.general;
    const deadline = startDeadline(this.#timeoutMs, ask.signal);
    try {
      await pace.take(ask.isUrgent === true, deadline.signal);
      const what = `${method} ${path}`;
      const { status, text } = await this.#request(method, place, deadline.signal, form, what);
      return this.#judge({ status, text, what, pace });
    } finally {
      deadline.clear();
    }
  }

  async #request(method: 'GET' | 'POST', place: string, signal: AbortSignal, form: string | null, what: string) {
    try {
      const response = await request(`${this.address}${place}`, {
        method,
        dispatcher: this.#agent,
        signal,
        headers: {
          accept: 'application/json',
          'user-agent': 'ringledger',
          'x-api-key': this.#key,
          ...(form === null ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        body: form,
      });
      return { status: response.statusCode, text: await response.body.text() };
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      const reason = signal.aborted ? 'it did not answer in time' : code || message;
      const text = `${this.#host} cannot be reached (${what}): ${reason}`;
      throw unsentCodes.has(code) ? new NotDone(text, { cause: error }) : new Retryable(text, { cause: error });
    }
  }

  #judge(outcome: { status: number; text: string; what: string; pace: RequestPace }): Answer {
    const { status, text, what, pace } = outcome;
    const answer = answerSchema.safeParse(parseJson(text)).data;
    if (answer?.success === true) {
      pace.wentWell();
      return answer;
    }
    const said = answer?.errorMsg ?? '';
    if (status === 503 || status === 429 || /rate limit/i.test(said)) {
      const retryAfterMs = pace.slowDown();
      throw new NotDone(`${this.#host} asks for fewer requests (${status})`, { retryAfterMs });
    }
    if (status >= 500) throw new Retryable(`${this.#host} answers ${status} to ${what}`);
    if (answer === undefined) throw this.#explainForeign(status, text, what);
    if (/apiKey|account does not exist/i.test(said) || status === 401) {
      throw new AuthRequired(
        `${this.#host} does not accept our key: ${said}. Set apiKey in the configuration to one that is active in the CRM, then resume the deliveries.`,
      );
    }
    if (status === 403 || /access denied/i.test(said)) {
      throw new AuthRequired(
        `${this.#host} does not let our key use ${what}: ${said}. In the CRM, give the key the right for this method, then resume the deliveries.`,
      );
    }
    const details = answer.errors ?? said;
    const words = [said, describeErrors(answer.errors)].filter((part) => part !== '').join(': ');
    throw new Refused(`${what} was refused (${status}${words === '' ? '' : `, ${words}`})`, {
      status,
      answer,
      details,
    });
  }

  /** What is no answer of the API: a page for people means that there is no such account. */
  #explainForeign(status: number, text: string, what: string): Error {
    if (text.trimStart().startsWith('<') || (status >= 300 && status < 400)) {
      return new AuthRequired(
        `${this.#host} is no account of the CRM (it answers ${what} with ${status} and a page). Set the address of the account in the configuration, then resume the deliveries.`,
      );
    }
    return new Retryable(`${this.#host} answers ${what} with ${status} and something that is not JSON`);
  }

  get #host(): string {
    return new URL(this.address).host;
  }
}

/** The body as it must be; `Retryable` when it is not. */
function readAnswer<Schema extends z.ZodType>(schema: Schema, answer: unknown, path: string): z.output<Schema> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Retryable(`the answer to ${path} is not what it should be: ${z.prettifyError(parsed.error)}`);
}

function describeErrors(errors: unknown): string {
  if (typeof errors !== 'object' || errors === null) return '';
  const entries = Object.entries(errors).map(([field, message]) =>
    /^\d+$/.test(field)
      ? String(message)
      : `${field}: ${typeof message === 'string' ? message : JSON.stringify(message)}`,
  );
  return entries.join('; ');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function writeQuery(query: Query | undefined): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === null) continue;
    if (typeof value === 'object') for (const item of value) parameters.append(`${name}[]`, String(item));
    else parameters.append(name, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

function writeForm(form: Form): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) {
    if (value === null || value === undefined) continue;
    fields.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value as string | number));
  }
  return fields.toString();
}
