import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { requestInLedger, type RequestState } from '../../core/click-to-call.ts';
import { toClickFault } from '../click-fault.ts';
import { notFound, parseInput } from '../fault.ts';
import type { Door } from '../door.ts';
import { shortText } from '../query.ts';

const newRequest = z
  .strictObject({
    employeeId: shortText.nullable().default(null),
    extension: shortText.nullable().default(null),
    number: z.string().min(1).max(64),
    /** For the employee's phone; absent: looked up. */
    clientName: shortText.nullable().default(null),
    did: shortText.nullable().default(null),
  })
  .refine(({ employeeId, extension }) => (employeeId ?? extension) !== null, {
    path: ['employeeId'],
    message: 'employeeId or extension must say whose phone rings',
  });
const first = { sort: 'requestedAt', order: 'asc', limit: 1, after: null } as const;
const dayMs = 86_400_000;
const identity = z.strictObject({ requestId: shortText });

/** Calls by a click: `POST` rings the employee, then the client; `GET` tells how far it is. */
export function addClickToCallRoutes(api: FastifyInstance, { parts }: Door): void {
  const { clickToCall, ledger, clock } = parts;

  api.post('/click-to-call', async (request, reply) => {
    const click = parseInput(newRequest, request.body);
    try {
      const state = await clickToCall.start({ ...click, requester: 'api', crmUser: null, requestData: { ...click } });
      reply.code(202);
      return state;
    } catch (error) {
      throw toClickFault(error);
    }
  });

  api.get('/click-to-call', async () => ({ items: await clickToCall.list() }));

  api.get('/click-to-call/:requestId', async (request) => {
    const { requestId } = parseInput(identity, request.params);
    const state = (await clickToCall.state(requestId)) ?? (await findInLedger(requestId));
    if (state === null) throw notFound('request (of the last day)');
    return state;
  });

  /** Of one that is in the book no more: what the call says. */
  async function findInLedger(requestId: string): Promise<RequestState | null> {
    const from = new Date(clock.now().getTime() - dayMs);
    const [found] = (await ledger.listConversations({ ...first, requestId, from })).items;
    if (found === undefined) return null;
    const { call, conversation } = found;
    const whole = await ledger.findCall(call.source, call.linkedId);
    return whole === null ? null : requestInLedger(whole, conversation);
  }
}
