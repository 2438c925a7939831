/** Holds the calls of a ledger or a replay against what a story says must be there. */
import type { Call, Conversation } from '../../src/core/call.ts';
import type { ExpectedCall, ExpectedConversation } from './lab/story.ts';

/** What differs, in plain lines; empty when all is as expected. Calls may stand in any order. */
export function differences(calls: readonly Call[], expected: readonly ExpectedCall[]): string[] {
  const left = [...calls];
  const faults: string[] = [];
  for (const wanted of expected) {
    const ranked = left
      .map((call) => ({ call, faults: differencesOfCall(call, wanted) }))
      .sort((a, b) => a.faults.length - b.faults.length);
    const best = ranked[0];
    if (best === undefined) {
      faults.push(`missing: ${wanted.direction} call of ${wanted.client ?? 'nobody'}`);
      continue;
    }
    left.splice(left.indexOf(best.call), 1);
    faults.push(...best.faults.map((fault) => `${best.call.linkedId}: ${fault}`));
  }
  for (const call of left) faults.push(`${call.linkedId}: a call too many, ${describeCall(call)}`);
  return faults;
}

function differencesOfCall(call: Call, wanted: ExpectedCall): string[] {
  const faults: string[] = [];
  const same = (name: string, is: unknown, must: unknown) => {
    if (is !== must) faults.push(`${name} is ${String(is)}, must be ${String(must)}`);
  };
  same('direction', call.direction, wanted.direction);
  same('client', call.client, wanted.client);
  if (wanted.did !== undefined) same('did', call.did, wanted.did);
  if (wanted.result !== undefined) same('result', call.result, wanted.result);
  same('isIvr', call.isIvr, wanted.isIvr ?? false);
  if (call.endedAt === null) faults.push('it never ends');

  const left = [...call.conversations];
  for (const one of wanted.conversations) {
    const best = left
      .filter((other) => other.registered === one.registered || one.registered)
      .map((conversation) => ({ conversation, faults: differencesOfConversation(conversation, one) }))
      .sort((a, b) => a.faults.length - b.faults.length)[0];
    if (best === undefined) {
      faults.push(`missing: conversation of ${one.extension} (${one.registered ? 'registered' : one.reason})`);
      continue;
    }
    left.splice(left.indexOf(best.conversation), 1);
    faults.push(...best.faults.map((fault) => `conversation of ${one.extension}: ${fault}`));
  }
  for (const other of left.filter((conversation) => conversation.registered)) {
    faults.push(`a registered conversation too many: ${describeConversation(other)}`);
  }
  return faults;
}

function differencesOfConversation(is: Conversation, must: ExpectedConversation): string[] {
  const faults: string[] = [];
  const same = (name: string, value: unknown, wanted: unknown) => {
    if (value !== wanted) faults.push(`${name} is ${String(value)}, must be ${String(wanted)}`);
  };
  const within = (name: string, value: number, span: readonly [number, number] | undefined) => {
    if (span !== undefined && (value < span[0] || value > span[1]))
      faults.push(`${name} is ${value}, must be within ${span.join('–')}`);
  };
  const isOneOf = Array.isArray(must.extension) && must.extension.includes(is.extension);
  if (!isOneOf) same('extension', is.extension, must.extension);
  if (must.result !== undefined) same('result', is.result, must.result);
  same('registered', is.registered, must.registered);
  same('reason', is.reason, must.reason);
  within('duration', is.duration, must.duration);
  within('waiting', is.waiting, must.waiting);
  if (must.forwardedTo !== undefined) same('forwardedTo', is.forwardedTo, must.forwardedTo);
  if (must.hasRecording !== undefined) same('has a recording', is.recording !== null, must.hasRecording);
  if (must.requestId !== undefined) same('requestId', is.requestId, must.requestId);
  if (is.endedAt === null) faults.push('it never ends');
  return faults;
}

const describeConversation = (one: Conversation) =>
  `${one.extension} ${one.result} ${one.duration} s${one.registered ? '' : ` (${one.reason})`} ${one.uniqueId}`;

export const describeCall = (call: Call) =>
  `${call.direction} ${call.client} → ${call.did}: ${call.result}; ${call.conversations.map(describeConversation).join('; ')}`;
