/**
 * What people may do in the built-in CRM, through the API and on the command line. Lists are pages by keyset, as in the
 * ledger. Wrong input rejects with `Rejected`, whose `details` name the field; an unknown id gives null.
 */
import type { Call, CallResult, Direction } from './call.ts';
import type { Page, PageRequest } from './ledger-queries.ts';
import type { Contact, ConversationRegistration, Employee } from './ports.ts';

export const contactSortColumns = ['name', 'updatedAt'] as const;
export const leadSortColumns = ['createdAt'] as const;
export const incomingLeadSortColumns = ['createdAt'] as const;
export const taskSortColumns = ['dueAt', 'createdAt'] as const;
export const callNoteSortColumns = ['startedAt'] as const;

export interface ContactFields {
  readonly name: string;
  readonly company: string | null;
  /** In any way of writing; kept normalised, the first is the main one. */
  readonly numbers: readonly string[];
  readonly responsibleId: string | null;
  readonly tags: readonly string[];
}

export interface Lead {
  readonly id: string;
  readonly name: string;
  readonly contactId: string | null;
  readonly responsibleId: string | null;
  readonly pipelineId: string;
  readonly statusId: string;
  readonly isOpen: boolean;
  readonly tags: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export type LeadFields = Omit<Lead, 'id' | 'isOpen' | 'createdAt' | 'updatedAt'>;

export type IncomingLeadState = 'unsorted' | 'accepted' | 'declined';
export interface IncomingLead {
  readonly id: string;
  readonly name: string;
  readonly number: string;
  readonly callKey: string;
  readonly startedAt: Date;
  readonly pipelineId: string;
  readonly responsibleId: string | null;
  readonly state: IncomingLeadState;
  /** What it became when it was accepted. */
  readonly contactId: string | null;
  readonly leadId: string | null;
  readonly createdAt: Date;
}

export interface Task {
  readonly id: string;
  readonly text: string;
  readonly dueAt: Date;
  readonly responsibleId: string | null;
  readonly contactId: string | null;
  readonly leadId: string | null;
  /** Made for a call by a rule, not by a person. */
  readonly isFromCall: boolean;
  readonly doneAt: Date | null;
  readonly createdAt: Date;
}
export type TaskFields = Pick<Task, 'text' | 'dueAt' | 'responsibleId' | 'contactId' | 'leadId'>;

/** One registered conversation, as the history of a contact shows it. */
export interface CallNote {
  readonly id: string;
  readonly source: string;
  readonly linkedId: string;
  readonly uniqueId: string;
  readonly direction: Direction;
  readonly client: Call['client'];
  readonly did: Call['did'];
  readonly trunk: Call['trunk'];
  readonly extension: string | null;
  readonly result: CallResult;
  readonly startedAt: Date;
  readonly answeredAt: Date | null;
  readonly endedAt: Date | null;
  /** Whole seconds, as in the conversation. */
  readonly duration: number;
  readonly waiting: number;
  readonly recording: string | null;
  readonly forwardedTo: string | null;
  readonly contactId: ConversationRegistration['contactId'];
  readonly leadId: ConversationRegistration['leadId'];
  readonly responsibleId: ConversationRegistration['responsibleId'];
  readonly userId: ConversationRegistration['userId'];
}

export interface ContactQuery extends PageRequest<(typeof contactSortColumns)[number]> {
  /** Each word must occur in the name, the company or a number; case and ё/е do not matter. Empty: all. */
  readonly text: string;
  readonly responsibleId?: string;
}
export interface LeadQuery extends PageRequest<(typeof leadSortColumns)[number]> {
  readonly contactId?: string;
  readonly responsibleId?: string;
  readonly pipelineId?: string;
  readonly isOpen?: boolean;
}
export interface IncomingLeadQuery extends PageRequest<(typeof incomingLeadSortColumns)[number]> {
  readonly state?: IncomingLeadState;
}
export interface TaskQuery extends PageRequest<(typeof taskSortColumns)[number]> {
  readonly responsibleId?: string;
  readonly contactId?: string;
  readonly isDone?: boolean;
}
export interface CallNoteQuery extends PageRequest<(typeof callNoteSortColumns)[number]> {
  readonly contactId?: string;
  readonly userId?: string;
}

export type EmployeeFields = Omit<Employee, 'id'>;

export interface ContactBook {
  listContacts(query: ContactQuery): Promise<Page<Contact>>;
  contact(id: string): Promise<Contact | null>;
  addContact(fields: ContactFields): Promise<Contact>;
  /** Rejects as `addContact` would, and writes nothing. */
  checkContact(fields: ContactFields): Promise<void>;
  editContact(id: string, change: Partial<ContactFields>): Promise<Contact | null>;
  /** Its leads, tasks and call notes stay, without a contact. False: there is none. */
  deleteContact(id: string): Promise<boolean>;

  listLeads(query: LeadQuery): Promise<Page<Lead>>;
  addLead(fields: LeadFields): Promise<Lead>;
  editLead(id: string, change: Partial<LeadFields>): Promise<Lead | null>;

  listIncomingLeads(query: IncomingLeadQuery): Promise<Page<IncomingLead>>;
  /** Makes the contact (or takes the one that has the number) and the lead; a second time changes nothing. */
  acceptIncomingLead(id: string, as: { readonly contactName: string | null }): Promise<IncomingLead | null>;
  declineIncomingLead(id: string): Promise<IncomingLead | null>;

  listTasks(query: TaskQuery): Promise<Page<Task>>;
  addTask(fields: TaskFields): Promise<Task>;
  editTask(id: string, change: Partial<TaskFields>): Promise<Task | null>;
  /** A task that is done keeps the time when it was first done. */
  completeTask(id: string): Promise<Task | null>;

  listCallNotes(query: CallNoteQuery): Promise<Page<CallNote>>;

  listEmployees(): Promise<readonly Employee[]>;
  /**
   * Makes the configuration's employees stand in the book under their own ids. Those that only an earlier configuration
   * named are switched off and keep what they are responsible for; an empty list changes nobody.
   */
  takeConfiguredEmployees(employees: readonly Employee[]): Promise<void>;
  /** An extension belongs to one employee at a time; one that is another's rejects. */
  addEmployee(fields: EmployeeFields): Promise<Employee>;
  editEmployee(id: string, change: Partial<EmployeeFields>): Promise<Employee | null>;
}
