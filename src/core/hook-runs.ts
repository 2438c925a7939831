/** What is remembered of each run of an integrator's hook, for whoever looks at a call later. */
import type { Call } from './call.ts';
import type { HookName } from './hooks.ts';

export interface HookRun {
  /** When it was asked. */
  readonly at: Date;
  readonly hook: HookName;
  /** For which CRM it was asked; null: for none in particular. */
  readonly crm: string | null;
  /** The linkedid of the call, or the id of the click that asked for it. */
  readonly about: string;
  /** Null: not known, as when the dialplan asks. */
  readonly source: string | null;
  /** Of the conversation; null: it was about the call as a whole. */
  readonly uniqueId: string | null;
  readonly tookMs: number;
  /** False where its answer was what it had been given, or was not used. */
  readonly hasChanged: boolean;
  /** Why there was no answer that could be used; null: there was. */
  readonly fault: string | null;
  readonly message: string | null;
}

/** Takes note of a run. Returns at once and never throws: what cannot be kept is forgotten. */
export type NoteHookRun = (run: HookRun) => void;

export interface HookRunQueries {
  /** Of the call and of the click that asked for it, oldest first; at most the first thousand. */
  hookRunsOf(call: Pick<Call, 'source' | 'linkedIds' | 'conversations'>): Promise<readonly HookRun[]>;
}
