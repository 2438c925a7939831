/** Who took part in a call that came from outside. */
import type { NumberPlan } from '../ports.ts';
import { compareStarts, extensionOfLocal, startOf, type CallView } from './call-view.ts';
import type { ChannelFacts } from './channel-facts.ts';
import { outcomeOf } from './outcome.ts';
import { outsideNumberOf } from './outside-number.ts';
import { answeredPart, endOfTalk, hasTalk, silentPart, talkSpan, variableAlong, type Part } from './part.ts';

export function inboundParts(view: CallView, plan: NumberPlan): Part[] {
  const client = view.client!;
  const legs = view.phones;
  const talking = legs.map((leg) => answeredPart(leg, client, view)).filter((part) => part !== null);
  const forwarded = forwardedParts(view, talking, plan);
  const taken = new Set([...talking, ...forwarded].map((part) => part.channel));
  const answered = [...talking, ...forwarded.filter((part) => part.answeredAt !== null)];
  const silent = legs.filter((leg) => !taken.has(leg)).map((leg) => silentPart(leg, view, plan));

  if (answered.length > 0) return [...answered, ...forwarded.filter((part) => part.answeredAt === null), ...silent];
  // Nobody answered: exactly one missed call, on the first phone that rang.
  const rang = silent
    .filter((part) => part.reason !== 'consultation')
    .sort((a, b) => compareStarts(a.channel, b.channel));
  const first = forwarded[0] ?? rang[0];
  const missed: Part = {
    channel: first?.channel ?? client,
    extension: first?.extension ?? null,
    requestedAt: first?.requestedAt ?? view.startedAt,
    answeredAt: null,
    endedAt: view.endedAt,
    result: reachedVoicemail(view) ? 'voicemail' : 'missed',
    reason: null,
    forwardedTo: first?.forwardedTo ?? null,
  };
  return [missed, ...silent.filter((part) => part !== first), ...forwarded.slice(1)];
}

/** Outside legs dialled on behalf of an employee whose calls are forwarded to a mobile. */
function forwardedParts(view: CallView, talking: readonly Part[], plan: NumberPlan): Part[] {
  const client = view.client!;
  const parts: Part[] = [];
  const usedLegs = new Set<ChannelFacts>();
  for (const leg of view.outsideLegs) {
    // A party that an employee called while the client waited is that employee's consultation.
    const dialer = view.dialer(leg);
    if (dialer !== null && view.extension(dialer) !== null && !hasTalk(view, leg, client)) continue;
    const marked = variableAlong(leg, 'RL_EMPLOYEE', view);
    const candidates = view.phones.filter(
      (other) => startOf(other) <= startOf(leg) && !talking.some((part) => part.channel === other),
    );
    const extensionOfPhone = (phone: ChannelFacts) => view.extension(phone) ?? extensionOfLocal(phone, plan);
    const own =
      candidates.findLast((other) => marked === null && other.forward !== null && !usedLegs.has(other)) ??
      candidates.findLast((other) => !usedLegs.has(other) && (marked === null || extensionOfPhone(other) === marked));
    const lastTalker = talking.filter((part) => part.requestedAt <= startOf(leg)).at(-1);
    const extension = marked ?? (own === undefined ? null : extensionOfPhone(own)) ?? lastTalker?.extension ?? null;
    if (own !== undefined) usedLegs.add(own);
    const talk = talkSpan(view, leg, client);
    const part: Part = {
      channel: own ?? leg,
      extension,
      requestedAt: own === undefined ? startOf(leg) : startOf(own),
      answeredAt: talk?.from ?? null,
      endedAt: talk === null ? (leg.ended?.at ?? view.endedAt) : endOfTalk(leg, client, talk, view),
      result: talk === null ? outcomeOf(leg) : 'answered',
      reason: talk === null ? 'rang_elsewhere' : null,
      forwardedTo: outsideNumberOf(leg, view, plan),
    };
    parts.push(part);
  }
  return parts;
}

/** AMI tells of each message left; where only CEL or CDR speak, whoever reached the mailbox is taken to have left one. */
function reachedVoicemail(view: CallView): boolean {
  const runs = view.channels.flatMap((channel) => channel.apps);
  if (runs.some((run) => run.app === 'MessageWaiting')) return true;
  const mailboxes = runs.filter((run) => run.app.toLowerCase() === 'voicemail');
  return mailboxes.length > 0 && !mailboxes.some((run) => run.isLive);
}
