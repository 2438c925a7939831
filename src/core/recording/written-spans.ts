/** When the phone system wrote sound into a file. */
import type { CallView } from '../tracking/call-view.ts';
import {
  endOfChannel,
  sameMomentMs,
  type BridgeMark,
  type ChannelFacts,
  type RecordingTold,
} from '../tracking/channel-facts.ts';
import { countedMarks } from '../tracking/talk.ts';
import { lettersOf, runsInto, type AppRun } from './mix-monitor.ts';

/** Milliseconds since the epoch. */
export type Spans = readonly { readonly from: number; readonly to: number }[];

/** The moments at which writing into the file began, and with which options. */
function startsOf(
  channel: ChannelFacts,
  recording: RecordingTold,
  stops: readonly AppRun[],
): readonly { readonly at: number; readonly letters: string }[] {
  const runs = runsInto(channel, recording.path).map((run) => ({ at: run.at, letters: lettersOf(run) }));
  // Begun over AMI, a recording tells no options; nobody takes one up to wipe out what there is.
  const letters = `${runs[0]?.letters ?? ''}a`;
  const others = recording.startedAt
    .filter((at) => !runs.some((run) => Math.abs(run.at - at) < sameMomentMs))
    .map((at) => ({ at, letters }));
  return [...runs, ...others]
    .sort((one, other) => one.at - other.at)
    .filter(
      // One that nothing was stopped before is the same one, told again.
      ({ at }, index, all) => index === 0 || stops.some((stop) => stop.at > all[index - 1]!.at && stop.at <= at),
    );
}

/**
 * When sound was written: from the start of the recording to its stop or the channel's end, and again where it was taken
 * up later; with MixMonitor's option `b` only while the channel was in a bridge.
 */
export function writtenSpans(channel: ChannelFacts, recording: RecordingTold, view: CallView): Spans {
  const stops = channel.apps.filter(({ app }) => app.toLowerCase() === 'stopmixmonitor');
  const lastAt = endOfChannel(channel)?.at ?? channel.ended?.at ?? view.endedAt ?? view.lastAt;
  let spans: Spans = [];
  for (const { at: from, letters } of startsOf(channel, recording, stops)) {
    const to = Math.min(stops.find(({ at }) => at > from)?.at ?? Infinity, lastAt);
    if (to <= from) continue;
    const written = letters.includes('b') ? bridgedSpans(countedMarks(channel), from, to) : [{ from, to }];
    // Without `a` the file is begun anew.
    spans = letters.includes('a') ? [...spans, ...written] : written;
  }
  return spans;
}

function bridgedSpans(marks: readonly BridgeMark[], from: number, to: number): Spans {
  const spans: { from: number; to: number }[] = [];
  let enteredAt: number | null = null;
  let bridgeId = '';
  for (const mark of marks) {
    if (mark.isEntry) {
      enteredAt ??= mark.at;
      bridgeId = mark.bridgeId;
    } else if (enteredAt !== null && mark.bridgeId === bridgeId) {
      spans.push({ from: enteredAt, to: mark.at });
      enteredAt = null;
    }
  }
  if (enteredAt !== null) spans.push({ from: enteredAt, to });
  return spans
    .map((span) => ({ from: Math.max(span.from, from), to: Math.min(span.to, to) }))
    .filter((span) => span.to > span.from);
}
