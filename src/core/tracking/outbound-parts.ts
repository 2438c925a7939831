/** Who took part in a call to the outside, asked for by click-to-call or dialled. */
import type { CallResult } from '../call.ts';
import type { NumberPlan } from '../ports.ts';
import { extensionOfLocal, startOf, type CallView } from './call-view.ts';
import type { ChannelFacts } from './channel-facts.ts';
import { betterStatus, outcome } from './outcome.ts';
import { answeredPart, silentPart, variableAlong, type Part } from './part.ts';

export function outboundParts(view: CallView, plan: NumberPlan): Part[] {
  const legs = view.phones;
  const client = view.client;
  const talking =
    client === null ? [] : legs.map((leg) => answeredPart(leg, client, view)).filter((part) => part !== null);
  const others = legs.filter((leg) => !talking.some((part) => part.channel === leg));
  if (talking.length > 0) return [...talking, ...others.map((leg) => silentPart(leg, view, plan))];

  const caller = legs.find((leg) => leg.answered !== null || view.isCalling(leg)) ?? legs[0] ?? view.origin;
  // The client was never called: there is nothing to tell a CRM, the request has failed.
  const wasNeverAnswered = view.isRequested && client === null && caller.answered === null;
  const part: Part = {
    channel: caller,
    extension: view.extension(caller) ?? extensionOfLocal(caller, plan) ?? variableAlong(caller, 'RL_EMPLOYEE', view),
    requestedAt: startOf(caller),
    answeredAt: null,
    endedAt: caller.ended?.at ?? view.endedAt,
    result: wasNeverAnswered ? 'failed' : outboundResult(view, caller),
    reason: wasNeverAnswered ? 'rule:click_to_call_unanswered' : null,
    forwardedTo: null,
  };
  return [part, ...others.filter((leg) => leg !== caller).map((leg) => silentPart(leg, view, plan))];
}

function outboundResult(view: CallView, caller: ChannelFacts): CallResult {
  const leg = view.outsideLegs[view.outsideLegs.length - 1];
  if (leg === undefined && view.isRequested && view.endedAt !== null) return resultWithoutLeg(view);
  return outcome({
    cause: leg?.cause?.value ?? caller.cause?.value ?? null,
    status: betterStatus(leg?.outcome ?? null, caller.dialStatus),
  });
}

/**
 * Of a click whose employee picked up, but no channel to the client came into being: the trunk is gone. The Local channel
 * that was to dial tells why; the phone ends in the usual way, and nobody failed to answer.
 */
function resultWithoutLeg({ origin }: CallView): CallResult {
  const result = outcome({ cause: origin.cause?.value ?? null, status: null });
  return result === 'no_answer' ? 'failed' : result;
}
