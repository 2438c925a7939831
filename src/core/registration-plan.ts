/** The decisions of a registration, from facts alone: nothing here asks or changes a CRM. */
import type { Call, Conversation } from './call.ts';
import type { EmployeeDirectory } from './employees.ts';
import type { CallParams, WithExtras } from './hooks.ts';
import type { ConversationRegistration, CrmUser, NumberPlan } from './ports.ts';
import {
  callKindOf,
  chooseActions,
  chooseResponsible,
  findHoldingList,
  findWorkingTime,
  type Actions,
  type CallKind,
  type ClientKind,
  type RegistrationRules,
  type ResponsibleChoice,
} from './rules.ts';

/** What stays the same for all registrations of an installation in one CRM. */
export interface Installation {
  readonly crm: string;
  readonly rules: RegistrationRules;
  readonly staff: EmployeeDirectory;
  readonly numbers: Pick<NumberPlan, 'isExtension'>;
  /** IANA name; texts name times by its clocks. */
  readonly timeZone: string;
}

const noActions: Actions = { contact: null, lead: null, incomingLead: null, task: null };

/** Why this conversation goes to no CRM; null: it does. */
export function findObstacle(installation: Installation, call: Call, conversation: Conversation): string | null {
  if (!conversation.registered) return conversation.reason ?? 'not registered';
  if (callKindOf(call, conversation) === null) return 'internal';
  const { staff, numbers } = installation;
  if (call.client !== null && numbers.isExtension(call.client)) return 'internal';
  // An employee who calls from his own mobile, or is called on it, is no client.
  if (call.client !== null && staff.byMobile(call.client) !== null) return 'internal';
  const list = findHoldingList(installation.rules.lists, call, conversation);
  return list === null ? null : `rule:${list}`;
}

/**
 * What is to be made for the conversation. Contacts, leads and tasks belong to the call: only its first conversation
 * that goes to the CRMs makes any, later ones (after a transfer) find what was made. They make it themselves only
 * where the first one left the client unknown.
 */
export function planActions(
  installation: Installation,
  situation: { readonly call: Call; readonly conversation: Conversation; readonly client: ClientKind },
): Actions {
  const { call, conversation, client } = situation;
  const kind: CallKind | null = callKindOf(call, conversation);
  if (kind === null) return noActions;
  const first = call.conversations.find((one) => findObstacle(installation, call, one) === null);
  if (first !== undefined && first.uniqueId !== conversation.uniqueId && client === 'known') return noActions;
  const actions = chooseActions(installation.rules.rules, { kind, client, did: call.did });
  // Without a number there is nothing to make a contact or a request of.
  return client === 'anonymous' ? { ...actions, contact: null, incomingLead: null } : actions;
}

/** The CRM's user of an extension who can be given something; null: there is none. */
export function userOfExtension(
  installation: Installation,
  users: readonly CrmUser[],
  extension: string | null,
): string | null {
  if (extension === null) return null;
  const user = users.find((one) => one.isActive && one.extensions.includes(extension));
  return user?.id ?? installation.staff.userIdOf(installation.crm, extension);
}

/** The user's id by these choices, the installation's default last. */
export function planResponsible(
  installation: Installation,
  choices: readonly (ResponsibleChoice | 'employee')[],
  situation: {
    readonly call: Call;
    readonly conversation: Conversation;
    readonly clientResponsibleId: string | null;
    readonly users: readonly CrmUser[];
  },
): string | null {
  const { call, conversation, clientResponsibleId, users } = situation;
  const { staff, crm, rules } = installation;
  const ofExtension = (extension: string | null) => userOfExtension(installation, users, extension);
  const answered = call.conversations
    .filter((one) => one.registered && one.answeredAt !== null)
    .sort((a, b) => a.answeredAt!.getTime() - b.answeredAt!.getTime());
  const userOf = (choice: ResponsibleChoice | 'employee'): string | null => {
    if (choice === 'client') return clientResponsibleId;
    if (choice === 'employee') return ofExtension(conversation.extension);
    if (choice === 'first_answered') return ofExtension(answered[0]?.extension ?? null);
    if (choice === 'last_answered') return ofExtension(answered.at(-1)?.extension ?? null);
    if (choice === 'default') return rules.defaultResponsible === null ? null : userOf(rules.defaultResponsible);
    if (choice.startsWith('user:')) return choice.slice('user:'.length);
    return ofExtension(choice.slice('extension:'.length));
  };
  return chooseResponsible<ResponsibleChoice | 'employee'>(choices, {
    userOf,
    deputiesOf(userId) {
      const employee = staff.byCrmUser(crm, userId);
      const deputies = employee === null ? [] : staff.deputiesOf(employee);
      return deputies.flatMap((deputy) => deputy.extensions.map(ofExtension).find((id) => id !== null) ?? []);
    },
    // Who is not in the list was removed; a list that is empty says nothing.
    isActive: (userId) => users.length === 0 || users.some((user) => user.id === userId && user.isActive),
  });
}

/** Counted from the end of the call, not from now: a task for a call of two hours ago is overdue, and says so. */
export function planDueAt(
  installation: Installation,
  situation: {
    readonly call: Call;
    readonly conversation: Conversation;
    readonly due: number | 'next_working_time';
    readonly responsibleId: string | null;
  },
): Date {
  const { call, conversation, due, responsibleId } = situation;
  const endedAt = call.endedAt ?? conversation.endedAt ?? call.startedAt;
  if (due !== 'next_working_time') return new Date(endedAt.getTime() + due * 60_000);
  const { staff, crm } = installation;
  const employee = responsibleId === null ? null : staff.byCrmUser(crm, responsibleId);
  return employee === null ? endedAt : findWorkingTime(endedAt, (at) => staff.isAtWork(employee, at));
}

/** What is registered, with what a hook made of its parameters. */
export function planRegistration(
  situation: { readonly call: Call; readonly conversation: Conversation },
  params: WithExtras<CallParams>,
  ties: { readonly contactId: string | null; readonly leadId: string | null },
): ConversationRegistration {
  const { call, conversation } = situation;
  const { phone, result, direction, startedAt, duration, link, userId, responsibleId, ...extras } = params;
  return {
    idempotencyKey: `conversation:${call.source}:${conversation.uniqueId}`,
    call: { ...call, client: phone, direction },
    conversation: {
      ...conversation,
      result,
      requestedAt: startedAt,
      duration,
      recording: link,
    },
    ...ties,
    responsibleId,
    userId,
    ...(Object.keys(extras).length === 0 ? {} : { extras }),
  };
}
