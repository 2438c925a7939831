import { setTimeout as delay } from 'node:timers/promises';

/** Waits until the condition holds; fails with what was waited for when it does not in time. */
export async function until(
  condition: () => boolean,
  options: { timeoutMs?: number; what?: string } = {},
): Promise<void> {
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${options.what ?? condition.toString()}`);
    await delay(5);
  }
}
