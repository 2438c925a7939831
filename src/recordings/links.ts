import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The id of a recording: 128 random bits. */
export const newRecordingId = (): string => randomBytes(16).toString('base64url');
export const isRecordingId = (text: string): boolean => /^[A-Za-z0-9_-]{22}$/.test(text);

export interface LinkSettings {
  /** Where browsers reach this server. */
  readonly publicUrl: () => string;
  /** The first signs; all are believed. */
  readonly secrets: readonly [string, ...string[]];
  /** Null: links are good for ever. */
  readonly expireDays: number | null;
}

export type LinkCheck = { readonly result: 'good' | 'expired'; readonly version: number } | { readonly result: 'bad' };

const dayMs = 86_400_000;

/** Signed links: `/r/<id>?v=<version>&e=<expiry in seconds>&s=<signature>`. Whatever else stands in the query is not ours. */
export class RecordingLinks {
  readonly #settings: LinkSettings;
  readonly #keys: readonly Buffer[];

  constructor(settings: LinkSettings) {
    this.#settings = settings;
    this.#keys = settings.secrets.map((secret) => createHash('sha256').update(`recording links\n${secret}`).digest());
  }

  linkOf(recording: { readonly id: string; readonly linkVersion: number }, now: Date): string {
    const { expireDays } = this.#settings;
    const publicUrl = this.#settings.publicUrl().replace(/\/+$/, '');
    const { id, linkVersion } = recording;
    const expiry = expireDays === null ? '' : String(Math.floor((now.getTime() + expireDays * dayMs) / 1000));
    const signature = sign(this.#keys[0]!, { id, version: String(linkVersion), expiry }).toString('base64url');
    return `${publicUrl}/r/${id}?v=${linkVersion}${expiry === '' ? '' : `&e=${expiry}`}&s=${signature}`;
  }

  check(id: string, query: Readonly<Record<string, unknown>>, now: Date): LinkCheck {
    // Copied out of a page or a mail, a link may have `&amp;` where `&` was.
    const said = (name: string) => query[name] ?? query[`amp;${name}`];
    const [version, expiry, signature] = [said('v'), said('e') ?? '', said('s')];
    if (typeof version !== 'string' || typeof expiry !== 'string' || typeof signature !== 'string')
      return { result: 'bad' };
    if (!isRecordingId(id) || !/^[1-9]\d{0,8}$/.test(version) || !/^(|[1-9]\d{0,11})$/.test(expiry))
      return { result: 'bad' };
    // Of the 32 bytes each letter counts: another spelling of the same bytes is another link, and not ours.
    if (!/^[A-Za-z0-9_-]{43}$/.test(signature)) return { result: 'bad' };
    const given = Buffer.from(signature, 'base64url');
    const isOurs = this.#keys.some((key) => {
      const right = sign(key, { id, version, expiry });
      return timingSafeEqual(right, given) && right.toString('base64url') === signature;
    });
    if (!isOurs) return { result: 'bad' };
    const isExpired = expiry !== '' && Number(expiry) * 1000 <= now.getTime();
    return { result: isExpired ? 'expired' : 'good', version: Number(version) };
  }
}

function sign(key: Buffer, of: { id: string; version: string; expiry: string }): Buffer {
  return createHmac('sha256', key).update(`${of.id}\n${of.version}\n${of.expiry}`).digest();
}
