import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock, UsedTokens } from '../core/ports.ts';
import { WebFault } from './fault.ts';
import type { KommoWidgetDoor } from './ports.ts';

/** Claims of the one-time token that the CRM's page puts into `X-Auth-Token`. */
const claims = z.object({
  iss: z.string(),
  aud: z.string(),
  jti: z.string().min(1).max(200),
  iat: z.number(),
  nbf: z.number(),
  exp: z.number(),
  user_id: z.number(),
  client_uuid: z.string(),
});
const head = z.object({ alg: z.literal('HS256') });

/** Clocks of the CRM and ours may differ by this. */
const leewayS = 60;
/** A token that claims to live longer is not one of the CRM's. */
const longestLifeS = 86_400;

/**
 * Checks one-time tokens of the CRM's page: signed with the integration's secret, for our address, from this account,
 * in time, and not used here before.
 */
export function createKommoTokenCheck(
  clock: Clock,
  used: UsedTokens,
): (widget: KommoWidgetDoor, token: string) => Promise<{ readonly userId: string }> {
  return async (widget, token) => {
    const secret = widget.clientSecret;
    if (secret === null || token.length > 4_000) throw refused('is not taken here');
    const [first = '', second = '', signature = '', ...rest] = token.split('.');
    const expected = createHmac('sha256', secret).update(`${first}.${second}`).digest();
    const given = Buffer.from(signature, 'base64url');
    const isSigned = rest.length === 0 && given.length === expected.length && timingSafeEqual(given, expected);
    if (!isSigned || !head.safeParse(decode(first)).success) throw refused('is not signed by the CRM');
    const parsed = claims.safeParse(decode(second));
    if (!parsed.success) throw refused('lacks claims');
    const { iss, aud, jti, nbf, exp, user_id, client_uuid } = parsed.data;
    const now = clock.now().getTime() / 1_000;
    if (now > exp + leewayS || now < nbf - leewayS || exp - nbf > longestLifeS) throw refused('is out of date');
    if (originOf(iss) !== originOf(widget.account)) throw refused('is of another account');
    if (widget.clientId !== null && client_uuid !== widget.clientId) throw refused('is of another integration');
    if (widget.audience !== null && originOf(aud) !== originOf(widget.audience))
      throw refused('is for another address');
    // Until the last moment at which it would be taken.
    const expiresAt = new Date((exp + leewayS) * 1_000);
    const isFirst = await used.use(`kommo:${originOf(iss)}:${jti}`, { expiresAt, now: clock.now() });
    if (!isFirst) throw refused('was used before');
    return { userId: String(user_id) };
  };
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

function originOf(address: string): string {
  const text = address.includes('://') ? address : `https://${address}`;
  return URL.canParse(text) ? new URL(text).origin : text;
}

const refused = (why: string) => new WebFault(401, 'wrong_token', `The token ${why}.`);
