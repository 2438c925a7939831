import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ApiTokenEntry } from '../../core/api-tokens.ts';
import { LastAdmin, webRoles, type WebUser } from '../../core/web-users.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import type { Door } from '../door.ts';
import type { InterfaceParts, WebParts } from '../ports.ts';
import { shortText } from '../query.ts';
import type { Sessions } from '../sessions.ts';
import { createGuessCounter, hashToken, makeToken } from '../tokens.ts';

const name = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[\p{L}\p{N}._@-]{2,64}$/u, 'must be 2 to 64 letters, digits, dots, dashes');
const password = z.string().min(10, 'must have at least 10 characters').max(200);
const extensions = z.array(z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension')).max(500);
const credentials = z.strictObject({ name: z.string().max(64), password: z.string().max(200) });
const firstUser = z.strictObject({ token: z.string().max(200), name, password });
const newPassword = z.strictObject({ password: z.string().max(200), newPassword: password });
const newUser = z.strictObject({
  name,
  password,
  role: z.enum(webRoles),
  extensions: extensions.default([]),
});
const userChange = z.strictObject({ password, role: z.enum(webRoles), extensions, isActive: z.boolean() }).partial();
const newToken = z.strictObject({ name: z.string().trim().min(1).max(64), access: z.enum(['full', 'read']) });
const identity = z.strictObject({ id: shortText });
const auditQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.string().max(20).optional(),
});

export type MadeToken = ApiTokenEntry & { readonly token: string };

/** What the page knows about who looks at it. */
export interface SessionAnswer {
  /** True: nobody exists yet, and the token in this file makes the first user. */
  readonly isFirstRun: boolean;
  readonly tokenFile: string | null;
  readonly user: WebUser | null;
  /** To be sent back in `x-csrf-token` with each change. */
  readonly csrfToken: string | null;
  readonly timeZone: string;
}

/** `/api/v1/session`: signing in and out, and making the first user. Outside the door: who is here has no session yet. */
export function addSessionRoutes(
  app: FastifyInstance,
  { parts, own, sessions }: { readonly parts: WebParts; readonly own: InterfaceParts; readonly sessions: Sessions },
): void {
  const { users, firstRun, timeZone } = own;
  const guesses = createGuessCounter(parts.clock);
  const path = '/api/v1/session';

  const answer = (user: WebUser | null, csrfToken: string | null): SessionAnswer => ({
    isFirstRun: false,
    tokenFile: null,
    user,
    csrfToken,
    timeZone,
  });
  const audit = (request: FastifyRequest, who: string, action: string) =>
    users.record({ at: parts.clock.now(), who, address: request.ip, action, target: '' });

  /** Forms of other sites cannot send JSON, nor this header's honest value. */
  function requireOwnOrigin(request: FastifyRequest): void {
    if (guesses.isTooMany(request.ip))
      throw new WebFault(429, 'too_many_guesses', 'Too many wrong attempts from this address; wait a minute.');
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin')
      throw new WebFault(403, 'not_our_page', 'This request came from another site.');
  }

  app.get(path, async (request): Promise<SessionAnswer> => {
    const session = await sessions.find(request);
    if (session !== null) return answer(session.user, session.csrfToken);
    const isFirstRun = await users.isEmpty();
    if (isFirstRun) firstRun.prepare();
    return { ...answer(null, null), isFirstRun, tokenFile: isFirstRun ? firstRun.file : null };
  });

  app.post(path, async (request, reply) => {
    requireOwnOrigin(request);
    const given = parseInput(credentials, request.body);
    try {
      const { user, csrfToken } = await sessions.signIn(reply, given);
      await audit(request, user.name, 'signed in');
      return answer(user, csrfToken);
    } catch (error) {
      if (error instanceof WebFault) {
        guesses.count(request.ip);
        parts.log.warn({ address: request.ip }, 'somebody could not sign in to the web interface');
      }
      throw error;
    }
  });

  app.post(`${path}/first-user`, async (request, reply) => {
    requireOwnOrigin(request);
    const { token, name: chosen, password: secret } = parseInput(firstUser, request.body);
    if (!(await users.isEmpty())) throw new WebFault(409, 'not_now', 'The first user exists already; sign in.');
    if (!firstRun.isRight(token)) {
      guesses.count(request.ip);
      throw new WebFault(401, 'wrong_token', 'This is not the token of the file.');
    }
    const passwordHash = await sessions.passwords.hash(secret);
    const fields = { name: chosen, passwordHash, role: 'admin', extensions: [], isActive: true } as const;
    const user = await users.addFirst(fields, parts.clock.now());
    if (user === null) throw new WebFault(409, 'not_now', 'The first user exists already; sign in.');
    firstRun.finish();
    await audit(request, user.name, 'made the first user');
    return answer(user, (await sessions.open(reply, user)).csrfToken);
  });

  app.post(`${path}/password`, async (request, reply) => {
    const session = await sessions.find(request);
    if (session === null) throw new WebFault(401, 'token_needed', 'Sign in first.');
    sessions.requireOwnPage(request, session);
    requireOwnOrigin(request);
    const given = parseInput(newPassword, request.body);
    const { user } = session;
    const known = await users.findByName(user.name);
    if (!(await sessions.passwords.isRight(given.password, known?.passwordHash ?? null))) {
      guesses.count(request.ip);
      throw new WebFault(403, 'wrong_password', 'The present password is wrong.');
    }
    const passwordHash = await sessions.passwords.hash(given.newPassword);
    // Ends every session of this user, also one that somebody else may have; this one begins anew.
    await users.change(user.id, { passwordHash });
    await audit(request, user.name, 'changed the own password');
    return answer(user, (await sessions.open(reply, user)).csrfToken);
  });

  app.delete(path, async (request, reply) => {
    const session = await sessions.find(request);
    if (session !== null) {
      sessions.requireOwnPage(request, session);
      await audit(request, session.user.name, 'signed out');
    }
    await sessions.close(request, reply);
    return reply.code(204).send();
  });
}

/** Users of the interface and what was done, for admins. */
export function addPeopleRoutes(
  api: FastifyInstance,
  { door, own, sessions }: { readonly door: Door; readonly own: InterfaceParts; readonly sessions: Sessions },
): void {
  const { parts } = door;
  const { users } = own;

  api.get('/web-users', async () => ({ items: await users.list() }));

  api.post('/web-users', async (request, reply) => {
    const { password: secret, ...fields } = parseInput(newUser, request.body);
    const passwordHash = await sessions.passwords.hash(secret);
    const user = await users.add({ ...fields, passwordHash, isActive: true }, parts.clock.now());
    if (user === null) throw new WebFault(409, 'taken', 'There is a user of this name already.');
    reply.code(201);
    return user;
  });

  api.patch('/web-users/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const { password: secret, ...change } = parseInput(userChange, request.body);
    const secretChange = secret === undefined ? {} : { passwordHash: await sessions.passwords.hash(secret) };
    try {
      const user = await users.change(id, { ...change, ...secretChange });
      if (user === null) throw notFound('user');
      return user;
    } catch (error) {
      if (error instanceof LastAdmin) throw new WebFault(409, 'last_admin', error.message);
      throw error;
    }
  });

  api.post('/web-users/:id/unlock', async (request, reply) => {
    const { id } = parseInput(identity, request.params);
    if (!(await users.list()).some((user) => user.id === id)) throw notFound('user');
    await users.clearFailures(id);
    return reply.code(204).send();
  });

  api.get('/api-tokens', async () => ({ items: await own.apiTokens.list(), configured: own.configuredTokens }));

  // Told this once: only its hash is kept.
  api.post('/api-tokens', async (request, reply): Promise<MadeToken> => {
    const given = parseInput(newToken, request.body);
    const token = makeToken();
    const tokenHash = hashToken(token);
    const madeBy = door.visitorOf(request).name;
    const isTaken = own.configuredTokens.some((one) => one.name === given.name);
    const made = isTaken ? null : await own.apiTokens.add({ ...given, madeBy, tokenHash }, parts.clock.now());
    if (made === null) throw new WebFault(409, 'taken', 'There is a token of this name already.');
    reply.code(201);
    return { ...made, token };
  });

  api.delete('/api-tokens/:id', async (request, reply) => {
    const { id } = parseInput(identity, request.params);
    if (!(await own.apiTokens.revoke(id, parts.clock.now()))) throw notFound('token');
    return reply.code(204).send();
  });

  api.get('/audit', async (request) => {
    const { limit, after } = parseInput(auditQuery, request.query);
    return users.listAudit({ limit, after: after ?? null });
  });
}
