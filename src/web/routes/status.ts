import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Health, PartStatus } from '../../core/ports.ts';
import { WebFault } from '../fault.ts';
import type { WebParts } from '../ports.ts';
import type { Door } from '../door.ts';
import { bearerToken, isFromLoopback } from '../tokens.ts';

const ranks: readonly Health[] = ['ok', 'warning', 'error'];
const partDeadlineMs = 3000;

/**
 * `/healthz`: the process answers. `/status`: every part with its health, 503 when one is in error; from this machine or
 * with a token in full, else the overall health alone. `/metrics`: Prometheus text under the same rule.
 */
export function addStatusRoutes(app: FastifyInstance, door: Door): void {
  const { parts, metricsConfig } = door;

  app.get('/healthz', async (_request, reply) => reply.type('text/plain').send('ok\n'));

  app.get('/status', async (request, reply) => {
    const lines = await collectStatus(parts);
    const health = worst(lines.map((line) => line.health));
    reply.code(health === 'error' ? 503 : 200);
    return (await mayLookInside(request, door)) ? { status: health, parts: lines } : { status: health };
  });

  app.get('/metrics', async (request, reply) => {
    if (parts.metrics === null || !metricsConfig.enabled)
      throw new WebFault(404, 'not_found', 'Metrics are switched off.');
    if (!metricsConfig.public && !isFromLoopback(request)) await door.requireToken(request);
    return reply.header('content-type', parts.metrics.contentType).send(await parts.metrics.text());
  });
}

/** A wrong token is an error; no token only shows less. */
async function mayLookInside(request: FastifyRequest, door: Door): Promise<boolean> {
  if (bearerToken(request) === null) return isFromLoopback(request);
  await door.requireToken(request);
  return true;
}

/** All parts' lines. A provider that fails or takes too long is an error line of its own, never a failed answer. */
export async function collectStatus({ statusProviders, log }: WebParts): Promise<readonly PartStatus[]> {
  const collected = await Promise.all(
    statusProviders.map(async (provider): Promise<readonly PartStatus[]> => {
      try {
        return await withinDeadline(provider);
      } catch (error) {
        log.error({ error: (error as Error).stack }, 'a part could not tell its status');
        return [
          { part: 'status', health: 'error', message: `A part could not tell its status: ${(error as Error).message}` },
        ];
      }
    }),
  );
  return collected.flat();
}

async function withinDeadline(provider: WebParts['statusProviders'][number]): Promise<readonly PartStatus[]> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${partDeadlineMs} ms`)), partDeadlineMs);
  });
  try {
    return await Promise.race([provider(), deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function worst(healths: readonly Health[]): Health {
  return ranks[Math.max(0, ...healths.map((health) => ranks.indexOf(health)))]!;
}
