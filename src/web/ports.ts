/** What the web server needs of the rest of the house. All of it is handed in; absent parts answer 404 with the reason. */
import type { ClickToCall } from '../core/click-to-call.ts';
import type { ContactBook } from '../core/contact-book.ts';
import type { LedgerQueries } from '../core/ledger-queries.ts';
import type { Clock, DeliveryStore, Log, PartStatus } from '../core/ports.ts';

export interface CallerNames {
  /** The name for a phone's display, at most 20 characters and harmless; null when nobody is known. */
  callerName(number: string, options: { readonly signal: AbortSignal }): Promise<string | null>;
}

export interface LookupQuestion {
  readonly number: string;
  readonly did: string | null;
  readonly trunk: string | null;
  /** Null: now. */
  readonly at: Date | null;
}

export interface LookupTracer {
  /** What a call from this number would be answered now, and each step that led there; printed as JSON. */
  trace(question: LookupQuestion): Promise<object>;
}

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface WebParts {
  readonly log: Log;
  readonly clock: Clock;
  /** The lines of `/status`; one provider per part of the house. A provider that throws becomes an error line. */
  readonly statusProviders: readonly (() => readonly PartStatus[] | Promise<readonly PartStatus[]>)[];
  readonly metrics: MetricsText | null;
  readonly ledger: LedgerQueries;
  readonly deliveries: Pick<DeliveryStore, 'resend' | 'pause' | 'resume' | 'paused' | 'counts'>;
  /** Names of the configured CRMs. */
  readonly crms: readonly string[];
  /** The built-in CRM; null: it is not among the configured ones. */
  readonly contactBook: ContactBook | null;
  readonly callerNames: CallerNames;
  readonly lookup: LookupTracer;
  readonly clickToCall: Pick<ClickToCall, 'start' | 'state' | 'list'>;
  /** As `NumberPlan.toClientNumber`: what people type becomes what the ledger holds. */
  toClientNumber(raw: string): string | null;
}
