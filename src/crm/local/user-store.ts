import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { EmployeeFields } from '../../core/contact-book.ts';
import type { Clock, Employee, NumberPlan, WorkingHours } from '../../core/ports.ts';
import { faultyField } from './faults.ts';
import { requireUser, toStoredText } from './rows.ts';

interface UserRow {
  id: string;
  name: string;
  email: string | null;
  mobile: string | null;
  deputies: string;
  working_hours: string | null;
  is_active: boolean | number;
}

/** The people who work here, with their extensions. */
export class UserStore {
  readonly #db: Knex;
  readonly #numbers: NumberPlan;
  readonly #clock: Clock;

  constructor(parts: { readonly db: Knex; readonly numbers: NumberPlan; readonly clock: Clock }) {
    this.#db = parts.db;
    this.#numbers = parts.numbers;
    this.#clock = parts.clock;
  }

  /** All, by name. */
  async list(db: Knex = this.#db): Promise<readonly Employee[]> {
    const rows: UserRow[] = await db('local_users').orderBy(['name', 'id']);
    const extensions: { user_id: string; extension: string }[] = await db('local_user_extensions').orderBy('position');
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      extensions: extensions.filter((one) => one.user_id === row.id).map((one) => one.extension),
      email: row.email,
      deputies: JSON.parse(row.deputies) as string[],
      mobile: row.mobile,
      isActive: Boolean(row.is_active),
      workingHours: row.working_hours === null ? null : (JSON.parse(row.working_hours) as WorkingHours),
    }));
  }

  async read(id: string, db: Knex = this.#db): Promise<Employee | null> {
    return (await this.list(db)).find((employee) => employee.id === id) ?? null;
  }

  async add(fields: EmployeeFields): Promise<Employee> {
    const id = `u${randomBytes(5).toString('hex')}`;
    await this.#db.transaction(async (transaction) => {
      await this.#requireDeputies(transaction, fields.deputies);
      const now = this.#clock.now().getTime();
      const row = { id, is_configured: false, created_at: now, updated_at: now, ...this.#toRow(fields) };
      await transaction('local_users').insert(row);
      await this.#insertExtensions(transaction, id, fields.extensions);
    });
    return (await this.read(id))!;
  }

  async edit(id: string, change: Partial<EmployeeFields>): Promise<Employee | null> {
    await this.#db.transaction(async (transaction) => {
      await transaction('local_users').where({ id }).update({ updated_at: this.#clock.now().getTime() });
      const employee = await this.read(id, transaction);
      if (employee === null) return;
      if (change.deputies !== undefined) await this.#requireDeputies(transaction, change.deputies);
      await transaction('local_users')
        .where({ id })
        .update(this.#toRow({ ...employee, ...change }));
      if (change.extensions === undefined) return;
      await transaction('local_user_extensions').where({ user_id: id }).delete();
      await this.#insertExtensions(transaction, id, change.extensions);
    });
    return this.read(id);
  }

  /**
   * Makes the configured employees stand here under their own ids. Those that an earlier configuration named and this
   * one does not are switched off, never removed: what they are responsible for stays theirs. An empty list says
   * nothing about anybody.
   */
  async takeConfigured(employees: readonly Employee[]): Promise<void> {
    if (employees.length === 0) return;
    await this.#db.transaction(async (transaction) => {
      const now = this.#clock.now().getTime();
      const ids = employees.map((employee) => employee.id);
      const gone = { is_active: false, updated_at: now };
      await transaction('local_users').where({ is_configured: true }).whereNotIn('id', ids).update(gone);
      const extensions = employees.flatMap((employee) => employee.extensions);
      await transaction('local_user_extensions').whereIn('user_id', ids).orWhereIn('extension', extensions).delete();
      for (const employee of employees) {
        const row = { ...this.#toRow(employee), is_configured: true, updated_at: now };
        await transaction('local_users')
          .insert({ ...row, id: employee.id, created_at: now })
          .onConflict('id')
          .merge(row);
        await this.#insertExtensions(transaction, employee.id, employee.extensions);
      }
    });
  }

  async #requireDeputies(db: Knex, deputies: readonly string[]): Promise<void> {
    for (const deputy of deputies) await requireUser(db, 'deputies', deputy);
  }

  async #insertExtensions(transaction: Knex.Transaction, userId: string, extensions: readonly string[]): Promise<void> {
    for (const [position, extension] of [...new Set(extensions)].entries()) {
      if (!/^[0-9*#]{1,15}$/.test(extension)) throw faultyField('extensions', `"${extension}" is not an extension`);
      const added: unknown[] = await transaction('local_user_extensions')
        .insert({ extension, position, user_id: userId })
        .onConflict('extension')
        .ignore()
        .returning('extension');
      if (added.length === 0) throw faultyField('extensions', `${extension} is another employee's`);
    }
  }

  #toRow(fields: EmployeeFields) {
    const name = toStoredText(fields.name);
    if (name === '') throw faultyField('name', 'an employee needs a name');
    const mobile = fields.mobile === null ? null : this.#numbers.toClientNumber(fields.mobile);
    if (fields.mobile !== null && mobile === null) throw faultyField('mobile', `"${fields.mobile}" is not a number`);
    return {
      name,
      email: fields.email,
      mobile,
      deputies: JSON.stringify([...new Set(fields.deputies)]),
      working_hours: fields.workingHours === null ? null : JSON.stringify(fields.workingHours),
      is_active: fields.isActive,
    };
  }
}
