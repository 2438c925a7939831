import type { FastifyInstance } from 'fastify';
import type { Call } from '../../core/call.ts';
import type { InterfaceParts, KnownContact } from '../ports.ts';
import { WebFault } from '../fault.ts';
import type { Door } from '../door.ts';
import { showTo } from '../visitor.ts';

export interface LiveCall extends Call {
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
      for (const call of live.openCalls()) {
        const shown = showTo(visitor, call);
        if (shown === null) continue;
        const contact = shown.client === null ? null : contactOf(shown.client);
        present.set(`${call.source}/${call.linkedId}`, JSON.stringify({ ...shown, contact }));
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
    const stopWatching = live.watch(look);
    const heartbeat = setInterval(() => void stream.write(': here\n\n'), heartbeatMs);
    const end = setTimeout(() => leave(), longestMs);
    const leave = () => {
      if (!viewers.delete(leave)) return;
      stopWatching();
      clearInterval(heartbeat);
      clearTimeout(end);
      stream.end();
    };
    viewers.add(leave);
    stream.on('close', leave);
    stream.on('error', leave);
  });
}
