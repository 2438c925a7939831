/** What a scenario is: a call that is really placed, and what must stand in the ledger afterwards. */
import assert from 'node:assert/strict';
import type { CallResult, Direction, UnregisteredReason } from '../../../src/core/call.ts';
import type { Lab } from './lab.ts';
import type { Release } from './provision.ts';

/** Whole seconds, both ends included. */
export type Seconds = readonly [min: number, max: number];

export interface ExpectedConversation {
  /** One of several where chance decides. */
  readonly extension: string | null | readonly string[];
  /** Absent where the rules do not say it (a phone that rang elsewhere). */
  readonly result?: CallResult;
  readonly registered: boolean;
  readonly reason: UnregisteredReason | null;
  /** Talk time; absent where the rules do not say it. */
  readonly duration?: Seconds;
  readonly waiting?: Seconds;
  readonly forwardedTo?: string;
  readonly hasRecording?: boolean;
  readonly requestId?: string;
}

/**
 * One call of the ledger. Its registered conversations are exactly the registered ones named here, in any order; the
 * unregistered ones named here are there too, and there may be more of those (phones that rang in vain).
 */
export interface ExpectedCall {
  readonly direction: Direction;
  readonly client: string | null;
  readonly did?: string;
  readonly result?: CallResult;
  /** False when absent. */
  readonly isIvr?: boolean;
  readonly conversations: readonly ExpectedConversation[];
}

/** An employee whose settings the story depends on, beyond having one of the extensions 101–104. */
export interface StoryEmployee {
  readonly extension: string;
  readonly mobile: string;
}

export interface Story {
  /** kebab-case; the name of its folder in test/scenarios. */
  readonly name: string;
  /** One sentence. */
  readonly title: string;
  readonly employees?: readonly StoryEmployee[];
  /** Releases whose Asterisk cannot play it. */
  readonly notOn?: readonly Release[];
  /** Plays it and resolves when all calls have ended. @throws when it did not happen as scripted */
  run(lab: Lab): Promise<void>;
  /** In any order. */
  readonly expect: readonly ExpectedCall[];
}

/** A scripted time as the ledger may show it: readers of CDR have whole seconds only. */
export const about = (seconds: number): Seconds => [Math.max(0, Math.ceil(seconds - 1.2)), Math.floor(seconds + 1.2)];

/** An answered conversation that is sent to the CRMs. */
export function answered(
  extension: string,
  seconds: number,
  more: Partial<ExpectedConversation> = {},
): ExpectedConversation {
  return { extension, result: 'answered', registered: true, reason: null, duration: about(seconds), ...more };
}
/** The one conversation of a call that came to nothing. */
export function unanswered(
  extension: ExpectedConversation['extension'],
  result: CallResult,
  more: Partial<ExpectedConversation> = {},
): ExpectedConversation {
  return { extension, result, registered: true, reason: null, duration: [0, 0], ...more };
}
export function rangElsewhere(extension: string): ExpectedConversation {
  return { extension, registered: false, reason: 'rang_elsewhere', duration: [0, 0] };
}
export function unregistered(
  extension: string,
  reason: UnregisteredReason,
  more: Partial<ExpectedConversation> = {},
): ExpectedConversation {
  return { extension, registered: false, reason, ...more };
}

export const seconds = (count: number): Promise<void> => new Promise((done) => setTimeout(done, count * 1000));

/** @throws unless the two could hear one another for about as long as scripted */
export function assertTalked(lab: Lab, one: string, other: string, scripted: number): void {
  const talked = lab.witness.talkSeconds(one, other);
  assert(
    Math.abs(talked - scripted) <= 0.8,
    `${one} and ${other} should have talked ${scripted} s, not ${talked}\n${lab.witness.describe()}`,
  );
}
export function assertNeverTalked(lab: Lab, one: string, other: string): void {
  assert.equal(lab.witness.talkSeconds(one, other), 0, `${one} and ${other} talked\n${lab.witness.describe()}`);
}
/** @throws unless the phone rang so many times (by default once) and was never answered */
export function assertRangInVain(lab: Lab, party: string, times = 1): void {
  const calls = lab.witness.of(party).filter((one) => !one.isCalling);
  assert(
    calls.length === times && calls.every((one) => one.answeredAt === null),
    `${party} should have been called ${times} times in vain\n${lab.witness.describe()}`,
  );
}
/** @throws unless the party's (last) call ended with this Q.850 cause, on its side */
export function assertCause(lab: Lab, party: string, cause: number): void {
  const call = lab.witness.of(party).at(-1);
  assert.equal(call?.cause, cause, `the call of ${party} should have ended with ${cause}\n${lab.witness.describe()}`);
}
