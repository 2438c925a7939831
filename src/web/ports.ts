/** What the web server needs of the rest of the house. All of it is handed in; absent parts answer 404 with the reason. */
import type { ApiTokenEntry, ApiTokenStore } from '../core/api-tokens.ts';
import type { Call } from '../core/call.ts';
import type { CallStory } from '../core/call-story.ts';
import type { ClickToCall } from '../core/click-to-call.ts';
import type { ContactBook } from '../core/contact-book.ts';
import type { CallReports } from '../core/call-reports.ts';
import type { LedgerQueries } from '../core/ledger-queries.ts';
import type { Clock, CrmUser, DeliveryStore, Employee, Log, PartStatus } from '../core/ports.ts';
import type { WebUserStore } from '../core/web-users.ts';
import type { Bundle } from './bundle.ts';
import type { FirstRun } from './first-run.ts';
import type { LiveCalls } from './live-calls.ts';
import type { RecordingDoor } from '../core/recording.ts';

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

export interface KnownContact {
  readonly name: string;
  readonly company: string | null;
  readonly crm: string;
  readonly url: string | null;
  /** The name of the employee who is responsible; null: nobody, or nobody of ours. */
  readonly responsible: string | null;
}

/** One thing that would be written to a CRM, or why a conversation would not be. */
export interface DryWrite {
  readonly crm: string;
  readonly action: string;
  readonly [field: string]: unknown;
}

/** A CRM's users, and who of the house each of them is. */
export interface CrmAccounts {
  readonly crm: string;
  /** Null: the list is not known yet. */
  readonly users: readonly (CrmUser & { readonly employeeId: string | null })[] | null;
}

/** What only the web interface needs. */
export interface InterfaceParts {
  readonly users: WebUserStore;
  readonly firstRun: FirstRun;
  readonly bundle: Bundle;
  readonly live: LiveCalls;
  readonly reports: CallReports;
  /** In which people read times. */
  readonly timeZone: string;
  staff(): readonly Employee[];
  accounts(): readonly CrmAccounts[];
  /** What happened within the call; null: there is no such call, or nothing is known of it. */
  story(source: string, linkedId: string): Promise<CallStory | null>;
  /** What would be written of the call to each CRM now. Rejects as CRMs do when one cannot be asked. */
  dryRun(call: Call, signal: AbortSignal): Promise<readonly DryWrite[]>;
  readonly apiTokens: ApiTokenStore;
  /** Those of the configuration, which only it can change. */
  readonly configuredTokens: readonly Pick<ApiTokenEntry, 'name' | 'access'>[];
  /** From memory: a list of a hundred calls asks a hundred times. */
  contactOf(number: string): KnownContact | null;
  /** Numbers of contacts whose name or company has all these words, as many as a list can be narrowed by. */
  numbersOf(text: string): Promise<readonly string[]>;
  /** What is wrong with the installation and how to mend it; takes seconds. */
  examine(): Promise<readonly Examination[]>;
  /** Rejects with the reason when it cannot be generated. */
  dialplan(): Promise<DialplanPreview>;
}

export interface Examination {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'error' | 'unknown';
  readonly message: string;
  readonly mend: string | null;
}

export interface DialplanPreview {
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** What apply would change, as a unified difference; empty: nothing. */
  readonly difference: string;
}

export interface RetailcrmDoor {
  readonly name: string;
  /** The secret by which the CRM proves itself. */
  readonly clientToken: string;
  /** Rejects with `CallRefused` when the phone is not one of the user's. */
  changeUserStatus(change: {
    readonly extension: string | null;
    readonly userId: string | null;
    readonly status: 'free' | 'busy' | 'dinner' | 'break';
  }): Promise<void>;
}

/** An amoCRM/Kommo account whose pages ask for calls. */
export interface KommoWidgetDoor {
  readonly name: string;
  /** Its origin: `https://company.amocrm.ru`. */
  readonly account: string;
  /** What one-time tokens are signed with; null: none are taken. */
  readonly clientSecret: string | null;
  /** Of the integration; null: any whose secret this is. */
  readonly clientId: string | null;
  /** Our address as the integration names it; null: not looked at. */
  readonly audience: string | null;
  /** The stock "Asterisk" widget; null: it is not let in. */
  readonly stock: { readonly login: string; readonly password: string; readonly givesCalls: boolean } | null;
  openCalls(): readonly Call[];
}

export interface WebParts {
  readonly log: Log;
  readonly clock: Clock;
  /** The lines of `/status`; one provider per part of the house. A provider that throws becomes an error line. */
  readonly statusProviders: readonly (() => readonly PartStatus[] | Promise<readonly PartStatus[]>)[];
  readonly metrics: MetricsText | null;
  readonly ledger: LedgerQueries;
  readonly deliveries: Pick<
    DeliveryStore,
    'resend' | 'resendMatching' | 'close' | 'oweMissing' | 'pause' | 'resume' | 'paused' | 'counts'
  >;
  /** Names of the configured CRMs. */
  readonly crms: readonly string[];
  /** The built-in CRM; null: it is not among the configured ones. */
  readonly contactBook: ContactBook | null;
  /** Null, or absent: recordings are switched off. */
  readonly recordings?: RecordingDoor | null;
  readonly callerNames: CallerNames;
  readonly lookup: LookupTracer;
  readonly clickToCall: Pick<ClickToCall, 'start' | 'state' | 'list'>;
  /** The configured accounts of retailCRM, which ask for calls and tell the states of their users. */
  readonly retailcrms?: readonly RetailcrmDoor[];
  /** The configured accounts of amoCRM/Kommo, whose pages ask for calls. */
  readonly kommoWidgets?: readonly KommoWidgetDoor[];
  /** As `NumberPlan.toClientNumber`: what people type becomes what the ledger holds. */
  toClientNumber(raw: string): string | null;
  /** Absent: there is only the API. */
  readonly interface?: InterfaceParts;
}
