import type { AddressInfo } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Rejected, Retryable } from '../core/errors.ts';
import { BadCursor } from '../core/ledger-queries.ts';
import type { HttpConfig, MetricsConfig } from './config.ts';
import { WebFault, type FieldFault } from './fault.ts';
import type { Door } from './door.ts';
import type { InterfaceParts, WebParts } from './ports.ts';
import { addCallRoutes } from './routes/calls.ts';
import { addCallerIdRoute } from './routes/caller-id.ts';
import { addClickToCallRoutes } from './routes/click-to-call.ts';
import { addContactRoutes } from './routes/contacts.ts';
import { addDeliveryRoutes } from './routes/deliveries.ts';
import { addDialplanRoutes } from './routes/dialplan.ts';
import { addEmployeeRoutes } from './routes/employees.ts';
import { addHookRoutes } from './routes/hooks.ts';
import { addKommoRoutes } from './routes/kommo.ts';
import { addLeadRoutes } from './routes/leads.ts';
import { addLookupRoute } from './routes/lookup.ts';
import { addRecordingLinkRoute, addRecordingRoutes } from './routes/recordings.ts';
import { addInterfaceRoutes } from './routes/interface.ts';
import { addLiveRoute } from './routes/live.ts';
import { addPeopleRoutes, addSessionRoutes } from './routes/people.ts';
import { addRetailcrmRoutes } from './routes/retailcrm.ts';
import { addReportRoutes } from './routes/reports.ts';
import { addSettingsRoutes } from './routes/settings.ts';
import { addSetupRoutes } from './routes/setup.ts';
import { addStatusRoutes } from './routes/status.ts';
import { addTaskRoutes } from './routes/tasks.ts';
import { createSessions, type Sessions } from './sessions.ts';
import {
  bearerToken,
  createGuessCounter,
  createMadeTokenCheck,
  createTokenCheck,
  type ApiToken,
  type TokenOwner,
} from './tokens.ts';
import { isOpenTo, type Visitor } from './visitor.ts';

export interface WebServerOptions {
  readonly config: HttpConfig;
  readonly metricsConfig: MetricsConfig;
  /** The tokens of the configuration and the one of the local command line. */
  readonly tokens: readonly ApiToken[];
  readonly parts: WebParts;
}

export interface WebServer {
  /** Listens; resolves with the address. Rejects in plain words when the port is taken. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes no new requests, lets those under way finish within the time, then cuts. */
  stop(withinMs?: number): Promise<void>;
}

/** The HTTP side: `/status`, `/healthz`, `/metrics`, `/cid/<number>`, `/r/<id>` and `/api/v1`. */
export function createWebServer({ config, metricsConfig, tokens, parts }: WebServerOptions): WebServer {
  const app = fastify({
    logger: false,
    trustProxy: false,
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: config.requestTimeoutMs,
    // Slow-loris: a connection that sends nothing is closed as well.
    connectionTimeout: config.requestTimeoutMs,
    keepAliveTimeout: 5000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // Bodies are checked by zod; by itself fastify loads a second checker, which would take memory and never be asked.
    schemaController: { compilersFactory: { buildValidator: refuseSchemas, buildSerializer: refuseSchemas } },
    // What does not even get to a route, such as a path that is too long, gets to no hook either.
    frameworkErrors: (error, _request, reply) => answer(reply.headers(securityHeaders), toWebFault(error)),
  });
  app.server.maxConnections = config.maxConnections;
  app.server.headersTimeout = Math.min(config.requestTimeoutMs, 10_000);
  app.server.maxRequestsPerSocket = 1000;

  setSecurityHeaders(app);
  setFaultAnswers(app, parts);
  const visitors = new WeakMap<FastifyRequest, Visitor>();
  const door: Door = {
    parts,
    config,
    metricsConfig,
    requireToken: createTokenDoor(tokens, parts),
    visitorOf: (request) => visitors.get(request)!,
  };
  const own = parts.interface ?? null;
  const isSecure = config.publicUrl?.startsWith('https:') ?? false;
  const sessions = own === null ? null : createSessions({ users: own.users, clock: parts.clock, isSecure });

  addStatusRoutes(app, door);
  addCallerIdRoute(app, door);
  addRetailcrmRoutes(app, door);
  addKommoRoutes(app, door);
  addRecordingLinkRoute(app, door);
  if (own !== null && sessions !== null) {
    addInterfaceRoutes(app, own.bundle);
    addSessionRoutes(app, { parts, own, sessions });
  }
  app.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        const isChange = request.method !== 'GET' && request.method !== 'HEAD';
        const visitor = (await signedIn(request, sessions, isChange)) ?? byToken(await door.requireToken(request));
        visitors.set(request, visitor);
        if (!isOpenTo(visitor, request.method, request.routeOptions.url ?? ''))
          throw new WebFault(403, 'not_allowed', 'Your role does not include this.');
        if (!isChange) return;
        if (visitor.access === 'read') throw new WebFault(403, 'read_only', 'This token may look, not change.');
        if (!isLook(request))
          parts.log.info({ by: visitor.name, method: request.method, path: pathOf(request) }, 'API change');
      });
      if (own !== null && sessions !== null) {
        keepAuditLog(api, door, own);
        addLiveRoute(api, door, own);
        addReportRoutes(api, door, own);
        addPeopleRoutes(api, { door, own, sessions });
        addSettingsRoutes(api, own);
        addDialplanRoutes(api, own);
        addSetupRoutes(api, own);
      }
      addCallRoutes(api, door);
      addDeliveryRoutes(api, door);
      addContactRoutes(api, door);
      addLeadRoutes(api, door);
      addTaskRoutes(api, door);
      addEmployeeRoutes(api, door);
      addLookupRoute(api, door);
      addClickToCallRoutes(api, door);
      addRecordingRoutes(api, door);
      if (parts.hooks !== undefined) addHookRoutes(api, door, parts.hooks);
    },
    { prefix: '/api/v1' },
  );

  return {
    async start() {
      try {
        await app.listen({ host: config.host, port: config.port });
      } catch (error) {
        throw listenFault(error as NodeJS.ErrnoException, config);
      }
      const { address, port } = app.server.address() as AddressInfo;
      return { host: address, port };
    },
    async stop(withinMs = 5000) {
      const cut = setTimeout(() => app.server.closeAllConnections(), withinMs);
      try {
        await app.close();
      } finally {
        clearTimeout(cut);
      }
    },
  };
}

/** A route with a schema of fastify's would otherwise go unchecked. */
function refuseSchemas(): never {
  throw new Error('routes check with parseInput and have no schema of their own');
}

const byToken = ({ name, access }: TokenOwner): Visitor => ({ name, access, role: 'admin', extensions: null });

/** Who signed in; null when the request bears a token, or nothing. */
async function signedIn(
  request: FastifyRequest,
  sessions: Sessions | null,
  isChange: boolean,
): Promise<Visitor | null> {
  if (sessions === null || bearerToken(request) !== null) return null;
  const session = await sessions.find(request);
  if (session === null) return null;
  if (isChange) sessions.requireOwnPage(request, session);
  const { name, role, extensions } = session.user;
  return { name, access: 'full', role, extensions: role === 'admin' ? null : extensions };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Asked with a body, and changes nothing that anybody would look for in the audit log. */
    readonly isLook?: boolean;
    /** Names in the query that say what is done, and hold neither numbers nor tokens: the audit log keeps them. */
    readonly audited?: readonly string[];
  }
}
const isLook = (request: FastifyRequest) => request.routeOptions.config.isLook === true;

/** What was refused changed nothing and stands in the log; what was done is kept. */
function keepAuditLog(api: FastifyInstance, { parts, visitorOf }: Door, { users }: InterfaceParts): void {
  api.addHook('onResponse', async (request, reply) => {
    if (request.method === 'GET' || request.method === 'HEAD' || reply.statusCode >= 400 || isLook(request)) return;
    const entry = {
      who: visitorOf(request).name,
      address: request.ip,
      action: request.method,
      target: targetOf(request),
    };
    try {
      await users.record({ ...entry, at: parts.clock.now() });
    } catch (error) {
      parts.log.error({ error: (error as Error).message, ...entry }, 'a change is missing in the audit log');
    }
  });
}

/** The path, with what its route lets be kept of the query; as it was asked, for it was taken as valid. */
function targetOf(request: FastifyRequest): string {
  const query = request.query as Readonly<Record<string, unknown>>;
  const kept = (request.routeOptions.config.audited ?? []).flatMap((name) => {
    const value = query[name];
    return typeof value === 'string' ? [`${name}=${encodeURIComponent(value)}`] : [];
  });
  return pathOf(request) + (kept.length === 0 ? '' : `?${kept.join('&')}`);
}

/** The path without the query, which may hold numbers and tokens. */
const pathOf = (request: FastifyRequest) => request.url.replace(/\?.*$/s, '');

/** The address of the configuration cannot be listened on; the message says why and what to change. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

function listenFault(error: NodeJS.ErrnoException, { host, port }: HttpConfig): CannotListen {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program listens there already; set http.port to a free one',
    EACCES: 'this user may not listen there; ports below 1024 belong to root',
    EADDRNOTAVAIL: 'this machine has no such address; set http.host',
    ENOTFOUND: 'that host name does not resolve; set http.host',
  };
  return new CannotListen(`HTTP cannot listen on ${host}:${port}: ${reasons[error.code ?? ''] ?? error.message}`, {
    cause: error,
  });
}

function createTokenDoor(tokens: readonly ApiToken[], parts: WebParts): Door['requireToken'] {
  const ownerOf = createTokenCheck(tokens);
  const ownerOfMade = createMadeTokenCheck(parts.interface?.apiTokens ?? null, parts.clock);
  const guesses = createGuessCounter(parts.clock);
  return async (request, presented = bearerToken(request)) => {
    const owner = presented === null ? null : (ownerOf(presented) ?? (await ownerOfMade(presented)));
    if (owner !== null) return owner;
    if (guesses.isTooMany(request.ip))
      throw new WebFault(429, 'too_many_guesses', 'Too many wrong tokens; wait a minute.');
    if (presented === null) throw new WebFault(401, 'token_needed', 'Send a token: Authorization: Bearer <token>.');
    guesses.count(request.ip);
    parts.log.warn({ address: request.ip, path: pathOf(request) }, 'a wrong API token was presented');
    throw new WebFault(401, 'wrong_token', 'This token is not known.');
  };
}

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

function setSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onSend', async (_request, reply) => {
    for (const [name, value] of Object.entries(securityHeaders)) {
      // A route may know better, e.g. for sound that CRMs play in their pages.
      if (!reply.hasHeader(name)) reply.header(name, value);
    }
  });
}

function setFaultAnswers(app: FastifyInstance, { log }: WebParts): void {
  app.setNotFoundHandler((request, reply) => {
    answer(reply, new WebFault(404, 'not_found', `There is nothing at ${request.method} ${pathOf(request)}.`));
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const fault = toWebFault(error);
    if (fault.status >= 500)
      log.error({ path: pathOf(request), error: error.stack ?? String(error) }, 'an HTTP request failed');
    answer(reply, fault);
  });
}

function toWebFault(error: FastifyError): WebFault {
  if (error instanceof WebFault) return error;
  if (error instanceof BadCursor) {
    const fields = [{ field: 'after', message: 'is not a cursor of this list with this sort' }];
    return new WebFault(
      400,
      'invalid_input',
      'The request is not valid: after: is not a cursor of this list with this sort',
      fields,
    );
  }
  if (error instanceof Rejected) return new WebFault(422, 'rejected', error.message, fieldsOf(error.details));
  if (error instanceof Retryable) return new WebFault(503, 'try_again', error.message);
  // fastify's own: body too large, not JSON, unsupported media type, …
  if (typeof error.statusCode === 'number' && error.statusCode < 500) {
    return new WebFault(error.statusCode, 'bad_request', error.message);
  }
  return new WebFault(500, 'internal', 'Something went wrong on our side; the log tells more.');
}

/** `Rejected.details` of the built-in CRM: field name → what is wrong with it. */
function fieldsOf(details: unknown): FieldFault[] {
  if (typeof details !== 'object' || details === null) return [];
  return Object.entries(details).flatMap(([field, message]) =>
    typeof message === 'string' ? [{ field, message }] : [],
  );
}

function answer(reply: FastifyReply, fault: WebFault): void {
  if (fault.status === 401) reply.header('www-authenticate', 'Bearer realm="ringledger"');
  if (fault.status === 429) reply.header('retry-after', '60');
  const { code, message, fields } = fault;
  reply.code(fault.status).send({ error: { code, message, ...(fields.length > 0 ? { fields } : {}) } });
}
