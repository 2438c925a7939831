import { createHmac } from 'node:crypto';

let serial = 0;

/** A one-time token as the account's page gets it. */
export function makeKommoToken(
  claims: Record<string, unknown> = {},
  { secret = 'client-secret', alg = 'HS256', now = new Date() } = {},
): string {
  const seconds = Math.floor(now.getTime() / 1_000);
  const body = {
    iss: 'https://romashka.amocrm.ru',
    aud: 'https://pbx.example.org',
    jti: `token-${serial++}`,
    iat: seconds,
    nbf: seconds,
    exp: seconds + 1_800,
    account_id: 5,
    user_id: 501,
    client_uuid: 'client-1',
    subdomain: 'romashka',
    is_admin: false,
    ...claims,
  };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ typ: 'JWT', alg })}.${encode(body)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
