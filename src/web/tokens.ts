import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { ApiTokenStore } from '../core/api-tokens.ts';
import type { Clock } from '../core/ports.ts';

export type Access = 'full' | 'read';

export interface ApiToken {
  readonly name: string;
  readonly token: string;
  readonly access: Access;
}

export interface TokenOwner {
  readonly name: string;
  readonly access: Access;
}

const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();

/** Finds a token's owner. Only hashes stay in memory, and the time taken tells nothing about how much was right. */
export function createTokenCheck(tokens: readonly ApiToken[]): (presented: string) => TokenOwner | null {
  const known = tokens.map(({ name, access, token }) => ({ owner: { name, access }, hash: digest(token) }));
  return (presented) => {
    const hash = digest(presented);
    let found: TokenOwner | null = null;
    for (const candidate of known) if (timingSafeEqual(candidate.hash, hash)) found = candidate.owner;
    return found;
  };
}

/** A token for a program; its form tells it from those of the configuration. */
export const makeToken = (): string => `rl_${randomBytes(32).toString('base64url')}`;
const madeForm = /^rl_[\w-]{43}$/;
/** How a made token is kept. */
export const hashToken = (token: string): string => createHash('sha256').update(token, 'utf8').digest('hex');

/** The database need not know each request. */
const noteUseEveryMs = 60_000;

/** Finds the owner of a token that a person made. */
export function createMadeTokenCheck(
  store: ApiTokenStore | null,
  clock: Clock,
): (presented: string) => Promise<TokenOwner | null> {
  return async (presented) => {
    if (store === null || !madeForm.test(presented)) return null;
    const entry = await store.find(hashToken(presented));
    if (entry === null) return null;
    const now = clock.now();
    if (entry.usedAt === null || now.getTime() - entry.usedAt.getTime() > noteUseEveryMs)
      await store.noteUse(entry.id, now);
    return { name: entry.name, access: entry.access };
  };
}

/** The token of `Authorization: Bearer …`; null when there is none. */
export function bearerToken(request: FastifyRequest): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

const guessLimit = 10;
const guessWindowMs = 60_000;
const addressLimit = 10_000;

/** Counts wrong tokens per address; past ten a minute the address is told to wait. A right token always passes. */
export function createGuessCounter(clock: Clock): {
  isTooMany(address: string): boolean;
  count(address: string): void;
} {
  const windows = new Map<string, { startedAt: number; guesses: number }>();
  const current = (address: string) => {
    const window = windows.get(address);
    return window !== undefined && clock.now().getTime() - window.startedAt < guessWindowMs ? window : undefined;
  };
  return {
    isTooMany: (address) => (current(address)?.guesses ?? 0) >= guessLimit,
    count(address) {
      const window = current(address);
      if (window !== undefined) {
        window.guesses += 1;
        return;
      }
      windows.delete(address);
      if (windows.size >= addressLimit) windows.delete(windows.keys().next().value!);
      windows.set(address, { startedAt: clock.now().getTime(), guesses: 1 });
    },
  };
}

/** True for requests made on this machine itself. One that a proxy passed on comes from elsewhere, whatever its socket says. */
export function isFromLoopback(request: FastifyRequest): boolean {
  if (isForwarded(request)) return false;
  return /^(?:::ffff:)?127\.|^::1$/.test(request.ip);
}

const isForwarded = (request: FastifyRequest) =>
  ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((header) => request.headers[header] !== undefined);

/** A test whether a request comes straight from one of these addresses or networks (`10.0.0.5`, `10.0.0.0/24`). */
export function createAddressCheck(addresses: readonly string[]): (request: FastifyRequest) => boolean {
  const allowed = new BlockList();
  for (const entry of addresses) {
    const [address, prefix] = entry.split('/') as [string, string | undefined];
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (prefix === undefined) allowed.addAddress(address, family);
    else allowed.addSubnet(address, Number(prefix), family);
  }
  return (request) => {
    if (isForwarded(request)) return false;
    const address = request.ip.replace(/^::ffff:(?=\d+\.)/, '');
    return isIPv4(address) ? allowed.check(address, 'ipv4') : isIPv6(address) && allowed.check(address, 'ipv6');
  };
}
