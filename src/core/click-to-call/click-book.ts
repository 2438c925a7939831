import type { Call } from '../call.ts';

/** A call that was asked for by a click, as it is kept. */
export interface ClickRequest {
  readonly requestId: string;
  readonly requester: string;
  readonly employeeId: string;
  readonly extension: string;
  /** As it was asked for, normalised. */
  readonly number: string;
  readonly clientName: string | null;
  readonly requestedAt: Date;
  /** Why it was not placed, or perhaps not; null: the phone system took it, or was not asked yet. */
  readonly refusal: { readonly reason: 'pbx_refused' | 'pbx_unreachable'; readonly at: Date } | null;
}

/** With what the ledger tells of it: the calls that have a conversation of this request. */
export interface FollowedRequest extends ClickRequest {
  readonly calls: readonly Call[];
}

/** What a new request is judged by. */
export interface EarlierRequests {
  /** Of the same extension, of the last day, newest first. */
  readonly ofExtension: readonly FollowedRequest[];
  /** Of everybody, of the last hour. */
  readonly ofHour: readonly Pick<ClickRequest, 'employeeId' | 'requestedAt'>[];
}

/** The requests of the last day, of all nodes, over restarts. Every method rejects when the database does not answer. */
export interface ClickBook {
  /**
   * Enters the request, unless `judge` throws. Of requests that come at once, on whatever node, one is judged and entered after
   * another.
   */
  enter(request: ClickRequest, judge: (earlier: EarlierRequests) => void): Promise<void>;
  change(requestId: string, change: Partial<Pick<ClickRequest, 'extension' | 'clientName' | 'refusal'>>): Promise<void>;
  /** Null: there is no such request, or it was more than a day ago. */
  find(requestId: string): Promise<FollowedRequest | null>;
  /** The newest 200, newest first. */
  list(): Promise<readonly FollowedRequest[]>;
}
