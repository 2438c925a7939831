/** The database cannot be used as it is, and a person must act; the message says what is wrong and how to mend it. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable';
}

/** SQLSTATE classes: connection exceptions, insufficient resources, operator intervention, system error. */
const unavailableStates = /^(08|53|57|58)/;
/** 25006: a standby answered; 40001, 40P01: try the transaction again; 55P03: a lock was not given in time. */
const retryableStates = new Set(['25006', '40001', '40P01', '55P03']);
const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
const sqliteCodes = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|NOMEM|PROTOCOL)/;
/** Errors of `pg`, `tarn` and our SQLite thread that carry no code. */
const messages =
  /Connection terminated|Connection ended|Client has encountered a connection error|Query read timeout|timeout expired|Timeout acquiring a connection|Unable to acquire a connection|database thread ended/i;

/**
 * True when the same write may succeed later without anybody changing it: the database is down, unreachable, locked,
 * full, or restarting. False for faults of ours (a constraint, a wrong statement).
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (/^[0-9A-Z]{5}$/.test(code) && !networkCodes.has(code)) {
    return unavailableStates.test(code) || retryableStates.has(code);
  }
  return networkCodes.has(code) || sqliteCodes.test(code) || messages.test(error.message) || isUnavailable(error.cause);
}

/** True for SQLite's words for a file that is no database or has damaged pages. */
export function isDamaged(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CORRUPT|NOTADB)/.test(code);
}
