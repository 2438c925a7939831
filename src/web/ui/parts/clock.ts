import { signal } from '@preact/signals';

/** Now, once a second while somebody looks: what durations of open calls are counted to. */
export const now = signal(Date.now());
let watchers = 0;
let ticking: ReturnType<typeof setInterval> | undefined;

export function runClock(): () => void {
  watchers += 1;
  now.value = Date.now();
  ticking ??= setInterval(() => (now.value = Date.now()), 1_000);
  return () => {
    watchers -= 1;
    if (watchers > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  };
}
