/** What became of an attempt to reach a phone. */
import type { CallResult } from '../call.ts';
import type { ChannelFacts, Said } from './channel-facts.ts';

export const outcomeOf = (leg: ChannelFacts): CallResult =>
  outcome({ cause: leg.cause?.value ?? null, status: betterStatus(leg.outcome, leg.dialStatus) });

/** Of what is said of the attempt itself and of the dialling as a whole, the better known; the first where both are. */
export function betterStatus(ofAttempt: Said<string> | null, ofDialling: Said<string> | null): string | null {
  const isWorse = ofAttempt !== null && ofDialling !== null && ofDialling.rank > ofAttempt.rank;
  return ((isWorse ? ofDialling : ofAttempt) ?? ofDialling)?.value ?? null;
}

/** From dial status and Q.850 cause. The cause decides where the status lumps different ends together. */
export function outcome(end: { cause: number | null; status: string | null }): CallResult {
  const status = (end.status ?? '').toUpperCase().replace(/[ _]/g, '');
  if (status === 'CANCEL') return 'cancelled';
  switch (end.cause) {
    case 1:
    case 28:
      return 'not_found';
    case 17:
      return 'busy';
    case 21:
      return 'rejected';
  }
  switch (status) {
    case 'BUSY':
      return 'busy';
    case 'NOANSWER':
      return 'no_answer';
    case 'ANSWER':
    case 'ANSWERED':
      return 'no_answer';
    case 'CHANUNAVAIL':
    case 'CONGESTION':
    case 'FAILED':
    case 'INVALIDARGS':
      return 'failed';
  }
  switch (end.cause) {
    case 16:
    case 26:
      return 'cancelled';
    case 18:
    case 19:
      return 'no_answer';
    case null:
    case 0:
      return 'no_answer';
    default:
      return 'failed';
  }
}
