/** A deadline that may be missed by nothing, and ends early when the given signal does. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** To be called when what it watched has ended, or the timer lives on. */
  clear(): void;
}

/**
 * Aborts with a `TimeoutError` after `ms`, or with the reason of `signal` when that comes first. A timer and a controller
 * of our own: Node 20 may collect what `AbortSignal.any` makes of `AbortSignal.timeout`, and then the deadline never comes.
 */
export function startDeadline(ms: number, signal?: AbortSignal): Deadline {
  const controller = new AbortController();
  const expire = () => controller.abort(new DOMException(`No answer within ${ms} ms`, 'TimeoutError'));
  const follow = () => controller.abort(signal!.reason);
  const timer = setTimeout(expire, ms);
  if (signal?.aborted === true) follow();
  else signal?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
}
