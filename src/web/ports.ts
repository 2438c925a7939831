/** What the web server needs of the rest of the house. All of it is handed in; absent parts answer 404 with the reason. */
import type { ApiTokenEntry, ApiTokenStore } from '../core/api-tokens.ts';
import type { Call } from '../core/call.ts';
import type { CallStory } from '../core/call-story.ts';
import type { ClickToCall } from '../core/click-to-call.ts';
import type { ContactBook } from '../core/contact-book.ts';
import type { CallReports } from '../core/call-reports.ts';
import type { HookRunQueries } from '../core/hook-runs.ts';
import type { LedgerQueries } from '../core/ledger-queries.ts';
import type { Clock, CrmUser, DeliveryStore, Employee, Log, PartStatus, UsedTokens } from '../core/ports.ts';
import type { WebUserStore } from '../core/web-users.ts';
import type { Bundle } from './bundle.ts';
import type { FirstRun } from './first-run.ts';
import type { HookDoor } from './hook-door.ts';
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
  readonly dialplan: DialplanDoor;
  readonly settings: SettingsDoor;
  readonly setup: SetupDoor;
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
  /** Files of the folder that somebody else wrote or changed. */
  readonly edited: readonly { readonly name: string; readonly state: 'edited' | 'foreign' }[];
  /** The file of Asterisk that should include ours, the line to add there, and whether it stands there. */
  readonly includeFrom: string;
  readonly includeLine: string;
  readonly isIncluded: boolean;
}

export interface DialplanFinding {
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
}

export interface DialplanOutcome {
  /**
   * `refused`: nothing was touched. `put_back`: Asterisk did not load it, the former dialplan is in force again.
   * `not_loaded`: the former files are back, but Asterisk could not be told.
   */
  readonly state: 'applied' | 'refused' | 'put_back' | 'not_loaded';
  /** Why it was not applied. */
  readonly message: string | null;
  /** Refused because files were changed by hand; it may be asked again with `isForced`, and they are kept as a version. */
  readonly needsForce: boolean;
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Contexts that Asterisk shows as they were written. */
  readonly verifiedContexts: number | null;
  readonly version: string | null;
  readonly findings: readonly DialplanFinding[];
}

export interface DialplanVersion {
  readonly id: string;
  readonly savedAt: Date;
  /** `found`: it stood there and was not ours. */
  readonly origin: 'applied' | 'found';
  readonly files: number;
  readonly isInForce: boolean;
}

/** The generated dialplan. Rejects with the reason when it cannot be generated. */
export interface DialplanDoor {
  preview(): Promise<DialplanPreview>;
  check(): Promise<readonly DialplanFinding[]>;
  apply(choice: { readonly isForced: boolean }): Promise<DialplanOutcome>;
  /** Without a version: to the one before the present one. */
  rollBack(choice: { readonly version: string | null; readonly isForced: boolean }): Promise<DialplanOutcome>;
  /** Newest first. */
  history(): Promise<readonly DialplanVersion[]>;
}

/** One setting: where it stands, and what it is to be; without a value it falls back to its default. */
export interface SettingEdit {
  readonly path: readonly (string | number)[];
  readonly value?: unknown;
}

export interface SettingFault {
  /** From 1, in the text as it is shown. */
  readonly line: number | null;
  readonly column: number | null;
  readonly path: string;
  /** The environment variable, when the fault stands there. */
  readonly variable: string | null;
  readonly message: string;
}

/** A text that may become the configuration, with all that is wrong with it. Secrets are placeholders. */
export interface SettingsDraft {
  readonly text: string;
  /** What is written, for forms; null: the text is no YAML. */
  readonly values: unknown;
  readonly faults: readonly SettingFault[];
  /** Against what stands in the file now, as a unified difference; empty: nothing would change. */
  readonly difference: string;
}

export interface SettingsView {
  /** Null: the service runs without a file. */
  readonly file: string | null;
  /** Null: it can be saved; else what stands in the way. */
  readonly obstacle: SettingsObstacle | null;
  /** Of the file as it was read; saving refuses when it is another by then. */
  readonly hash: string;
  readonly draft: SettingsDraft;
  /** JSON Schema; secrets are `writeOnly`. */
  readonly schema: object;
  /** The settings that this process runs with, secrets masked. */
  readonly effective: unknown;
  /** Settings that an environment variable decides, whatever the file says. */
  readonly overridden: readonly { readonly path: readonly (string | number)[]; readonly variable: string }[];
  /** The file says something else than what this process runs with. */
  readonly isRestartDue: boolean;
  /** The service manager starts the service again when it ends. */
  readonly canRestart: boolean;
}

export interface SettingsObstacle {
  readonly reason: 'no_file' | 'read_only' | 'not_ours' | 'not_yaml';
  readonly message: string;
  /** What would let it be saved, line by line for a shell. */
  readonly commands: readonly string[];
}

export interface FormerSettingsEntry {
  readonly id: string;
  readonly savedAt: Date;
  readonly bytes: number;
}

export interface SettingsSave {
  readonly hash: string;
  readonly text: string;
  /** Secrets that stand in files of their own, and what they are to be. */
  readonly secrets: readonly { readonly path: readonly (string | number)[]; readonly value: string }[];
}

/** The configuration file, edited from the interface. No secret ever comes out of here. */
export interface SettingsDoor {
  read(): Promise<SettingsView>;
  /** Rejects with `Rejected` when an edit cannot be made. Writes nothing. */
  draft(given: {
    readonly text: string;
    readonly edits: readonly SettingEdit[];
    readonly secrets: SettingsSave['secrets'];
  }): Promise<SettingsDraft>;
  /** Writes it when nothing is wrong with it. */
  save(given: SettingsSave): Promise<{ readonly faults: readonly SettingFault[]; readonly isSaved: boolean }>;
  /** Newest first. */
  history(): Promise<readonly FormerSettingsEntry[]>;
  /** A former state as a draft; null: there is none of this id. */
  former(id: string): Promise<SettingsDraft | null>;
  /** Ends the service in order; its manager starts it again. */
  restart(): Promise<void>;
}

/** Where the first set-up stands. */
export interface SetupState {
  /** The step that is shown first. */
  readonly at: string;
  readonly isFinished: boolean;
  /** What the configuration file has by now. */
  readonly done: { readonly ami: boolean; readonly users: boolean; readonly crm: boolean; readonly dialplan: boolean };
  readonly users: readonly { readonly id: string; readonly name: string; readonly extensions: readonly string[] }[];
  readonly crms: readonly { readonly name: string; readonly kind: string }[];
  readonly ami: {
    readonly name: string;
    readonly host: string;
    readonly port: number;
    readonly events: string;
    readonly control: string | null;
  } | null;
}

export interface AmiTrial {
  readonly host: string;
  readonly port: number;
  /** Secret null: the one that is configured, for the same address and user. */
  readonly events: { readonly username: string; readonly secret: string | null };
  readonly control: { readonly username: string; readonly secret: string | null } | null;
}

/** A phone that Asterisk knows. */
export interface FoundPhone {
  readonly extension: string;
  /** From its caller id; null: it has none. */
  readonly name: string | null;
}

/** What the first set-up asks of the world outside. Nothing here changes anything. */
export interface SetupDoor {
  state(): Promise<SetupState>;
  keep(progress: { readonly at: string; readonly isFinished: boolean }): Promise<void>;
  tryAmi(trial: AmiTrial): Promise<{ readonly findings: readonly Examination[]; readonly managerLines: string }>;
  /** Rejects with the reason when Asterisk does not answer. */
  findPhones(): Promise<readonly FoundPhone[]>;
  tryCrm(trial: {
    readonly name: string;
    readonly kind: string;
    readonly settings: unknown;
  }): Promise<readonly Examination[]>;
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
  readonly usedTokens: UsedTokens;
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
  /** The integrators' hooks, and what is known of their runs; absent: nothing is told of them. */
  readonly hooks?: HookDoor;
  readonly hookRuns?: HookRunQueries;
  /** As `NumberPlan.toClientNumber`: what people type becomes what the ledger holds. */
  toClientNumber(raw: string): string | null;
  /** Absent: there is only the API. */
  readonly interface?: InterfaceParts;
}
