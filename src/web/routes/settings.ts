import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { notFound, parseInput, WebFault } from '../fault.ts';
import type { InterfaceParts } from '../ports.ts';
import { shortText } from '../query.ts';

const path = z
  .array(z.union([z.string().max(200), z.int().min(0).max(10_000)]))
  .min(1)
  .max(20);
const text = z.string().max(1_000_000);
const edits = z.array(z.strictObject({ path, value: z.unknown().optional() })).max(200);
const secrets = z.array(z.strictObject({ path, value: z.string().min(1).max(10_000) })).max(50);
const draftBody = z.strictObject({ text, edits: edits.default([]), secrets: secrets.default([]) });
const saveBody = z.strictObject({ hash: z.string().regex(/^[0-9a-f]{64}$/), text, secrets: secrets.default([]) });
const identity = z.strictObject({ id: shortText });

/** The configuration file: read, tried, saved, gone back. Bodies may hold secrets that were typed in; none is answered or logged. */
export function addSettingsRoutes(api: FastifyInstance, { settings }: InterfaceParts): void {
  api.get('/settings', () => settings.read());
  // Changes nothing: a text and its edits are too long for an address.
  api.post('/settings/draft', { config: { isLook: true } }, (request) =>
    settings.draft(parseInput(draftBody, request.body)),
  );
  api.post('/settings', async (request, reply) => {
    const outcome = await settings.save(parseInput(saveBody, request.body));
    if (outcome.isSaved) return outcome;
    const fields = outcome.faults.map(({ path: field, line, message }) => ({
      field: field || (line === null ? 'text' : `line ${line}`),
      message,
    }));
    reply.code(422);
    throw new WebFault(422, 'faulty', 'Nothing was saved: the configuration has faults.', fields);
  });
  api.get('/settings/versions', async () => ({ items: await settings.history() }));
  api.get('/settings/versions/:id', async (request) => {
    const draft = await settings.former(parseInput(identity, request.params).id);
    if (draft === null) throw notFound('version');
    return draft;
  });
  api.post('/settings/restart', async (_request, reply) => {
    await settings.restart();
    return reply.code(202).send({});
  });
}
