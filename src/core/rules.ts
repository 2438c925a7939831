/**
 * What is to be made in a CRM for a call, and which calls are kept from it: rules and lists as data, judged without
 * touching anything. Rules are tried in their order, and for each kind of action the first one that matches and speaks
 * of it decides: an action it describes is taken, `false` means that nothing of this kind is made.
 */
import type { Call, Conversation } from './call.ts';
import type { NumberPattern } from './number-pattern.ts';

/** `missed` and `outgoing_failed`: nobody was talked to. */
export type CallKind = 'incoming' | 'missed' | 'outgoing' | 'outgoing_failed';
/** Whether the CRM knew the client before the call; `anonymous` came without a number and cannot be known. */
export type ClientKind = 'known' | 'unknown' | 'anonymous';

export const callKinds = ['incoming', 'missed', 'outgoing', 'outgoing_failed'] as const satisfies readonly CallKind[];
export const clientKinds = ['known', 'unknown', 'anonymous'] as const satisfies readonly ClientKind[];

/**
 * Who gets it: the client's responsible in the CRM, the first or the last who talked in this call, a fixed user by his
 * id in the CRM or by his extension, or the default one of the installation.
 */
export type ResponsibleChoice =
  'client' | 'first_answered' | 'last_answered' | 'default' | `user:${string}` | `extension:${string}`;

export interface RuleConditions {
  /** Each null: whatever it is. */
  readonly calls: readonly CallKind[] | null;
  readonly clients: readonly ClientKind[] | null;
  readonly dids: readonly NumberPattern[] | null;
}

export interface ContactAction {
  /** A text with placeholders, as all texts below. */
  readonly name: string;
  /** Tried in this order, then the default; who is switched off is replaced by his deputies first. */
  readonly responsible: readonly ResponsibleChoice[];
  readonly tags: readonly string[];
}
export interface LeadAction {
  readonly name: string;
  readonly pipelineId: string | null;
  readonly statusId: string | null;
  readonly responsible: readonly ResponsibleChoice[];
  readonly tags: readonly string[];
}
/** A request for a person to sort; where the CRM has this, it is made instead of a lead. */
export interface IncomingLeadAction {
  readonly name: string;
  readonly pipelineId: string | null;
  readonly responsible: readonly ResponsibleChoice[];
}
export interface TaskAction {
  readonly text: string;
  /** Minutes after the end of the call, or the first moment after it at which the responsible works. */
  readonly due: number | 'next_working_time';
  readonly responsible: readonly ResponsibleChoice[];
}

export interface Actions {
  readonly contact: ContactAction | null;
  readonly lead: LeadAction | null;
  readonly incomingLead: IncomingLeadAction | null;
  readonly task: TaskAction | null;
}

export interface Rule {
  readonly name: string;
  readonly when: RuleConditions;
  /** Null: the rule does not speak of it. */
  readonly contact: ContactAction | false | null;
  readonly lead: LeadAction | false | null;
  readonly incomingLead: IncomingLeadAction | false | null;
  readonly task: TaskAction | false | null;
}

/**
 * A list matches a conversation when in each field it names one pattern matches. Conversations of a black list are not
 * registered. Where there are white lists, only conversations of at least one of them are; black lists come first.
 */
export interface CallList {
  readonly name: string;
  readonly kind: 'black' | 'white';
  readonly numbers: readonly NumberPattern[] | null;
  readonly extensions: readonly NumberPattern[] | null;
  readonly trunks: readonly NumberPattern[] | null;
  readonly dids: readonly NumberPattern[] | null;
}

export interface RegistrationRules {
  readonly rules: readonly Rule[];
  readonly lists: readonly CallList[];
  readonly defaultResponsible: Extract<ResponsibleChoice, `user:${string}` | `extension:${string}`> | null;
}

/** Null for calls between employees, which no rule is about. */
export function callKindOf(call: Call, conversation: Conversation): CallKind | null {
  const isAnswered = conversation.result === 'answered';
  if (call.direction === 'inbound') return isAnswered ? 'incoming' : 'missed';
  if (call.direction === 'outbound') return isAnswered ? 'outgoing' : 'outgoing_failed';
  return null;
}

export interface CallFacts {
  readonly kind: CallKind;
  readonly client: ClientKind;
  readonly did: string | null;
}

/** For each kind of action what the first rule that matches and speaks of it says. */
export function chooseActions(rules: readonly Rule[], facts: CallFacts): Actions {
  const matching = rules.filter(
    ({ when }) =>
      (when.calls?.includes(facts.kind) ?? true) &&
      (when.clients?.includes(facts.client) ?? true) &&
      isMatched(when.dids, facts.did),
  );
  const first = <Kind extends keyof Actions>(kind: Kind): Actions[Kind] => {
    const said = matching.find((rule) => rule[kind] !== null)?.[kind];
    return (said || null) as Actions[Kind];
  };
  return { contact: first('contact'), lead: first('lead'), incomingLead: first('incomingLead'), task: first('task') };
}

/** The name of the list that keeps this conversation from the CRMs; null when none does. */
export function findHoldingList(lists: readonly CallList[], call: Call, conversation: Conversation): string | null {
  const matches = (list: CallList) =>
    isMatched(list.numbers, call.client) &&
    isMatched(list.extensions, conversation.extension) &&
    isMatched(list.trunks, call.trunk) &&
    isMatched(list.dids, call.did);
  const black = lists.find((list) => list.kind === 'black' && matches(list));
  if (black !== undefined) return black.name;
  const white = lists.filter((list) => list.kind === 'white');
  return white.some(matches) ? null : (white[0]?.name ?? null);
}

function isMatched(patterns: readonly NumberPattern[] | null, value: string | null): boolean {
  return patterns === null || patterns.some((matches) => matches(value));
}

/**
 * Who becomes responsible: the first choice whose user, or else one of whose deputies, can be. `default` is always the
 * last choice. Null: nobody can, the CRM decides.
 */
export function chooseResponsible<Choice extends string>(
  choices: readonly Choice[],
  staff: {
    /** User ids in the CRM. */
    readonly userOf: (choice: Choice | 'default') => string | null;
    readonly deputiesOf: (userId: string) => readonly string[];
    readonly isActive: (userId: string) => boolean;
  },
): string | null {
  for (const choice of [...choices, 'default'] as const) {
    const userId = staff.userOf(choice);
    if (userId === null) continue;
    const found = [userId, ...staff.deputiesOf(userId)].find((candidate) => staff.isActive(candidate));
    if (found !== undefined) return found;
  }
  return null;
}

const minuteMs = 60_000;
const stepMinutes = 15;
const searchDays = 60;

/** The first whole minute at or after that moment at which he works; the moment itself when he never does in two months. */
export function findWorkingTime(from: Date, isAtWork: (at: Date) => boolean): Date {
  if (isAtWork(from)) return from;
  const start = Math.ceil(from.getTime() / minuteMs) * minuteMs;
  const last = start + searchDays * 24 * 60 * minuteMs;
  for (let at = start; at <= last; at += stepMinutes * minuteMs) {
    if (!isAtWork(new Date(at))) continue;
    while (at - minuteMs >= start && isAtWork(new Date(at - minuteMs))) at -= minuteMs;
    return new Date(at);
  }
  return from;
}
