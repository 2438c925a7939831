/** What happened within a call, for people who look at one: when a conversation rang, was talked in, was on hold. */
import type { Conversation } from './call.ts';
import type { NumberPlan, StoredCall } from './ports.ts';
import { runsInto } from './recording/mix-monitor.ts';
import { recordCall } from './tracking/call-record.ts';
import { stateFromEvents } from './tracking/call-tracker.ts';
import { viewCall, type CallView } from './tracking/call-view.ts';
import type { ChannelFacts, TransferMark } from './tracking/channel-facts.ts';

/** Shorter gaps are bridges being exchanged, which nobody hears. */
const leastGapMs = 400;

export interface StorySpan {
  /** `hold`: one side was on hold, or the client waited while the employee talked to somebody else. */
  readonly kind: 'ring' | 'talk' | 'hold';
  readonly from: Date;
  /** Null while it lasts. */
  readonly to: Date | null;
}
export interface StoryTransfer extends Omit<TransferMark, 'at'> {
  readonly at: Date;
}
export interface ConversationStory {
  readonly uniqueId: string;
  /** In the order of time, without gaps. */
  readonly spans: readonly StorySpan[];
  /** When the employee passed the call on. */
  readonly transfers: readonly StoryTransfer[];
}
/** Whose voice the left side of a recording in stereo holds; the right side holds the others. */
export interface RecordedSide {
  readonly path: string;
  readonly left: 'client' | 'employee';
}
export interface CallStory {
  readonly conversations: readonly ConversationStory[];
  readonly sides: readonly RecordedSide[];
}

/** Made anew from the events; null while nothing is known of the call. */
export function tellStory(stored: StoredCall, plan: NumberPlan): CallStory | null {
  const state = stateFromEvents(stored);
  const call = recordCall(state, plan);
  const view = viewCall(state, plan);
  if (call === null || view === null) return null;
  return {
    conversations: call.conversations.map((conversation) => ({
      uniqueId: conversation.uniqueId,
      spans: spansOf(conversation, view),
      transfers: transfersOf(conversation, view),
    })),
    sides: view.channels.flatMap((channel) => sidesOf(channel, view)),
  };
}

function spansOf(conversation: Conversation, view: CallView): StorySpan[] {
  const { requestedAt, answeredAt, endedAt } = conversation;
  const ring: StorySpan = { kind: 'ring', from: requestedAt, to: answeredAt ?? endedAt };
  if (answeredAt === null) return [ring];
  const until = endedAt?.getTime() ?? Infinity;
  const steps = holdSteps(conversation, view).filter(({ at }) => at < until - leastGapMs);
  const spans: StorySpan[] = ring.to!.getTime() > ring.from.getTime() ? [ring] : [];
  let from = answeredAt.getTime();
  let isHeld = false;
  const close = (at: number | null) => {
    if (at !== null && at <= from) return;
    spans.push({ kind: isHeld ? 'hold' : 'talk', from: new Date(from), to: at === null ? null : new Date(at) });
    from = at ?? from;
  };
  for (const step of steps) {
    if (step.isHeld === isHeld) continue;
    close(Math.max(step.at, from));
    isHeld = step.isHeld;
  }
  close(endedAt?.getTime() ?? null);
  return spans;
}

/** Every moment at which the conversation went on hold or came back, whoever held it. */
function holdSteps(conversation: Conversation, view: CallView): { readonly at: number; readonly isHeld: boolean }[] {
  const phone = view.byId(conversation.uniqueId);
  const spans: { from: number; to: number }[] = [];
  for (const channel of [phone, view.client]) {
    if (channel === null) continue;
    let heldAt: number | null = null;
    for (const { at, isHeld } of channel.holds) {
      if (isHeld) heldAt ??= at;
      else if (heldAt !== null) {
        spans.push({ from: heldAt, to: at });
        heldAt = null;
      }
    }
    if (heldAt !== null) spans.push({ from: heldAt, to: channel.ended?.at ?? Infinity });
  }
  spans.push(...gapsBetweenTalks(phone, view));
  spans.sort((a, b) => a.from - b.from);
  const steps: { at: number; isHeld: boolean }[] = [];
  let heldUntil = -Infinity;
  for (const { from, to } of spans) {
    if (from > heldUntil) {
      if (heldUntil > -Infinity) steps.push({ at: heldUntil, isHeld: false });
      steps.push({ at: from, isHeld: true });
    }
    heldUntil = Math.max(heldUntil, to);
  }
  if (heldUntil > -Infinity && heldUntil < Infinity) steps.push({ at: heldUntil, isHeld: false });
  return steps;
}

/** Times between two talks of this phone with the client. */
function gapsBetweenTalks(phone: ChannelFacts | null, { talks, client }: CallView): { from: number; to: number }[] {
  if (phone === null || client === null || phone === client) return [];
  const own = talks.filter(({ members }) => members.includes(phone.id) && members.includes(client.id));
  return own.slice(1).flatMap((talk, index) => {
    const from = Math.max(...own.slice(0, index + 1).map(({ to }) => to));
    return talk.from - from >= leastGapMs ? [{ from, to: talk.from }] : [];
  });
}

function transfersOf(conversation: Conversation, view: CallView): StoryTransfer[] {
  const marks = view.byId(conversation.uniqueId)?.transfers ?? [];
  return marks.map(({ at, kind, to }) => ({ at: new Date(Math.floor(at)), kind, to }));
}

/** The recorder writes what its own channel says to the left. Files that only a CDR row names are left out: any channel may have one. */
function sidesOf(channel: ChannelFacts, view: CallView): RecordedSide[] {
  const isClient = channel === view.client;
  if (!isClient && view.extension(channel) === null) return [];
  return channel.recordings
    .filter(({ path }) => runsInto(channel, path).length > 0)
    .map(({ path }) => ({ path, left: isClient ? 'client' : 'employee' }));
}
