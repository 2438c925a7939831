import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../core/ports.ts';
import type { WebSession, WebUser, WebUserStore } from '../core/web-users.ts';
import { WebFault } from './fault.ts';
import { createPasswords, type Passwords } from './passwords.ts';

export const csrfHeader = 'x-csrf-token';
const idleMs = 12 * 3_600_000;
const longestMs = 7 * 24 * 3_600_000;
/** The database need not know each click. */
const noteUseEveryMs = 60_000;
const lockAfter = 5;
const lockMs = 15 * 60_000;

export interface Sessions {
  readonly passwords: Passwords;
  /** Sets the cookie. Throws 401 for a wrong name or password, 429 while the user is locked. */
  signIn(reply: FastifyReply, credentials: { readonly name: string; readonly password: string }): Promise<WebSession>;
  open(reply: FastifyReply, user: WebUser): Promise<WebSession>;
  /** Of the request's cookie; null when there is none that is valid. */
  find(request: FastifyRequest): Promise<WebSession | null>;
  close(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Throws 403 unless a request that changes something was made by our own page. */
  requireOwnPage(request: FastifyRequest, session: WebSession): void;
}

export interface SessionParts {
  readonly users: WebUserStore;
  readonly clock: Clock;
  /** Browsers come over TLS: the cookie goes nowhere else. */
  readonly isSecure: boolean;
}

const digest = (token: string) => createHash('sha256').update(token).digest('hex');

/** Sessions of people: a random cookie that scripts cannot read and other sites cannot send. */
export function createSessions({ users, clock, isSecure }: SessionParts): Sessions {
  const passwords = createPasswords();
  // Browsers give `__Host-` cookies to nobody but this host, and only over TLS.
  const cookieName = isSecure ? '__Host-ringledger' : 'ringledger';
  const attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;

  const cookieOf = (request: FastifyRequest): string | null => {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=', 2);
      if (name === cookieName && value !== undefined && /^[\w-]{43}$/.test(value)) return value;
    }
    return null;
  };

  async function open(reply: FastifyReply, user: WebUser): Promise<WebSession> {
    const now = clock.now();
    const token = randomBytes(32).toString('base64url');
    const csrfToken = randomBytes(32).toString('base64url');
    await users.closeUnused(new Date(now.getTime() - idleMs));
    await users.openSession({ tokenHash: digest(token), csrfToken, userId: user.id, now });
    reply.header('set-cookie', `${cookieName}=${token}; ${attributes}`);
    return { user, csrfToken, createdAt: now, usedAt: now };
  }

  return {
    passwords,
    open,

    async signIn(reply, { name, password }) {
      const access = await users.findByName(name);
      const now = clock.now();
      const isLocked = access?.lockedUntil != null && access.lockedUntil > now;
      const isRight = await passwords.isRight(password, isLocked ? null : (access?.passwordHash ?? null));
      if (isLocked)
        throw new WebFault(429, 'locked', 'Too many wrong passwords for this user; wait a quarter of an hour.');
      if (access === null || !isRight || !access.user.isActive) {
        if (access !== null)
          await users.countFailure(access.user.id, { lockAfter, lockedUntil: new Date(now.getTime() + lockMs) });
        throw new WebFault(401, 'wrong_password', 'The name or the password is wrong.');
      }
      await users.clearFailures(access.user.id);
      return open(reply, access.user);
    },

    async find(request) {
      const token = cookieOf(request);
      if (token === null) return null;
      const session = await users.findSession(digest(token));
      if (session === null) return null;
      const now = clock.now();
      const unusedMs = now.getTime() - session.usedAt.getTime();
      if (unusedMs > idleMs || now.getTime() - session.createdAt.getTime() > longestMs) {
        await users.closeSession(digest(token));
        return null;
      }
      if (unusedMs > noteUseEveryMs) await users.noteUse(digest(token), now);
      return session;
    },

    async close(request, reply) {
      const token = cookieOf(request);
      if (token !== null) await users.closeSession(digest(token));
      reply.header('set-cookie', `${cookieName}=; ${attributes}; Max-Age=0`);
    },

    requireOwnPage(request, { csrfToken }) {
      const presented = request.headers[csrfHeader];
      const isOurs =
        typeof presented === 'string' &&
        timingSafeEqual(Buffer.from(digest(presented)), Buffer.from(digest(csrfToken))) &&
        (request.headers['sec-fetch-site'] ?? 'same-origin') === 'same-origin';
      if (!isOurs)
        throw new WebFault(403, 'not_our_page', 'This change did not come from the interface; load the page again.');
    },
  };
}
