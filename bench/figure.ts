/** One line of the table that `npm run bench` prints. */
export interface Figure {
  /** What was measured, in plain words. */
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What does the same, or the least that could, measured in the same run and the same unit. */
  readonly peer?: { readonly name: string; readonly value: number };
  readonly target?: Target;
}
/** Of the figure itself, or of its ratio to the peer. */
export type Target = { readonly isOfRatio?: boolean } & ({ readonly atLeast: number } | { readonly atMost: number });

/** Tells the figure: to `bench/run.ts` when that started this process, else as a line. */
export function report(figure: Figure): void {
  if (process.send !== undefined) process.send({ figure });
  else console.log(cellsOf(figure).filter(Boolean).join('  '));
}

export const headings = ['what', 'figure', 'peer in the same run', 'ratio', 'target', ''];

/** The figure as cells under `headings`. */
export function cellsOf(figure: Figure): string[] {
  const { what, value, unit, peer, target } = figure;
  return [
    what,
    `${format(value)} ${unit}`,
    peer === undefined ? '' : `${peer.name}: ${format(peer.value)}`,
    peer === undefined ? '' : `× ${(value / peer.value).toFixed(2)}`,
    target === undefined ? '' : words(target, unit),
    target === undefined ? '' : isMet(figure) ? 'met' : 'MISSED',
  ];
}

/** True also where there is no target. */
export function isMet({ value, peer, target }: Figure): boolean {
  if (target === undefined) return true;
  const compared = target.isOfRatio === true ? value / peer!.value : value;
  return 'atLeast' in target ? compared >= target.atLeast : compared <= target.atMost;
}

function words(target: Target, unit: string): string {
  const [sign, bound] = 'atLeast' in target ? ['≥', target.atLeast] : ['≤', target.atMost];
  return target.isOfRatio === true ? `${sign} × ${bound}` : `${sign} ${format(bound)} ${unit}`;
}
const format = (value: number) =>
  value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

/** What a piece of work costs: seconds on the clock, and of processor time in all threads of this process. */
export async function measure(
  work: () => Promise<unknown> | unknown,
): Promise<{ seconds: number; cpuSeconds: number }> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - startedAt) / 1_000, cpuSeconds: (user + system) / 1e6 };
}
