/** The outside party's number, and the one that was called. */
import type { NumberPlan } from '../ports.ts';
import {
  dialledNumbers,
  extenOf,
  numberOfDialString,
  numbersOverTrunks,
  startOf,
  trunkOf,
  type CallView,
} from './call-view.ts';
import { firstName, rankOf, type ChannelFacts } from './channel-facts.ts';
import { localExten } from './channel-role.ts';

/** The number that an outside leg was dialled with. CEL knows it only from the Dial before. */
export function outsideNumberOf(leg: ChannelFacts, view: CallView, plan: NumberPlan): string | null {
  const dialled = leg.dialString === null ? null : numberOfDialString(leg.dialString.value);
  const trunk = trunkOf(leg);
  const runs = view.channels
    .flatMap((channel) => channel.apps)
    .filter((run) => run.app.toLowerCase() === 'dial' && run.at <= (leg.answered?.at ?? startOf(leg)) + 100)
    .sort((a, b) => b.at - a.at);
  const target = runs
    .flatMap((run) => run.args.split(',')[0]!.split('&'))
    .find((candidate) => trunk !== null && (candidate.includes(`@${trunk}`) || candidate.includes(`/${trunk}/`)));
  const local = view.channels.findLast(
    (channel) => startOf(channel) <= startOf(leg) && plan.isOutsideNumber(localExten(firstName(channel))),
  );
  for (const number of [
    dialled,
    target === undefined ? null : numberOfDialString(target),
    local === undefined ? null : localExten(firstName(local)),
  ]) {
    const read = number === null ? null : plan.toClientNumber(number);
    if (read !== null) return read;
  }
  const exten = extenOf(leg);
  return exten === null ? null : plan.toClientNumber(exten);
}

export function clientNumber(view: CallView, plan: NumberPlan): string | null {
  if (view.direction === 'internal') return null;
  if (view.direction === 'inbound') return plan.toClientNumber(view.client?.callerNumber?.value ?? '');
  const dialled = view.client === null ? null : outsideNumberOf(view.client, view, plan);
  if (dialled !== null) return dialled;
  for (const channel of [view.origin, ...view.channels]) {
    const number =
      dialledNumbers(channel).find((candidate) => plan.isOutsideNumber(candidate)) ??
      numbersOverTrunks(channel, plan)[0];
    if (number !== undefined) return plan.toClientNumber(number);
  }
  // Requested, and never dialled: the employee's phone showed whom it was about.
  const shown = view.channels
    .map((channel) => channel.connectedNumber?.value)
    .find((number) => number !== undefined && plan.isOutsideNumber(number));
  return shown === undefined ? null : plan.toClientNumber(shown);
}

/** No number that is called from outside has fewer digits; queues, menus and conferences that a client is sent to do. */
const shortestDid = 5;

export function didOf(view: CallView, plan: NumberPlan): string | null {
  const marked = view.origin.variables.RL_DID;
  if (marked !== undefined) return marked.value;
  if (view.direction !== 'inbound' || view.client === null) return null;
  const exten = extenOf(view.client);
  if (exten === null || view.client.exten?.rank !== rankOf('cdr')) return exten;
  // A CDR names what was dialled last: after a transfer or in a menu that is no number anybody called from outside.
  const isTransferTarget = view.outsideLegs.some(
    (leg) => leg.dialString !== null && numberOfDialString(leg.dialString.value) === exten,
  );
  return plan.isExtension(exten) || exten.length < shortestDid || isTransferTarget ? null : exten;
}
