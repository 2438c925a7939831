/** What the web interface may do with the integrators' hooks. Who may do it is decided here in the web; what it takes, elsewhere. */
import type { HookName } from '../core/hooks.ts';
import type { Health } from '../core/ports.ts';

export type HookLanguage = 'ts' | 'js' | 'php' | 'python';

export interface HookPlace {
  readonly hook: HookName;
  /** Null: for all CRMs that have none of their own. */
  readonly crm: string | null;
}

/** A place where a hook stands or could stand, and how it does. */
export interface ListedHook extends HookPlace {
  /** Null: the standard behaviour. */
  readonly fileName: string | null;
  readonly language: string | null;
  readonly health: Health | null;
  readonly message: string | null;
  readonly runs: number;
  readonly failures: number;
  /** Up to the newest run; 0: that one went well, or the version in force was not needed yet. */
  readonly failuresInRow: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly lastRunAt: Date | null;
  readonly errors: readonly {
    readonly at: Date;
    readonly kind: string;
    readonly message: string;
    readonly linkedId: string | null;
  }[];
}

export interface HookList {
  readonly folder: string;
  readonly crms: readonly string[];
  readonly isEnabled: boolean;
  readonly items: readonly ListedHook[];
  /** Files that look like hooks and are not taken. */
  readonly notices: readonly { readonly path: string; readonly message: string }[];
}

export interface HookField {
  readonly path: string;
  readonly type: string;
  readonly description: string;
}

export interface OpenHook extends HookPlace {
  readonly crms: readonly string[];
  readonly file: {
    readonly name: string;
    readonly path: string;
    readonly language: string;
    /** Null: it is no text that can be edited here. */
    readonly text: string | null;
    /** To be given back when it is saved. */
    readonly stamp: string;
  } | null;
  readonly health: Health | null;
  readonly message: string | null;
  /** As in the list. */
  readonly failuresInRow: number;
  readonly fields: { readonly input: readonly HookField[]; readonly answer: readonly HookField[] };
  readonly deadlineMs: number;
  /** Why nothing can be changed; null: it can. `forbidden`: by the configuration, so no other text can be tried either. */
  readonly obstacle: { readonly kind: 'forbidden' | 'unwritable'; readonly message: string } | null;
}

export interface HookDraft {
  readonly name: string;
  readonly language: string;
  readonly text: string;
}

export interface HookTextFault {
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
}

/** `faulty`: it does not even load, nothing was changed. `conflict`: somebody else changed the file, nothing was changed. */
export type HookSaving =
  | { readonly outcome: 'saved'; readonly hook: OpenHook }
  | { readonly outcome: 'faulty'; readonly faults: readonly HookTextFault[] }
  | { readonly outcome: 'conflict'; readonly message: string };

export interface HookTrialReport {
  readonly input: unknown;
  readonly answer: unknown;
  readonly printed: string;
  readonly tookMs: number | null;
  /** What the core would go on with. */
  readonly result: unknown;
  /** Why the answer cannot be used, or there is none; null: it can. */
  readonly fault: string | null;
  /** The places of the fault in the text, where it has some. */
  readonly faults: readonly HookTextFault[];
  readonly changes: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[];
  readonly ignored: readonly string[];
}

export interface HookVersionEntry {
  readonly id: string;
  readonly keptAt: Date;
  readonly fileName: string;
  /** It is what stands in the file now. */
  readonly isPresent: boolean;
}

/** All reject with `Rejected` when there is no such place, or it cannot be done, in words for people. */
export interface HookDoor {
  list(): Promise<HookList>;
  open(place: HookPlace): Promise<OpenHook>;
  draft(place: HookPlace, language: HookLanguage): Promise<HookDraft>;
  /** `basedOn` null: there was no file, and one of `language` is made. */
  save(
    place: HookPlace,
    change: { readonly text: string; readonly basedOn: string | null; readonly language: HookLanguage | null },
  ): Promise<HookSaving>;
  switchOff(place: HookPlace, basedOn: string): Promise<HookSaving>;
  /** Runs it once beside the service. `text` null: what stands in the file. `call` null: one that could have been; not found: null. */
  rehearse(
    place: HookPlace,
    trial: {
      readonly text: string | null;
      readonly language: HookLanguage | null;
      readonly call: { readonly source: string | null; readonly linkedId: string } | null;
    },
  ): Promise<HookTrialReport | null>;
  /** Newest first. */
  versions(place: HookPlace): Promise<readonly HookVersionEntry[]>;
  /** `difference`: what restoring it would change, unified. */
  version(place: HookPlace, id: string): Promise<{ readonly text: string; readonly difference: string }>;
  restore(place: HookPlace, id: string, basedOn: string | null): Promise<HookSaving>;
}
