/** What a call and a conversation are, once understood. Field for field what replay prints and the ledger keeps. */

export type Direction = 'inbound' | 'outbound' | 'internal';

export type CallResult =
  'answered' | 'missed' | 'no_answer' | 'busy' | 'cancelled' | 'rejected' | 'failed' | 'not_found' | 'voicemail';

/** Given to hooks under exactly these names. */
export type CallStage = 'conversation_requested' | 'conversation_accepted' | 'conversation_ended' | 'call_ended';

/** Why a conversation is not sent to any CRM. `rule:<name>` names the list or rule that held it back. */
export type UnregisteredReason = 'internal' | 'consultation' | 'rang_elsewhere' | 'hook' | `rule:${string}`;

/** One employee's part of a call. Identity: source + `uniqueId`. */
export interface Conversation {
  /** The uniqueid of the employee's channel; of the client's channel when no phone rang. */
  readonly uniqueId: string;
  /** The employee's channel name; ties CDR rows, which have no uniqueid for the dialled side, to the conversation. */
  readonly channel: string;
  readonly extension: string | null;
  readonly result: CallResult;
  /** True exactly for what is sent to the CRMs. */
  readonly registered: boolean;
  readonly reason: UnregisteredReason | null;
  readonly requestedAt: Date;
  readonly answeredAt: Date | null;
  /** Null while it lasts. */
  readonly endedAt: Date | null;
  /** Talk time in whole seconds; 0 when not answered. */
  readonly duration: number;
  /** From request to answer, or to the end when not answered, in whole seconds. */
  readonly waiting: number;
  readonly recording: string | null;
  /** The outside number that the employee's extension forwarded the call to. */
  readonly forwardedTo: string | null;
  /** The click-to-call request that caused it. */
  readonly requestId: string | null;
}

/** A client's stay in a queue, from joining it until somebody answered or the client left. */
export interface QueueStay {
  readonly name: string;
  readonly joinedAt: Date;
  /** Null while the client waits. */
  readonly leftAt: Date | null;
}

/** Everything that happened to one outside party. Identity: source + `linkedId`. */
export interface Call {
  readonly source: string;
  readonly linkedId: string;
  /** All linkedids whose channels belong to this call, the call's own first. */
  readonly linkedIds: readonly string[];
  readonly direction: Direction;
  /** E.164 where derivable, else the digits as dialled, else null (anonymous). */
  readonly client: string | null;
  /** The caller's name as the network gave it. */
  readonly clientName: string | null;
  /** The number that was called from outside, or the trunk's number on outbound calls where known. */
  readonly did: string | null;
  readonly trunk: string | null;
  readonly result: CallResult;
  readonly startedAt: Date;
  /** Null while it lasts. */
  readonly endedAt: Date | null;
  /** Inbound, and no employee's phone rang. */
  readonly isIvr: boolean;
  /** The last queue that the client stood in; null: none. */
  readonly queue: QueueStay | null;
  readonly conversations: readonly Conversation[];
}
