import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toDisplay } from '../../core/caller-name.ts';
import { WebFault } from '../fault.ts';
import type { Door } from '../door.ts';
import { bearerToken, createAddressCheck, isFromLoopback } from '../tokens.ts';

/**
 * `GET /cid/<number>` for FreePBX "CallerID Lookup Sources" and the like, which print whatever body they get on the phone:
 * so the body is the name or nothing at all, never a message, and it comes within the deadline.
 */
export function addCallerIdRoute(app: FastifyInstance, door: Door): void {
  const { config, parts } = door;
  const isAllowedAddress = createAddressCheck(config.allowedCidAddresses);

  async function admit(request: FastifyRequest): Promise<void> {
    if (isFromLoopback(request) || isAllowedAddress(request)) return;
    // Lookup sources of PBXes cannot set headers.
    const { token } = request.query as { token?: unknown };
    await door.requireToken(request, bearerToken(request) ?? (typeof token === 'string' ? token : null));
  }

  app.get<{ Params: { number: string } }>('/cid/:number', async (request, reply) => {
    reply.type('text/plain; charset=utf-8');
    try {
      await admit(request);
    } catch (error) {
      if (error instanceof WebFault) return reply.code(error.status).send('');
      throw error;
    }
    return reply.send(await nameWithinDeadline(request.params.number.trim()));
  });

  async function nameWithinDeadline(number: string): Promise<string> {
    const deadline = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<null>((resolve) => {
      timer = setTimeout(() => {
        deadline.abort();
        resolve(null);
      }, config.cidDeadlineMs);
    });
    try {
      const name = await Promise.race([parts.callerNames.callerName(number, { signal: deadline.signal }), expired]);
      return toDisplay(name ?? '', null);
    } catch (error) {
      if (!deadline.signal.aborted)
        parts.log.warn({ error: (error as Error).message }, 'a caller name could not be looked up');
      return '';
    } finally {
      clearTimeout(timer);
    }
  }
}
