import type { CallerLookup } from '../src/core/caller-lookup.ts';
import { createCallerName } from './handlers/caller-name.ts';
import { createDistribute } from './handlers/distribute.ts';
import type { AgiSession } from './session.ts';

/** Answers one question; resolves with the status told to the dialplan, for the figures. May throw: the server then says ERROR. */
export type AgiHandler = (session: AgiSession) => Promise<string | void>;

/** Script name → handler: the only list. The name is the path of the URL in the dialplan's `AGI(agi://host/name,…)`. */
export function createRoutes(parts: {
  readonly lookup: CallerLookup;
  readonly keepsExistingName: boolean;
}): ReadonlyMap<string, AgiHandler> {
  return new Map([
    ['distribute', createDistribute(parts.lookup)],
    ['caller-name', createCallerName(parts.lookup, { keepsExisting: parts.keepsExistingName })],
  ]);
}
