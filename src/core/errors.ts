/**
 * The three ways a request to a CRM can fail. Adapters translate statuses into these once, in their `api` file;
 * everything else that is thrown is a bug and is not caught in the middle.
 */

/** Worth trying again: the network, a 5xx, a limit. `retryAfterMs` is the wait the CRM asked for, when it did. */
export class Retryable extends Error {
  override readonly name = 'Retryable';
  readonly retryAfterMs: number | null;
  constructor(message: string, options: { retryAfterMs?: number | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** The CRM will never accept this as it is; a person must look. `details` holds the CRM's own words, field by field. */
export class Rejected extends Error {
  override readonly name = 'Rejected';
  readonly details: unknown;
  constructor(message: string, options: { details?: unknown; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.details = options.details ?? null;
  }
}

/** Our access is gone (token revoked, account unpaid, ban): the whole CRM is paused and an alarm is raised. */
export class AuthRequired extends Error {
  override readonly name = 'AuthRequired';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
  }
}
