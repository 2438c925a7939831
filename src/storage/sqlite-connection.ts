import { Worker } from 'node:worker_threads';
import type { SqliteAnswer, SqliteQuestion, SqliteThreadOptions } from './sqlite-thread.ts';

/** One SQLite connection on its own thread; statements are answered in the order they are asked. */
export interface SqliteConnection {
  ask(sql: string, bindings: readonly unknown[]): Promise<SqliteAnswer>;
  /** Runs the statement for each row, all or none; see `SqliteQuestion`. */
  askEach(sql: string, rows: readonly (readonly unknown[])[]): Promise<SqliteAnswer>;
  /** Resolves when the file is closed and the thread has ended. */
  close(): Promise<void>;
  /** Knex's mark of a connection that must not be used again. */
  __knex__disposed?: unknown;
}

function startThread(options: SqliteThreadOptions): Worker {
  const file = import.meta.url;
  if (!file.endsWith('.ts')) return new Worker(new URL('./sqlite-thread.js', file), { workerData: options });
  // Node 20 does not hand a loader on to a thread's first file, so the thread loads TypeScript by itself.
  const path = JSON.stringify(new URL('./sqlite-thread.ts', file).pathname);
  return new Worker(`require('tsx/cjs/api').register(); require(${path});`, { eval: true, workerData: options });
}

/** Opens the file; rejects with SQLite's error (`code` is kept). */
export async function openSqlite(options: SqliteThreadOptions): Promise<SqliteConnection> {
  const thread = startThread(options);
  const waiting = new Map<number, { resolve(answer: SqliteAnswer): void; reject(error: Error): void }>();
  let lastId = 0;
  const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));

  const expect = (id: number) =>
    new Promise<SqliteAnswer>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  const send = async (question: Omit<SqliteQuestion, 'id'>): Promise<SqliteAnswer> => {
    if (connection.__knex__disposed !== undefined) throw new Error('The database thread ended');
    const id = ++lastId;
    const answer = expect(id);
    thread.postMessage({ id, ...question } satisfies SqliteQuestion);
    return answer;
  };
  const connection: SqliteConnection = {
    ask: (sql, bindings) => send({ sql, bindings }),
    askEach: (sql, rows) => send({ sql, rows }),
    async close() {
      if (connection.__knex__disposed === undefined) await send({});
      await exited;
    },
  };
  const fail = (error: Error) => {
    connection.__knex__disposed ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  thread.on('message', (answer: SqliteAnswer) => {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) asked?.resolve(answer);
    else asked?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }));
  });
  thread.on('error', (error) => fail(new Error(`The database thread ended: ${error.message}`, { cause: error })));
  thread.on('exit', () => fail(new Error('The database thread ended')));

  try {
    await expect(0);
  } catch (error) {
    await exited;
    throw error;
  }
  return connection;
}
