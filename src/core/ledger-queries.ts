/**
 * What people and programs may ask the ledger, read only. Lists come in pages by keyset: the cursor names the last row
 * of the page before, so a page costs the same wherever it stands and rows that arrive meanwhile move nothing.
 */
import type { Call, CallResult, Conversation, Direction } from './call.ts';
import type { PbxEvent } from './pbx-event.ts';
import type { Delivery, DeliveryKind, DeliveryState } from './ports.ts';

export interface Page<Row> {
  readonly items: readonly Row[];
  /** Opaque; given back as `after` for the next page. Null: this was the last. */
  readonly nextCursor: string | null;
}

export interface PageRequest<SortColumn extends string> {
  /** Only columns without nulls; ties are broken by the row's identity. */
  readonly sort: SortColumn;
  readonly order: 'asc' | 'desc';
  /** 1 to 500. */
  readonly limit: number;
  /** A `nextCursor` of the same sort and order; anything else rejects with `BadCursor`. */
  readonly after: string | null;
}

/** The cursor was not made by this list with this sort and order. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor';
}

export const callSortColumns = ['startedAt'] as const;
export const conversationSortColumns = ['requestedAt', 'duration', 'waiting'] as const;
export const deliverySortColumns = ['createdAt', 'dueAt', 'attempts'] as const;

export interface CallQuery extends PageRequest<(typeof callSortColumns)[number]> {
  readonly source?: string;
  readonly direction?: Direction;
  readonly results?: readonly CallResult[];
  /** The whole normalised number. */
  readonly client?: string;
  /** One of these whole normalised numbers; none given: nothing is found. */
  readonly clients?: readonly string[];
  readonly did?: string;
  readonly trunk?: string;
  /** The last queue that the client stood in. */
  readonly queue?: string;
  /** Some conversation of the call belongs to it. */
  readonly extension?: string;
  /** Some conversation of the call belongs to one of them; none given: nothing is found. */
  readonly extensions?: readonly string[];
  /** `startedAt`, `from` inclusive, `to` exclusive. */
  readonly from?: Date;
  readonly to?: Date;
  /** True: only calls that last; false: only ended ones. */
  readonly isOpen?: boolean;
  /** The client's number ends with these digits; other characters are ignored. */
  readonly number?: string;
  /** Some conversation is (not) sent to the CRMs. */
  readonly isRegistered?: boolean;
  /** Some conversation was held back for this reason. */
  readonly reason?: string;
  /** Some delivery of the call to this CRM, or to any, stands in this state. */
  readonly crm?: string;
  readonly deliveryState?: DeliveryState;
}

export interface ConversationQuery extends PageRequest<(typeof conversationSortColumns)[number]> {
  readonly source?: string;
  readonly direction?: Direction;
  readonly results?: readonly CallResult[];
  readonly client?: string;
  readonly extension?: string;
  readonly extensions?: readonly string[];
  /** The click-to-call request that it came of. */
  readonly requestId?: string;
  readonly isRegistered?: boolean;
  /** `requestedAt`, `from` inclusive, `to` exclusive. */
  readonly from?: Date;
  readonly to?: Date;
}

export interface DeliveryQuery extends PageRequest<(typeof deliverySortColumns)[number]> {
  readonly crm?: string;
  readonly states?: readonly DeliveryState[];
  readonly kind?: DeliveryKind;
  readonly source?: string;
  readonly linkedId?: string;
  readonly uniqueId?: string;
  /** `createdAt`, `from` inclusive, `to` exclusive. */
  readonly from?: Date;
  readonly to?: Date;
}

export const lackingSortColumns = ['requestedAt'] as const;

/** Conversations that a CRM should have and has not. */
export interface LackingQuery extends PageRequest<(typeof lackingSortColumns)[number]> {
  readonly crm: string;
  /** `missing`: never owed; the rest are states of the delivery. */
  readonly states: readonly LackingState[];
  /** `requestedAt`, `from` inclusive, `to` exclusive. */
  readonly from: Date;
  readonly to: Date;
}
export const lackingStates = ['missing', 'rejected', 'skipped', 'pending'] as const;
export type LackingState = (typeof lackingStates)[number];
export interface LackingRow {
  readonly source: string;
  readonly linkedId: string;
  readonly uniqueId: string;
  readonly client: string | null;
  readonly clientName: string | null;
  readonly extension: string | null;
  readonly direction: Direction;
  readonly result: CallResult;
  readonly requestedAt: Date;
  readonly state: LackingState;
  readonly reason: string | null;
  readonly deliveryId: string | null;
}

/** A conversation with the head of its call, as a row of a list shows it. */
export interface ConversationRow {
  readonly conversation: Conversation;
  readonly call: Omit<Call, 'conversations'>;
}

/** One attempt of a delivery, as a person reads it. */
export interface DeliveryAttempt {
  readonly at: Date;
  readonly node: string | null;
  /** `delivered`, `retry`, `rejected`, `skipped`, `lost`, `put_back`, `resent`, `closed`. */
  readonly result: string;
  readonly reason: string | null;
}

export interface LedgerQueries {
  listCalls(query: CallQuery): Promise<Page<Call>>;
  /** By its own or an absorbed linkedid. */
  findCall(source: string, linkedId: string): Promise<Call | null>;
  /** The events kept for rebuild, in the order of folding. */
  listEvents(source: string, linkedId: string): Promise<readonly PbxEvent[]>;
  listConversations(query: ConversationQuery): Promise<Page<ConversationRow>>;
  listDeliveries(query: DeliveryQuery): Promise<Page<Delivery>>;
  listLacking(query: LackingQuery): Promise<Page<LackingRow>>;
  findDelivery(id: string): Promise<Delivery | null>;
  /** Oldest first. */
  listAttempts(deliveryId: string): Promise<readonly DeliveryAttempt[]>;
}
