import { Rejected } from '../../../core/errors.ts';
import type { NewTask } from '../../../core/ports.ts';
import { Turns } from '../../../core/turns.ts';
import type { RetailcrmAccount } from '../account.ts';
import type { RetailcrmApi } from '../api.ts';
import { createdSchema, extrasOf, taskSchema, toLocalTime, toNumber, toOwnId } from '../mapping.ts';

/** Marks tasks of ours in their commentary. */
const mark = 'ringledger-';
const searchPages = 20;

export interface TasksParts {
  readonly api: RetailcrmApi;
  readonly account: RetailcrmAccount;
  readonly site: string | null;
}

/**
 * Tasks have no id of ours that the CRM would keep unique. So each carries its key in the commentary and is looked for
 * there before it is made; the deliveries of a call are never at work twice at a time, also on several nodes.
 */
export class Tasks {
  readonly #parts: TasksParts;
  readonly #turns = new Turns();

  constructor(parts: TasksParts) {
    this.#parts = parts;
  }

  /** A task of ours that is not yet done, about the order or the customer. */
  async findOpen(about: { readonly contactId: string | null; readonly leadId: string | null }): Promise<string | null> {
    const customer = toNumber(about.contactId);
    const order = toNumber(about.leadId);
    if (customer === null && order === null) return null;
    const query = { 'filter[status]': 'performing' };
    const list = { key: 'tasks', item: taskSchema, query, atMostPages: searchPages };
    for await (const page of this.#parts.api.pages('/tasks', list)) {
      const open = page.find(
        (task) =>
          task.complete !== true &&
          (task.commentary ?? '').includes(mark) &&
          ((order !== null && task.order?.id === order) || (customer !== null && task.customer?.id === customer)),
      );
      if (open !== undefined) return String(open.id);
    }
    return null;
  }

  create(task: NewTask, key: string): Promise<string> {
    const commentary = toOwnId(key);
    return this.#turns.take(commentary, async () => {
      const performerId = toNumber(task.responsibleId);
      if (performerId === null) {
        const details = { performerId: 'a task needs somebody who does it' };
        throw new Rejected('the task is nobody’s: set registration.defaultResponsible', { details });
      }
      const { api, account, site } = this.#parts;
      const datetime = toLocalTime(task.dueAt, await account.timeZone()).slice(0, 16);
      const made = await this.#findMade(commentary, datetime.slice(0, 10));
      if (made !== null) return made;
      const customer = toNumber(task.contactId);
      const order = toNumber(task.leadId);
      const { id } = await api.post('/tasks/create', createdSchema, {
        site,
        task: {
          text: task.text,
          commentary,
          datetime,
          performerId,
          ...(customer === null ? {} : { customer: { id: customer } }),
          ...(order === null ? {} : { order: { id: order } }),
          ...extrasOf(task, ['text', 'dueAt', 'responsibleId', 'contactId', 'leadId']),
        },
      });
      return String(id);
    });
  }

  async #findMade(commentary: string, day: string): Promise<string | null> {
    const query = { 'filter[dateFrom]': day, 'filter[dateTo]': day };
    const list = { key: 'tasks', item: taskSchema, query, atMostPages: searchPages };
    for await (const page of this.#parts.api.pages('/tasks', list)) {
      const made = page.find((task) => (task.commentary ?? '').includes(commentary));
      if (made !== undefined) return String(made.id);
    }
    return null;
  }
}
