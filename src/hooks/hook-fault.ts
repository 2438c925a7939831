/**
 * Why a hook did not give an answer. `timeout`, `crash`, `memory`, `flood` and `garbage` cost time or a process and count for the
 * breaker; `error` (it threw), `refused` (state is not success) and `invalid` (an answer that cannot be used) do not.
 */
export type HookFaultKind =
  'timeout' | 'crash' | 'memory' | 'flood' | 'garbage' | 'start' | 'error' | 'refused' | 'invalid' | 'busy' | 'paused';

export class HookFault extends Error {
  override readonly name = 'HookFault';
  readonly kind: HookFaultKind;
  constructor(kind: HookFaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
