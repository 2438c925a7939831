import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until the condition holds; fails with what was waited for when it does not in time. `between` runs after each
 * look that found it wanting.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { timeoutMs?: number; what?: string; between?: () => void } = {},
): Promise<void> {
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${options.what ?? condition.toString()}`);
    options.between?.();
    await delay(2);
  }
}
