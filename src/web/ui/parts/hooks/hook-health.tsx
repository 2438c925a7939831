import type { Health } from '../../../../core/ports.ts';
import { tCount } from '../../i18n/words.ts';
import { Badge } from '../badge.tsx';

/** How a hook does; that its last runs failed is said at the first of them, before the service warns of it. */
export function HookHealth({
  health,
  hook,
}: {
  readonly health: Health;
  readonly hook: { readonly failuresInRow: number };
}) {
  const { failuresInRow } = hook;
  if (failuresInRow === 0) return <Badge kind="health" word={health} />;
  return (
    <>
      {health !== 'ok' && <Badge kind="health" word={health} />}{' '}
      <span class="badge warn">{tCount('hooks.lastFailed', failuresInRow)}</span>
    </>
  );
}
