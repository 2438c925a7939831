/**
 * Who could hear whom, and when: the bridges of a call swept in the order of time. Local channel pairs join the bridges
 * their halves are in, so a queue's or a transfer's plumbing does not hide who talks.
 */
import { nameAt, type BridgeMark, type ChannelFacts } from './channel-facts.ts';
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
  readonly bridgeId: string | null;
}

/** `until` closes what is still open: the end of the call, or now for a call that lasts. */
export function talksOf(channels: Iterable<ChannelFacts>, until: number): Talk[] {
  const steps: Step[] = [];
  for (const channel of channels) {
    for (const mark of marksOf(channel)) {
      steps.push({ at: mark.at, channel, bridgeId: mark.isEntry ? mark.bridgeId : `-${mark.bridgeId}` });
    }
    if (channel.ended !== null) steps.push({ at: channel.ended.at, channel, bridgeId: null });
  }
  // Of what happened in one instant (clocks of whole seconds), entering comes first: who met did meet.
  steps.sort((a, b) => a.at - b.at || kindOf(a) - kindOf(b));

  const inBridge = new Map<ChannelFacts, string>();
  const ended = new Set<ChannelFacts>();
  const open = new Map<string, number>();
  const talks: Talk[] = [];
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index]!;
    if (step.bridgeId === null) {
      ended.add(step.channel);
      inBridge.delete(step.channel);
    } else if (step.bridgeId.startsWith('-')) {
      // Leaving a bridge after having entered another is the same news told late.
      if (inBridge.get(step.channel) === step.bridgeId.slice(1)) inBridge.delete(step.channel);
    } else if (!ended.has(step.channel)) {
      inBridge.set(step.channel, step.bridgeId);
    }
    const next = steps[index + 1];
    if (next?.at === step.at && kindOf(next) === kindOf(step)) continue;
    const groups = groupsOf(inBridge, step.at);
    for (const [key, from] of open) {
      if (groups.has(key)) continue;
      open.delete(key);
      talks.push({ from, to: step.at, members: key.split('\n') });
    }
    for (const key of groups) if (!open.has(key)) open.set(key, step.at);
  }
  for (const [key, from] of open) if (until > from) talks.push({ from, to: until, members: key.split('\n') });
  // Who changes places within one second of a coarse clock seems to meet; it counts only where nobody met for longer.
  const lasting = talks.filter((talk) => talk.to > talk.from);
  return (lasting.length > 0 ? lasting : talks).sort((a, b) => a.from - b.from);
}

/** 0 entering, 1 leaving, 2 hanging up. */
const kindOf = (step: Step): number => (step.bridgeId === null ? 2 : step.bridgeId.startsWith('-') ? 1 : 0);

/**
 * When the channel, in a bridge at `at`, is in none any more; null while it stays. A change from one bridge to another
 * is no leaving.
 */
export function leavesBridgesAt(channel: ChannelFacts, at: number, which: 'next' | 'last'): number | null {
  let current: string | null = null;
  let leftAt: number | null = null;
  for (const mark of marksOf(channel)) {
    if (mark.isEntry) {
      if (which === 'next' && leftAt !== null && leftAt >= at) return leftAt;
      current = mark.bridgeId;
      leftAt = null;
    } else if (mark.bridgeId === current) {
      current = null;
      leftAt = mark.at;
    }
  }
  return leftAt === null ? null : Math.max(leftAt, at);
}

/** Coarse marks count only where a channel has no finer ones, and where it was found only when nobody saw it enter. */
function marksOf({ marks }: ChannelFacts): readonly BridgeMark[] {
  const fine = marks.filter((mark) => !mark.isCoarse);
  const counting = fine.length > 0 ? fine : marks;
  if (!counting.some((mark) => mark.isFound)) return counting;
  const wasSeenEntering = (found: BridgeMark) =>
    counting.some((mark) => mark.isEntry && !mark.isFound && mark.bridgeId === found.bridgeId);
  return counting.filter((mark) => !mark.isFound || !wasSeenEntering(mark));
}

/** The sets of real channels that are joined now, each as its sorted ids. */
function groupsOf(inBridge: ReadonlyMap<ChannelFacts, string>, at: number): Set<string> {
  const joinedTo = new Map<string, string>();
  const rootOf = (bridgeId: string): string => {
    let root = bridgeId;
    while (joinedTo.has(root)) root = joinedTo.get(root)!;
    return root;
  };
  const bridgeOfPair = new Map<string, string>();
  const real: { id: string; bridgeId: string }[] = [];
  for (const [channel, bridgeId] of inBridge) {
    const name = nameAt(channel, at);
    const pair = localPair(name);
    if (pair !== null) {
      const other = bridgeOfPair.get(pair);
      if (other === undefined) bridgeOfPair.set(pair, bridgeId);
      else if (rootOf(other) !== rootOf(bridgeId)) joinedTo.set(rootOf(other), rootOf(bridgeId));
    } else if (!isPlumbing(name)) {
      real.push({ id: channel.id, bridgeId });
    }
  }
  const members = new Map<string, string[]>();
  for (const { id, bridgeId } of real) {
    const root = rootOf(bridgeId);
    const group = members.get(root);
    if (group === undefined) members.set(root, [id]);
    else group.push(id);
  }
  const groups = new Set<string>();
  for (const ids of members.values()) if (ids.length > 1) groups.add(ids.sort().join('\n'));
  return groups;
}
