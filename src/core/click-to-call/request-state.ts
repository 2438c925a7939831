/** What has become of a click-to-call request, told from its call. */
import type { Call, CallResult, Conversation } from '../call.ts';

/** `ended`: they talked. `failed`: they did not; the reason says why. */
export type RequestPhase = 'queued' | 'ringing_employee' | 'ringing_client' | 'talking' | 'ended' | 'failed';

/** Why nobody talked. `no_answer` and the other results are the client's; `cancelled`: the employee hung up first. */
export type FailureReason =
  | 'employee_did_not_answer'
  | 'pbx_refused'
  | 'pbx_unreachable'
  /** The PBX took the request and was not heard of again. */
  | 'no_sign'
  | Exclude<CallResult, 'answered' | 'missed' | 'voicemail'>;

export interface RequestProgress {
  readonly phase: RequestPhase;
  readonly reason: FailureReason | null;
}

const order: readonly RequestPhase[] = ['queued', 'ringing_employee', 'ringing_client', 'talking', 'ended', 'failed'];

export const isOver = (phase: RequestPhase): boolean => phase === 'ended' || phase === 'failed';
/** Progress goes one way, whatever the order in which sources tell of it. */
export const isFurther = (phase: RequestPhase, than: RequestPhase): boolean =>
  order.indexOf(phase) > order.indexOf(than);

/** How far the request of this conversation is. */
export function progressOf(call: Call, conversation: Conversation): RequestProgress {
  const hasTalked = call.conversations.some(
    (one) => one.requestId === conversation.requestId && one.answeredAt !== null,
  );
  const isEmployeeAway = conversation.reason === 'rule:click_to_call_unanswered';
  if (call.endedAt !== null) {
    if (hasTalked) return { phase: 'ended', reason: null };
    return { phase: 'failed', reason: isEmployeeAway ? 'employee_did_not_answer' : failureOf(conversation.result) };
  }
  if (hasTalked) return { phase: 'talking', reason: null };
  return { phase: isEmployeeAway ? 'ringing_employee' : 'ringing_client', reason: null };
}

function failureOf(result: CallResult): FailureReason {
  return result === 'answered' || result === 'missed' || result === 'voicemail' ? 'no_answer' : result;
}
