import type { Knex } from 'knex';
import type { IncomingLead, IncomingLeadQuery, Lead, LeadFields, LeadQuery } from '../../core/contact-book.ts';
import type { Page } from '../../core/ledger-queries.ts';
import type { Clock, NewIncomingLead, NewLead } from '../../core/ports.ts';
import type { LocalCrmConfig } from './config.ts';
import type { ContactStore } from './contact-store.ts';
import { faultyField } from './faults.ts';
import {
  createOnce,
  insertRow,
  lockContact,
  lockNumber,
  readPage,
  requireRow,
  requireUser,
  toDate,
  toId,
  toRowId,
  toStoredTags,
  toStoredText,
  toTags,
} from './rows.ts';

interface LeadRow {
  id: number;
  name: string;
  contact_id: number | null;
  responsible_id: string | null;
  pipeline_id: string;
  status_id: string;
  is_open: boolean | number;
  tags: string;
  created_at: number | string;
  updated_at: number | string;
}
interface IncomingLeadRow {
  id: number;
  name: string;
  number: string;
  call_key: string;
  started_at: number | string;
  pipeline_id: string;
  responsible_id: string | null;
  state: IncomingLead['state'];
  contact_id: number | null;
  lead_id: number | null;
  created_at: number | string;
}

const toLead = (row: LeadRow): Lead => ({
  id: String(row.id),
  name: row.name,
  contactId: toId(row.contact_id),
  responsibleId: row.responsible_id,
  pipelineId: row.pipeline_id,
  statusId: row.status_id,
  isOpen: Boolean(row.is_open),
  tags: toTags(row.tags),
  createdAt: toDate(row.created_at),
  updatedAt: toDate(row.updated_at),
});
const toIncomingLead = (row: IncomingLeadRow): IncomingLead => ({
  id: String(row.id),
  name: row.name,
  number: row.number,
  callKey: row.call_key,
  startedAt: toDate(row.started_at),
  pipelineId: row.pipeline_id,
  responsibleId: row.responsible_id,
  state: row.state,
  contactId: toId(row.contact_id),
  leadId: toId(row.lead_id),
  createdAt: toDate(row.created_at),
});

/** Leads, and incoming leads that a person has still to sort. */
export class LeadStore {
  readonly #db: Knex;
  readonly #clock: Clock;
  readonly #contacts: ContactStore;
  readonly #pipelines: LocalCrmConfig['pipelines'];

  constructor(parts: {
    readonly db: Knex;
    readonly clock: Clock;
    readonly contacts: ContactStore;
    readonly pipelines: LocalCrmConfig['pipelines'];
  }) {
    this.#db = parts.db;
    this.#clock = parts.clock;
    this.#contacts = parts.contacts;
    this.#pipelines = parts.pipelines;
  }

  async read(id: string): Promise<Lead | null> {
    const rowId = toRowId(id);
    const row: LeadRow | undefined =
      rowId === null ? undefined : await this.#db('local_leads').where({ id: rowId }).first();
    return row === undefined ? null : toLead(row);
  }

  /** For a call: an open lead of the contact is taken rather than joined by a second one, on whatever node it was made. */
  async createOnce(lead: NewLead, idempotencyKey: string): Promise<string> {
    const rowId = await createOnce(this.#db, { kind: 'lead', key: idempotencyKey }, async (transaction) => {
      await lockContact(transaction, lead.contactId);
      const open = lead.contactId === null ? null : await this.findOpen(lead.contactId, lead.pipelineId, transaction);
      return open === null ? this.#insert(transaction, lead) : Number(open.id);
    });
    return String(rowId);
  }

  async add(fields: LeadFields): Promise<Lead> {
    const rowId = await this.#db.transaction((transaction) => this.#insert(transaction, fields));
    return (await this.read(String(rowId)))!;
  }

  async edit(id: string, change: Partial<NewLead>): Promise<Lead | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    const updated_at = this.#clock.now().getTime();
    await this.#db.transaction(async (transaction) => {
      await transaction('local_leads').where({ id: rowId }).update({ updated_at });
      const row: LeadRow | undefined = await transaction('local_leads').where({ id: rowId }).first();
      if (row === undefined) return;
      // Another pipeline without a status means its first one: the old status is none of its own.
      const isMoved = change.pipelineId !== undefined && change.pipelineId !== row.pipeline_id;
      const statusId = change.statusId ?? (isMoved ? null : row.status_id);
      const fields = { ...toLead(row), ...change, statusId };
      await transaction('local_leads')
        .where({ id: rowId })
        .update(await this.#toRow(transaction, fields));
    });
    return this.read(id);
  }

  /** The newest open lead of the contact, in that pipeline if one is named. */
  async findOpen(contactId: string, pipelineId: string | null, db: Knex = this.#db): Promise<Lead | null> {
    const contactRowId = toRowId(contactId);
    if (contactRowId === null) return null;
    const leads = db('local_leads').where({ contact_id: contactRowId, is_open: true });
    if (pipelineId !== null) void leads.where({ pipeline_id: pipelineId });
    const row: LeadRow | undefined = await leads.orderBy('id', 'desc').first();
    return row === undefined ? null : toLead(row);
  }

  async list(query: LeadQuery): Promise<Page<Lead>> {
    const rows = this.#db('local_leads').select('*');
    if (query.contactId !== undefined) void rows.where({ contact_id: toRowId(query.contactId) ?? 0 });
    if (query.responsibleId !== undefined) void rows.where({ responsible_id: query.responsibleId });
    if (query.pipelineId !== undefined) void rows.where({ pipeline_id: query.pipelineId });
    if (query.isOpen !== undefined) void rows.where({ is_open: query.isOpen });
    const page = await readPage<LeadRow>(rows, query, 'created_at');
    return { items: page.items.map(toLead), nextCursor: page.nextCursor };
  }

  /** While a request of the same number is still unsorted, a further call joins it. */
  async createIncomingOnce(lead: NewIncomingLead, idempotencyKey: string): Promise<string> {
    const number = this.#contacts.toStoredNumber(lead.number);
    const rowId = await createOnce(this.#db, { kind: 'incoming_lead', key: idempotencyKey }, async (transaction) => {
      await lockNumber(transaction, number);
      const waiting: { id: number } | undefined = await transaction('local_incoming_leads')
        .where({ number, state: 'unsorted' })
        .orderBy('id')
        .first('id');
      if (waiting !== undefined) return waiting.id;
      const now = this.#clock.now().getTime();
      return insertRow(transaction, 'local_incoming_leads', {
        name: toStoredText(lead.name),
        number,
        call_key: lead.callKey,
        started_at: lead.startedAt.getTime(),
        pipeline_id: this.#toStage(lead.pipelineId, null).pipeline_id,
        responsible_id: await requireUser(transaction, 'responsibleId', lead.responsibleId),
        state: 'unsorted',
        created_at: now,
        updated_at: now,
      });
    });
    return String(rowId);
  }

  async listIncoming(query: IncomingLeadQuery): Promise<Page<IncomingLead>> {
    const rows = this.#db('local_incoming_leads').select('*');
    if (query.state !== undefined) void rows.where({ state: query.state });
    const page = await readPage<IncomingLeadRow>(rows, query, 'created_at');
    return { items: page.items.map(toIncomingLead), nextCursor: page.nextCursor };
  }

  async acceptIncoming(id: string, contactName: string | null): Promise<IncomingLead | null> {
    return this.#sort(id, 'accepted', async (transaction, row) => {
      const responsibleId = row.responsible_id;
      const contact_id = await this.#contacts.takeOrAdd(transaction, {
        name: contactName ?? row.number,
        company: null,
        numbers: [row.number],
        responsibleId,
        tags: [],
      });
      const lead_id = await this.#insert(transaction, {
        name: row.name,
        contactId: String(contact_id),
        responsibleId,
        pipelineId: row.pipeline_id,
        statusId: null,
        tags: [],
      });
      return { contact_id, lead_id };
    });
  }

  async declineIncoming(id: string): Promise<IncomingLead | null> {
    return this.#sort(id, 'declined', async () => ({}));
  }

  async #sort(
    id: string,
    state: IncomingLead['state'],
    become: (transaction: Knex.Transaction, row: IncomingLeadRow) => Promise<object>,
  ): Promise<IncomingLead | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    return this.#db.transaction(async (transaction) => {
      const incoming = () => transaction('local_incoming_leads').where({ id: rowId });
      // Whoever moves it out of `unsorted` sorts it; a second one finds it sorted.
      const moved = await incoming()
        .where({ state: 'unsorted' })
        .update({ state, updated_at: this.#clock.now().getTime() });
      const row: IncomingLeadRow | undefined = await incoming().first();
      if (row === undefined) return null;
      if (moved === 0) return toIncomingLead(row);
      const fields = await become(transaction, row);
      if (Object.keys(fields).length > 0) await incoming().update(fields);
      return toIncomingLead({ ...row, ...fields });
    });
  }

  async #insert(db: Knex, lead: NewLead): Promise<number> {
    const now = this.#clock.now().getTime();
    return insertRow(db, 'local_leads', { ...(await this.#toRow(db, lead)), created_at: now, updated_at: now });
  }

  async #toRow(db: Knex, lead: NewLead) {
    const name = toStoredText(lead.name);
    if (name === '') throw faultyField('name', 'a lead needs a name');
    return {
      name,
      contact_id: await requireRow(db, { table: 'local_contacts', field: 'contactId', id: lead.contactId }),
      responsible_id: await requireUser(db, 'responsibleId', lead.responsibleId),
      ...this.#toStage(lead.pipelineId, lead.statusId),
      tags: toStoredTags(lead.tags),
    };
  }

  #toStage(pipelineId: string | null, statusId: string | null) {
    const pipeline = pipelineId === null ? this.#pipelines[0] : this.#pipelines.find((one) => one.id === pipelineId);
    if (pipeline === undefined) throw faultyField('pipelineId', `there is no pipeline ${pipelineId}`);
    const status = statusId === null ? pipeline.statuses[0] : pipeline.statuses.find((one) => one.id === statusId);
    if (status === undefined) throw faultyField('statusId', `pipeline ${pipeline.id} has no status ${statusId}`);
    return { pipeline_id: pipeline.id, status_id: status.id, is_open: !status.isClosed };
  }
}
