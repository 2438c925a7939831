/** The hooks that run while somebody waits: click-to-call and the dialplan's question. */
import { z } from 'zod';
import { defineHook } from './hook-contract.ts';
import { dialledText, entityId, toEntityId } from './wire-values.ts';

/** The dialplan's contexts that ring the employee and dial the client where a hook names no other. */
const employeeContext = 'ringledger-click-to-call';
const clientContext = 'ringledger-click-to-call-client';

const originate = {
  caller_id: z.string().describe('What the employee\'s phone shows: "Name" <number>; only the name can be changed'),
  channel: z.string().describe(`The employee's phone: Local/101@${employeeContext}; only the extension can be changed`),
  context: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,79}$/, 'is not the name of a context')
    .describe('The context of the dialplan that dials the client: another trunk is another context'),
  extension: dialledText
    .pipe(z.string().regex(/^\+?[0-9*#]{2,20}$/, 'is not a number that can be dialled'))
    .describe("The client's number as it is dialled"),
  priority: z.union([z.string(), z.int()]).describe('Always 1'),
};
const originateInput = z.object({
  params: z.object({
    ...originate,
    request_data: z.record(z.string(), z.unknown()).describe('What the CRM sent; read only'),
  }),
});
const originateAnswer = z.object({
  ...z.object(originate).partial().shape,
  params: z.object(originate).partial().optional().describe('The same once more, as they came'),
});

const shownName = /^\s*"?(.*?)"?\s*(?:<[^<>]*>)?\s*$/s;
const phoneInChannel = /^(?:[A-Za-z0-9_]+\/)?([0-9*#]{1,10})(?:@[\w-]+)?(?:\/n)?$/;

const distribution = {
  number: dialledText.describe('The extension to ring; empty: nobody, the default route'),
  name: z.string().describe('What the phone shows, at most 20 characters; more is cut'),
};
const distributionInput = z.object({
  ...distribution,
  from: z.string().optional().describe('The number that calls; read only, absent when withheld'),
  trunk: z.string().optional().describe('The line it came in on; read only'),
  request_data: z.record(z.string(), z.string()).describe("The dialplan's question as it came; read only"),
  entity: z
    .object({
      id: entityId,
      type: z.literal('contacts'),
      name: z.string(),
      company: z.string().nullable(),
      phones: z.array(z.string()),
      responsible_user_id: entityId,
      tags: z.array(z.string()),
      url: z.string().nullable(),
    })
    .optional()
    .describe('The contact that was found; read only, absent when none was'),
  error: z.string().optional().describe('Why the CRM could not be asked; read only'),
});
const distributionAnswer = z.object(distribution).partial();

export const telephonyHooks = {
  process_originate_params: defineHook<'process_originate_params', typeof originateInput, typeof originateAnswer>({
    name: 'process_originate_params',
    purpose: "Click-to-call, before the employee's phone is rung: another trunk, another way of writing the number.",
    input: originateInput,
    answer: originateAnswer,
    readOnly: ['request_data'],
    toWire: ({ request, requestData }) => ({
      params: {
        caller_id: `"${request.clientName ?? request.clientNumber}" <${request.clientNumber}>`,
        channel: `Local/${request.extension}@${employeeContext}`,
        context: request.context ?? clientContext,
        extension: request.clientNumber,
        priority: '1',
        request_data: { ...requestData },
      },
    }),
    fromWire: ({ data: { params, ...plain }, sent: { params: sent }, input: { request } }) => {
      // Given back as they came, in params, or plain, or both: what was changed counts.
      const isChanged = ([key, value]: [string, unknown]) => value !== sent[key as keyof typeof sent];
      const data: typeof plain = { ...params, ...Object.fromEntries(Object.entries(plain).filter(isChanged)) };
      const phone = phoneInChannel.exec(data.channel ?? sent.channel)?.[1];
      if (phone === undefined) throw new TypeError(`data.channel: ${data.channel} names no extension`);
      const isNamed = data.caller_id !== undefined && data.caller_id !== sent.caller_id;
      return {
        ...request,
        extension: phone,
        clientNumber: data.extension ?? request.clientNumber,
        clientName: isNamed ? shownName.exec(data.caller_id!)?.[1] || null : request.clientName,
        ...(data.context === undefined || data.context === sent.context ? {} : { context: data.context }),
      };
    },
  }),

  customize_autodistribution: defineHook<
    'customize_autodistribution',
    typeof distributionInput,
    typeof distributionAnswer
  >({
    name: 'customize_autodistribution',
    purpose:
      "While an incoming call waits: who gets it and what the phone shows. Its time is part of the dialplan's question; the default route is taken after that.",
    input: distributionInput,
    answer: distributionAnswer,
    readOnly: ['from', 'trunk', 'entity', 'error', 'request_data'],
    toWire: ({ number, name, from, trunk, requestData, entity, error }) => ({
      number,
      name,
      ...(from ? { from } : {}),
      ...(trunk ? { trunk } : {}),
      request_data: { ...requestData },
      ...(entity
        ? {
            entity: {
              id: toEntityId(entity.id),
              type: 'contacts' as const,
              name: entity.name,
              company: entity.company,
              phones: [...entity.numbers],
              responsible_user_id: toEntityId(entity.responsibleId),
              tags: [...entity.tags],
              url: entity.url,
            },
          }
        : {}),
      ...(error ? { error } : {}),
    }),
    fromWire: ({ data, input }) => ({ number: data.number ?? input.number, name: data.name ?? input.name }),
  }),
};
