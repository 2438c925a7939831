import { AuthRequired, Rejected, Retryable } from '../../core/errors.ts';

/** SQLite result codes that pass by themselves (https://www.sqlite.org/rescode.html). */
const sqliteRetryable = /^SQLITE_(?:BUSY|LOCKED|IOERR|FULL|CANTOPEN|NOMEM|INTERRUPT|PROTOCOL)/;
/** PostgreSQL classes: connection, transaction rollback, resources, operator intervention, system error (appendix A). */
const postgresRetryable = /^(?:08|40|53|57|58)...$|^(?:25006|55P03)$/;
const networkCodes = /^(?:ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND|ENOENT)/;
/** Faults of `pg`, `tarn` and the thread of our SQLite connection, which carry no code. */
const passingMessages =
  /connection (?:terminated|ended)|(?:acquire|acquiring) a connection|query read timeout|timeout expired|connection error|database thread ended/i;

/** The database's fault as one of the three ways a CRM can fail; anything else comes back as it was: a bug. */
export function translateDatabaseFault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Retryable || error instanceof Rejected) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (
    sqliteRetryable.test(code) ||
    postgresRetryable.test(code) ||
    networkCodes.test(code) ||
    error.name === 'KnexTimeoutError' ||
    passingMessages.test(error.message)
  ) {
    return new Retryable(`the database of the built-in CRM is not available: ${error.message}`, { cause: error });
  }
  if (/^28/.test(code)) return new AuthRequired(`the database refuses us: ${error.message}`, { cause: error });
  if (/^SQLITE_CONSTRAINT|^2[23]/.test(code)) {
    return new Rejected('the built-in CRM cannot store this', { details: error.message, cause: error });
  }
  return error;
}

/** Runs work on the database and lets out only what `translateDatabaseFault` makes of its faults. */
export async function withFaults<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw translateDatabaseFault(error);
  }
}

/** A value that a person must mend. */
export function faultyField(field: string, message: string): Rejected {
  return new Rejected(`${field}: ${message}`, { details: { [field]: message } });
}
