/** Who took part in a call between employees. */
import type { NumberPlan } from '../ports.ts';
import { extensionOfLocal, startOf, type CallView } from './call-view.ts';
import { outcomeOf } from './outcome.ts';
import type { Part } from './part.ts';

export function internalParts(view: CallView, plan: NumberPlan): Part[] {
  const legs = view.phones;
  const called = legs.filter((leg) => leg !== view.origin);
  return (called.length > 0 ? called : legs).map((leg) => {
    const talk = view.talks.filter((span) => span.members.includes(leg.id));
    const isTalking = talk.length > 0;
    return {
      channel: leg,
      extension: view.extension(leg) ?? extensionOfLocal(leg, plan),
      requestedAt: startOf(leg),
      answeredAt: talk[0]?.from ?? null,
      endedAt: leg.ended?.at ?? view.endedAt,
      result: isTalking ? 'answered' : outcomeOf(leg),
      reason: 'internal',
      forwardedTo: null,
    };
  });
}
