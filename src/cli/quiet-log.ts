import type { Log } from '../core/ports.ts';

/** For commands that use a session for a moment: what matters of it is told by the command itself. */
export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quietLog };

export const systemClock = { now: () => new Date() };
