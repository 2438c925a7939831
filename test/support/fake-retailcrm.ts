/**
 * A retailCRM account as its API behaves: form fields with JSON in them, types and required fields, unique external ids,
 * limits per second, repeats of calls, times by the account's clocks; and the faults that such a service has.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { Clock } from '../../src/core/ports.ts';
import { diceOfThisRun } from './random-seed.ts';

export const fakeKey = 'fake-retailcrm-key';

export interface FakeCustomer {
  readonly id: number;
  externalId?: string | undefined;
  firstName: string;
  lastName: string;
  phones: { number: string }[];
  managerId: number | null;
  tags: string[];
  customFields: Readonly<Record<string, unknown>>;
  readonly site: string;
  readonly createdAt: string;
}
export interface FakeOrder {
  readonly id: number;
  externalId?: string | undefined;
  status: string;
  orderMethod: string | null;
  managerId: number | null;
  managerComment: string;
  customer: { id: number } | null;
  readonly createdAt: string;
}
export interface FakeTask {
  readonly id: number;
  readonly text: string;
  readonly commentary: string;
  readonly datetime: string;
  readonly performerId: number;
  readonly customer: { id: number } | null;
  readonly order: { id: number } | null;
  complete: boolean;
}
export interface FakeUser {
  readonly id: number;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  active: boolean;
  online: boolean;
  status: 'free' | 'busy' | 'dinner' | 'break';
}

const localDate = z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
const ref = z.strictObject({ id: z.int().optional(), externalId: z.string().optional(), site: z.string().optional() });
const text = z.string().max(255);
const customerForm = z.strictObject({
  externalId: text.optional(),
  firstName: text.optional(),
  lastName: text.optional(),
  email: text.optional(),
  phones: z.array(z.strictObject({ number: text })).optional(),
  managerId: z.int().nullable().optional(),
  tags: z.array(text).optional(),
  addTags: z.array(text).optional(),
  customFields: z.record(z.string(), z.unknown()).optional(),
});
const orderForm = z.strictObject({
  externalId: text.optional(),
  status: text.optional(),
  orderMethod: text.optional(),
  managerId: z.int().optional(),
  managerComment: z.string().optional(),
  customer: ref.optional(),
  customFields: z.record(z.string(), z.unknown()).optional(),
});
const taskForm = z.strictObject({
  text: z.string().min(1),
  commentary: z.string().optional(),
  datetime: z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d$/),
  performerId: z.int(),
  customer: ref.optional(),
  order: ref.optional(),
});
export const callForm = z.strictObject({
  date: localDate,
  type: z.enum(['in', 'out']),
  phone: z.string().min(1),
  userId: z.int().optional(),
  code: z.string().optional(),
  result: z.enum(['answered', 'busy', 'failed', 'no answer', 'not allowed', 'unknown']),
  duration: z.int().min(0).optional(),
  durationWaiting: z.int().min(0).optional(),
  externalId: z.string().min(1).optional(),
  recordUrl: z.url().optional(),
  externalPhone: z.string().optional(),
  site: z.string().optional(),
});
export type FakeCall = z.output<typeof callForm>;
const eventForm = z.strictObject({
  phone: z.string().min(1),
  type: z.enum(['in', 'out', 'hangup']),
  codes: z.array(z.string()).min(1).optional(),
  userIds: z.array(z.int()).optional(),
  hangupStatus: z.enum(['answered', 'busy', 'cancel', 'cancelled', 'failed', 'no answered']).optional(),
  externalPhone: z.string().optional(),
  callExternalId: z.string().optional(),
  site: z.string().optional(),
});
export type FakeEvent = z.output<typeof eventForm>;
const telephonyShape = {
  clientId: z.string().optional(),
  makeCallUrl: z.string().optional(),
  changeUserStatusUrl: z.string().optional(),
  allowEdit: z.boolean().optional(),
  inputEventSupported: z.boolean().optional(),
  outputEventSupported: z.boolean().optional(),
  hangupEventSupported: z.boolean().optional(),
  additionalCodes: z.array(z.strictObject({ userId: z.string(), code: z.string() })).optional(),
  externalPhones: z.array(z.strictObject({ siteCode: z.string(), externalPhone: z.string() })).optional(),
};
const moduleForm = z.strictObject({
  code: z.string(),
  integrationCode: z.string(),
  active: z.boolean(),
  name: z.string().min(1),
  logo: z.url().optional(),
  clientId: z.string().optional(),
  baseUrl: z.url().optional(),
  accountUrl: z.url().optional(),
  integrations: z.strictObject({ telephony: z.strictObject(telephonyShape) }),
});
const configurationForm = z.strictObject({
  ...telephonyShape,
  active: z.boolean(),
  name: z.string().min(1),
  image: z.url().optional(),
});
export type FakeModule = z.output<typeof moduleForm>;

/** Parameters of each method; a parameter that it does not have is one that somebody believes to work. */
const parametersOf: readonly (readonly [RegExp, 'GET' | 'POST', readonly string[]])[] = [
  [/^\/(api-versions|credentials|settings|reference\/statuses)$/, 'GET', []],
  [/^\/users$/, 'GET', ['limit', 'page', 'filter[active]', 'filter[isManager]']],
  [/^\/users\/\d+\/status$/, 'POST', ['status']],
  [/^\/customers$/, 'GET', ['limit', 'page', 'filter[name]', 'filter[ids][]', 'filter[sites][]']],
  [/^\/customers\/history$/, 'GET', ['limit', 'page', 'filter[startDate]', 'filter[endDate]', 'filter[sinceId]']],
  [/^\/customers\/create$/, 'POST', ['site', 'customer']],
  [/^\/orders$/, 'GET', ['limit', 'page', 'filter[customer]', 'filter[customerId]', 'filter[ids][]']],
  [/^\/orders\/create$/, 'POST', ['site', 'order']],
  [/^\/tasks$/, 'GET', ['limit', 'page', 'filter[status]', 'filter[dateFrom]', 'filter[dateTo]']],
  [/^\/tasks\/create$/, 'POST', ['site', 'task']],
  [/^\/(customers|orders)\/[^/]+$/, 'GET', ['by', 'site']],
  [/^\/customers\/[^/]+\/edit$/, 'POST', ['by', 'site', 'customer']],
  [/^\/orders\/[^/]+\/edit$/, 'POST', ['by', 'site', 'order']],
  [/^\/telephony\/manager$/, 'GET', ['phone', 'details', 'ignoreStatus']],
  [/^\/telephony\/calls\/upload$/, 'POST', ['calls']],
  [/^\/telephony\/call\/event$/, 'POST', ['event']],
  [/^\/telephony\/setting\/[^/]+$/, 'GET', []],
  [/^\/telephony\/setting\/[^/]+\/edit$/, 'POST', ['configuration']],
  [/^\/integration-modules\/[^/]+$/, 'GET', []],
  [/^\/integration-modules\/[^/]+\/edit$/, 'POST', ['integrationModule']],
];

/** The CRM's own no. */
class No extends Error {
  readonly status: number;
  readonly errors: Readonly<Record<string, string>> | null;
  constructor(status: number, message: string, errors: Readonly<Record<string, string>> | null = null) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

export interface FakeFaults {
  /** Part of the writing requests that are done but whose answer is lost, 0 to 1. */
  lostAnswers?: number;
  /** Part of the requests answered 500. */
  brokenAnswers?: number;
  /** Requests that are answered 503 as above the limit from now on. */
  refusals?: number;
  isDown?: boolean;
  /** A page for people in place of every answer. */
  page?: { readonly status: number };
}

/** What the contract leaves open: each may be so or otherwise in an account. */
export interface FakeWays {
  /** The registered integration is shown without its clientId. */
  hidesClientId?: boolean;
  /** Numbers of lines are kept as digits alone. */
  keepsDigitsOnly?: boolean;
  /** `/telephony/manager` tells the manager without the customer. */
  hidesCustomer?: boolean;
  /** An upload of which some calls are refused keeps the others, and says so with 460. */
  takesPartsOfUploads?: boolean;
}

export interface FakeRetailcrmOptions {
  readonly clock: Clock;
  readonly versions?: readonly string[];
  readonly sites?: readonly string[];
  readonly timeZone?: string;
  /** Whether the limits are kept; a test in a hurry does without. */
  readonly hasLimits?: boolean;
}

const groups: Readonly<Record<string, string>> = {
  new: 'new',
  'client-confirmed': 'approval',
  complete: 'complete',
  'cancel-other': 'cancel',
};

export class FakeRetailcrm {
  readonly customers: FakeCustomer[] = [];
  readonly orders: FakeOrder[] = [];
  readonly tasks: FakeTask[] = [];
  readonly users: FakeUser[] = [];
  readonly calls: FakeCall[] = [];
  readonly events: FakeEvent[] = [];
  readonly modules = new Map<string, FakeModule>();
  /** As of v4. */
  readonly configurations = new Map<string, z.output<typeof configurationForm>>();
  readonly history: { id: number; createdAt: string; field: string; customer: { id: number }; deleted?: true }[] = [];
  readonly requests: string[] = [];
  /** Sizes of the uploads. */
  readonly uploads: number[] = [];
  /** Uploads that had a call in them which was there already. */
  repeats = 0;
  /** The most requests that came within a second, by limit. */
  readonly busiest = { general: 0, telephony: 0 };
  readonly faults: FakeFaults = {};
  readonly #dice = diceOfThisRun();
  readonly ways: FakeWays = {};
  /** Methods that the key may not use, as beginnings of paths. */
  readonly forbidden = new Set<string>();
  /** Phones of which the CRM will not take a call. */
  readonly unwelcome = new Set<string>();
  readonly #options: FakeRetailcrmOptions;
  readonly #server: Server;
  readonly #moments = { general: [] as number[], telephony: [] as number[] };
  #nextId = 100;
  #losesNext = false;
  #failsNext: 'down' | 'access-refused' | null = null;

  static async start(options: FakeRetailcrmOptions): Promise<FakeRetailcrm> {
    const fake = new FakeRetailcrm(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  private constructor(options: FakeRetailcrmOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  get timeZone(): string {
    return this.#options.timeZone ?? 'Europe/Moscow';
  }
  get sites(): readonly string[] {
    return this.#options.sites ?? ['main'];
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  loseNextAnswer(): void {
    this.#losesNext = true;
  }
  failNext(fault: 'down' | 'access-refused'): void {
    this.#failsNext = fault;
  }

  addUser(user: Partial<FakeUser> & { readonly id: number }): FakeUser {
    const whole: FakeUser = {
      email: `user${user.id}@example.org`,
      firstName: 'User',
      lastName: String(user.id),
      active: true,
      online: true,
      status: 'free',
      ...user,
    };
    this.users.push(whole);
    return whole;
  }

  /** As a person would in the CRM's own screens. */
  addCustomer(fields: {
    readonly firstName: string;
    readonly lastName?: string;
    readonly phones: readonly string[];
    readonly managerId?: number | null;
    readonly externalId?: string;
    readonly tags?: readonly string[];
    readonly customFields?: Readonly<Record<string, unknown>> | undefined;
    readonly site?: string;
  }): FakeCustomer {
    const customer: FakeCustomer = {
      id: this.#nextId++,
      externalId: fields.externalId,
      firstName: fields.firstName,
      lastName: fields.lastName ?? '',
      phones: fields.phones.map((number) => ({ number })),
      managerId: fields.managerId ?? null,
      tags: [...(fields.tags ?? [])],
      customFields: fields.customFields ?? {},
      site: fields.site ?? this.sites[0]!,
      createdAt: this.#now(),
    };
    this.customers.push(customer);
    this.#note(customer, 'id');
    return customer;
  }

  /** As an employee deletes one. */
  deleteCustomer(id: number): void {
    const index = this.customers.findIndex((customer) => customer.id === id);
    this.customers.splice(index, 1);
    this.history.push({ id: this.#nextId++, createdAt: this.#now(), field: 'id', customer: { id }, deleted: true });
  }

  #note(customer: FakeCustomer, field: string): void {
    this.history.push({ id: this.#nextId++, createdAt: this.#now(), field, customer: { id: customer.id } });
  }

  /** By the account's clocks. */
  #now(): string {
    const format = { timeZone: this.timeZone, dateStyle: 'short', timeStyle: 'medium' } as const;
    return this.#options.clock.now().toLocaleString('sv-SE', format);
  }

  #isDrawn(share: number | undefined): boolean {
    return share !== undefined && this.#dice() < share;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.address);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fault = this.#failsNext;
    this.#failsNext = null;
    if (fault === 'down' || this.faults.isDown === true) {
      request.socket.destroy();
      return;
    }
    if (this.faults.page !== undefined) {
      response.writeHead(this.faults.page.status, { 'content-type': 'text/html' });
      response.end('<html><body>This is no account of ours.</body></html>');
      return;
    }
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
      response.end(JSON.stringify(body));
    };
    try {
      this.requests.push(`${request.method} ${url.pathname}`);
      const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
      const path = this.#enter(request, url, form, fault);
      if (this.#isDrawn(this.faults.brokenAnswers)) throw new No(500, 'Internal error');
      const isWrite = request.method === 'POST';
      const [status, body] = isWrite ? this.#write(path, form) : this.#read(path, url.searchParams);
      if (isWrite && (this.#losesNext || this.#isDrawn(this.faults.lostAnswers))) {
        this.#losesNext = false;
        request.socket.destroy();
        return;
      }
      send(status, { success: true, ...body });
    } catch (error) {
      if (!(error instanceof No)) {
        send(500, { success: false, errorMsg: (error as Error).stack });
        return;
      }
      const { status, message, errors } = error;
      send(status, { success: false, errorMsg: message, ...(errors === null ? {} : { errors }) });
    }
  }

  /** Limits, key, rights and version, in this order; the path below the version. */
  #enter(request: IncomingMessage, url: URL, form: URLSearchParams, fault: string | null): string {
    const match = /^\/api(?:\/(v\d+))?(\/.*)$/.exec(url.pathname);
    if (match === null) throw new No(404, 'Method not found');
    const [, version, path] = match as unknown as [string, string | undefined, string];
    this.#countRequest(path.startsWith('/telephony') ? 'telephony' : 'general');
    const key = request.headers['x-api-key'] ?? url.searchParams.get('apiKey') ?? form.get('apiKey');
    if (key === null || key === undefined) throw new No(403, '"apiKey" is missing.');
    if (key !== fakeKey || fault === 'access-refused') throw new No(403, 'Wrong "apiKey" value.');
    if ([...this.forbidden].some((method) => path.startsWith(method))) throw new No(403, 'Access denied.');
    const versions = this.#options.versions ?? ['3.0', '4.0', '5.0'];
    if (version === undefined) {
      if (path !== '/api-versions' && path !== '/credentials') throw new No(404, 'Method not found');
    } else if (!versions.some((one) => version === `v${one.split('.')[0]}`)) throw new No(404, 'API version not found');
    if (version === 'v5' && path.startsWith('/telephony/setting')) throw new No(404, 'Method not found');
    if (version !== 'v5' && path.startsWith('/integration-modules')) throw new No(404, 'Method not found');
    const known = parametersOf.find(([place, method]) => place.test(path) && method === request.method);
    if (known === undefined) throw new No(404, 'Method not found');
    const given = [...new Set((request.method === 'POST' ? form : url.searchParams).keys())];
    const strange = given.filter((name) => name !== 'apiKey' && !known[2].includes(name));
    if (strange.length > 0)
      throw invalid(Object.fromEntries(strange.map((name) => [name, 'There is no such parameter'])));
    if (request.method === 'POST') {
      if (url.search !== '') throw new No(400, 'Parameters of a POST belong into its body');
      const type = request.headers['content-type'] ?? '';
      if (!type.startsWith('application/x-www-form-urlencoded')) throw new No(400, 'The request body is not a form');
    }
    return path;
  }

  #countRequest(lane: 'general' | 'telephony'): void {
    const now = performance.now();
    const moments = this.#moments[lane].filter((at) => now - at < 1_000);
    this.#moments[lane] = moments;
    const limit = lane === 'general' ? 10 : 40;
    if ((this.faults.refusals ?? 0) > 0) {
      this.faults.refusals! -= 1;
      throw new No(503, 'Rate limit exceeded');
    }
    if (this.#options.hasLimits === true && moments.length >= limit) throw new No(503, 'Rate limit exceeded');
    moments.push(now);
    this.busiest[lane] = Math.max(this.busiest[lane], moments.length);
  }

  // -------------------------------------------------------------- reading

  #read(path: string, query: URLSearchParams): [number, object] {
    const one = /^\/(customers|orders)\/([^/]+)$/.exec(path);
    if (path === '/api-versions') return [200, { versions: this.#options.versions ?? ['3.0', '4.0', '5.0'] }];
    if (path === '/credentials')
      return [200, { credentials: ['/api/*'], siteAccess: 'access_selective', sitesAvailable: this.sites }];
    if (path === '/settings') return [200, { settings: { timezone: { value: this.timeZone } } }];
    if (path === '/reference/statuses') {
      const statuses = Object.entries(groups).map(([code, group]) => [code, { code, name: code, active: true, group }]);
      return [200, { statuses: Object.fromEntries(statuses) as object }];
    }
    if (path === '/users')
      return [
        200,
        page(
          'users',
          this.users.map((user) => ({ ...user, createdAt: '2020-01-01 00:00:00' })),
          query,
        ),
      ];
    if (path === '/customers') return [200, page('customers', this.#findCustomers(query), query)];
    if (path === '/customers/history') {
      const start = query.get('filter[startDate]') ?? '';
      return [
        200,
        page(
          'history',
          this.history.filter(({ createdAt }) => createdAt >= start),
          query,
        ),
      ];
    }
    if (path === '/orders') {
      const customer = query.get('filter[customerId]');
      const orders = this.orders.filter((order) => customer === null || String(order.customer?.id) === customer);
      return [200, page('orders', orders.toReversed(), query)];
    }
    if (path === '/tasks') return [200, page('tasks', this.#findTasks(query), query)];
    if (path === '/telephony/manager') return [200, this.#findManager(query)];
    if (one !== null) {
      const by = whichId(query);
      this.#checkSite(query.get('site'));
      const list: readonly { readonly id: number; readonly externalId?: string | undefined }[] =
        this[one[1] as 'customers' | 'orders'];
      const id = decodeURIComponent(one[2]!);
      const found = list.find((item) => (by === 'id' ? String(item.id) === id : item.externalId === id));
      if (found === undefined) throw new No(404, 'Not found');
      return [200, { [one[1] === 'customers' ? 'customer' : 'order']: found }];
    }
    const module = /^\/integration-modules\/([^/]+)$/.exec(path);
    if (module !== null && this.modules.has(module[1]!))
      return [200, { integrationModule: this.#show(this.modules.get(module[1]!)!) }];
    const setting = /^\/telephony\/setting\/([^/]+)$/.exec(path);
    if (setting !== null && this.configurations.has(setting[1]!))
      return [200, { configuration: this.configurations.get(setting[1]!) }];
    throw new No(404, module !== null || setting !== null ? 'Not found' : 'Method not found');
  }

  #findCustomers(query: URLSearchParams): FakeCustomer[] {
    const ids = query.getAll('filter[ids][]');
    const name = query.get('filter[name]');
    const digits = name?.replaceAll(/\D/g, '') ?? '';
    return this.customers
      .filter(({ id }) => ids.length === 0 || ids.includes(String(id)))
      .filter(
        ({ firstName, lastName, phones }) =>
          name === null ||
          `${firstName} ${lastName}`.toLowerCase().includes(name.toLowerCase()) ||
          (digits !== '' && phones.some(({ number }) => number.replaceAll(/\D/g, '').includes(digits))),
      )
      .toReversed();
  }

  #findTasks(query: URLSearchParams): FakeTask[] {
    const [status, from, to] = ['status', 'dateFrom', 'dateTo'].map((name) => query.get(`filter[${name}]`));
    return this.tasks.filter(
      (task) =>
        (status === null || (status === 'performing') === !task.complete) &&
        (from == null || task.datetime.slice(0, 10) >= from) &&
        (to == null || task.datetime.slice(0, 10) <= to),
    );
  }

  #findManager(query: URLSearchParams): object {
    const phone = query.get('phone')?.replaceAll(/\D/g, '') ?? '';
    if (phone === '') throw new No(400, "Parameter 'phone' is missing");
    const customer = this.customers.findLast(({ phones }) =>
      phones.some(({ number }) => number.replaceAll(/\D/g, '').slice(-10) === phone.slice(-10)),
    );
    if (customer === undefined) return {};
    const user = this.users.find(({ id }) => id === customer.managerId);
    const code = this.#codes.find(({ userId }) => userId === String(user?.id))?.code;
    const isFree = user?.online === true && user.status === 'free';
    const hasManager = user?.active === true && code !== undefined && (isFree || query.get('ignoreStatus') === '1');
    const { id, firstName, lastName, phones } = customer;
    for (const name of ['details', 'ignoreStatus']) {
      if (!['0', '1', null].includes(query.get(name))) throw invalid({ [name]: 'Must be 0 or 1' });
    }
    return {
      ...(hasManager ? { manager: { id: user.id, firstName: user.firstName, lastName: user.lastName, code } } : {}),
      ...(query.get('details') === '1'
        ? {
            ...(this.ways.hidesCustomer === true ? {} : { customer: { id, firstName, lastName, phones } }),
            links: { customerLink: `${this.address}/customers/${id}`, newOrderLink: `${this.address}/orders/new` },
          }
        : {}),
    };
  }

  get #codes() {
    const modules = [...this.modules.values()].flatMap((module) => module.integrations.telephony.additionalCodes ?? []);
    return [...modules, ...[...this.configurations.values()].flatMap((one) => one.additionalCodes ?? [])];
  }

  // -------------------------------------------------------------- writing

  #write(path: string, form: URLSearchParams): [number, object] {
    const edit = /^\/(customers|orders)\/([^/]+)\/edit$/.exec(path);
    const module = /^\/integration-modules\/([^/]+)\/edit$/.exec(path);
    const setting = /^\/telephony\/setting\/([^/]+)\/edit$/.exec(path);
    const status = /^\/users\/(\d+)\/status$/.exec(path);
    if (path === '/customers/create') return [201, this.#createCustomer(form)];
    if (path === '/orders/create') return [201, this.#createOrder(form)];
    if (path === '/tasks/create') return [201, this.#createTask(form)];
    if (path === '/telephony/calls/upload') return this.#upload(form);
    if (path === '/telephony/call/event') return [200, this.#takeEvent(form)];
    if (edit?.[1] === 'customers') return [200, this.#editCustomer(edit[2]!, form)];
    if (edit?.[1] === 'orders') return [200, this.#editOrder(edit[2]!, form)];
    if (status !== null) {
      const user = this.users.find(({ id }) => String(id) === status[1]);
      if (user === undefined) throw new No(404, 'Not found');
      user.status = z.enum(['free', 'busy', 'dinner', 'break']).parse(form.get('status'));
      return [200, {}];
    }
    if (module !== null) {
      const wanted = parseField(form, 'integrationModule', moduleForm);
      const code = module[1]!;
      if (wanted.code !== code) throw invalid({ code: 'Is not the code of the address' });
      const isNew = !this.modules.has(code);
      const telephony = this.#checkCodes(wanted.integrations.telephony);
      this.modules.set(code, { ...wanted, integrations: { telephony: telephony.kept } });
      return [isNew ? 201 : 200, telephony.info];
    }
    if (setting !== null) {
      const wanted = parseField(form, 'configuration', configurationForm);
      const isNew = !this.configurations.has(setting[1]!);
      const { kept, info } = this.#checkCodes(wanted);
      this.configurations.set(setting[1]!, { ...wanted, ...kept });
      return [isNew ? 201 : 200, info];
    }
    throw new No(404, 'Method not found');
  }

  /** Users and shops that are not there are left out and named. */
  #checkCodes(wanted: FakeModule['integrations']['telephony']) {
    const isUser = ({ userId }: { userId: string }) => this.users.some(({ id }) => String(id) === userId);
    const isSite = ({ siteCode }: { siteCode: string }) => this.sites.includes(siteCode);
    const codes = wanted.additionalCodes ?? [];
    const phones = wanted.externalPhones ?? [];
    const notExistUsersIds = codes.filter((one) => !isUser(one)).map(({ userId }) => userId);
    const notExistSiteCodes = phones.filter((one) => !isSite(one)).map(({ siteCode }) => siteCode);
    const isWhole = notExistUsersIds.length + notExistSiteCodes.length === 0;
    return {
      kept: {
        ...wanted,
        additionalCodes: codes.filter(isUser),
        externalPhones: phones.filter(isSite).map(({ siteCode, externalPhone }) => ({
          siteCode,
          externalPhone: this.ways.keepsDigitsOnly === true ? externalPhone.replaceAll(/\D/g, '') : externalPhone,
        })),
      },
      info: isWhole ? {} : { info: { notExistUsersIds, notExistSiteCodes } },
    };
  }

  #siteOf(form: URLSearchParams): string {
    const site = form.get('site');
    if (site === null) {
      if (this.sites.length > 1) throw new No(400, "Parameter 'site' is missing");
      return this.sites[0]!;
    }
    this.#checkSite(site);
    return site;
  }
  #checkSite(site: string | null): void {
    if (site !== null && !this.sites.includes(site)) throw new No(400, `Site "${site}" does not exist`);
  }

  #show(module: FakeModule): object {
    if (this.ways.hidesClientId !== true) return module;
    const { clientId: _, integrations, ...rest } = module;
    const { clientId: __, ...telephony } = integrations.telephony;
    return { ...rest, integrations: { telephony } };
  }

  #requireUser(field: string, id: number | null | undefined): void {
    if (id == null || this.users.some((user) => user.id === id)) return;
    throw invalid({ [field]: `User with id=${id} does not exist` });
  }
  #requireCustomer(wanted: z.output<typeof ref> | undefined): { id: number } | null {
    if (wanted === undefined) return null;
    const found = this.customers.find(
      ({ id, externalId }) => id === wanted.id || (externalId !== undefined && externalId === wanted.externalId),
    );
    if (found === undefined) throw invalid({ customer: 'Customer does not exist' });
    return { id: found.id };
  }

  #createCustomer(form: URLSearchParams): object {
    const wanted = parseField(form, 'customer', customerForm);
    const site = this.#siteOf(form);
    this.#requireUser('managerId', wanted.managerId);
    const { externalId } = wanted;
    if (externalId !== undefined && this.customers.some((one) => one.externalId === externalId && one.site === site))
      throw new No(400, 'Customer already exists.', {
        externalId: `Customer with externalId=${externalId} already exists.`,
      });
    const customer = this.addCustomer({
      firstName: wanted.firstName ?? '',
      lastName: wanted.lastName ?? '',
      phones: (wanted.phones ?? []).map(({ number }) => number),
      managerId: wanted.managerId ?? null,
      tags: wanted.tags ?? [],
      customFields: wanted.customFields,
      site,
      ...(externalId === undefined ? {} : { externalId }),
    });
    return { id: customer.id };
  }

  #editCustomer(id: string, form: URLSearchParams): object {
    const wanted = parseField(form, 'customer', customerForm);
    const by = whichId(form);
    const customer = this.customers.find((one) => (by === 'id' ? String(one.id) : one.externalId) === id);
    if (customer === undefined) throw new No(404, 'Not found');
    this.#siteOf(form);
    this.#requireUser('managerId', wanted.managerId);
    const { firstName, lastName, phones, managerId, addTags } = wanted;
    if (firstName !== undefined) customer.firstName = firstName;
    if (lastName !== undefined) customer.lastName = lastName;
    if (phones !== undefined) customer.phones = phones;
    if (managerId !== undefined) customer.managerId = managerId;
    if (addTags !== undefined) customer.tags.push(...addTags);
    this.#note(customer, Object.keys(wanted)[0] ?? '');
    return { id: customer.id };
  }

  #createOrder(form: URLSearchParams): object {
    const wanted = parseField(form, 'order', orderForm);
    this.#siteOf(form);
    this.#requireUser('managerId', wanted.managerId);
    const customer = this.#requireCustomer(wanted.customer);
    const { externalId } = wanted;
    if (externalId !== undefined && this.orders.some((one) => one.externalId === externalId))
      throw new No(400, 'Order already exists.', { externalId: `Order with externalId=${externalId} already exists.` });
    if (wanted.status !== undefined && !(wanted.status in groups)) throw invalid({ status: 'Status does not exist' });
    const order: FakeOrder = {
      id: this.#nextId++,
      externalId,
      status: wanted.status ?? 'new',
      orderMethod: wanted.orderMethod ?? null,
      managerId: wanted.managerId ?? null,
      managerComment: wanted.managerComment ?? '',
      customer,
      createdAt: this.#now(),
    };
    this.orders.push(order);
    return { id: order.id, order };
  }

  #editOrder(id: string, form: URLSearchParams): object {
    const { status, orderMethod, managerId, managerComment } = parseField(form, 'order', orderForm);
    const by = whichId(form);
    this.#siteOf(form);
    const order = this.orders.find((one) => (by === 'id' ? String(one.id) : one.externalId) === id);
    if (order === undefined) throw new No(404, 'Not found');
    this.#requireUser('managerId', managerId);
    if (status !== undefined) order.status = status;
    if (orderMethod !== undefined) order.orderMethod = orderMethod;
    if (managerId !== undefined) order.managerId = managerId;
    if (managerComment !== undefined) order.managerComment = managerComment;
    return { id: order.id, order };
  }

  #createTask(form: URLSearchParams): object {
    const wanted = parseField(form, 'task', taskForm);
    this.#requireUser('performerId', wanted.performerId);
    const order = wanted.order?.id === undefined ? null : { id: wanted.order.id };
    if (order !== null && !this.orders.some(({ id }) => id === order.id))
      throw invalid({ order: 'Order does not exist' });
    const task: FakeTask = {
      id: this.#nextId++,
      text: wanted.text,
      commentary: wanted.commentary ?? '',
      datetime: wanted.datetime,
      performerId: wanted.performerId,
      customer: this.#requireCustomer(wanted.customer),
      order,
      complete: false,
    };
    this.tasks.push(task);
    return { id: task.id };
  }

  #upload(form: URLSearchParams): [number, object] {
    const calls = parseField(form, 'calls', z.array(z.unknown()));
    this.uploads.push(calls.length);
    if (calls.length > 50) throw new No(400, 'Validation error', { calls: 'There are more than 50 calls' });
    const faults: Record<string, string> = {};
    const duplicateCalls: string[] = [];
    const fresh: FakeCall[] = [];
    for (const [index, raw] of calls.entries()) {
      const parsed = callForm.safeParse(raw);
      const own = parsed.success
        ? this.#faultsOf(parsed.data)
        : Object.fromEntries(parsed.error.issues.map(({ path, message }) => [path.join('.'), message]));
      for (const [field, message] of Object.entries(own)) faults[`[${index}].${field}`] = message;
      if (!parsed.success || Object.keys(own).length > 0) continue;
      const call = parsed.data;
      const isKnown = [...this.calls, ...fresh].some(
        ({ externalId }) => externalId !== undefined && externalId === call.externalId,
      );
      if (isKnown) duplicateCalls.push(call.externalId!);
      else fresh.push(call);
    }
    const isFaulty = Object.keys(faults).length > 0;
    if (isFaulty && this.ways.takesPartsOfUploads !== true) throw invalid(faults);
    if (duplicateCalls.length > 0) this.repeats += 1;
    this.calls.push(...fresh);
    const taken = { processedCallsCount: fresh.length, duplicateCalls };
    if (!isFaulty) return [200, taken];
    return [460, { ...taken, success: false, errorMsg: 'Calls are loaded with errors', errors: faults }];
  }

  #faultsOf(call: FakeCall): Record<string, string> {
    const faults: Record<string, string> = {};
    if ((call.userId === undefined) === (call.code === undefined)) faults['userId'] = 'userId or code is needed';
    if (call.userId !== undefined && !this.users.some(({ id }) => id === call.userId))
      faults['userId'] = 'User does not exist';
    if (this.unwelcome.has(call.phone)) faults['phone'] = 'This value is not valid';
    if (call.site !== undefined && !this.sites.includes(call.site)) faults['site'] = 'Site does not exist';
    return faults;
  }

  #takeEvent(form: URLSearchParams): object {
    const event = parseField(form, 'event', eventForm);
    if (event.codes === undefined && event.userIds === undefined)
      throw invalid({ codes: 'codes or userIds are needed' });
    if ((event.type === 'hangup') !== (event.hangupStatus !== undefined))
      throw invalid({ hangupStatus: 'Belongs to the end of a call' });
    if (event.site !== undefined && !this.sites.includes(event.site)) throw invalid({ site: 'Site does not exist' });
    this.events.push(event);
    const known = this.#codes.map(({ code }) => code);
    const notExistCodes = (event.codes ?? []).filter((code) => !known.includes(code));
    return notExistCodes.length === 0 ? {} : { notExistCodes };
  }
}

const invalid = (errors: Readonly<Record<string, string>>) => new No(400, 'Errors in the entity format', errors);

function whichId(parameters: URLSearchParams): 'id' | 'externalId' {
  const by = parameters.get('by') ?? 'externalId';
  if (by !== 'id' && by !== 'externalId') throw invalid({ by: 'Must be id or externalId' });
  return by;
}

function parseField<Schema extends z.ZodType>(form: URLSearchParams, name: string, schema: Schema): z.output<Schema> {
  const value = form.get(name);
  if (value === null) throw new No(400, `Parameter '${name}' is missing`);
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    throw new No(400, `Parameter '${name}' is not JSON`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw invalid(Object.fromEntries(parsed.error.issues.map(({ path, message }) => [path.join('.') || name, message])));
}

function page(key: string, items: readonly unknown[], query: URLSearchParams): object {
  const limit = Number(query.get('limit') ?? 20);
  if (![20, 50, 100].includes(limit)) throw new No(400, 'Validation error', { limit: 'Must be 20, 50 or 100' });
  const currentPage = Number(query.get('page') ?? 1);
  const totalPageCount = Math.ceil(items.length / limit);
  return {
    pagination: { limit, totalCount: items.length, currentPage, totalPageCount },
    [key]: items.slice((currentPage - 1) * limit, currentPage * limit),
  };
}
