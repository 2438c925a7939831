/** How long a recording is kept. */
import type { Direction } from '../call.ts';
import type { Recording } from '../recording.ts';

const dayMs = 24 * 60 * 60 * 1_000;

/** All that is given must hold. */
export interface RetentionRule {
  /** Null: for ever. */
  readonly days: number | null;
  readonly directions: readonly Direction[] | null;
  readonly extensions: readonly string[] | null;
  readonly dids: readonly string[] | null;
}

/** When the recording is to be deleted; null: never. The first rule that fits decides, else `days`. */
export function keepUntil(
  retention: { readonly days: number | null; readonly rules: readonly RetentionRule[] },
  recording: Pick<Recording, 'direction' | 'extension' | 'did' | 'startedAt'>,
): Date | null {
  const isIn = (value: string | null, list: readonly string[] | null) =>
    list === null || (value !== null && list.includes(value));
  const rule = retention.rules.find(
    ({ directions, extensions, dids }) =>
      isIn(recording.direction, directions) && isIn(recording.extension, extensions) && isIn(recording.did, dids),
  );
  const days = rule === undefined ? retention.days : rule.days;
  return days === null ? null : new Date(recording.startedAt.getTime() + days * dayMs);
}
