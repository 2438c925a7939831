import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Recording, RecordingAnswer, RecordingContent, RecordingDoor } from '../../core/recording.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { shortText, typedNumber } from '../query.ts';
import type { Door } from '../door.ts';
import { recordingsFor } from '../visitor.ts';

/** What a request asks of a body of so many bytes. */
export type RangeWish = { readonly kind: 'all' } | { readonly kind: 'none' } | ByteSpan;
export interface ByteSpan {
  readonly kind: 'part';
  readonly from: number;
  readonly to: number;
}

/**
 * `Range` as RFC 9110 reads it: one span of bytes. Several spans, other units and what cannot be read are ignored, which
 * the RFC allows; a span beyond the end is `none` (416).
 */
export function readRange(header: string | undefined, size: number): RangeWish {
  const match = /^bytes=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/i.exec(header ?? '');
  if (match === null) return { kind: 'all' };
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size);
    return length === 0 ? { kind: 'none' } : { kind: 'part', from: size - length, to: size - 1 };
  }
  const from = Number(first);
  const to = last === undefined ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== undefined && Number(last) < from) return { kind: 'all' };
  return from >= size ? { kind: 'none' } : { kind: 'part', from, to };
}

/** `If-Range`: a part is wanted only of what the client already has a part of. */
function isStillThatFile(condition: string | undefined, { etag, modifiedAt }: RecordingContent): boolean {
  if (condition === undefined) return true;
  if (condition.startsWith('"')) return condition === etag;
  if (condition.startsWith('W/')) return false;
  // Exactly, because what was changed within that second counts as another file.
  return Date.parse(condition) === Math.floor(modifiedAt.getTime() / 1000) * 1000;
}

const names = (header: string | undefined, etag: string) =>
  header !== undefined &&
  header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag || one.trim() === '*');

const single = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header);

/** `GET /r/<id>`: what CRMs are given. The signature is the ticket; no token is asked for. */
export function addRecordingLinkRoute(app: FastifyInstance, { parts }: Door): void {
  const recordings = parts.recordings ?? null;

  // HEAD here and not made of GET by the server: that would tell the length of no body.
  app.route<{ Params: { id: string } }>({
    method: ['GET', 'HEAD'],
    url: '/r/:id',
    handler: async (request, reply) => {
      reply.headers({
        // CRMs play it in their own pages.
        'cross-origin-resource-policy': 'cross-origin',
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'content-range, content-length, accept-ranges, etag',
        'content-security-policy': "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors *",
        'x-robots-tag': 'noindex',
      });
      const query = request.query as Record<string, unknown>;
      const answer: RecordingAnswer =
        recordings === null ? { kind: 'not-found' } : await recordings.open(request.params.id, query);
      if (answer.kind !== 'content') return sendPage(reply, answer);
      return sendContent(request, reply, {
        ...answer,
        recordings: recordings!,
        isDownload: query['download'] !== undefined,
      });
    },
  });
}

async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  of: {
    readonly recording: Recording;
    readonly content: RecordingContent;
    readonly recordings: RecordingDoor;
    readonly isDownload: boolean;
  },
): Promise<FastifyReply> {
  const { content, recording, recordings } = of;
  const close = () => void content.close().catch(() => undefined);
  try {
    const { headers } = request;
    // HEAD has no parts (RFC 9110 §14.2): it tells of the whole.
    const isHead = request.method === 'HEAD';
    const isPartWanted = !isHead && isStillThatFile(single(headers['if-range']), content);
    const wish = isPartWanted ? readRange(headers.range, content.size) : ({ kind: 'all' } as const);
    const [from, to] = wish.kind === 'part' ? [wish.from, wish.to] : [0, content.size - 1];
    const isKnown = names(headers['if-none-match'], content.etag);
    // Asked for before any header is set: where it fails, the answer is another.
    const body = isKnown || wish.kind === 'none' || isHead ? null : await content.read(from, to);
    reply.headers({
      'accept-ranges': 'bytes',
      etag: content.etag,
      'last-modified': content.modifiedAt.toUTCString(),
      'cache-control': 'private, no-cache',
      'content-disposition': `${of.isDownload ? 'attachment' : 'inline'}; filename="${content.fileName}"`,
    });
    if (isKnown) {
      close();
      return reply.code(304).send();
    }
    if (wish.kind === 'none') {
      close();
      return reply
        .code(416)
        .header('content-range', `bytes */${content.size}`)
        .type('text/plain; charset=utf-8')
        .send('There are no such bytes.');
    }
    reply.header('content-length', to - from + 1).type(content.contentType);
    if (wish.kind === 'part') reply.code(206).header('content-range', `bytes ${from}-${to}/${content.size}`);
    if (body === null) {
      close();
      return reply.send();
    }
    await recordings.played(recording, {
      address: request.ip,
      forwardedFor: single(headers['x-forwarded-for'])?.slice(0, 200) ?? null,
      agent: headers['user-agent']?.slice(0, 200) ?? null,
    });
    if (body instanceof Uint8Array) close();
    else reply.raw.once('close', close);
    return reply.send(body);
  } catch (error) {
    close();
    throw error;
  }
}

const pages: Readonly<Record<Exclude<RecordingAnswer['kind'], 'content'>, { status: number; en: string; ru: string }>> =
  {
    'not-ready': {
      status: 503,
      en: 'The recording is not ready yet. This page tries again by itself.',
      ru: 'Запись ещё не готова. Страница обновится сама.',
    },
    'not-found': { status: 404, en: 'There is no such recording.', ru: 'Такой записи нет.' },
    missing: {
      status: 404,
      en: 'The phone system left no recording of this talk.',
      ru: 'Телефонная станция не оставила записи этого разговора.',
    },
    empty: { status: 404, en: 'The recording of this talk is empty.', ru: 'Запись этого разговора пуста.' },
    expired: { status: 410, en: 'This link has expired.', ru: 'Срок действия ссылки истёк.' },
    revoked: { status: 410, en: 'This link was made invalid.', ru: 'Ссылка отозвана.' },
    removed: { status: 410, en: 'The recording was deleted.', ru: 'Запись удалена.' },
  };

function sendPage(reply: FastifyReply, answer: Exclude<RecordingAnswer, { kind: 'content' }>): FastifyReply {
  const { status, en, ru } = pages[answer.kind];
  let refresh = '';
  if (answer.kind === 'not-ready') {
    reply.header('retry-after', answer.retryAfterSeconds);
    refresh = `<meta http-equiv="refresh" content="${answer.retryAfterSeconds}">`;
  }
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html><head><meta charset="utf-8">${refresh}<title>${en}</title>` +
        '<style>body{font:16px/1.5 sans-serif;margin:3em auto;max-width:32em;padding:0 1em}</style></head>' +
        `<body><p>${en}</p><p lang="ru">${ru}</p></body></html>\n`,
    );
}

const callIdentity = z.strictObject({ source: shortText, linkedId: shortText });
const recordingIdentity = z.strictObject({ id: shortText });
const forgetBody = z.strictObject({ number: typedNumber });

/** Recordings for those with a token: of a call, one with its peaks and plays, cutting its links, forgetting a number. */
export function addRecordingRoutes(api: FastifyInstance, { parts, visitorOf }: Door): void {
  const open = (): RecordingDoor => {
    if (parts.recordings) return parts.recordings;
    throw new WebFault(404, 'switched_off', 'Recordings are switched off in the configuration.');
  };

  api.get('/calls/:source/:linkedId/recordings', async (request) => {
    const { source, linkedId } = parseInput(callIdentity, request.params);
    const all = await open().ofCall(source, linkedId);
    const visitor = visitorOf(request);
    const call = visitor.extensions === null ? null : await parts.ledger.findCall(source, linkedId);
    const items = recordingsFor(visitor, call, all);
    const isStereo = items.some(({ peaks }) => peaks?.length === 2);
    const story = isStereo ? await parts.interface?.story(source, linkedId) : null;
    return {
      items: items.map((one) => ({
        ...show(one, open()),
        left: one.peaks?.length === 2 ? (story?.sides.find(({ path }) => isSamePath(path, one))?.left ?? null) : null,
      })),
    };
  });

  // For the audit log: the sound itself comes by a link that names nobody.
  api.post('/calls/:source/:linkedId/recordings/played', async (request, reply) => {
    parseInput(callIdentity, request.params);
    return reply.code(204).send();
  });

  api.get('/recordings/:id', async (request) => {
    const { id } = parseInput(recordingIdentity, request.params);
    const recording = await open().find(id);
    if (recording === null) throw notFound('recording');
    const visitor = visitorOf(request);
    if (visitor.extensions !== null) {
      const call = await parts.ledger.findCall(recording.source, recording.linkedId);
      if (recordingsFor(visitor, call, [recording]).length === 0) throw notFound('recording');
    }
    // Who else listened is between those who listened and those who answer for it.
    const plays = visitor.role === 'admin' ? { plays: await open().plays(id) } : {};
    return { ...show(recording, open()), peaks: recording.peaks, ...plays };
  });

  api.post('/recordings/:id/revoke', async (request) => {
    const { id } = parseInput(recordingIdentity, request.params);
    const recording = await open().revokeLinks(id);
    if (recording === null) throw notFound('recording');
    return show(recording, open());
  });

  api.post('/recordings/forget', async (request) => {
    const { number } = parseInput(forgetBody, request.body);
    return open().forgetNumber(parts.toClientNumber(number) ?? number);
  });
}

const isSamePath = (path: string, { announcedPath }: Recording) =>
  announcedPath !== '' &&
  (announcedPath === path || announcedPath.endsWith(`/${path}`) || path.endsWith(`/${announcedPath}`));

/** Without the paths of this machine. */
function show(recording: Recording, recordings: RecordingDoor): object {
  const { id, source, linkedId, uniqueId, position, state, reason, part, durationMs, startedAt, readyAt, keepUntil } =
    recording;
  return {
    id,
    source,
    linkedId,
    uniqueId,
    position,
    isWhole: uniqueId === null,
    state,
    reason,
    part,
    durationMs,
    startedAt,
    readyAt,
    keepUntil,
    hasMp3: recording.mp3 !== null,
    link: state === 'removed' ? null : recordings.linkOf(recording),
  };
}
