/**
 * Who could hear whom, and when: the bridges of a call swept in the order of time. Local channel pairs join the bridges
 * their halves are in, so a queue's or a transfer's plumbing does not hide who talks.
 */
import { nameAt, rankOf, type BridgeMark, type ChannelFacts, type Moment } from './channel-facts.ts';
import { isPlumbing, localPair } from './channel-role.ts';

/** A span in which the same channels were joined; `members` are ids of two or more real channels. */
export interface Talk {
  readonly from: number;
  readonly to: number;
  readonly members: readonly string[];
}

interface Step {
  readonly at: number;
  readonly channel: ChannelFacts;
  /** Null: it hangs up. */
  readonly mark: BridgeMark | null;
}

/** `until` closes what is still open: the end of the call, or now for a call that lasts. */
export function talksOf(channels: readonly ChannelFacts[], until: number): Talk[] {
  const steps: Step[] = [];
  for (const channel of channels) {
    for (const mark of countedMarks(channel))
      if (!mark.isFromCdr || isCredible(mark, channel, channels)) steps.push({ at: mark.at, channel, mark });
    if (channel.ended !== null) steps.push({ at: channel.ended.at, channel, mark: null });
  }
  // Of what happened in one instant (clocks of whole seconds), entering comes first: who met did meet.
  steps.sort((a, b) => a.at - b.at || kindOf(a) - kindOf(b));

  const inBridges = new Map<ChannelFacts, readonly string[]>();
  const ended = new Set<ChannelFacts>();
  const open = new Map<string, number>();
  const talks: Talk[] = [];
  for (let index = 0; index < steps.length; index++) {
    const { at, channel, mark } = steps[index]!;
    if (mark === null) {
      ended.add(channel);
      inBridges.delete(channel);
    } else if (!ended.has(channel)) {
      const bridges = bridgesAfter(inBridges.get(channel) ?? [], mark);
      if (bridges.length > 0) inBridges.set(channel, bridges);
      else inBridges.delete(channel);
    }
    const next = steps[index + 1];
    if (next?.at === at && kindOf(next) === kindOf(steps[index]!)) continue;
    const groups = groupsOf(inBridges, at);
    for (const [key, from] of open) {
      if (groups.has(key)) continue;
      open.delete(key);
      talks.push({ from, to: at, members: key.split('\n') });
    }
    for (const key of groups) if (!open.has(key)) open.set(key, at);
  }
  for (const [key, from] of open) if (until > from) talks.push({ from, to: until, members: key.split('\n') });
  // Who changes places within one second of a coarse clock seems to meet; it counts only where nobody met for longer.
  const lasting = talks.filter((talk) => talk.to > talk.from);
  return (lasting.length > 0 ? lasting : talks).sort((a, b) => a.from - b.from);
}

/**
 * The bridges that a channel is in after the mark. That is one; but a CDR row is a bridge of two, of which somebody in a
 * conference has several at a time. Leaving a bridge after having entered another is the same news told late.
 */
function bridgesAfter(bridges: readonly string[], mark: BridgeMark): readonly string[] {
  if (!mark.isEntry) return bridges.filter((bridgeId) => bridgeId !== mark.bridgeId);
  return mark.isFromCdr ? [...bridges, mark.bridgeId] : [mark.bridgeId];
}

/** Whether what a CDR row says, that this channel was in a bridge, can be: it says so of everybody who answered. */
function isCredible(mark: BridgeMark, channel: ChannelFacts, channels: readonly ChannelFacts[]): boolean {
  const wasRefused = channels.some(
    (other) => answeredInVain(other) && other.marks.some(({ bridgeId }) => bridgeId === mark.bridgeId),
  );
  return !wasRefused && !wasWatched(mark, channel, channels);
}

/** Who was dialled, answered and hung up, all told live, and was in no bridge: asked whether to take the call, and did not. */
function answeredInVain({ dialed, answered, ended, marks }: ChannelFacts): boolean {
  const isLive = (moment: Moment | null) => moment?.rank === rankOf('ami');
  return isLive(dialed) && isLive(answered) && isLive(ended) && marks.every((mark) => mark.isFromCdr);
}

/**
 * True when others were seen entering and leaving bridges all the time that a CDR row says this channel talked: then it
 * would have been seen too, and waited with music for somebody who answered and would not take the call.
 */
function wasWatched({ bridgeId }: BridgeMark, channel: ChannelFacts, channels: readonly ChannelFacts[]): boolean {
  const [from, to] = channel.marks.filter((mark) => mark.bridgeId === bridgeId);
  if (from === undefined || to === undefined) return false;
  return channels.some(({ marks }) =>
    marks.some((mark) => !mark.isFromCdr && !mark.isFound && mark.at > from.at + 1000 && mark.at < to.at - 1000),
  );
}

/** 0 entering, 1 leaving, 2 hanging up. */
const kindOf = ({ mark }: Step): number => (mark === null ? 2 : mark.isEntry ? 0 : 1);

/**
 * When the channel, in a bridge at `at`, is in none any more; null while it stays. A change from one bridge to another
 * is no leaving.
 */
export function leavesBridgesAt(channel: ChannelFacts, at: number, which: 'next' | 'last'): number | null {
  let bridges: readonly string[] = [];
  let leftAt: number | null = null;
  for (const mark of countedMarks(channel)) {
    const before = bridges;
    bridges = bridgesAfter(before, mark);
    if (mark.isEntry) {
      if (which === 'next' && leftAt !== null && leftAt >= at) return leftAt;
      leftAt = null;
    } else if (before.length > 0 && bridges.length === 0) {
      leftAt = mark.at;
    }
  }
  return leftAt === null ? null : Math.max(leftAt, at);
}

/** The bridge that the channel is in at that moment; null where it is in none. */
export function bridgeAt(channel: ChannelFacts, at: number): string | null {
  let bridges: readonly string[] = [];
  for (const mark of countedMarks(channel)) {
    if (mark.at > at) break;
    bridges = bridgesAfter(bridges, mark);
  }
  return bridges[bridges.length - 1] ?? null;
}

/**
 * Marks from CDR count only where nobody saw the channel enter a bridge, those in whole seconds only where nobody told the same more
 * finely, and where a channel was found only when nobody saw it enter.
 */
export function countedMarks({ marks }: ChannelFacts): readonly BridgeMark[] {
  const wasSeenEntering = marks.some((mark) => !mark.isFromCdr && mark.isEntry);
  const counting =
    wasSeenEntering && marks.some((mark) => mark.isFromCdr) ? marks.filter((mark) => !mark.isFromCdr) : marks;
  if (!counting.some((mark) => mark.isFound || mark.at % 1000 === 0)) return counting;
  return counting.filter((mark) => !counting.some((other) => isSameBetterTold(mark, other)));
}

function isSameBetterTold(mark: BridgeMark, other: BridgeMark): boolean {
  if (mark.bridgeId !== other.bridgeId || mark.isEntry !== other.isEntry) return false;
  if (mark.isFound) return !other.isFound;
  return mark.at % 1000 === 0 && other.at > mark.at && other.at < mark.at + 1000 && !other.isFound;
}

const nobody: ReadonlySet<string> = new Set();

/** The sets of real channels that are joined now, each as its sorted ids. */
function groupsOf(inBridges: ReadonlyMap<ChannelFacts, readonly string[]>, at: number): ReadonlySet<string> {
  if (inBridges.size < 2) return nobody;
  const joinedTo = new Map<string, string>();
  const rootOf = (bridgeId: string): string => {
    let root = bridgeId;
    while (joinedTo.has(root)) root = joinedTo.get(root)!;
    return root;
  };
  const join = (one: string, other: string) => {
    if (rootOf(one) !== rootOf(other)) joinedTo.set(rootOf(one), rootOf(other));
  };
  const bridgeOfPair = new Map<string, string>();
  const real: { id: string; bridgeId: string }[] = [];
  for (const [channel, bridges] of inBridges) {
    const name = nameAt(channel, at);
    const pair = localPair(name);
    if (pair === null && isPlumbing(name)) continue;
    for (const bridgeId of bridges) {
      if (pair === null) {
        real.push({ id: channel.id, bridgeId });
      } else {
        join(bridgeOfPair.get(pair) ?? bridgeId, bridgeId);
        bridgeOfPair.set(pair, bridgeId);
      }
    }
  }
  const members = new Map<string, Set<string>>();
  for (const { id, bridgeId } of real) {
    const root = rootOf(bridgeId);
    const group = members.get(root);
    if (group === undefined) members.set(root, new Set([id]));
    else group.add(id);
  }
  const groups = new Set<string>();
  for (const ids of members.values()) if (ids.size > 1) groups.add([...ids].sort().join('\n'));
  return groups;
}
