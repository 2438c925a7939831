import type { Knex } from 'knex';
import type { ContactBook } from '../../core/contact-book.ts';
import { Rejected, Retryable } from '../../core/errors.ts';
import type { Clock, CrmAdapter, CrmUser, Employee, NumberPlan, PartStatus } from '../../core/ports.ts';
import { CallNoteStore } from './call-note-store.ts';
import type { LocalCrmConfig } from './config.ts';
import { ContactStore } from './contact-store.ts';
import { withFaults } from './faults.ts';
import { LeadStore } from './lead-store.ts';
import { TaskStore } from './task-store.ts';
import { UserStore } from './user-store.ts';

/** What the built-in CRM stands on. `db` has the tables of `migrations/0002_local_crm`; it is the caller's to close. */
export interface LocalCrmParts {
  readonly name: string;
  readonly config: LocalCrmConfig;
  readonly db: Knex;
  readonly numbers: NumberPlan;
  readonly clock: Clock;
}

/** What the built-in CRM can do as a CRM like any other. */
export type LocalCrmAdapter = Required<
  Omit<
    CrmAdapter,
    'showsOutgoingCalls' | 'phoneFieldId' | 'showIncomingCall' | 'hideIncomingCall' | 'setUserStatus' | 'close'
  >
>;

export interface LocalCrm {
  readonly adapter: LocalCrmAdapter;
  /** The same records for people: the API and the command line. */
  readonly book: ContactBook;
}

/** The built-in CRM in the service's own database. */
export function createLocalCrm(parts: LocalCrmParts): LocalCrm {
  const contacts = new ContactStore(parts);
  const users = new UserStore(parts);
  const leads = new LeadStore({ ...parts, contacts, pipelines: parts.config.pipelines });
  const tasks = new TaskStore(parts);
  const callNotes = new CallNoteStore(parts);

  const adapter: LocalCrmAdapter = {
    name: parts.name,
    check: () => withFaults(async () => checkEmployees(parts.name, await users.list())),
    findContact: (number, { signal }) => withFaults(() => untilAborted(() => contacts.findByNumber(number), signal)),
    registerConversation: (registration) => withFaults(async () => ({ id: await callNotes.createOnce(registration) })),
    listUsers: () => withFaults(async () => (await users.list()).map(toCrmUser)),
    listContacts: (changedSince) => withFaultsInPages(contacts.listChanged(changedSince)),
    createContact: (contact, key) => withFaults(() => contacts.createForNumber(contact, key)),
    findOpenLead: (contactId, pipelineId) => withFaults(() => leads.findOpen(contactId, pipelineId)),
    createLead: (lead, key) => withFaults(async () => ({ id: await leads.createOnce(lead, key) })),
    createIncomingLead: (lead, key) => withFaults(async () => ({ id: await leads.createIncomingOnce(lead, key) })),
    findOpenTask: (about) => withFaults(() => tasks.findOpen(about)),
    createTask: (task, key) => withFaults(async () => ({ id: await tasks.createOnce(task, key) })),
    updateContact: (id, { number, ...change }) =>
      withFaults(async () => {
        const edited = await contacts.edit(id, { ...change, ...(number === undefined ? {} : { addedNumber: number }) });
        if (edited === null) throw new Rejected(`there is no contact ${id}`);
      }),
    updateLead: (id, change) =>
      withFaults(async () => {
        if ((await leads.edit(id, change)) === null) throw new Rejected(`there is no lead ${id}`);
      }),
    attachRecording: (id, link) => withFaults(() => callNotes.attachRecording(id, link)),
  };

  const book: ContactBook = {
    listContacts: (query) => withFaults(() => contacts.list(query)),
    contact: (id) => withFaults(() => contacts.read(id)),
    addContact: (fields) => withFaults(() => contacts.add(fields)),
    checkContact: (fields) => withFaults(() => contacts.check(fields)),
    editContact: (id, change) => withFaults(() => contacts.edit(id, change)),
    deleteContact: (id) => withFaults(() => contacts.delete(id)),
    listLeads: (query) => withFaults(() => leads.list(query)),
    addLead: (fields) => withFaults(() => leads.add(fields)),
    editLead: (id, change) => withFaults(() => leads.edit(id, change)),
    listIncomingLeads: (query) => withFaults(() => leads.listIncoming(query)),
    acceptIncomingLead: (id, { contactName }) => withFaults(() => leads.acceptIncoming(id, contactName)),
    declineIncomingLead: (id) => withFaults(() => leads.declineIncoming(id)),
    listTasks: (query) => withFaults(() => tasks.list(query)),
    addTask: (fields) => withFaults(() => tasks.add(fields)),
    editTask: (id, change) => withFaults(() => tasks.edit(id, change)),
    completeTask: (id) => withFaults(() => tasks.complete(id)),
    listCallNotes: (query) => withFaults(() => callNotes.list(query)),
    listEmployees: () => withFaults(() => users.list()),
    takeConfiguredEmployees: (employees) => withFaults(() => users.takeConfigured(employees)),
    addEmployee: (fields) => withFaults(() => users.add(fields)),
    editEmployee: (id, change) => withFaults(() => users.edit(id, change)),
  };
  return { adapter, book };
}

function toCrmUser({ id, name, email, extensions, isActive }: Employee): CrmUser {
  return { id, name, email, extensions, isActive };
}

function checkEmployees(crm: string, employees: readonly Employee[]): readonly PartStatus[] {
  const part = `crm:${crm}`;
  const active = employees.filter((employee) => employee.isActive);
  if (active.length === 0) {
    return [{ part, health: 'warning', message: 'no employees yet: add them with their extensions' }];
  }
  const unreachable = active.filter((employee) => employee.extensions.length === 0).map((employee) => employee.name);
  if (unreachable.length > 0) {
    return [{ part, health: 'warning', message: `employees without an extension: ${unreachable.join(', ')}` }];
  }
  return [{ part, health: 'ok', message: `${active.length} employees` }];
}

/** A query cannot be called back, but nobody has to wait for it. */
async function untilAborted<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  const aborted = () => new Retryable('the lookup was given up', { cause: signal.reason });
  if (signal.aborted) throw aborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted());
    signal.addEventListener('abort', onAbort, { once: true });
    void work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function* withFaultsInPages<Page>(pages: AsyncIterable<Page>): AsyncIterable<Page> {
  const iterator = pages[Symbol.asyncIterator]();
  for (;;) {
    const next = await withFaults(() => iterator.next());
    if (next.done === true) return;
    yield next.value;
  }
}
