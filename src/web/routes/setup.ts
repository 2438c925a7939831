import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseInput } from '../fault.ts';
import type { InterfaceParts } from '../ports.ts';

const steps = ['ami', 'users', 'crm', 'dialplan', 'call'] as const;
const progress = z.strictObject({ at: z.enum(steps), isFinished: z.boolean().default(false) });
const oneLine = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\r\n\0]*$/, 'must be one line');
const user = z.strictObject({ username: oneLine, secret: oneLine.nullable().default(null) });
const amiTrial = z.strictObject({
  host: oneLine,
  port: z.int().min(1).max(65_535),
  events: user,
  control: user.nullable().default(null),
});
const crmTrial = z.strictObject({
  name: oneLine,
  kind: oneLine,
  settings: z.record(z.string(), z.unknown()).nullable().default(null),
});

/** The first set-up: what was typed in is tried here and saved as any other setting. */
export function addSetupRoutes(api: FastifyInstance, { setup }: InterfaceParts): void {
  api.get('/setup', () => setup.state());
  // Where somebody was is nothing to look for in the audit log; what connects elsewhere is.
  api.post('/setup', { config: { isLook: true } }, async (request, reply) => {
    await setup.keep(parseInput(progress, request.body));
    return reply.code(204).send();
  });
  api.post('/setup/ami', (request) => setup.tryAmi(parseInput(amiTrial, request.body)));
  api.get('/setup/phones', async () => ({ items: await setup.findPhones() }));
  api.post('/setup/crm', async (request) => ({
    items: await setup.tryCrm(parseInput(crmTrial, request.body)),
  }));
}
