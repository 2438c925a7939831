/** What a channel's runs of MixMonitor tell: which files they write, and how. */
import type { ChannelFacts } from '../tracking/channel-facts.ts';

/** True where the one is named from further up than the other. */
export const isSameFile = (a: string, b: string) => a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`);

export type AppRun = ChannelFacts['apps'][number];
const isMixMonitor = ({ app }: AppRun) => app.toLowerCase() === 'mixmonitor';
/** `file.wav,abr(in.wav)` → its file and its options. */
function readMixMonitor({ args }: AppRun): { readonly path: string; readonly options: string } {
  const [path = '', options = ''] = args.split(',', 2);
  return { path, options };
}
/** With `r(…)` and `t(…)` each side is written into a file of its own as well. */
const sidesOf = (run: AppRun) =>
  [...readMixMonitor(run).options.matchAll(/[rt]\(([^()]+)\)/g)].map(([, path]) => ({
    at: run.at,
    path: path!,
    startedAt: [run.at],
  }));
/** `abi(ID)` → `abi`. */
export const lettersOf = (run: AppRun) => readMixMonitor(run).options.replace(/\([^)]*\)/g, '');
/** With option `b`. */
export const isTalkOnly = (runs: readonly AppRun[]) =>
  runs.length > 0 && runs.every((run) => lettersOf(run).includes('b'));

/** With option `D`; the files of each side are as always. */
export const isInterleaved = (channel: ChannelFacts, path: string) =>
  runsInto(channel, path).some((run) => lettersOf(run).includes('D') && isSameFile(readMixMonitor(run).path, path));

/** The files of a channel, mixed ones first. */
export function announcedOn(channel: ChannelFacts): ChannelFacts['recordings'] {
  return [...channel.recordings, ...channel.apps.filter(isMixMonitor).flatMap(sidesOf)];
}
/** The runs of the recorder that wrote this file of the channel; none where only somebody else names the file. */
export function runsInto(channel: ChannelFacts, path: string): readonly AppRun[] {
  return channel.apps.filter(
    (run) =>
      isMixMonitor(run) &&
      [readMixMonitor(run).path, ...sidesOf(run).map((side) => side.path)].some(
        (one) => one !== '' && isSameFile(one, path),
      ),
  );
}
