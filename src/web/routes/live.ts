import type { FastifyInstance } from 'fastify';
import type { Call } from '../../core/call.ts';
import type { Delivery } from '../../core/ports.ts';
import { createLastDeliveries } from '../last-deliveries.ts';
import type { InterfaceParts, KnownContact } from '../ports.ts';
import { WebFault } from '../fault.ts';
import type { Door } from '../door.ts';
import { showTo } from '../visitor.ts';

export interface LiveCall extends Call {
  readonly contact: KnownContact | null;
  /** Place in the queue that the client waits in, from 1, among those who wait there; null: the client does not wait. */
  readonly queuePlace: number | null;
}
/** What became in a CRM of one of the last conversations. */
export interface LiveDelivery extends Pick<
  Delivery,
  'id' | 'crm' | 'kind' | 'source' | 'linkedId' | 'state' | 'attempts' | 'createdAt' | 'lastError'
> {
  readonly client: string | null;
  readonly clientName: string | null;
  readonly contact: KnownContact | null;
}
/** One event of the stream: calls that are new or changed, and the keys (`source/linkedId`) of those that ended. */
export interface LiveChange {
  readonly changed: readonly LiveCall[];
  readonly gone: readonly string[];
}

const viewerLimit = 100;
const heartbeatMs = 10_000;
/** The browser comes back by itself; whoever was switched off meanwhile is not let in again. */
const longestMs = 10 * 60_000;

/** `GET /live`: the calls of now as server-sent events, only what changed since the last. */
export function addLiveRoute(api: FastifyInstance, door: Door, { live, contactOf }: InterfaceParts): void {
  const lastDeliveries = createLastDeliveries(door.parts, contactOf);
  const viewers = new Set<() => void>();
  api.addHook('preClose', async () => {
    for (const leave of viewers) leave();
  });

  api.get('/live', (request, reply) => {
    if (viewers.size >= viewerLimit) throw new WebFault(503, 'try_again', 'Too many people watch already.');
    const visitor = door.visitorOf(request);
    reply.hijack();
    const stream = reply.raw;
    // Silence between calls is no dead connection.
    stream.socket?.setTimeout(0);
    stream.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-accel-buffering': 'no',
    });
    const sent = new Map<string, string>();
    let isFirst = true;
    const look = () => {
      // A slow browser gets one large step later instead of a queue of small ones.
      if (stream.writableNeedDrain) return;
      const present = new Map<string, string>();
      const calls = live.openCalls();
      const places = queuePlaces(calls);
      for (const call of calls) {
        const shown = showTo(visitor, call);
        if (shown === null) continue;
        const contact = shown.client === null ? null : contactOf(shown.client);
        const queuePlace = places.get(call) ?? null;
        present.set(`${call.source}/${call.linkedId}`, JSON.stringify({ ...shown, contact, queuePlace }));
      }
      const changed = [...present].filter(([key, text]) => sent.get(key) !== text);
      const gone = [...sent.keys()].filter((key) => !present.has(key));
      if (!isFirst && changed.length === 0 && gone.length === 0) return;
      isFirst = false;
      for (const [key, text] of changed) sent.set(key, text);
      for (const key of gone) sent.delete(key);
      const texts = changed.map(([, text]) => text).join(',');
      stream.write(`event: calls\ndata: {"changed":[${texts}],"gone":${JSON.stringify(gone)}}\n\n`);
    };
    let sentDeliveries = '';
    const showDeliveries = (items: readonly LiveDelivery[]) => {
      const text = JSON.stringify({ items });
      if (text === sentDeliveries || stream.writableNeedDrain) return;
      sentDeliveries = text;
      stream.write(`event: deliveries\ndata: ${text}\n\n`);
    };
    const stopWatching = live.watch(look);
    // What CRMs were told is for administrators, as everywhere.
    const stopListening = visitor.role === 'admin' ? lastDeliveries.watch(showDeliveries) : () => undefined;
    const heartbeat = setInterval(() => void stream.write(': here\n\n'), heartbeatMs);
    const end = setTimeout(() => leave(), longestMs);
    const leave = () => {
      if (!viewers.delete(leave)) return;
      stopWatching();
      stopListening();
      clearInterval(heartbeat);
      clearTimeout(end);
      stream.end();
    };
    viewers.add(leave);
    stream.on('close', leave);
    stream.on('error', leave);
  });
}

/** Who came first stands first; the phone system may let somebody of more weight pass. */
function queuePlaces(calls: readonly Call[]): ReadonlyMap<Call, number> {
  const places = new Map<Call, number>();
  const counts = new Map<string, number>();
  const waiting = calls
    .flatMap((call) => (call.queue !== null && call.queue.leftAt === null ? [{ call, queue: call.queue }] : []))
    .sort((a, b) => a.queue.joinedAt.getTime() - b.queue.joinedAt.getTime());
  for (const { call, queue } of waiting) {
    const key = `${call.source}/${queue.name}`;
    const place = (counts.get(key) ?? 0) + 1;
    counts.set(key, place);
    places.set(call, place);
  }
  return places;
}
