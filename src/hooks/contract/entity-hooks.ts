/** The hooks around contacts, leads, requests and tasks. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { NewContact, NewLead } from '../../core/ports.ts';
import { callFull, toCallFull } from './call-full.ts';
import { defineHook, type HookSurroundings } from './hook-contract.ts';
import {
  asEntityId,
  changed,
  entityId,
  fromEntityId,
  fromUnixTime,
  toEntityId,
  toUnixTime,
  wholeNumber,
} from './wire-values.ts';

const fieldValue = z.looseObject({
  enum_code: z.string().optional().describe('WORK for the number of a call'),
  value: z.unknown(),
});
const customFields = z
  .array(
    z.looseObject({
      field_id: z.number().nullish().describe('Found by itself in amoCRM/Kommo'),
      field_code: z.string().nullish().describe('In place of field_id where there is none'),
      values: z.array(fieldValue),
    }),
  )
  .describe('The telephone number, and whatever fields you add');
type CustomFields = z.output<typeof customFields>;

const tagNames = z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).describe('Names of tags');
const readTags = (tags: z.output<typeof tagNames>) => tags.map((tag) => (typeof tag === 'string' ? tag : tag.name));

function toPhoneField(number: string, { phoneFieldId }: HookSurroundings): CustomFields {
  const field = phoneFieldId === null ? { field_code: 'PHONE' } : { field_id: phoneFieldId };
  return [{ ...field, values: [{ enum_code: 'WORK', value: number }] }];
}

/** The call's number among the fields, and whether the hook made anything else of them. */
function readNumber(fields: CustomFields, sent: CustomFields): { number: string | null; hasMore: boolean } {
  const [ours] = sent;
  const isPhone = (field: CustomFields[number]) =>
    (ours?.field_id != null && field.field_id === ours.field_id) || field.field_code === 'PHONE';
  const isWork = ({ enum_code: code, value }: Value) => code === 'WORK' && /^[\d\s()+.-]+$/.test(String(value));
  const field = fields.find(isPhone) ?? fields.find(({ values }) => values.some(isWork));
  const written = (field?.values.find(isWork) ?? field?.values[0])?.value;
  const isNumber = (typeof written === 'string' && written !== '') || typeof written === 'number';
  const number = isNumber ? String(written) : null;
  return { number, hasMore: !isDeepStrictEqual(fields, withNumber(sent, written)) };
}

type Value = CustomFields[number]['values'][number];
const withNumber = (fields: CustomFields, number: unknown): CustomFields =>
  fields.map((field) => ({ ...field, values: field.values.map((value) => ({ ...value, value: number })) }));

const contactFields = {
  custom_fields_values: customFields,
  name: z.string(),
  responsible_user_id: entityId,
  tags: tagNames,
};
const contactInput = z.object({ call_full: callFull, ...contactFields });
const contactAnswer = z.object(contactFields).partial();
const contactUpdateInput = z.object({
  call_full: callFull,
  id: entityId.describe('Read only'),
  ...contactAnswer.shape,
});

function toContact(contact: Partial<NewContact>, surroundings: HookSurroundings) {
  const { name, number, responsibleId, tags } = contact;
  return {
    ...(number === undefined ? {} : { custom_fields_values: toPhoneField(number, surroundings) }),
    ...(name === undefined ? {} : { name }),
    ...(responsibleId === undefined ? {} : { responsible_user_id: toEntityId(responsibleId) }),
    ...(tags === undefined ? {} : { tags: [...tags] }),
  };
}

function fromContact(
  data: z.output<typeof contactAnswer>,
  sent: z.output<typeof contactAnswer>,
  own: Partial<NewContact>,
): Partial<NewContact> & Readonly<Record<string, unknown>> {
  const { custom_fields_values: fields, name, responsible_user_id: responsible, tags } = data;
  const read = fields === undefined ? null : readNumber(fields, sent.custom_fields_values ?? []);
  return {
    // Whole, with the number: what the hook wrote stands in the place of what the adapter would write.
    ...(read?.hasMore === true ? { custom_fields_values: fields } : {}),
    ...own,
    ...(read?.number == null ? {} : { number: read.number }),
    ...(name === undefined ? {} : { name }),
    ...(responsible === undefined
      ? {}
      : {
          responsibleId: changed({
            sent: sent.responsible_user_id ?? null,
            returned: responsible,
            own: own.responsibleId ?? null,
            convert: fromEntityId,
          }),
        }),
    ...(tags === undefined ? {} : { tags: readTags(tags) }),
  };
}

const leadFields = {
  _embedded: z.looseObject({
    contacts: z
      .array(z.looseObject({ id: entityId }))
      .optional()
      .describe('The contact that the lead is tied to'),
    tags: tagNames.optional(),
  }),
  name: z.string(),
  pipeline_id: entityId,
  responsible_user_id: entityId,
  status_id: entityId,
};
const leadInput = z.object({ call_full: callFull, ...leadFields });
const leadAnswer = z.object(leadFields).partial();
const leadUpdateInput = z.object({ call_full: callFull, id: entityId.describe('Read only'), ...leadAnswer.shape });

function toLead(lead: Partial<NewLead>) {
  const { name, contactId, responsibleId, pipelineId, statusId, tags } = lead;
  const embedded = {
    ...(contactId == null ? {} : { contacts: [{ id: toEntityId(contactId) }] }),
    ...(tags === undefined ? {} : { tags: tags.map((tag) => ({ name: tag })) }),
  };
  return {
    ...(Object.keys(embedded).length === 0 ? {} : { _embedded: embedded }),
    ...(name === undefined ? {} : { name }),
    ...(pipelineId === undefined ? {} : { pipeline_id: toEntityId(pipelineId) }),
    ...(responsibleId === undefined ? {} : { responsible_user_id: toEntityId(responsibleId) }),
    ...(statusId === undefined ? {} : { status_id: toEntityId(statusId) }),
  };
}

function fromLead(data: z.output<typeof leadAnswer>, own: Partial<NewLead>) {
  const { contacts, tags, ...embedded } = data._embedded ?? {};
  const [contact] = contacts ?? [];
  const all = contacts?.map((one) => ({ ...one, id: asEntityId(one.id) })) ?? [];
  const more = { ...embedded, ...(all.length > 1 ? { contacts: all } : {}) };
  return {
    ...(Object.keys(more).length === 0 ? {} : { _embedded: more }),
    ...own,
    ...(contact === undefined ? {} : { contactId: fromEntityId(contact.id) }),
    ...(tags === undefined ? {} : { tags: readTags(tags) }),
    ...(data.name === undefined ? {} : { name: data.name }),
    ...(data.pipeline_id === undefined ? {} : { pipelineId: fromEntityId(data.pipeline_id) }),
    ...(data.responsible_user_id === undefined ? {} : { responsibleId: fromEntityId(data.responsible_user_id) }),
    ...(data.status_id === undefined ? {} : { statusId: fromEntityId(data.status_id) }),
  };
}

const taskFields = {
  complete_till: wholeNumber.describe('Until when, unix time'),
  created_by: entityId,
  entity_id: entityId.describe('What the task belongs to; null: nothing'),
  entity_type: z.enum(['contacts', 'leads']).nullable(),
  is_completed: z.boolean().describe('Always false at first'),
  responsible_user_id: entityId,
  task_type: wholeNumber.describe('1 call, 2 meet, 3 e-mail'),
  text: z.string(),
};
const taskInput = z.object({ call_full: callFull, ...taskFields });
const taskAnswer = z.object(taskFields).partial();

const requestFields = {
  _embedded: z
    .looseObject({
      leads: z
        .array(z.looseObject({ name: z.string().optional(), responsible_user_id: entityId.optional() }))
        .optional(),
      contacts: z
        .array(z.looseObject({ name: z.string().optional(), custom_fields_values: customFields.optional() }))
        .optional(),
    })
    .describe('The lead and the contact that the request becomes when it is accepted'),
  created_at: wholeNumber.describe('When the call began, unix time'),
  pipeline_id: entityId,
};
const requestInput = z.object({
  call_full: callFull,
  source_uid: z.string().describe('The same for each attempt; read only'),
  ...requestFields,
});
const requestAnswer = z.object(requestFields).partial();

type Embedded = z.output<typeof requestFields._embedded>;

/** True when the hook wrote of the lead or contact what has no place of its own in the core. */
function hasMore(given: Embedded, sent: Embedded, hasMoreFields: boolean): boolean {
  const known = (value: Embedded) => {
    const { leads: [{ name: _name, responsible_user_id: _id, ...lead } = {}] = [], contacts = [], ...rest } = value;
    return { ...rest, lead, contacts: contacts.map(({ custom_fields_values: _fields, ...contact }) => contact) };
  };
  const isLonger = (given.leads?.length ?? 0) > 1;
  return hasMoreFields || isLonger || JSON.stringify(known(given)) !== JSON.stringify(known(sent));
}

/** Nobody is no user that the CRM knows. */
function withProperIds({ leads, ...embedded }: Embedded): Embedded {
  if (leads === undefined) return embedded;
  const written = leads.map(({ responsible_user_id: id = null, ...lead }) => {
    const responsible = asEntityId(id);
    return { ...lead, ...(responsible === null ? {} : { responsible_user_id: responsible }) };
  });
  return { ...embedded, leads: written };
}

export const entityHooks = {
  process_contact_creation_params: defineHook<
    'process_contact_creation_params',
    typeof contactInput,
    typeof contactAnswer
  >({
    name: 'process_contact_creation_params',
    purpose: 'Before a contact is created.',
    input: contactInput,
    answer: contactAnswer,
    passesUnknown: true,
    toWire: (input, surroundings) => ({
      call_full: toCallFull(input, surroundings),
      custom_fields_values: toPhoneField(input.contact.number, surroundings),
      name: input.contact.name,
      responsible_user_id: toEntityId(input.contact.responsibleId),
      tags: [...input.contact.tags],
    }),
    fromWire: ({ data, sent, extras, input }) => ({
      ...extras,
      ...(fromContact(data, sent, input.contact) as NewContact),
    }),
  }),

  process_contact_update_params: defineHook<
    'process_contact_update_params',
    typeof contactUpdateInput,
    typeof contactAnswer
  >({
    name: 'process_contact_update_params',
    purpose:
      'When a call of a contact that stood in the CRM before is registered. The core changes nothing of it; what you answer is changed.',
    input: contactUpdateInput,
    answer: contactAnswer,
    readOnly: ['id'],
    passesUnknown: true,
    toWire: (input, surroundings) => ({
      call_full: toCallFull(input, surroundings),
      id: toEntityId(input.id),
      ...toContact(input.change, surroundings),
    }),
    fromWire: ({ data, sent, extras, input }) => ({ ...extras, ...fromContact(data, sent, input.change) }),
  }),

  process_lead_creation_params: defineHook<'process_lead_creation_params', typeof leadInput, typeof leadAnswer>({
    name: 'process_lead_creation_params',
    purpose: 'Before a lead is created.',
    input: leadInput,
    answer: leadAnswer,
    passesUnknown: true,
    toWire: (input, surroundings) => ({
      call_full: toCallFull(input, surroundings),
      _embedded: {
        contacts: input.lead.contactId === null ? [] : [{ id: toEntityId(input.lead.contactId) }],
        tags: input.lead.tags.map((name) => ({ name })),
      },
      name: input.lead.name,
      pipeline_id: toEntityId(input.lead.pipelineId),
      responsible_user_id: toEntityId(input.lead.responsibleId),
      status_id: toEntityId(input.lead.statusId),
    }),
    fromWire: ({ data, extras, input }) => ({ ...extras, ...(fromLead(data, input.lead) as NewLead) }),
  }),

  process_lead_update_params: defineHook<'process_lead_update_params', typeof leadUpdateInput, typeof leadAnswer>({
    name: 'process_lead_update_params',
    purpose:
      'When a call is registered at a lead that was open before. The core changes nothing of it; what you answer is changed.',
    input: leadUpdateInput,
    answer: leadAnswer,
    readOnly: ['id'],
    passesUnknown: true,
    toWire: (input, surroundings) => ({
      call_full: toCallFull(input, surroundings),
      id: toEntityId(input.id),
      ...toLead(input.change),
    }),
    fromWire: ({ data, extras, input }) => ({ ...extras, ...fromLead(data, input.change) }),
  }),

  process_task_creation_params: defineHook<'process_task_creation_params', typeof taskInput, typeof taskAnswer>({
    name: 'process_task_creation_params',
    purpose: 'Before a task is created for a missed or unanswered call, after the rules of the configuration.',
    input: taskInput,
    answer: taskAnswer,
    passesUnknown: true,
    toWire: (input, surroundings) => {
      const { text, dueAt, responsibleId, contactId, leadId } = input.task;
      return {
        call_full: toCallFull(input, surroundings),
        complete_till: toUnixTime(dueAt),
        created_by: toEntityId(responsibleId),
        entity_id: toEntityId(leadId ?? contactId),
        entity_type: leadId !== null ? 'leads' : contactId !== null ? 'contacts' : null,
        is_completed: false,
        responsible_user_id: toEntityId(responsibleId),
        task_type: 1,
        text,
      };
    },
    fromWire: ({ data, sent, extras, input: { task } }) => {
      const entity = { id: data.entity_id ?? sent.entity_id, type: data.entity_type ?? sent.entity_type };
      const isMoved = entity.id !== sent.entity_id || entity.type !== sent.entity_type;
      const id = fromEntityId(entity.id);
      return {
        ...extras,
        ...(data.created_by == null || data.created_by === sent.created_by
          ? {}
          : { created_by: asEntityId(data.created_by) ?? 0 }),
        ...(data.is_completed === true ? { is_completed: true } : {}),
        // As amoCRM's API calls it.
        ...(data.task_type === undefined || data.task_type === sent.task_type ? {} : { task_type_id: data.task_type }),
        text: data.text ?? task.text,
        dueAt: changed({
          sent: sent.complete_till,
          returned: data.complete_till,
          own: task.dueAt,
          convert: fromUnixTime,
        }),
        responsibleId: changed({
          sent: sent.responsible_user_id,
          returned: data.responsible_user_id,
          own: task.responsibleId,
          convert: fromEntityId,
        }),
        contactId: !isMoved ? task.contactId : entity.type === 'contacts' ? id : null,
        leadId: !isMoved ? task.leadId : entity.type === 'leads' ? id : null,
      };
    },
  }),

  process_unsorted_creation_params: defineHook<
    'process_unsorted_creation_params',
    typeof requestInput,
    typeof requestAnswer
  >({
    name: 'process_unsorted_creation_params',
    purpose: 'Before an incoming lead ("unsorted") is created, with the lead and contact that it would become.',
    input: requestInput,
    answer: requestAnswer,
    readOnly: ['source_uid'],
    passesUnknown: true,
    toWire: (input, surroundings) => {
      const { name, number, callKey, startedAt, pipelineId, responsibleId } = input.incomingLead;
      return {
        call_full: toCallFull(input, surroundings),
        source_uid: callKey,
        _embedded: {
          leads: [{ name, responsible_user_id: toEntityId(responsibleId) }],
          // A contact that exists is not made again.
          ...(input.client == null
            ? { contacts: [{ name: number, custom_fields_values: toPhoneField(number, surroundings) }] }
            : {}),
        },
        created_at: toUnixTime(startedAt),
        pipeline_id: toEntityId(pipelineId),
      };
    },
    fromWire: ({ data, sent, extras, input: { incomingLead } }) => {
      const lead = data._embedded?.leads?.[0];
      const fields = data._embedded?.contacts?.[0]?.custom_fields_values;
      const sentFields = sent._embedded.contacts?.[0]?.custom_fields_values ?? [];
      const read = fields === undefined ? null : readNumber(fields, sentFields);
      const { name, responsible_user_id: responsible } = lead ?? {};
      return {
        ...extras,
        // Whole where it holds more than is read here.
        ...(data._embedded !== undefined && hasMore(data._embedded, sent._embedded, read?.hasMore ?? false)
          ? { _embedded: withProperIds(data._embedded) }
          : {}),
        ...incomingLead,
        name: name ?? incomingLead.name,
        number: read?.number ?? incomingLead.number,
        startedAt: changed({
          sent: sent.created_at,
          returned: data.created_at,
          own: incomingLead.startedAt,
          convert: fromUnixTime,
        }),
        pipelineId: data.pipeline_id === undefined ? incomingLead.pipelineId : fromEntityId(data.pipeline_id),
        responsibleId: responsible === undefined ? incomingLead.responsibleId : fromEntityId(responsible),
      };
    },
  }),
};
