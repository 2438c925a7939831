/**
 * The contracts between the core and its neighbours. Every phone system, CRM, store and clock is one of these; the core
 * knows nothing else of the world. An optional method that is absent means "this system cannot".
 */
import type { Call, CallStage, Conversation } from './call.ts';
import type { PbxEvent } from './pbx-event.ts';

export interface Clock {
  now(): Date;
}

/** Structured log; `fields` never hold secrets. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log with fields added to each line. */
  child(fields: object): Log;
}

export type Health = 'ok' | 'warning' | 'error';
/** One line of `/status`: what the part is, how it does, and in plain words why and how to mend it. */
export interface PartStatus {
  readonly part: string;
  readonly health: Health;
  readonly message: string;
  readonly [detail: string]: unknown;
}

// ---------------------------------------------------------------- phone numbers and employees

/** Knows the installation's numbering: country, extensions, trunks. Pure and synchronous. */
export interface NumberPlan {
  /** E.164 where derivable (`+79161110002`), else the digits as dialled, else null (anonymous, empty, `unknown`). */
  toClientNumber(raw: string): string | null;
  /** True for an employee's extension (known user or the pattern for extensions). */
  isExtension(number: string): boolean;
  /** True for a dialled string that can only be an outside number (too long for an extension, a valid number, not a feature code). */
  isOutsideNumber(dialled: string): boolean;
  /** True for a client number (as `toClientNumber` gives it) that is an employee's own, e.g. a mobile. */
  isEmployeeNumber(number: string): boolean;
  /** True for the name of an endpoint or peer that leads outside (`provider` of `PJSIP/provider-0000001`). */
  isTrunk(endpoint: string): boolean;
}

/** A person with one or more extensions. */
export interface Employee {
  readonly id: string;
  readonly name: string;
  readonly extensions: readonly string[];
  readonly email: string | null;
  /** Employee ids tried in this order when this one cannot take a call. */
  readonly deputies: readonly string[];
  /** Mobile to forward to; also keeps an employee's mobile from being taken for a client. */
  readonly mobile: string | null;
  /** False: dismissed or switched off; never gets calls. */
  readonly isActive: boolean;
  /** Null: always at work. */
  readonly workingHours: WorkingHours | null;
}

/** Weekly hours in the installation's time zone; minutes since midnight, `to` exclusive; day 1 is Monday … 7 Sunday. */
export interface WorkingHours {
  readonly days: Readonly<Record<number, readonly { readonly from: number; readonly to: number }[]>>;
  /** `YYYY-MM-DD` on which nobody works. */
  readonly holidays: readonly string[];
}

// ---------------------------------------------------------------- phone systems

/** Where a phone system's events go. */
export interface PbxEventSink {
  /** Resolves once the effects of all these events are durable; only then may a reader move its stored cursor. */
  accept(events: readonly PbxEvent[]): Promise<void>;
  /**
   * After each (re)connect: the channels that exist now. Calls that the tracker believes open and that have none of
   * these channels have ended meanwhile; they are closed from CEL/CDR, or, failing that, at the last known time.
   */
  resynced(snapshot: {
    readonly source: string;
    readonly at: number;
    readonly uniqueIds: ReadonlySet<string>;
    /** The last moment before the break at which the source was heard; absent or null where nobody knows. */
    readonly lastHeardAt?: number | null;
  }): Promise<void>;
}

/** Click-to-call: rings the employee first, then the client. Nothing else can be asked for. */
export interface OriginateRequest {
  readonly requestId: string;
  readonly extension: string;
  /** E.164 or digits only. */
  readonly clientNumber: string;
  readonly clientName: string | null;
  readonly timeoutMs: number;
  /** The dialplan's context that dials the client; absent: the generated one. Only the configuration or a hook names another. */
  readonly context?: string;
}

export interface Availability {
  /** Do-not-disturb; null: left as it is. */
  readonly isDisturbable: boolean | null;
  /** Paused in all queues; null: left as it is. */
  readonly isInQueues: boolean | null;
  /** Shown where the phone system shows reasons: `dinner`. */
  readonly reason: string;
}

export type DeviceState = 'idle' | 'in_use' | 'ringing' | 'on_hold' | 'busy' | 'unavailable' | 'dnd' | 'unknown';

export interface PbxSource {
  readonly name: string;
  /** From now on it can be commanded, on every node, whichever follows it. Returns at once. Absent: nothing is to be opened. */
  open?(): void;
  /** Ends what `open` began; after `stop`. */
  close?(): Promise<void>;
  /**
   * Follows calls, on one node at a time, until `stop`; may be started again. Resolves once nothing that happens from
   * now on can be missed, however soon this node dies; a PBX or a disk that does not answer delays it for two seconds.
   */
  start(sink: PbxEventSink): Promise<void>;
  stop(): Promise<void>;
  status(): readonly PartStatus[];
  /** Resolves when the PBX took the request (not when anybody answered); rejects with `Rejected` or `Retryable`. */
  originate?(request: OriginateRequest): Promise<void>;
  /**
   * Takes the extension out of the distribution and its queues, or back in; again changes nothing. Rejects with
   * `Rejected` or `Retryable`.
   */
  setAvailability?(extension: string, availability: Availability): Promise<void>;
  /** Since when it is followed here and can be commanded; null: it is not or cannot now. */
  commandedSince?(): Date | null;
  /** Synchronous: from what was last reported. */
  deviceState?(extension: string): DeviceState;
}

// ---------------------------------------------------------------- CRMs

export interface Contact {
  readonly id: string;
  readonly name: string;
  readonly company: string | null;
  /** Normalised (E.164 where derivable). */
  readonly numbers: readonly string[];
  /** The responsible's user id in the CRM. */
  readonly responsibleId: string | null;
  readonly updatedAt: Date;
  readonly tags: readonly string[];
  readonly url: string | null;
}

export interface CrmUser {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly extensions: readonly string[];
  readonly isActive: boolean;
}

export interface NewContact {
  readonly name: string;
  readonly number: string;
  readonly responsibleId: string | null;
  readonly tags: readonly string[];
}
export interface NewLead {
  readonly name: string;
  readonly contactId: string | null;
  readonly responsibleId: string | null;
  readonly pipelineId: string | null;
  readonly statusId: string | null;
  readonly tags: readonly string[];
}
/** A request that a person has still to sort ("unsorted"), with the contact and lead it would become. */
export interface NewIncomingLead {
  readonly name: string;
  readonly number: string;
  readonly callKey: string;
  readonly startedAt: Date;
  readonly pipelineId: string | null;
  readonly responsibleId: string | null;
}
export interface NewTask {
  readonly text: string;
  readonly dueAt: Date;
  readonly responsibleId: string | null;
  readonly contactId: string | null;
  readonly leadId: string | null;
}

/** What is registered: one conversation with what the rules found out about it. */
export interface ConversationRegistration {
  /** The same for every attempt and every node: the CRM, or the adapter, must make one record of it. */
  readonly idempotencyKey: string;
  readonly call: Call;
  readonly conversation: Conversation;
  readonly contactId: string | null;
  readonly leadId: string | null;
  readonly responsibleId: string | null;
  /** The CRM's user of the conversation's extension. */
  readonly userId: string | null;
  /** Fields that a hook added and only the CRM's adapter understands. */
  readonly extras?: Readonly<Record<string, unknown>>;
}

/**
 * A CRM. All methods reject with `Retryable`, `Rejected` or `AuthRequired` only. Every creating method takes an
 * idempotency key and makes one entity per key, however often it is called and even when an earlier answer was lost.
 */
export interface CrmAdapter {
  readonly name: string;
  /** True: cards are shown and hidden for outgoing calls too; else only for incoming ones. */
  readonly showsOutgoingCalls?: boolean;
  /** Settings, rights and the fields we need; what is wrong and how to mend it. */
  check(): Promise<readonly PartStatus[]>;
  /**
   * Contact by full normalised number; among several the choice is deterministic. `isUrgent`: a caller hears it ring
   * meanwhile, so this goes before what is only owed.
   */
  findContact(
    number: string,
    options: { readonly signal: AbortSignal; readonly isUrgent?: boolean },
  ): Promise<Contact | null>;
  registerConversation(registration: ConversationRegistration): Promise<{ readonly id: string }>;
  listUsers(): Promise<readonly CrmUser[]>;
  /**
   * Contacts changed since then, oldest change first, for the mirror; null: all. `onGone` is told those that were deleted
   * since, where the CRM tells; elsewhere they are missing in the next list of all.
   */
  listContacts?(changedSince: Date | null, onGone?: (id: string) => void): AsyncIterable<readonly Contact[]>;
  createContact?(contact: NewContact, idempotencyKey: string): Promise<Contact>;
  /** An open lead of the contact that a new call belongs to. */
  findOpenLead?(
    contactId: string,
    pipelineId: string | null,
  ): Promise<{ readonly id: string; readonly responsibleId: string | null } | null>;
  createLead?(lead: NewLead, idempotencyKey: string): Promise<{ readonly id: string }>;
  createIncomingLead?(lead: NewIncomingLead, idempotencyKey: string): Promise<{ readonly id: string }>;
  /** A task not yet done that an earlier call caused for this lead or contact; while it is open a further one is not made. */
  findOpenTask?(about: {
    readonly contactId: string | null;
    readonly leadId: string | null;
  }): Promise<{ readonly id: string } | null>;
  createTask?(task: NewTask, idempotencyKey: string): Promise<{ readonly id: string }>;
  updateContact?(id: string, change: Partial<NewContact>): Promise<void>;
  updateLead?(id: string, change: Partial<NewLead>): Promise<void>;
  showIncomingCall?(card: IncomingCallCard): Promise<void>;
  hideIncomingCall?(card: IncomingCallCard): Promise<void>;
  /** Id of the contact's field for telephone numbers as last read, which hooks know it by. */
  readonly phoneFieldId?: number | null;
  setUserStatus?(userId: string, status: string): Promise<void>;
  attachRecording?(registrationId: string, link: string, idempotencyKey: string): Promise<void>;
  close?(): Promise<void>;
}

export interface IncomingCallCard {
  readonly call: Call;
  readonly conversation: Conversation;
  readonly contact: Contact | null;
  readonly userIds: readonly string[];
}

// ---------------------------------------------------------------- storage

/** What one step of the tracker wants to be durable, all calls of it in one transaction. */
export interface CallChange {
  readonly call: Call;
  /** Events not stored before, in the order of folding. */
  readonly newEvents: readonly PbxEvent[];
  /** linkedids of calls that turned out to be part of this one; their rows are taken over and removed. */
  readonly absorbed: readonly string[];
  /** uniqueIds of conversations that are final and owed: one delivery per CRM for each, unless it exists already. */
  readonly owed: readonly string[];
}

export interface StoredCall {
  readonly source: string;
  readonly linkedId: string;
  readonly linkedIds: readonly string[];
  readonly events: readonly PbxEvent[];
  /** uniqueIds that have deliveries already. */
  readonly owed: readonly string[];
}

export interface CallStore {
  /** One transaction. Idempotent by identity: saving the same change again changes nothing. */
  save(changes: readonly CallChange[]): Promise<void>;
  /** The stored calls that any of these linkedids belongs to, their own or absorbed. */
  load(source: string, linkedIds: readonly string[]): Promise<readonly StoredCall[]>;
  /** Calls without an end, and those that ended last: within so long before the newest end of the source, two hundred at the most. */
  loadFollowed(source: string, endedWithinMs: number): Promise<readonly StoredCall[]>;
}

/** Reading positions of CEL and CDR files, sync marks of mirrors. */
export interface CursorStore {
  get(name: string): Promise<string | null>;
  set(name: string, value: string): Promise<void>;
}

/** The last state that a CRM told of one of its users. */
export interface ToldState {
  readonly crm: string;
  readonly userId: string | null;
  /** Null: all phones of the user. */
  readonly extension: string | null;
  readonly status: string;
  readonly toldAt: Date;
  /** True while a phone system could not be told. */
  readonly isOwed: boolean;
}
export interface ToldStates {
  /** Takes the place of what was told before of the same user and extension. */
  put(state: ToldState): Promise<void>;
  /** It is owed no more; nothing changes once a newer one was told. */
  settle(state: ToldState): Promise<void>;
  list(): Promise<readonly ToldState[]>;
}

/** One-time tokens that were used. */
export interface UsedTokens {
  /** True for the first who asks, until it expires; false for all others, on every node. */
  use(id: string, times: { readonly expiresAt: Date; readonly now: Date }): Promise<boolean>;
}

export type DeliveryState = 'pending' | 'leased' | 'delivered' | 'rejected' | 'skipped';
export type DeliveryKind = 'conversation' | 'recording';

/** One debt to one CRM; the row a person sees. */
export interface Delivery {
  readonly id: string;
  readonly crm: string;
  readonly kind: DeliveryKind;
  readonly source: string;
  readonly linkedId: string;
  readonly uniqueId: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly dueAt: Date;
  /** Grows with each claim; a write with an old fence is refused. */
  readonly fence: number;
  /** What was already done in the CRM for it, by step: `{contact:'12', lead:'7', task:'3'}`. Survives attempts. */
  readonly progress: Readonly<Record<string, string>>;
  readonly lastError: string | null;
  /** The CRM's id of the record. */
  readonly crmId: string | null;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
}

export interface ResendFilter {
  readonly crm?: string;
  readonly states: readonly Exclude<DeliveryState, 'pending' | 'leased'>[];
  readonly kind?: DeliveryKind;
  /** `createdAt`, `from` inclusive, `to` exclusive. */
  readonly from?: Date;
  readonly to?: Date;
  /** When the conversation was requested, likewise. */
  readonly requestedFrom?: Date;
  readonly requestedTo?: Date;
  readonly limit: number;
}

export interface DeliveryStore {
  /**
   * Claims up to `limit` due deliveries of this CRM for `leaseMs`; never two of the same call at once, and none while an
   * earlier one of the same call and CRM is still pending. Another node never gets the same one during the lease.
   */
  claim(claim: {
    readonly crm: string;
    readonly node: string;
    readonly limit: number;
    readonly leaseMs: number;
    readonly now: Date;
  }): Promise<readonly Delivery[]>;
  /** Makes this node's leases from before a restart claimable at once; `node` is unique among running nodes. */
  releaseLeases(node: string, now: Date): Promise<void>;
  /** Each of these is refused (false) when the lease was lost meanwhile. */
  renew(delivery: Delivery, leaseMs: number, now: Date): Promise<boolean>;
  /** Pending again without counting an attempt: not this delivery's fault, or never begun. */
  putBack(delivery: Delivery, dueAt: Date, reason: string): Promise<boolean>;
  saveProgress(delivery: Delivery, progress: Readonly<Record<string, string>>): Promise<boolean>;
  delivered(delivery: Delivery, crmId: string, at: Date): Promise<boolean>;
  retryLater(delivery: Delivery, dueAt: Date, error: string): Promise<boolean>;
  rejected(delivery: Delivery, reason: string): Promise<boolean>;
  skipped(delivery: Delivery, reason: string): Promise<boolean>;
  /** Puts a rejected, skipped or delivered one back to pending; attempts start again, progress and key stay. */
  resend(id: string, now: Date): Promise<boolean>;
  /**
   * As `resend`, of all that fit, oldest first and at most `limit`; returns how many. Those that wait or are under way
   * are left as they are.
   */
  resendMatching(filter: ResendFilter, now: Date): Promise<number>;
  /**
   * A person closes one that waits or was rejected: it becomes `skipped` with this reason and can be sent again. False:
   * it is under way, or done.
   */
  close(id: string, reason: string, now: Date): Promise<boolean>;
  /**
   * Owes this CRM what it never was owed: registered conversations of calls that ended, requested within the span and
   * without a delivery, oldest first and at most `limit`. Returns how many.
   */
  oweMissing(missing: {
    readonly crm: string;
    readonly from: Date;
    readonly to: Date;
    readonly now: Date;
    readonly limit: number;
  }): Promise<number>;
  /** Makes all that wait for a later attempt due now: the CRM answers again. */
  retryNow(crm: string, now: Date): Promise<void>;
  /** A paused CRM is claimed nothing for; `reason` in plain words. */
  pause(crm: string, reason: string): Promise<void>;
  resume(crm: string): Promise<void>;
  paused(): Promise<ReadonlyMap<string, string>>;
  counts(): Promise<readonly { readonly crm: string; readonly state: DeliveryState; readonly count: number }[]>;
}

/** Reads the ledger as it stands: what deliveries are made from. */
export interface LedgerReader {
  conversation(
    source: string,
    uniqueId: string,
  ): Promise<{ readonly call: Call; readonly conversation: Conversation } | null>;
}

// ---------------------------------------------------------------- recordings

/** Sound on its way into a conversion: whole, already checked, in a container that is known and never guessed. */
export interface TranscoderInput {
  /** The container as the transcoder calls it: `wav`, `mp3`, `ogg`, `gsm`, `g722`. */
  readonly container: 'wav' | 'mp3' | 'ogg' | 'gsm' | 'g722';
  /** 2: the sides of the talk are split, and stay so. */
  readonly channels: 1 | 2;
  /** Set where 16-bit samples (little-endian) are all that comes after a header of so many bytes. */
  readonly plain: { readonly rate: number; readonly headerBytes: number } | null;
  /** The bytes; opened once. */
  open(): NodeJS.ReadableStream;
  /** The part that is wanted, where `open` gives more than it; null: all. */
  readonly part: { readonly fromMs: number; readonly toMs: number } | null;
}

export interface Transcoded {
  readonly durationMs: number;
  /** Loudness for drawing, one list per channel, 0 to 255. */
  readonly peaks: readonly (readonly number[])[];
}

/** Turns what a PBX wrote into what a browser plays. */
export interface Transcoder {
  /**
   * Writes the mp3 to `output`, which must not be there before. Rejects with `ConversionFailed`, and then nothing of what
   * it started is left running; what was written of the output is the caller's to remove.
   */
  toMp3(job: {
    readonly input: TranscoderInput;
    readonly output: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  }): Promise<Transcoded>;
}

// ---------------------------------------------------------------- watchers

/** Told after commit, best effort: the live view, the incoming-call card, metrics. Must not throw or block. */
export interface CallWatcher {
  onStage(stage: CallStage, call: Call, conversation: Conversation | null): void;
  /**
   * Each saved change of a call, after its stages, for who follows it more closely. `hungUp`: uniqueIds of conversations
   * whose phone has hung up; the conversation may last (a missed one lasts until the caller gives up).
   */
  onChange?(call: Call, hungUp: ReadonlySet<string>): void;
}
