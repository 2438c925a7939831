import type { ClickRequest } from './click-book.ts';

const minuteMs = 60_000;

export interface RequestLimits {
  /** Of one employee. */
  readonly perMinute: number;
  readonly perHour: number;
  /** Of everybody together. */
  readonly allPerHour: number;
}

/**
 * A stolen key must not become a telephone bill. Null: there may be one more of this employee, else which limit is reached.
 * `ofHour`: the requests of everybody in the last hour.
 */
export function findReachedLimit(
  { perMinute, perHour, allPerHour }: RequestLimits,
  employeeId: string,
  ofHour: readonly Pick<ClickRequest, 'employeeId' | 'requestedAt'>[],
  now: Date,
): string | null {
  const own = ofHour.filter((request) => request.employeeId === employeeId);
  const ofMinute = own.filter(({ requestedAt }) => now.getTime() - requestedAt.getTime() < minuteMs);
  if (ofMinute.length >= perMinute) return `${perMinute} a minute for one employee`;
  if (own.length >= perHour) return `${perHour} an hour for one employee`;
  if (ofHour.length >= allPerHour) return `${allPerHour} an hour for everybody together`;
  return null;
}
