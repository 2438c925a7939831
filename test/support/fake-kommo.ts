/**
 * An amoCRM/Kommo account as a server: API v4 with its shapes, limits and moods. What breaks its contract is answered
 * as the real one answers and kept in `violations`, which `close` turns into a failure of the test.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../src/core/ports.ts';

export interface FakeCard {
  id: number;
  name: string;
  responsible_user_id: number;
  created_at: number;
  updated_at: number;
  is_deleted: boolean;
  is_unsorted: boolean;
  tags: string[];
  phones: { value: string; enum_code: string }[];
  /** Fields besides the numbers, as they were written. */
  fields: { field_id: number; values: { value: unknown; enum_code?: string | undefined }[] }[];
  companies: number[];
}
export interface FakeLead {
  id: number;
  name: string;
  price: number;
  pipeline_id: number;
  status_id: number;
  responsible_user_id: number;
  created_at: number;
  updated_at: number;
  closed_at: number | null;
  tags: string[];
  contacts: number[];
  companies: number[];
}
export interface FakeTask {
  id: number;
  text: string;
  complete_till: number;
  entity_id: number | null;
  entity_type: string | null;
  task_type_id: number;
  responsible_user_id: number;
  is_completed: boolean;
  created_at: number;
}
export interface FakeNote {
  id: number;
  kind: EntityWord;
  entity_id: number;
  note_type: string;
  params: Record<string, unknown>;
  created_by: number;
  responsible_user_id: number;
  created_at: number;
  updated_at: number;
}
export interface FakeRequest {
  uid: string;
  metadata: Record<string, unknown>;
  pipeline_id: number;
  created_at: number;
  leadId: number;
  contactIds: number[];
}
export interface FakeUser {
  id: number;
  name: string;
  email: string;
  isActive: boolean;
}
type EntityWord = 'contacts' | 'companies' | 'leads' | 'customers';

/** Where the contract leaves room, each reading is a right one. */
export interface FakeReadings {
  /** A call of an unknown number: 400 with `errors`, or 200 with `errors` and no calls. */
  readonly unknownPhone: 400 | 200;
  /** Empty objects are written as `[]`, and a full last page promises a next one that is empty. */
  readonly isPhpLike: boolean;
  /** The notes of calls may be changed afterwards. */
  readonly changesCallNotes: boolean;
}
export const plainReadings: FakeReadings = { unknownPhone: 400, isPhpLike: false, changesCallNotes: true };
export const oddReadings: FakeReadings = { unknownPhone: 200, isPhpLike: true, changesCallNotes: false };

export interface FakeKommoOptions {
  readonly clock: Clock;
  readonly readings?: FakeReadings;
  /** Per second of real time; more is answered with 429. */
  readonly requestsPerSecond?: number;
  /** So many 429 in a row lead to a ban: 403 with HTML on every request. */
  readonly banAfter?: number;
}

export type NextFault = 'down' | 'unauthorized' | 'unpaid' | 'banned' | 'limited' | 'garbage' | 'silent';

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Not JSON. */
  readonly html?: string;
}
interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

const integer = z.int();
const seconds = z.int().min(1_000_000_000).max(9_999_999_999);
const requestId = z.string().optional();
const tagList = z.array(z.union([z.strictObject({ id: integer }), z.strictObject({ name: z.string().min(1) })]));
const fieldValues = z.array(
  z
    .strictObject({
      field_id: integer.optional(),
      field_code: z.string().optional(),
      values: z
        .array(
          z.strictObject({
            value: z.union([z.string(), z.number(), z.boolean()]).optional(),
            enum_id: integer.optional(),
            enum_code: z.string().optional(),
          }),
        )
        .min(1),
    })
    .refine((field) => field.field_id !== undefined || field.field_code !== undefined),
);
const cardFields = {
  name: z.string().optional(),
  first_name: z.string().optional(),
  last_name: z.string().optional(),
  responsible_user_id: integer.optional(),
  created_by: integer.optional(),
  updated_by: integer.optional(),
  created_at: seconds.optional(),
  updated_at: seconds.optional(),
  custom_fields_values: fieldValues.optional(),
  tags_to_add: tagList.optional(),
  request_id: requestId,
};
const newCard = z.strictObject({ ...cardFields, _embedded: z.strictObject({ tags: tagList }).optional() });
const changedCard = z.strictObject({ ...cardFields, id: integer.optional() });
const linkList = z.array(z.strictObject({ id: integer, is_main: z.boolean().optional() }));
const leadFields = {
  name: z.string().optional(),
  price: integer.optional(),
  status_id: integer.optional(),
  pipeline_id: integer.optional(),
  responsible_user_id: integer.optional(),
  created_by: integer.optional(),
  updated_by: integer.optional(),
  closed_at: seconds.optional(),
  created_at: seconds.optional(),
  updated_at: seconds.optional(),
  loss_reason_id: integer.optional(),
  visitor_uid: z.string().optional(),
  custom_fields_values: fieldValues.optional(),
  tags_to_add: tagList.optional(),
  request_id: requestId,
};
const newLead = z.strictObject({
  ...leadFields,
  _embedded: z
    .strictObject({
      tags: tagList.optional(),
      contacts: linkList.optional(),
      companies: linkList.optional(),
      source: z.strictObject({ external_id: z.string(), type: z.literal('widget') }).optional(),
    })
    .optional(),
});
const changedLead = z.strictObject({ ...leadFields, id: integer.optional() });
const newTask = z.strictObject({
  text: z.string().min(1),
  complete_till: seconds,
  entity_id: integer.optional(),
  entity_type: z.enum(['leads', 'contacts', 'companies', 'customers']).optional(),
  task_type_id: integer.optional(),
  responsible_user_id: integer.optional(),
  created_by: integer.optional(),
  updated_by: integer.optional(),
  duration: integer.optional(),
  is_completed: z.boolean().optional(),
  created_at: seconds.optional(),
  request_id: requestId,
});
const callParams = {
  uniq: z.string().optional(),
  duration: z.int().min(0),
  source: z.string().min(1),
  link: z.url().optional(),
  phone: z.string().min(1),
  call_result: z.string().optional(),
  call_status: z.int().min(1).max(7).optional(),
  call_responsible: z.union([integer, z.string().min(1)]).optional(),
};
const newCall = z.strictObject({
  ...callParams,
  direction: z.enum(['inbound', 'outbound']),
  responsible_user_id: integer.optional(),
  created_by: integer.optional(),
  updated_by: integer.optional(),
  created_at: seconds.optional(),
  updated_at: seconds.optional(),
  request_id: requestId,
});
const noteFrame = {
  entity_id: integer,
  created_by: integer.optional(),
  updated_by: integer.optional(),
  responsible_user_id: integer.optional(),
  created_at: seconds.optional(),
  request_id: requestId,
};
const newNote = z.discriminatedUnion('note_type', [
  z.strictObject({ ...noteFrame, note_type: z.enum(['call_in', 'call_out']), params: z.strictObject(callParams) }),
  z.strictObject({ ...noteFrame, note_type: z.literal('common'), params: z.strictObject({ text: z.string().min(1) }) }),
]);
const changedNote = z.strictObject({ params: z.record(z.string(), z.unknown()) });
const newRequest = z.strictObject({
  request_id: requestId,
  source_uid: z.string().min(1),
  source_name: z.string().min(1),
  pipeline_id: integer.optional(),
  created_at: seconds.optional(),
  metadata: z.strictObject({
    uniq: z.string().optional(),
    from: z.union([z.string().min(1), integer]),
    phone: z.union([z.string().min(1), integer]),
    called_at: seconds,
    duration: z.int().min(0),
    link: z.url(),
    service_code: z.string().min(1),
    is_call_event_needed: z.boolean().optional(),
    call_responsible: z.union([z.string(), integer]).optional(),
  }),
  _embedded: z.strictObject({ leads: z.array(newLead).optional(), contacts: z.array(newCard).optional() }).optional(),
});
const callEvent = z.strictObject({
  add: z.array(
    z.strictObject({
      type: z.literal('phone_call'),
      phone_number: z.string().min(1),
      users: z.array(integer).min(1).optional(),
    }),
  ),
});
const link = z.array(
  z.strictObject({
    to_entity_id: integer,
    to_entity_type: z.enum(['contacts', 'companies', 'leads']),
    metadata: z.unknown(),
  }),
);
const tokenAsk = z.discriminatedUnion('grant_type', [
  z.strictObject({
    grant_type: z.literal('authorization_code'),
    client_id: z.string(),
    client_secret: z.string(),
    redirect_uri: z.string(),
    code: z.string(),
  }),
  z.strictObject({
    grant_type: z.literal('refresh_token'),
    client_id: z.string(),
    client_secret: z.string(),
    redirect_uri: z.string(),
    refresh_token: z.string(),
  }),
]);

const paging = ['page', 'limit'];
const span = (name: string) => [`filter[${name}][from]`, `filter[${name}][to]`];
/** The parameters that each list knows. */
const listParameters: Record<string, readonly string[]> = {
  account: ['with'],
  users: [...paging, 'with'],
  pipelines: paging,
  custom_fields: paging,
  cards: [
    ...paging,
    'with',
    'query',
    'filter[id][]',
    'filter[name][]',
    ...span('created_at'),
    ...span('updated_at'),
    'filter[responsible_user_id][]',
    'order[updated_at]',
    'order[id]',
  ],
  leads: [
    ...paging,
    'with',
    'query',
    'filter[id][]',
    ...span('created_at'),
    ...span('updated_at'),
    'order[updated_at]',
    'order[id]',
  ],
  tasks: [
    ...paging,
    'filter[responsible_user_id][]',
    'filter[is_completed]',
    'filter[entity_type]',
    'filter[entity_id][]',
  ],
  notes: [...paging, 'filter[note_type][]', ...span('updated_at')],
  unsorted: [...paging, 'filter[uid][]', 'filter[category][]', 'filter[pipeline_id]', 'order[created_at]'],
  one: ['with'],
};

const digitsOf = (text: string) => text.replace(/\D/g, '');
const problem = (status: number, title: string, detail: string, more: object = {}): Answer => ({
  status,
  body: { title, type: `https://httpstatus.es/${status}`, status, detail, ...more },
});
const oauthProblem = (status: number, title: string, hint: string | null): Answer => ({
  status,
  body: {
    ...(hint === null ? {} : { hint }),
    title,
    type: 'https://developers.amocrm.ru/v3/errors/OAuthProblemJson',
    status,
    detail:
      hint === null ? 'Авторизация клиента не прошла' : 'В запросе отсутствует ряд параметров или параметры невалидны',
  },
});
/** Statuses of the one pipeline, with their types: 1 takes unsorted requests only. */
const pipelineId = 11;
const statusTypes = new Map([
  [21, 1],
  [22, 0],
  [23, 0],
  [142, 0],
  [143, 0],
]);
const noChoice = (path: string) => invalid(path, 'NotSupportedChoice', 'The value you selected is not a valid choice.');

const forbiddenPage =
  '<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n';
const invalid = (path: string, code: string, detail: string, request = '0'): Answer =>
  problem(400, 'Bad Request', 'Request validation failed', {
    'validation-errors': [{ request_id: request, errors: [{ code, path, detail }] }],
  });

export class FakeKommo {
  readonly contacts: FakeCard[] = [];
  readonly companies: FakeCard[] = [];
  readonly leads: FakeLead[] = [];
  readonly tasks: FakeTask[] = [];
  readonly notes: FakeNote[] = [];
  readonly requests: FakeRequest[] = [];
  /** Cards shown: the number, and to whom. */
  readonly shownCards: { phone: string; users: number[] | null }[] = [];
  readonly users: FakeUser[] = [
    { id: 501, name: 'Иван Петров', email: 'ivan@example.org', isActive: true },
    { id: 502, name: 'Ольга Сидорова', email: 'olga@example.org', isActive: true },
    { id: 503, name: 'Уволенный', email: 'gone@example.org', isActive: false },
  ];
  hasPhoneField = true;
  /** Cards say whether they were deleted; whether lists still have them then is not known. */
  listsDeleted = false;
  hasWorkValue = true;
  isUnsortedOn = true;
  /** The token is an administrator's. */
  isAdministrator = true;
  /** What was asked, in order: `GET /api/v4/contacts`. */
  readonly asked: string[] = [];
  readonly violations: string[] = [];
  readonly longLivedTokens = new Set(['long-lived']);
  readonly client = { id: 'client-1', secret: 'client-secret', redirectUri: 'https://pbx.example.org/oauth' };
  /** What of each write fails without being done, or is done with its answer lost; 0 to 1, from `dice`. */
  chaos: { lost: number; limited: number; down: number; dice: () => number } | null = null;
  /** New contacts are found by search only after this time of the clock. */
  searchLagMs = 0;
  /** What the other side's clock is ahead. */
  readonly #clock: Clock;
  readonly #readings: FakeReadings;
  readonly #limit: number;
  readonly #banAfter: number;
  readonly #server: Server;
  readonly #codes = new Map<string, { expiresAtMs: number; isUsed: boolean }>();
  readonly #refreshTokens = new Map<string, { isUsed: boolean }>();
  readonly #accessTokens = new Map<string, number>();
  #recent: number[] = [];
  #refusedInARow = 0;
  #isBanned = false;
  #nextFault: NextFault | null = null;
  #losesNextAnswer = false;
  #lastId = 9_000;

  private constructor(options: FakeKommoOptions) {
    this.#clock = options.clock;
    this.#readings = options.readings ?? plainReadings;
    this.#limit = options.requestsPerSecond ?? Infinity;
    this.#banAfter = options.banAfter ?? Infinity;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: FakeKommoOptions): Promise<FakeKommo> {
    const fake = new FakeKommo(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends the server; throws when a request has broken the contract. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    if (this.violations.length > 0) throw new Error(`The contract was broken:\n${this.violations.join('\n')}`);
  }

  failNext(fault: NextFault): void {
    this.#nextFault = fault;
  }
  loseNextAnswer(): void {
    this.#losesNextAnswer = true;
  }
  ban(isBanned: boolean): void {
    this.#isBanned = isBanned;
  }
  /** A code as the CRM shows it to the one who installs the integration. */
  issueCode(): string {
    const code = `def502${randomBytes(12).toString('hex')}`;
    this.#codes.set(code, { expiresAtMs: this.#clock.now().getTime() + 20 * 60_000, isUsed: false });
    return code;
  }
  /** All access tokens run out now; refresh tokens stay. */
  expireAccessTokens(): void {
    this.#accessTokens.clear();
  }
  revokeAll(): void {
    this.#accessTokens.clear();
    this.#refreshTokens.clear();
    this.longLivedTokens.clear();
  }
  get refreshes(): number {
    return [...this.#refreshTokens.values()].filter(({ isUsed }) => isUsed).length;
  }

  /** As a person would, in the CRM's screens. */
  addCard(
    kind: 'contacts' | 'companies',
    card: { name: string; phones: readonly string[]; responsibleId?: number; companies?: readonly number[] },
  ): FakeCard {
    const made: FakeCard = {
      ...this.#newTimes(),
      name: card.name,
      responsible_user_id: card.responsibleId ?? 0,
      is_deleted: false,
      is_unsorted: false,
      tags: [],
      fields: [],
      phones: card.phones.map((value) => ({ value, enum_code: 'WORK' })),
      companies: [...(card.companies ?? [])],
    };
    this[kind].push(made);
    return made;
  }
  addLead(lead: Partial<FakeLead>): FakeLead {
    const made: FakeLead = {
      ...this.#newTimes(),
      name: 'Сделка',
      price: 0,
      pipeline_id: 11,
      status_id: 22,
      responsible_user_id: 501,
      closed_at: null,
      tags: [],
      contacts: [],
      companies: [],
      ...lead,
    };
    this.leads.push(made);
    return made;
  }
  closeLead(id: number): void {
    const lead = this.leads.find((one) => one.id === id)!;
    lead.status_id = 142;
    lead.closed_at = this.#now();
  }
  get callNotes(): FakeNote[] {
    return this.notes.filter(({ note_type }) => note_type.startsWith('call_'));
  }
  /** A person sorts a request: it becomes an ordinary lead and contact, or goes. */
  sortRequest(uid: string, verdict: 'accept' | 'decline'): void {
    const index = this.requests.findIndex((one) => one.uid === uid);
    const [request] = this.requests.splice(index, 1);
    for (const card of this.contacts.filter(({ id }) => request!.contactIds.includes(id))) {
      card.is_unsorted = false;
      card.is_deleted = verdict === 'decline';
      card.updated_at = this.#now();
    }
    const lead = this.leads.find(({ id }) => id === request!.leadId)!;
    if (verdict === 'accept') lead.status_id = 22;
    else this.leads.splice(this.leads.indexOf(lead), 1);
  }

  #now(): number {
    return Math.floor(this.#clock.now().getTime() / 1_000);
  }
  #newTimes() {
    return { id: ++this.#lastId, created_at: this.#now(), updated_at: this.#now() };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://fake');
    const method = request.method ?? 'GET';
    const name = `${method} ${url.pathname}`;
    this.asked.push(name);
    const isWrite = method !== 'GET' && url.pathname !== '/oauth2/access_token';

    if (this.#nextFault === 'silent') {
      this.#nextFault = null;
      return;
    }
    const before = this.#faultBefore(isWrite);
    if (before !== null) return this.#answer(response, before);
    if (url.pathname === '/oauth2/access_token' && request.headers.authorization !== undefined)
      this.violations.push(`${name}: tokens are not asked for with a token`);
    const unlet = url.pathname === '/oauth2/access_token' ? null : this.#checkToken(request.headers.authorization);
    if (unlet !== null) return this.#answer(response, unlet);

    let body: unknown;
    if (text !== '') {
      try {
        body = JSON.parse(text);
      } catch {
        this.violations.push(`${name}: the body is not JSON`);
      }
      if (!request.headers['content-type']?.startsWith('application/json'))
        this.violations.push(`${name}: no JSON content type`);
    }
    const asked: Asked = { method, path: url.pathname, query: url.searchParams, body };
    const answer = this.#route(asked) ?? this.#unknown(name);
    if (answer.status < 400) this.#refusedInARow = 0;
    const isLost = this.#losesNextAnswer || (this.chaos !== null && this.chaos.dice() < this.chaos.lost);
    if (isWrite && isLost) {
      this.#losesNextAnswer = false;
      request.socket.destroy();
      return;
    }
    this.#answer(response, answer);
  }

  #answer(response: ServerResponse, { status, body, html }: Answer): void {
    const type = html !== undefined ? 'text/html' : status < 400 ? 'application/hal+json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type });
    response.end(html ?? (body === undefined ? undefined : JSON.stringify(body)));
  }

  #unknown(name: string): Answer {
    this.violations.push(`${name}: there is no such method`);
    return problem(404, 'Not Found', 'Page not found.');
  }

  #faultBefore(isWrite: boolean): Answer | null {
    if (this.#isBanned) return { status: 403, html: forbiddenPage };
    const fault = this.#nextFault;
    this.#nextFault = null;
    if (fault === 'down') return { status: 503, html: '<html>503 Service Temporarily Unavailable</html>' };
    if (fault === 'garbage') return { status: 200, html: '<html>Please log in</html>' };
    if (fault === 'unauthorized') return problem(401, 'Unauthorized', 'Неверный логин или пароль');
    if (fault === 'unpaid') return problem(402, 'Payment Required', 'Аккаунт не оплачен');
    if (fault === 'banned') return { status: 403, html: forbiddenPage };
    if (fault === 'limited') return this.#refuseForNow();
    const now = performance.now();
    this.#recent = this.#recent.filter((at) => at > now - 1_000);
    this.#recent.push(now);
    if (this.#recent.length > this.#limit) return this.#refuseForNow();
    if (this.chaos === null) return null;
    if (this.chaos.dice() < this.chaos.limited) return this.#refuseForNow();
    if (isWrite && this.chaos.dice() < this.chaos.down) return { status: 504, html: '<html>504</html>' };
    return null;
  }
  #refuseForNow(): Answer {
    this.#refusedInARow += 1;
    if (this.#refusedInARow >= this.#banAfter) this.#isBanned = true;
    return { status: 429, html: '<html><h1>429 Too Many Requests</h1></html>' };
  }

  #checkToken(header: string | undefined): Answer | null {
    const token = /^Bearer (.+)$/.exec(header ?? '')?.[1] ?? '';
    const expiresAt = this.#accessTokens.get(token) ?? 0;
    if (this.longLivedTokens.has(token) || expiresAt > this.#clock.now().getTime()) return null;
    return problem(401, 'Unauthorized', 'Неверный логин или пароль');
  }

  #route(asked: Asked): Answer | null {
    const { method, path } = asked;
    const is = (verb: string, place: string) => method === verb && path === place;
    if (is('POST', '/oauth2/access_token')) return this.#giveTokens(asked);
    if (is('POST', '/api/v2/events/')) return this.#showCards(asked);
    if (is('GET', '/api/v4/account')) {
      return this.#withParameters(asked, 'account', () => ({
        status: 200,
        body: {
          id: 5,
          name: 'Ромашка',
          subdomain: 'romashka',
          current_user_id: 501,
          is_unsorted_on: this.isUnsortedOn,
        },
      }));
    }
    if (is('GET', '/api/v4/users') && !this.isAdministrator)
      return problem(403, 'Forbidden', 'Only for administrators');
    if (is('GET', '/api/v4/users'))
      return this.#list(
        asked,
        'users',
        'users',
        this.users.map((user) => this.#showUser(user)),
      );
    if (is('GET', '/api/v4/leads/pipelines'))
      return this.#list(asked, 'pipelines', 'pipelines', [this.#showPipeline()]);
    if (is('GET', '/api/v4/contacts/custom_fields')) {
      return this.#list(asked, 'custom_fields', 'custom_fields', this.#showFields());
    }
    if (is('POST', '/api/v4/calls')) return this.#addCalls(asked);
    if (is('POST', '/api/v4/tasks')) return this.#addTasks(asked);
    if (is('GET', '/api/v4/tasks')) return this.#listTasks(asked);
    if (is('POST', '/api/v4/leads')) return this.#addLeads(asked);
    if (is('GET', '/api/v4/leads')) return this.#listLeads(asked);
    if (is('POST', '/api/v4/leads/unsorted/sip')) return this.#addRequests(asked);
    if (is('GET', '/api/v4/leads/unsorted')) return this.#listRequests(asked);
    const request = /^\/api\/v4\/leads\/unsorted\/([^/]+)$/.exec(path);
    if (method === 'GET' && request !== null) {
      const found = this.requests.find(({ uid }) => uid === request[1]);
      return found === undefined
        ? problem(404, 'Not found', 'Unsorted not found')
        : { status: 200, body: this.#showRequest(found) };
    }
    const leadLink = /^\/api\/v4\/leads\/(\d+)\/link$/.exec(path);
    if (method === 'POST' && leadLink !== null) return this.#linkLead(asked, Number(leadLink[1]));
    const lead = /^\/api\/v4\/leads\/(\d+)$/.exec(path);
    if (lead !== null && method === 'GET')
      return this.#readOne(asked, this.#leadOf(Number(lead[1])), (one) => this.#showLead(one));
    if (lead !== null && method === 'PATCH') return this.#changeLead(asked, Number(lead[1]));
    const cards = /^\/api\/v4\/(contacts|companies)(?:\/(\d+))?$/.exec(path);
    if (cards !== null) return this.#cards(asked, cards[1] as 'contacts' | 'companies', cards[2]);
    const notes = /^\/api\/v4\/(contacts|companies|leads|customers)(?:\/(\d+))?\/notes(?:\/(\d+))?$/.exec(path);
    if (notes !== null) return this.#notes(asked, notes[1] as EntityWord, notes[2], notes[3]);
    return null;
  }

  // ---------------------------------------------------------------- checking

  /** The body as the contract wants it, or the answer that says what is wrong with it. */
  #read<Schema extends z.ZodType>(asked: Asked, schema: Schema): { value: z.output<Schema> } | { refusal: Answer } {
    const parsed = schema.safeParse(asked.body);
    if (parsed.success) return { value: parsed.data };
    const [issue] = parsed.error.issues;
    this.violations.push(
      `${asked.method} ${asked.path}: ${z.prettifyError(parsed.error)} in ${JSON.stringify(asked.body)}`,
    );
    const code =
      issue!.code === 'unrecognized_keys'
        ? 'NotSupported'
        : issue!.message.includes('undefined')
          ? 'FieldMissing'
          : 'InvalidType';
    if (!Array.isArray(asked.body)) return { refusal: invalid(issue!.path.join('.'), code, issue!.message) };
    const [index = 0, ...path] = issue!.path;
    const item = asked.body[Number(index)] as { request_id?: unknown } | undefined;
    const request = typeof item?.request_id === 'string' ? item.request_id : String(index);
    return { refusal: invalid(path.join('.'), code, issue!.message, request) };
  }

  #withParameters(asked: Asked, list: string, answer: () => Answer): Answer {
    const unknown = [...asked.query.keys()].filter((key) => !listParameters[list]!.includes(key));
    if (unknown.length > 0)
      this.violations.push(`${asked.method} ${asked.path}: unknown parameters ${unknown.join(', ')}`);
    const [limit, page] = [Number(asked.query.get('limit') ?? 50), Number(asked.query.get('page') ?? 1)];
    if (!(limit >= 1 && limit <= 250)) return invalid('limit', 'OutOfRange', 'limit is at most 250');
    if (!(page >= 1 && page <= 100)) return invalid('page', 'OutOfRange', 'page is at most 100');
    return answer();
  }

  #list(asked: Asked, key: string, list: string, items: readonly unknown[]): Answer {
    return this.#withParameters(asked, list, () => {
      const limit = Number(asked.query.get('limit') ?? 50);
      const page = Number(asked.query.get('page') ?? 1);
      const shown = items.slice((page - 1) * limit, page * limit);
      if (shown.length === 0) return { status: 204 };
      const hasNext = items.length > page * limit || (this.#readings.isPhpLike && shown.length === limit);
      const href = `http://fake${asked.path}?page=${page + 1}`;
      const next = hasNext ? { next: { href } } : {};
      return {
        status: 200,
        body: { _page: page, _links: { self: { href: asked.path }, ...next }, _embedded: { [key]: shown } },
      };
    });
  }

  #readOne<Item>(asked: Asked, item: Item | undefined, show: (item: Item) => object): Answer {
    // Kommo answers 204 for a contact or lead that does not exist, 404 elsewhere; both mean the same.
    return this.#withParameters(asked, 'one', () =>
      item === undefined ? { status: 204 } : { status: 200, body: show(item) },
    );
  }

  #created(key: string, items: readonly { id: number; request_id: string | undefined }[]): Answer {
    const shown = items.map(({ id, request_id }, index) => ({
      id,
      request_id: request_id ?? String(index),
      _links: { self: { href: `http://fake/api/v4/${key}/${id}` } },
    }));
    return {
      status: 200,
      body: { _links: { self: { href: `http://fake/api/v4/${key}` } }, _embedded: { [key]: shown } },
    };
  }

  /** Users who may be given something; 0 is the robot. */
  #unknownUser(item: { responsible_user_id?: number | undefined; created_by?: number | undefined }): Answer | null {
    for (const field of ['responsible_user_id', 'created_by'] as const) {
      const id = item[field];
      if (id !== undefined && id !== 0 && !this.users.some((user) => user.id === id)) {
        return invalid(`${field}`, 'NotSupportedChoice', 'The value you selected is not a valid choice.');
      }
    }
    return null;
  }

  #entity(kind: string, id: number): FakeCard | FakeLead | undefined {
    if (kind === 'leads') return this.#leadOf(id);
    if (kind === 'contacts' || kind === 'companies')
      return this[kind].find((card) => card.id === id && !card.is_deleted);
    return undefined;
  }
  #leadOf(id: number): FakeLead | undefined {
    return this.leads.find((one) => one.id === id);
  }

  // ---------------------------------------------------------------- tokens

  #giveTokens(asked: Asked): Answer {
    const read = this.#read(asked, tokenAsk);
    if ('refusal' in read) return read.refusal;
    const { value } = read;
    const { id, secret, redirectUri } = this.client;
    if (value.client_id !== id || value.client_secret !== secret || value.redirect_uri !== redirectUri) {
      return oauthProblem(401, 'Некорректный клиент', null);
    }
    if (value.grant_type === 'authorization_code') {
      const code = this.#codes.get(value.code);
      if (code === undefined) return oauthProblem(400, 'Некорректный запрос', 'Cannot decrypt the authorization code');
      if (code.isUsed) return oauthProblem(400, 'Некорректный запрос', 'Authorization code has been revoked');
      if (code.expiresAtMs < this.#clock.now().getTime())
        return oauthProblem(400, 'Некорректный запрос', 'Authorization code has expired');
      code.isUsed = true;
    } else {
      const token = this.#refreshTokens.get(value.refresh_token);
      if (token === undefined || token.isUsed)
        return oauthProblem(401, 'Некорректный запрос', 'Token has been revoked');
      token.isUsed = true;
    }
    const access = randomBytes(16).toString('hex');
    const refresh = `def502${randomBytes(16).toString('hex')}`;
    this.#accessTokens.set(access, this.#clock.now().getTime() + 86_400_000);
    this.#refreshTokens.set(refresh, { isUsed: false });
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        expires_in: 86_400,
        server_time: this.#now(),
        access_token: access,
        refresh_token: refresh,
      },
    };
  }

  // ---------------------------------------------------------------- settings

  #showUser({ id, name, email, isActive }: FakeUser): object {
    return {
      id,
      name,
      email,
      lang: 'ru',
      rights: { leads: {}, is_admin: id === 501, is_active: isActive, group_id: null },
      _links: {},
    };
  }
  #showPipeline(): object {
    const status = (id: number, name: string, type: number) => ({
      id,
      name,
      sort: 10,
      pipeline_id: 11,
      type,
      account_id: 5,
      _links: {},
    });
    const statuses = [
      status(21, 'Неразобранное', 1),
      status(22, 'Первичный контакт', 0),
      status(23, 'Переговоры', 0),
      status(142, 'Успешно', 0),
      status(143, 'Закрыто', 0),
    ];
    return {
      id: 11,
      name: 'Воронка',
      sort: 1,
      is_main: true,
      is_unsorted_on: this.isUnsortedOn,
      is_archive: false,
      account_id: 5,
      _embedded: { statuses },
    };
  }
  #showFields(): object[] {
    const enums = [...(this.hasWorkValue ? ['WORK'] : []), 'MOB', 'OTHER'].map((value, index) => ({
      id: 701 + index,
      value,
      sort: index,
    }));
    const email = {
      id: 403,
      name: 'Email',
      code: 'EMAIL',
      type: 'multitext',
      enums: [{ id: 711, value: 'WORK', sort: 1 }],
    };
    const note = { id: 405, name: 'Примечание', code: null, type: 'text', enums: null };
    return [
      note,
      ...(this.hasPhoneField ? [{ id: 401, name: 'Телефон', code: 'PHONE', type: 'multitext', enums }] : []),
      email,
    ];
  }

  // ---------------------------------------------------------------- contacts and companies

  #cards(asked: Asked, kind: 'contacts' | 'companies', id: string | undefined): Answer | null {
    if (asked.method === 'GET' && id === undefined) return this.#listCards(asked, kind);
    if (asked.method === 'GET')
      return this.#readOne(
        asked,
        this[kind].find((card) => card.id === Number(id) && !card.is_deleted),
        (card) => this.#showCard(kind, card, asked),
      );
    if (asked.method === 'POST' && id === undefined) return this.#addCards(asked, kind);
    if (asked.method === 'PATCH' && id !== undefined) return this.#changeCard(asked, kind, Number(id));
    return null;
  }

  #showCard(kind: 'contacts' | 'companies', card: FakeCard, asked: Asked): object {
    const { phones, tags, companies, fields: others, ...fields } = card;
    const values = phones.map(({ value, enum_code }) => ({ value, enum_id: 701, enum_code }));
    const field = { field_id: 401, field_name: 'Телефон', field_code: 'PHONE', field_type: 'multitext', values };
    const written = [
      ...(phones.length === 0 || !this.hasPhoneField ? [] : [field]),
      ...others.map((one) => ({ ...one, field_code: one.field_id === 403 ? 'EMAIL' : null })),
    ];
    const leads = this.leads.filter((lead) => lead[kind].includes(card.id)).map(({ id }) => ({ id, _links: {} }));
    const embedded = {
      tags: tags.map((name, index) => ({ id: index + 1, name, color: null })),
      ...(kind === 'contacts' ? { companies: companies.map((id) => ({ id })) } : {}),
      ...(asked.query.get('with')?.split(',').includes('leads') ? { leads } : {}),
    };
    return {
      ...fields,
      first_name: '',
      last_name: '',
      group_id: 0,
      created_by: 0,
      updated_by: 0,
      closest_task_at: null,
      custom_fields_values: written.length === 0 ? null : written,
      account_id: 5,
      _links: { self: { href: '' } },
      _embedded:
        this.#readings.isPhpLike && tags.length === 0 && kind === 'companies' && leads.length === 0 ? [] : embedded,
    };
  }

  #listCards(asked: Asked, kind: 'contacts' | 'companies'): Answer {
    const { query } = asked;
    const wanted = query.get('query');
    const ids = query.getAll('filter[id][]').map(Number);
    const found = this[kind].filter(
      (card) =>
        (this.listsDeleted || !card.is_deleted) &&
        (wanted === null || this.#isFoundBy(card, wanted)) &&
        (ids.length === 0 || ids.includes(card.id)) &&
        isWithin(query, 'created_at', card.created_at) &&
        isWithin(query, 'updated_at', card.updated_at),
    );
    return this.#list(
      asked,
      kind,
      'cards',
      sorted(found, query).map((card) => this.#showCard(kind, card, asked)),
    );
  }
  #isFoundBy(card: FakeCard, wanted: string): boolean {
    if (this.#now() * 1_000 - card.created_at * 1_000 < this.searchLagMs) return false;
    if (card.name.toLowerCase().includes(wanted.toLowerCase())) return true;
    const digits = digitsOf(wanted);
    return (
      this.hasPhoneField && digits.length >= 3 && card.phones.some(({ value }) => digitsOf(value).includes(digits))
    );
  }

  /** What is written into the fields that are named; the others stay. */
  #readFields(
    written: z.output<typeof fieldValues> | undefined,
  ): { phones: FakeCard['phones'] | null; fields: FakeCard['fields'] } | { refusal: Answer } {
    let phones: FakeCard['phones'] | null = null;
    const fields: FakeCard['fields'] = [];
    const codes: Record<string, number> = { PHONE: 401, EMAIL: 403 };
    for (const [index, { field_id, field_code, values }] of (written ?? []).entries()) {
      const id = field_id ?? codes[field_code ?? ''];
      const path = `custom_fields_values.${index}.field_id`;
      if (id === undefined || ![401, 403, 405].includes(id) || (id === 401 && !this.hasPhoneField))
        return { refusal: noChoice(path) };
      if (id !== 401) {
        fields.push({ field_id: id, values: values.map(({ value, enum_code }) => ({ value, enum_code })) });
        continue;
      }
      const known = [...(this.hasWorkValue ? ['WORK'] : []), 'MOB', 'OTHER'];
      phones = [];
      for (const { value, enum_id, enum_code } of values) {
        const code = enum_code ?? (enum_id === undefined ? 'WORK' : (known[enum_id - 701] ?? ''));
        if (!known.includes(code)) return { refusal: noChoice(`custom_fields_values.${index}.values.0.enum_code`) };
        phones.push({ value: String(value), enum_code: code });
      }
    }
    return { phones, fields };
  }

  #makeCard(
    kind: 'contacts' | 'companies',
    item: z.output<typeof newCard>,
    isUnsorted: boolean,
  ): FakeCard | { refusal: Answer } {
    const written = this.#readFields(item.custom_fields_values);
    if ('refusal' in written) return written;
    const unknown = this.#unknownUser(item);
    if (unknown !== null) return { refusal: unknown };
    const card = this.addCard(kind, {
      name: item.name ?? '',
      phones: [],
      responsibleId: item.responsible_user_id ?? 501,
    });
    card.phones = written.phones ?? [];
    card.fields = written.fields;
    card.is_unsorted = isUnsorted;
    card.tags = namesOf(item._embedded?.tags);
    return card;
  }

  #addCards(asked: Asked, kind: 'contacts' | 'companies'): Answer {
    const read = this.#read(asked, z.array(newCard).min(1).max(250));
    if ('refusal' in read) return read.refusal;
    const made = [];
    for (const item of read.value) {
      const card = this.#makeCard(kind, item, false);
      if ('refusal' in card) return card.refusal;
      made.push({ id: card.id, request_id: item.request_id });
    }
    return this.#created(kind, made);
  }

  #changeCard(asked: Asked, kind: 'contacts' | 'companies', id: number): Answer {
    const read = this.#read(asked, changedCard);
    if ('refusal' in read) return read.refusal;
    const card = this[kind].find((one) => one.id === id && !one.is_deleted);
    if (card === undefined) return problem(404, 'Not found', 'Contact not found');
    const item = read.value;
    const written = this.#readFields(item.custom_fields_values);
    if ('refusal' in written) return written.refusal;
    const unknown = this.#unknownUser(item);
    if (unknown !== null) return unknown;
    card.name = item.name ?? card.name;
    card.responsible_user_id = item.responsible_user_id ?? card.responsible_user_id;
    card.phones = written.phones ?? card.phones;
    const isRewritten = (id: number) => written.fields.some(({ field_id }) => field_id === id);
    card.fields = [...card.fields.filter(({ field_id }) => !isRewritten(field_id)), ...written.fields];
    card.tags = [...new Set([...card.tags, ...namesOf(item.tags_to_add)])];
    card.updated_at = this.#now();
    return { status: 200, body: { id, name: card.name, updated_at: card.updated_at, _links: {} } };
  }

  // ---------------------------------------------------------------- leads and requests

  #showLead({ tags, contacts, companies, ...fields }: FakeLead): object {
    const embedded = {
      tags: tags.map((name, id) => ({ id, name })),
      companies: companies.map((id) => ({ id })),
      contacts: contacts.map((id) => ({ id })),
    };
    return {
      ...fields,
      group_id: 0,
      is_deleted: false,
      loss_reason_id: null,
      custom_fields_values: null,
      account_id: 5,
      _links: {},
      _embedded: embedded,
    };
  }

  #makeLead(item: z.output<typeof newLead>): FakeLead | { refusal: Answer } {
    const unknown = this.#unknownUser(item);
    if (unknown !== null) return { refusal: unknown };
    const stage = this.#wrongStage(item);
    if (stage !== null) return { refusal: stage };
    for (const kind of ['contacts', 'companies'] as const) {
      for (const { id } of item._embedded?.[kind] ?? []) {
        if (this.#entity(kind, id) === undefined) {
          return {
            refusal: invalid(
              `_embedded.${kind}.0.id`,
              'NotSupportedChoice',
              'The value you selected is not a valid choice.',
            ),
          };
        }
      }
    }
    return this.addLead({
      name: item.name ?? '',
      price: item.price ?? 0,
      status_id: item.status_id ?? 22,
      responsible_user_id: item.responsible_user_id ?? 501,
      tags: namesOf(item._embedded?.tags),
      contacts: item._embedded?.contacts?.map(({ id }) => id) ?? [],
      companies: item._embedded?.companies?.map(({ id }) => id) ?? [],
    });
  }

  #wrongStage(item: { pipeline_id?: number | undefined; status_id?: number | undefined }): Answer | null {
    if (item.pipeline_id !== undefined && item.pipeline_id !== pipelineId) return noChoice('pipeline_id');
    if (item.status_id !== undefined && !statusTypes.has(item.status_id)) return noChoice('status_id');
    return null;
  }

  #addLeads(asked: Asked): Answer {
    const read = this.#read(asked, z.array(newLead).min(1).max(250));
    if ('refusal' in read) return read.refusal;
    const made = [];
    for (const item of read.value) {
      const lead = this.#makeLead(item);
      if ('refusal' in lead) return lead.refusal;
      made.push({ id: lead.id, request_id: item.request_id });
    }
    return this.#created('leads', made);
  }

  #listLeads(asked: Asked): Answer {
    const { query } = asked;
    const ids = query.getAll('filter[id][]').map(Number);
    const found = this.leads.filter(
      (lead) =>
        (ids.length === 0 || ids.includes(lead.id)) &&
        isWithin(query, 'created_at', lead.created_at) &&
        isWithin(query, 'updated_at', lead.updated_at),
    );
    return this.#list(
      asked,
      'leads',
      'leads',
      sorted(found, query).map((lead) => this.#showLead(lead)),
    );
  }

  #changeLead(asked: Asked, id: number): Answer {
    const read = this.#read(asked, changedLead);
    if ('refusal' in read) return read.refusal;
    const lead = this.#leadOf(id);
    if (lead === undefined) return problem(404, 'Not found', 'Lead not found');
    const wrong = this.#unknownUser(read.value) ?? this.#wrongStage(read.value);
    if (wrong !== null) return wrong;
    lead.price = read.value.price ?? lead.price;
    lead.name = read.value.name ?? lead.name;
    lead.responsible_user_id = read.value.responsible_user_id ?? lead.responsible_user_id;
    lead.status_id = read.value.status_id ?? lead.status_id;
    lead.tags = [...new Set([...lead.tags, ...namesOf(read.value.tags_to_add)])];
    lead.updated_at = this.#now();
    return { status: 200, body: { id, updated_at: lead.updated_at, _links: {} } };
  }

  #linkLead(asked: Asked, id: number): Answer {
    const read = this.#read(asked, link);
    if ('refusal' in read) return read.refusal;
    const lead = this.#leadOf(id);
    if (lead === undefined) return problem(404, 'Not found', 'Lead not found');
    for (const { to_entity_id, to_entity_type } of read.value) {
      if (this.#entity(to_entity_type, to_entity_id) === undefined)
        return invalid('to_entity_id', 'NotSupportedChoice', 'No such entity');
      if (to_entity_type !== 'leads') lead[to_entity_type] = [...new Set([...lead[to_entity_type], to_entity_id])];
    }
    return { status: 200, body: { _total_items: 1, _links: {}, _embedded: { links: read.value } } };
  }

  #showRequest({ uid, metadata, pipeline_id, created_at, leadId, contactIds }: FakeRequest): object {
    const embedded = {
      contacts: contactIds.map((id) => ({ id, _links: {} })),
      leads: [{ id: leadId, _links: {} }],
      companies: [],
    };
    return {
      uid,
      source_uid: metadata['service_code'],
      category: 'sip',
      pipeline_id,
      created_at,
      metadata,
      account_id: 5,
      _links: {},
      _embedded: embedded,
    };
  }

  #addRequests(asked: Asked): Answer {
    const read = this.#read(asked, z.array(newRequest).min(1).max(50));
    if ('refusal' in read) return read.refusal;
    if (!this.isUnsortedOn) return invalid('pipeline_id', 'NotSupportedChoice', 'Unsorted is off');
    const made: object[] = [];
    for (const item of read.value) {
      const [wanted] = item._embedded?.leads ?? [];
      const lead = this.#makeLead({ name: 'Звонок', ...wanted, pipeline_id: item.pipeline_id, status_id: 21 });
      if ('refusal' in lead) return lead.refusal;
      const contactIds: number[] = [];
      for (const card of item._embedded?.contacts ?? []) {
        const contact = this.#makeCard('contacts', card, true);
        if ('refusal' in contact) return contact.refusal;
        contactIds.push(contact.id);
      }
      lead.contacts = contactIds;
      const request: FakeRequest = {
        uid: randomBytes(16).toString('hex'),
        metadata: item.metadata,
        pipeline_id: item.pipeline_id ?? 11,
        created_at: item.created_at ?? this.#now(),
        leadId: lead.id,
        contactIds,
      };
      this.requests.push(request);
      if (item.metadata.is_call_event_needed === true)
        this.#addCallNote('leads', lead.id, 'call_in', item.metadata, {});
      made.push({ ...this.#showRequest(request), request_id: item.request_id });
    }
    return { status: 200, body: { _total_items: made.length, _links: {}, _embedded: { unsorted: made } } };
  }

  #listRequests(asked: Asked): Answer {
    const uids = asked.query.getAll('filter[uid][]');
    const found = this.requests.filter(({ uid }) => uids.length === 0 || uids.includes(uid));
    const newestFirst = [...found].reverse();
    return this.#list(
      asked,
      'unsorted',
      'unsorted',
      newestFirst.map((request) => this.#showRequest(request)),
    );
  }

  // ---------------------------------------------------------------- tasks

  #addTasks(asked: Asked): Answer {
    const read = this.#read(asked, z.array(newTask).min(1).max(250));
    if ('refusal' in read) return read.refusal;
    const made = [];
    for (const item of read.value) {
      if ((item.entity_id === undefined) !== (item.entity_type === undefined))
        return invalid('entity_type', 'FieldMissing', 'both or none');
      if (item.entity_id !== undefined && this.#entity(item.entity_type!, item.entity_id) === undefined) {
        return invalid('entity_id', 'NotSupportedChoice', 'The value you selected is not a valid choice.');
      }
      const unknown = this.#unknownUser(item);
      if (unknown !== null) return unknown;
      const task: FakeTask = {
        id: ++this.#lastId,
        text: item.text,
        complete_till: item.complete_till,
        entity_id: item.entity_id ?? null,
        entity_type: item.entity_type ?? null,
        task_type_id: item.task_type_id ?? 1,
        responsible_user_id: item.responsible_user_id ?? 501,
        is_completed: item.is_completed ?? false,
        created_at: this.#now(),
      };
      this.tasks.push(task);
      made.push({ id: task.id, request_id: item.request_id });
    }
    return this.#created('tasks', made);
  }

  #listTasks(asked: Asked): Answer {
    const { query } = asked;
    const ids = query.getAll('filter[entity_id][]').map(Number);
    const users = query.getAll('filter[responsible_user_id][]').map(Number);
    const completed = query.get('filter[is_completed]');
    const type = query.get('filter[entity_type]');
    const found = this.tasks.filter(
      (task) =>
        (ids.length === 0 || ids.includes(task.entity_id ?? 0)) &&
        (type === null || task.entity_type === type) &&
        (users.length === 0 || users.includes(task.responsible_user_id)) &&
        (completed === null || task.is_completed === (completed === '1')),
    );
    return this.#list(
      asked,
      'tasks',
      'tasks',
      found.map((task) => ({ ...task, duration: 0, result: {}, account_id: 5, _links: {} })),
    );
  }

  // ---------------------------------------------------------------- calls, notes, cards

  /** The last ten digits; the oldest contact first, then companies; on its only active lead when there is exactly one. */
  #placeOfCall(phone: string): { kind: EntityWord; id: number } | null {
    const suffix = digitsOf(phone).slice(-10);
    if (suffix.length < 3 || !this.hasPhoneField) return null;
    for (const kind of ['contacts', 'companies'] as const) {
      const owner = this[kind]
        .filter((card) => !card.is_deleted && !card.is_unsorted)
        .filter(({ phones }) => phones.some(({ value }) => digitsOf(value).slice(-10) === suffix))
        .sort((a, b) => a.created_at - b.created_at || a.id - b.id)[0];
      if (owner === undefined) continue;
      const active = this.leads.filter(
        (lead) => lead[kind].includes(owner.id) && lead.closed_at === null && ![142, 143].includes(lead.status_id),
      );
      return active.length === 1 ? { kind: 'leads', id: active[0]!.id } : { kind, id: owner.id };
    }
    return null;
  }

  #addCallNote(
    kind: EntityWord,
    entityId: number,
    type: string,
    params: Record<string, unknown>,
    by: { created_by?: number | undefined; responsible_user_id?: number | undefined; created_at?: number | undefined },
  ): FakeNote {
    const note: FakeNote = {
      id: ++this.#lastId,
      kind,
      entity_id: entityId,
      note_type: type,
      params,
      created_by: by.created_by ?? 0,
      responsible_user_id: by.responsible_user_id ?? 501,
      created_at: by.created_at ?? this.#now(),
      updated_at: this.#now(),
    };
    this.notes.push(note);
    return note;
  }

  #addCalls(asked: Asked): Answer {
    const read = this.#read(asked, z.array(newCall).min(1).max(250));
    if ('refusal' in read) return read.refusal;
    const calls: object[] = [];
    const errors: object[] = [];
    for (const [index, item] of read.value.entries()) {
      const unknown = this.#unknownUser(item);
      if (unknown !== null) return unknown;
      const request_id = item.request_id ?? String(index);
      const place = this.#placeOfCall(item.phone);
      if (place === null) {
        errors.push({ title: 'Entity not found', status: 263, detail: 'Entity not found', request_id });
        continue;
      }
      const {
        direction,
        responsible_user_id,
        created_by,
        updated_by,
        created_at,
        updated_at,
        request_id: _,
        ...params
      } = item;
      const type = direction === 'inbound' ? 'call_in' : 'call_out';
      const note = this.#addCallNote(place.kind, place.id, type, params, {
        created_by,
        responsible_user_id,
        created_at,
      });
      const singular = { contacts: 'contact', companies: 'company', leads: 'lead', customers: 'customer' }[place.kind];
      const entity_type = this.#readings.isPhpLike ? place.kind : singular;
      const entity = { id: place.id, _links: { self: { href: `http://fake/api/v4/${place.kind}/${place.id}` } } };
      // The call is not the note: it has an id of its own.
      calls.push({
        id: note.id + 1_000_000,
        entity_id: place.id,
        entity_type,
        account_id: 5,
        request_id,
        _embedded: { entity },
      });
    }
    const status = calls.length === 0 ? this.#readings.unknownPhone : 200;
    return { status, body: { _total_items: calls.length, errors, _embedded: { calls } } };
  }

  #notes(asked: Asked, kind: EntityWord, entityId: string | undefined, noteId: string | undefined): Answer | null {
    if (kind === 'customers') return problem(402, 'Payment Required', 'Customers are not part of the tariff');
    if (asked.method === 'GET' && noteId === undefined) {
      const types = asked.query.getAll('filter[note_type][]');
      const found = this.notes.filter(
        (note) =>
          note.kind === kind &&
          (entityId === undefined || note.entity_id === Number(entityId)) &&
          (types.length === 0 || types.includes(note.note_type)) &&
          isWithin(asked.query, 'updated_at', note.updated_at),
      );
      return this.#list(
        asked,
        'notes',
        'notes',
        found.map(({ kind: _, ...note }) => ({ ...note, account_id: 5, _links: {} })),
      );
    }
    if (asked.method === 'POST' && entityId === undefined) {
      const read = this.#read(asked, z.array(newNote).min(1).max(250));
      if ('refusal' in read) return read.refusal;
      const made = [];
      for (const item of read.value) {
        if (this.#entity(kind, item.entity_id) === undefined)
          return invalid('entity_id', 'NotSupportedChoice', 'No such entity');
        const note = this.#addCallNote(kind, item.entity_id, item.note_type, item.params, item);
        made.push({ id: note.id, request_id: item.request_id });
      }
      return this.#created('notes', made);
    }
    if (asked.method === 'PATCH' && entityId === undefined && noteId !== undefined) {
      const read = this.#read(asked, changedNote);
      if ('refusal' in read) return read.refusal;
      const note = this.notes.find((one) => one.kind === kind && one.id === Number(noteId));
      if (note === undefined) return problem(404, 'Not found', 'Note not found');
      if (!this.#readings.changesCallNotes)
        return invalid('params', 'NotSupportedChoice', 'Notes of this type are not changed');
      note.params = read.value.params;
      note.updated_at = this.#now();
      return { status: 200, body: { id: note.id, entity_id: note.entity_id, updated_at: note.updated_at, _links: {} } };
    }
    return null;
  }

  #showCards(asked: Asked): Answer {
    const read = this.#read(asked, callEvent);
    if ('refusal' in read) return read.refusal;
    for (const { phone_number: phone, users } of read.value.add) this.shownCards.push({ phone, users: users ?? null });
    return { status: 202, body: {} };
  }
}

const namesOf = (tags: z.output<typeof tagList> | undefined): string[] =>
  (tags ?? []).flatMap((tag) => ('name' in tag ? [tag.name] : []));

function isWithin(query: URLSearchParams, field: string, value: number): boolean {
  const from = query.get(`filter[${field}][from]`);
  const to = query.get(`filter[${field}][to]`);
  return (from === null || value >= Number(from)) && (to === null || value <= Number(to));
}

function sorted<Item extends { id: number; updated_at: number }>(
  items: readonly Item[],
  query: URLSearchParams,
): Item[] {
  const field = query.has('order[updated_at]') ? 'updated_at' : 'id';
  const sign = query.get(`order[${field}]`) === 'desc' ? -1 : 1;
  return [...items].sort((a, b) => sign * (a[field] - b[field] || a.id - b.id));
}
