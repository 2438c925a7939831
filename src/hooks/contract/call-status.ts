/** The result of a call in the numbers that integrators know. */
import type { CallResult, Direction } from '../../core/call.ts';

/** amoCRM's and Kommo's `call_status`. */
const statuses: Readonly<Record<CallResult, number>> = {
  voicemail: 1,
  failed: 3,
  answered: 4,
  not_found: 5,
  missed: 6,
  no_answer: 6,
  cancelled: 6,
  busy: 7,
  rejected: 7,
};

/** `call_full.result`: the SIP status, and 304 for a missed incoming call, as the Itgrix modules have it. */
const sipStatuses: Readonly<Record<CallResult, number>> = {
  answered: 200,
  missed: 304,
  voicemail: 304,
  not_found: 404,
  no_answer: 480,
  busy: 486,
  cancelled: 487,
  failed: 503,
  rejected: 603,
};

/** Asterisk's DIALSTATUS and hang-up cause (Q.850) that stand for the result. */
const endings: Readonly<Record<CallResult, { readonly dialstatus: string; readonly hangupcause: number }>> = {
  answered: { dialstatus: 'ANSWER', hangupcause: 16 },
  voicemail: { dialstatus: 'ANSWER', hangupcause: 16 },
  missed: { dialstatus: 'NOANSWER', hangupcause: 19 },
  no_answer: { dialstatus: 'NOANSWER', hangupcause: 19 },
  cancelled: { dialstatus: 'CANCEL', hangupcause: 16 },
  busy: { dialstatus: 'BUSY', hangupcause: 17 },
  rejected: { dialstatus: 'BUSY', hangupcause: 21 },
  failed: { dialstatus: 'CHANUNAVAIL', hangupcause: 38 },
  not_found: { dialstatus: 'CHANUNAVAIL', hangupcause: 1 },
};

export const toCallStatus = (result: CallResult): number => statuses[result];
export const toSipStatus = (result: CallResult): number => sipStatuses[result];
export const toEnding = (result: CallResult) => endings[result];

/** The result that a hook means with another status. 2 (call back later) and unknown ones are not answered. */
export function fromCallStatus(status: number, direction: Direction): CallResult {
  if (status === 1) return 'voicemail';
  if (status === 3) return 'failed';
  if (status === 4) return 'answered';
  if (status === 5) return 'not_found';
  if (status === 7) return 'busy';
  return direction === 'inbound' ? 'missed' : 'no_answer';
}
