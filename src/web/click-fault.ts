import { CallRefused, type RefusalReason } from '../core/click-to-call.ts';
import { Retryable } from '../core/errors.ts';
import { WebFault } from './fault.ts';

const statuses: Readonly<Record<RefusalReason, number>> = {
  unknown_employee: 404,
  foreign_extension: 403,
  not_a_number: 400,
  number_not_allowed: 403,
  duplicate: 409,
  employee_busy: 409,
  too_many: 429,
  no_pbx: 503,
  pbx_refused: 502,
};

/** Why a click placed no call, as an answer; what is none of these comes back as it was. */
export function toClickFault(error: unknown): unknown {
  if (error instanceof CallRefused) return new WebFault(statuses[error.reason], error.reason, error.message);
  if (error instanceof Retryable) return new WebFault(503, 'pbx_unreachable', error.message);
  return error;
}
