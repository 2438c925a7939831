import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { CallRefused } from '../../core/click-to-call.ts';
import { toClickFault } from '../click-fault.ts';
import type { Door } from '../door.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { createGuessCounter } from '../tokens.ts';

const shortText = z.string().trim().min(1).max(200);
/** What else the CRM sends is none of our business. */
const asker = z.looseObject({
  clientId: z.string().max(500),
  code: shortText.optional(),
  userId: shortText.optional(),
});
const callQuery = asker.extend({
  // A `+` that stands unescaped in the address arrives as a blank.
  phone: z
    .string()
    .max(64)
    .transform((text) => text.trim()),
  externalPhone: z
    .string()
    .max(64)
    .transform((text) => text.trim())
    .optional(),
});
const statusQuery = asker.extend({ status: z.enum(['free', 'busy', 'dinner', 'break']) });
const place = z.object({ crm: shortText });

const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();

/**
 * What a retailCRM asks of us: `GET /retailcrm/<crm>/make-call` and `…/user-status`. The CRM proves itself by its
 * `clientId` alone. It reads nothing but the status: 200 means that the phone system took the call, anything else is
 * shown to the employee as an error.
 */
export function addRetailcrmRoutes(app: FastifyInstance, { parts }: Door): void {
  const { clickToCall, log } = parts;
  const guesses = createGuessCounter(parts.clock);
  const secrets = new Map((parts.retailcrms ?? []).map(({ name, clientToken }) => [name, digest(clientToken)]));
  const nobody = digest('');

  function admit(request: FastifyRequest): { readonly crm: string; readonly query: Record<string, unknown> } {
    const { crm } = parseInput(place, request.params);
    const secret = secrets.get(crm);
    const query = request.query as Record<string, unknown>;
    const { clientId } = query;
    // Compared also where there is no such CRM: the time taken tells nothing.
    const isRight = timingSafeEqual(digest(typeof clientId === 'string' ? clientId : ''), secret ?? nobody);
    // Who knows the secret always passes: behind a proxy everybody comes from one address.
    if (secret !== undefined && isRight) return { crm, query };
    if (guesses.isTooMany(request.ip)) {
      throw new WebFault(429, 'too_many_guesses', 'Too many wrong tries; wait a minute.');
    }
    guesses.count(request.ip);
    log.warn({ address: request.ip, crm }, 'somebody who is not the CRM asked for a call');
    throw secret === undefined ? notFound('CRM') : new WebFault(403, 'wrong_client', 'This clientId is not known.');
  }

  app.get('/retailcrm/:crm/make-call', async (request, reply) => {
    const { crm, query } = admit(request);
    const { clientId: _, ...told } = parseInput(callQuery, query);
    const { code, userId, phone, externalPhone } = told;
    if (code === undefined && userId === undefined) {
      throw new WebFault(400, 'invalid_input', 'The request names neither code nor userId.');
    }
    try {
      const state = await clickToCall.start({
        requester: crm,
        crmUser: userId === undefined ? null : { crm, userId },
        employeeId: null,
        extension: code ?? null,
        number: phone,
        clientName: null,
        did: externalPhone ?? null,
        requestData: told,
      });
      return reply.code(200).send({ requestId: state.requestId });
    } catch (error) {
      if (error instanceof CallRefused) log.warn({ crm, reason: error.reason }, error.message);
      throw toClickFault(error);
    }
  });

  app.get('/retailcrm/:crm/user-status', async (request, reply) => {
    const { crm, query } = admit(request);
    const { code, userId, status } = parseInput(statusQuery, query);
    const { changeUserStatus } = parts.retailcrms!.find(({ name }) => name === crm)!;
    try {
      await changeUserStatus({ extension: code ?? null, userId: userId ?? null, status });
    } catch (error) {
      // The CRM does not look at the answer: nobody else would hear of it.
      log.warn(
        { crm, status, error: (error as Error).message },
        "a user's state could not be told to the phone system",
      );
      throw toClickFault(error);
    }
    return reply.code(200).send({});
  });
}
