import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseInput } from '../fault.ts';
import type { InterfaceParts } from '../ports.ts';

const applyBody = z.strictObject({ isForced: z.boolean().default(false) });
const rollBackBody = z.strictObject({
  version: z.string().min(1).max(100).nullable().default(null),
  isForced: z.boolean().default(false),
});

/** The generated dialplan: seen, checked, applied, put back. That it was not applied is an answer as well. */
export function addDialplanRoutes(api: FastifyInstance, { dialplan }: InterfaceParts): void {
  api.get('/dialplan', () => dialplan.preview());
  api.get('/dialplan/check', async () => ({ items: await dialplan.check() }));
  api.get('/dialplan/versions', async () => ({ items: await dialplan.history() }));
  api.post('/dialplan/apply', (request) => dialplan.apply(parseInput(applyBody, request.body ?? {})));
  api.post('/dialplan/rollback', (request) => dialplan.rollBack(parseInput(rollBackBody, request.body ?? {})));
}
