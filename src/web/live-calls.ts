import type { Call } from '../core/call.ts';
import type { CallWatcher } from '../core/ports.ts';

export interface LiveCalls {
  /** Tells viewers soon that something happened. */
  readonly callWatcher: CallWatcher;
  openCalls(): readonly Call[];
  /** Calls `look` at once, soon after each stage of a call, and every second, until the returned function is called. */
  watch(look: () => void): () => void;
}

/** A burst of stages is one look; calls that ring nobody yet show up with the next second. */
const soonMs = 200;
const everyMs = 1_000;

/** What happens now, for everybody who watches; without viewers it does nothing. */
export function createLiveCalls(openCalls: () => readonly Call[]): LiveCalls {
  const looks = new Set<() => void>();
  let soon: NodeJS.Timeout | null = null;
  let ticking: NodeJS.Timeout | null = null;

  const lookAll = () => {
    soon = null;
    for (const look of looks) look();
  };
  return {
    openCalls,
    callWatcher: {
      onStage() {
        if (looks.size > 0) soon ??= setTimeout(lookAll, soonMs);
      },
    },
    watch(look) {
      looks.add(look);
      ticking ??= setInterval(lookAll, everyMs);
      look();
      return () => {
        looks.delete(look);
        if (looks.size > 0) return;
        if (ticking !== null) clearInterval(ticking);
        if (soon !== null) clearTimeout(soon);
        ticking = null;
        soon = null;
      };
    },
  };
}
