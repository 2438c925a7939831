import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseInput } from '../fault.ts';
import { shortText, typedNumber } from '../query.ts';
import type { Door } from '../server.ts';

const lookupQuery = z.strictObject({ number: typedNumber, did: shortText.optional(), trunk: shortText.optional() });

/** What a call from this number would be answered now, step by step. Changes nothing. */
export function addLookupRoute(api: FastifyInstance, { parts }: Door): void {
  api.get('/lookup', async (request) => {
    const { number, did, trunk } = parseInput(lookupQuery, request.query);
    return parts.lookup.trace({ number, did: did ?? null, trunk: trunk ?? null });
  });
}
