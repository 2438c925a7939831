/** What became of an attempt to reach a phone. */
import type { CallResult } from '../call.ts';
import type { ChannelFacts } from './channel-facts.ts';

export const outcomeOf = (leg: ChannelFacts): CallResult =>
  outcome({ cause: leg.cause?.value ?? null, status: (leg.outcome ?? leg.dialStatus)?.value ?? null });

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
