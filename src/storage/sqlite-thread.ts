/**
 * The thread that owns one SQLite connection. SQLite is synchronous: every commit waits for the disk, and a locked file
 * is waited for in a busy loop. Here that stops nobody else; on the main thread it would stop calls that are ringing.
 */
import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';

/** What the thread is started with. */
export interface SqliteThreadOptions {
  readonly path: string;
  readonly isReader: boolean;
  /** How long a lock of another process is waited for. */
  readonly busyTimeoutMs: number;
}
/**
 * One statement; `id` comes back with the answer. With `rows` it is run once for each of them, for all or for none.
 * Without `sql`: close and end.
 */
export interface SqliteQuestion {
  readonly id: number;
  readonly sql?: string;
  readonly bindings?: readonly unknown[];
  readonly rows?: readonly (readonly unknown[])[];
}
/** `rows` for statements that return rows, `changes` and `lastId` for others, or the error. */
export interface SqliteAnswer {
  readonly id: number;
  readonly rows?: readonly unknown[];
  readonly changes?: number;
  readonly lastId?: number;
  readonly error?: { readonly message: string; readonly code: string };
}

/** SQLite compiles a statement in about the time it needs to run a small one. */
const cachedStatements = 200;
/** Files below this size are checked at each start; larger ones by `checkDatabase` only. */
const checkedBytes = 64 * 1024 * 1024;

function open({ path, isReader, busyTimeoutMs }: SqliteThreadOptions): Sqlite.Database {
  const connection = new Sqlite(path, { timeout: busyTimeoutMs });
  try {
    if (isReader) {
      connection.pragma('query_only = ON');
      return connection;
    }
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = FULL');
    connection.pragma('foreign_keys = ON');
    // In KiB. Of a ledger of a year, a call that is saved touches a dozen indexes; by itself SQLite keeps 2 MB of them.
    connection.pragma('cache_size = -8000');
    const pages = Number(connection.pragma('page_count', { simple: true }));
    const pageBytes = Number(connection.pragma('page_size', { simple: true }));
    if (pages * pageBytes <= checkedBytes) {
      const finding = String(connection.pragma('quick_check(1)', { simple: true }));
      if (finding !== 'ok') throw Object.assign(new Error(finding), { code: 'SQLITE_CORRUPT' });
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function toAnswer(id: number, error: unknown): SqliteAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'SQLITE_ERROR';
  return { id, error: { message, code } };
}

const port = parentPort;
if (port === null) throw new Error('sqlite-thread is started as a worker thread');

try {
  const connection = open(workerData as SqliteThreadOptions);
  const statements = new Map<string, Sqlite.Statement>();

  const prepare = (sql: string): Sqlite.Statement => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = connection.prepare(sql);
    if (statements.size >= cachedStatements) statements.delete(statements.keys().next().value!);
    statements.set(sql, statement);
    return statement;
  };

  const runEach = connection.transaction(
    (statement: Sqlite.Statement, rows: readonly (readonly unknown[])[]): unknown[] => {
      if (statement.reader) return rows.flatMap((row) => statement.all(row));
      for (const row of rows) statement.run(row);
      return [];
    },
  );

  port.on('message', ({ id, sql, bindings, rows }: SqliteQuestion) => {
    if (sql === undefined) {
      connection.close();
      port.postMessage({ id } satisfies SqliteAnswer);
      port.close();
      return;
    }
    try {
      const statement = prepare(sql);
      if (rows !== undefined) {
        port.postMessage({ id, rows: runEach(statement, rows) } satisfies SqliteAnswer);
        return;
      }
      if (statement.reader) {
        port.postMessage({ id, rows: statement.all(bindings ?? []) } satisfies SqliteAnswer);
        return;
      }
      const { changes, lastInsertRowid } = statement.run(bindings ?? []);
      port.postMessage({ id, changes, lastId: Number(lastInsertRowid) } satisfies SqliteAnswer);
    } catch (error) {
      port.postMessage(toAnswer(id, error));
    }
  });
  port.postMessage({ id: 0 } satisfies SqliteAnswer);
} catch (error) {
  port.postMessage(toAnswer(0, error));
  port.close();
}
