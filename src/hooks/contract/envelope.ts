import type { HookName } from '../../core/hooks.ts';
import { HookFault } from '../hook-fault.ts';

/** Takes `data` out of the contract's envelope, `{"state": "success", "data": {…}}`. Throws `HookFault`. */
export function dataOf(answer: unknown, name: HookName): unknown {
  // Nobody waits for what this one says.
  if (name === 'post_registration') return {};
  if (typeof answer !== 'object' || answer === null)
    throw new HookFault('invalid', 'answered nothing; it must give {"state": "success", "data": {…}}');
  const { state, data } = answer as { state?: unknown; data?: unknown };
  if (state !== 'success') throw new HookFault('refused', `answered the state ${JSON.stringify(state) ?? 'undefined'}`);
  // Yes or no may come without its name.
  if (name === 'need_registration' && typeof data === 'boolean') return { result: data };
  // PHP writes an empty array for an empty object.
  if (Array.isArray(data) && data.length === 0) return {};
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new HookFault('invalid', 'the data of the answer is no object');
  return data;
}
