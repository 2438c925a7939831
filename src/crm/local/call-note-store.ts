import type { Knex } from 'knex';
import type { CallNote, CallNoteQuery } from '../../core/contact-book.ts';
import type { Page } from '../../core/ledger-queries.ts';
import type { Clock, ConversationRegistration } from '../../core/ports.ts';
import { faultyField } from './faults.ts';
import {
  createOnce,
  insertRow,
  readPage,
  requireRow,
  requireUser,
  toDate,
  toDateOrNull,
  toId,
  toRowId,
} from './rows.ts';

interface CallNoteRow {
  id: number;
  source: string;
  linked_id: string;
  unique_id: string;
  direction: CallNote['direction'];
  client: string | null;
  did: string | null;
  trunk: string | null;
  extension: string | null;
  result: CallNote['result'];
  started_at: number | string;
  answered_at: number | string | null;
  ended_at: number | string | null;
  duration: number;
  waiting: number;
  recording: string | null;
  forwarded_to: string | null;
  contact_id: number | null;
  lead_id: number | null;
  responsible_id: string | null;
  user_id: string | null;
}

const toCallNote = (row: CallNoteRow): CallNote => ({
  id: String(row.id),
  source: row.source,
  linkedId: row.linked_id,
  uniqueId: row.unique_id,
  direction: row.direction,
  client: row.client,
  did: row.did,
  trunk: row.trunk,
  extension: row.extension,
  result: row.result,
  startedAt: toDate(row.started_at),
  answeredAt: toDateOrNull(row.answered_at),
  endedAt: toDateOrNull(row.ended_at),
  duration: row.duration,
  waiting: row.waiting,
  recording: row.recording,
  forwardedTo: row.forwarded_to,
  contactId: toId(row.contact_id),
  leadId: toId(row.lead_id),
  responsibleId: row.responsible_id,
  userId: row.user_id,
});

/** The history: one note per registered conversation. */
export class CallNoteStore {
  readonly #db: Knex;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#clock = parts.clock;
  }

  async createOnce(registration: ConversationRegistration): Promise<string> {
    const { call, conversation } = registration;
    const rowId = await createOnce(
      this.#db,
      { kind: 'call_note', key: registration.idempotencyKey },
      async (transaction) => {
        const rowOf = (table: string, field: string, id: string | null) =>
          requireRow(transaction, { table, field, id });
        return insertRow(transaction, 'local_call_notes', {
          source: call.source,
          linked_id: call.linkedId,
          unique_id: conversation.uniqueId,
          direction: call.direction,
          client: call.client,
          did: call.did,
          trunk: call.trunk,
          extension: conversation.extension,
          result: conversation.result,
          started_at: conversation.requestedAt.getTime(),
          answered_at: conversation.answeredAt?.getTime() ?? null,
          ended_at: conversation.endedAt?.getTime() ?? null,
          duration: conversation.duration,
          waiting: conversation.waiting,
          recording: conversation.recording,
          forwarded_to: conversation.forwardedTo,
          contact_id: await rowOf('local_contacts', 'contactId', registration.contactId),
          lead_id: await rowOf('local_leads', 'leadId', registration.leadId),
          responsible_id: await requireUser(transaction, 'responsibleId', registration.responsibleId),
          user_id: await requireUser(transaction, 'userId', registration.userId),
          created_at: this.#clock.now().getTime(),
        });
      },
    );
    return String(rowId);
  }

  /** Nothing never replaces a recording. */
  async attachRecording(id: string, link: string): Promise<void> {
    const rowId = toRowId(id);
    const isKnown =
      rowId !== null && (await this.#db('local_call_notes').where({ id: rowId }).first('id')) !== undefined;
    if (!isKnown) throw faultyField('registrationId', `there is no call note ${id}`);
    if (link !== '') await this.#db('local_call_notes').where({ id: rowId }).update({ recording: link });
  }

  async list(query: CallNoteQuery): Promise<Page<CallNote>> {
    const rows = this.#db('local_call_notes').select('*');
    if (query.contactId !== undefined) void rows.where({ contact_id: toRowId(query.contactId) ?? 0 });
    if (query.userId !== undefined) void rows.where({ user_id: query.userId });
    const page = await readPage<CallNoteRow>(rows, query, 'started_at');
    return { items: page.items.map(toCallNote), nextCursor: page.nextCursor };
  }
}
