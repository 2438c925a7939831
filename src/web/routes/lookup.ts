import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseInput, WebFault } from '../fault.ts';
import { moment, shortText, typedNumber } from '../query.ts';
import type { Door } from '../door.ts';

const lookupQuery = z.strictObject({
  number: typedNumber,
  did: shortText.optional(),
  trunk: shortText.optional(),
  /** As if the call came then: working hours are those of that moment, phones those of now. */
  at: moment.optional(),
});

/** What a call from this number would be answered now, step by step. Changes nothing. */
export function addLookupRoute(api: FastifyInstance, { parts }: Door): void {
  api.get('/lookup', async (request) => {
    const { number, did, trunk, at } = parseInput(lookupQuery, request.query);
    // A call may come without one; who asks here has mistyped.
    if (!/\d/.test(number)) throw new WebFault(422, 'not_a_number', `${JSON.stringify(number)} is not a number.`);
    return parts.lookup.trace({ number, did: did ?? null, trunk: trunk ?? null, at: at ?? null });
  });
}
