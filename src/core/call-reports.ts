/** Figures over many calls, for people. `extensions`: only conversations of these; null: of everybody. */
import type { CallResult, Direction } from './call.ts';

export interface ReportPeriod {
  /** `from` inclusive, `to` exclusive. */
  readonly from: Date;
  readonly to: Date;
  readonly extensions: readonly string[] | null;
}

/** A client who called, was not answered, and has not talked to anybody since. */
export interface MissedClient {
  /** The last missed call. */
  readonly source: string;
  readonly linkedId: string;
  readonly client: string;
  readonly clientName: string | null;
  readonly did: string | null;
  readonly calledAt: Date;
  readonly endedAt: Date | null;
  /** Missed calls within the period. */
  readonly calls: number;
  /** How often somebody called back in vain since the last missed call. */
  readonly triedBack: number;
  /** Who said since the last missed call that they will call back; null: nobody. */
  readonly takenBy: string | null;
  readonly takenAt: Date | null;
}

/** Calls that began within the same half hour. */
export interface CallCount {
  readonly from: Date;
  readonly direction: Direction;
  readonly result: CallResult;
  readonly calls: number;
}
/** Conversations of one extension, or calls to one number: seconds are sums. */
export interface ConversationCount {
  readonly name: string | null;
  readonly answered: number;
  readonly unanswered: number;
  readonly talkSeconds: number;
  readonly waitingSeconds: number;
}
export interface Overview {
  readonly calls: readonly CallCount[];
  readonly extensions: readonly ConversationCount[];
  readonly dids: readonly ConversationCount[];
  readonly queues: readonly QueueCount[];
}
/** Calls that stood in one queue last; seconds are sums. */
export interface QueueCount {
  readonly name: string;
  readonly answered: number;
  readonly unanswered: number;
  readonly talkSeconds: number;
  /** In the queue, until answered or left. */
  readonly waitingSeconds: number;
}

/** Clocks that from this moment on, until the next, are so far ahead of UTC. */
export interface ClockOffset {
  readonly from: Date;
  readonly aheadMs: number;
}

/** What the ledger holds of one day against what one CRM has. */
export interface CompletenessCount {
  /** As the clocks show it: `2026-11-21`. */
  readonly day: string;
  readonly crm: string;
  readonly registered: number;
  readonly delivered: number;
  /** Waiting or under way. */
  readonly pending: number;
  readonly rejected: number;
  readonly skipped: number;
  /** Registered and not even owed: added to the configuration later, or something is wrong. */
  readonly missing: number;
}

export interface CallReports {
  /** Newest first, at most `limit`. */
  missedClients(period: ReportPeriod & { readonly limit: number }): Promise<readonly MissedClient[]>;
  /** `who` will call this client back; null: nobody any more. */
  takeMissed(client: string, take: { readonly who: string; readonly at: Date } | null): Promise<void>;
  overview(period: ReportPeriod): Promise<Overview>;
  /** Extensions that conversations of the period name, in their order. */
  extensionsSeen(period: Omit<ReportPeriod, 'extensions'>): Promise<readonly string[]>;
  /** By the days of these clocks: the first from the beginning of the period, the others at their changes, in order. */
  completeness(
    period: ReportPeriod & { readonly crms: readonly string[]; readonly clocks: readonly ClockOffset[] },
  ): Promise<readonly CompletenessCount[]>;
}
