import type { Knex } from 'knex';
import type { Task, TaskFields, TaskQuery } from '../../core/contact-book.ts';
import type { Page } from '../../core/ledger-queries.ts';
import type { Clock, NewTask } from '../../core/ports.ts';
import { faultyField } from './faults.ts';
import {
  createOnce,
  insertRow,
  lockContact,
  readPage,
  requireRow,
  requireUser,
  toDate,
  toDateOrNull,
  toId,
  toRowId,
  toStoredText,
} from './rows.ts';

interface TaskRow {
  id: number;
  text: string;
  due_at: number | string;
  responsible_id: string | null;
  contact_id: number | null;
  lead_id: number | null;
  is_from_call: boolean | number;
  done_at: number | string | null;
  created_at: number | string;
}

const toTask = (row: TaskRow): Task => ({
  id: String(row.id),
  text: row.text,
  dueAt: toDate(row.due_at),
  responsibleId: row.responsible_id,
  contactId: toId(row.contact_id),
  leadId: toId(row.lead_id),
  isFromCall: Boolean(row.is_from_call),
  doneAt: toDateOrNull(row.done_at),
  createdAt: toDate(row.created_at),
});

const sortColumns = { dueAt: 'due_at', createdAt: 'created_at' } as const;

/** Tasks: made for a call by a rule, or by a person. */
export class TaskStore {
  readonly #db: Knex;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#clock = parts.clock;
  }

  async read(id: string): Promise<Task | null> {
    const rowId = toRowId(id);
    const row: TaskRow | undefined =
      rowId === null ? undefined : await this.#db('local_tasks').where({ id: rowId }).first();
    return row === undefined ? null : toTask(row);
  }

  /** For a call: a task of an earlier call that is not done yet is taken rather than joined by a second one. */
  async createOnce(task: NewTask, idempotencyKey: string): Promise<string> {
    const rowId = await createOnce(this.#db, { kind: 'task', key: idempotencyKey }, async (transaction) => {
      await lockContact(transaction, task.contactId);
      const open = await this.findOpen(task, transaction);
      return open === null ? this.#insert(transaction, task, true) : Number(open.id);
    });
    return String(rowId);
  }

  async add(fields: TaskFields): Promise<Task> {
    const rowId = await this.#db.transaction((transaction) => this.#insert(transaction, fields, false));
    return (await this.read(String(rowId)))!;
  }

  async edit(id: string, change: Partial<TaskFields>): Promise<Task | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    const updated_at = this.#clock.now().getTime();
    await this.#db.transaction(async (transaction) => {
      await transaction('local_tasks').where({ id: rowId }).update({ updated_at });
      const row: TaskRow | undefined = await transaction('local_tasks').where({ id: rowId }).first();
      if (row === undefined) return;
      const fields = await this.#toRow(transaction, { ...toTask(row), ...change });
      await transaction('local_tasks').where({ id: rowId }).update(fields);
    });
    return this.read(id);
  }

  async complete(id: string): Promise<Task | null> {
    const rowId = toRowId(id);
    if (rowId === null) return null;
    const now = this.#clock.now().getTime();
    await this.#db('local_tasks').where({ id: rowId, done_at: null }).update({ done_at: now, updated_at: now });
    return this.read(id);
  }

  /** The oldest task not yet done that a call caused for this lead or contact. */
  async findOpen(
    about: { readonly contactId: string | null; readonly leadId: string | null },
    db: Knex = this.#db,
  ): Promise<Task | null> {
    const contactId = toRowId(about.contactId ?? '') ?? 0;
    const leadId = toRowId(about.leadId ?? '') ?? 0;
    const row: TaskRow | undefined = await db('local_tasks')
      .where({ is_from_call: true, done_at: null })
      .where((either) => either.where({ contact_id: contactId }).orWhere({ lead_id: leadId }))
      .orderBy('id')
      .first();
    return row === undefined ? null : toTask(row);
  }

  async list(query: TaskQuery): Promise<Page<Task>> {
    const rows = this.#db('local_tasks').select('*');
    if (query.responsibleId !== undefined) void rows.where({ responsible_id: query.responsibleId });
    if (query.contactId !== undefined) void rows.where({ contact_id: toRowId(query.contactId) ?? 0 });
    if (query.isDone === true) void rows.whereNotNull('done_at');
    if (query.isDone === false) void rows.whereNull('done_at');
    const page = await readPage<TaskRow>(rows, query, sortColumns[query.sort]);
    return { items: page.items.map(toTask), nextCursor: page.nextCursor };
  }

  async #insert(db: Knex, task: TaskFields, isFromCall: boolean): Promise<number> {
    const now = this.#clock.now().getTime();
    const row = await this.#toRow(db, task);
    return insertRow(db, 'local_tasks', { ...row, is_from_call: isFromCall, created_at: now, updated_at: now });
  }

  async #toRow(db: Knex, task: TaskFields) {
    const text = toStoredText(task.text);
    if (text === '') throw faultyField('text', 'a task needs a text');
    return {
      text,
      due_at: task.dueAt.getTime(),
      responsible_id: await requireUser(db, 'responsibleId', task.responsibleId),
      contact_id: await requireRow(db, { table: 'local_contacts', field: 'contactId', id: task.contactId }),
      lead_id: await requireRow(db, { table: 'local_leads', field: 'leadId', id: task.leadId }),
    };
  }
}
