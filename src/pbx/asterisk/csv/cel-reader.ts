import { open, type FileHandle } from 'node:fs/promises';
import type { PbxEvent } from '../../../core/pbx-event.ts';
import type { Clock, CursorStore, Log, PartStatus, PbxEventSink } from '../../../core/ports.ts';
import { CelLayout, recogniseCelColumns, translateCel } from './cel-row.ts';
import { CsvFramer, type CsvRecord } from './csv-record.ts';
import { FileTail } from './file-tail.ts';
import type { LocalTime } from './local-time.ts';

export interface CsvReaderSettings {
  readonly file: string;
  /** Names of the file's columns; null: told from its content. */
  readonly columns: readonly string[] | null;
  /** How far back to begin when the file is read for the first time; null: from its start. */
  readonly lookBackMs: number | null;
  readonly pollMs: number;
}

export interface CsvReaderParts {
  readonly source: string;
  readonly sink: PbxEventSink;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly time: LocalTime;
}

/** What happened to calls, from a CEL file (`cel_custom`), however long we were away. */
export class CelReader {
  readonly #settings: CsvReaderSettings;
  readonly #parts: CsvReaderParts;
  readonly #tail: FileTail;
  #layout: CelLayout | null = null;
  #unreadable = 0;
  #lastEventAt: Date | null = null;

  constructor(settings: CsvReaderSettings, parts: CsvReaderParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#tail = new FileTail(
      { path: settings.file, cursor: `${parts.source}: cel ${settings.file}`, ...startOf(settings, parts.clock) },
      {
        cursors: parts.cursors,
        log: parts.log,
        onRows: (rows) => this.#take(rows),
        timeOf: async (row) => (this.#layout ??= await this.#recognise([row]))?.read(row)?.at ?? null,
      },
    );
  }

  /** Resolves as that of its file's tail does. */
  start(): Promise<void> {
    return this.#tail.start();
  }
  stop(): Promise<void> {
    return this.#tail.stop();
  }

  /** Resolves when what stands in the file now has been taken, or could not be. */
  catchUp(): Promise<void> {
    return this.#tail.catchUp();
  }

  status(): PartStatus {
    const { file } = this.#settings;
    return readerStatus(`${this.#parts.source}: CEL`, file, this.#tail, {
      missing: `There is no ${file} yet. If calls have been made, enable CEL in cel.conf and map the file in cel_custom.conf.`,
      unreadable:
        this.#unreadable === 0
          ? null
          : `${this.#unreadable} rows of ${file} are no CEL rows; set cel.columns to the order in cel_custom.conf`,
      lastEventAt: this.#lastEventAt,
    });
  }

  async #take(rows: readonly (readonly string[])[]): Promise<void> {
    this.#layout ??= await this.#recognise(rows);
    const events: PbxEvent[] = [];
    let unreadable = 0;
    for (const row of rows) {
      const record = this.#layout?.read(row) ?? null;
      if (record === null) unreadable++;
      else translateCel(this.#parts.source, record, events);
    }
    if (events.length > 0) {
      await this.#parts.sink.accept(events);
      this.#lastEventAt = new Date(events.at(-1)!.at);
    }
    // Only after success: refused rows come again.
    this.#unreadable += unreadable;
  }

  /** From the beginning of the file, where a heading stands; from the rows themselves when that was rotated away. */
  async #recognise(rows: readonly (readonly string[])[]): Promise<CelLayout | null> {
    const { time } = this.#parts;
    const head = await readHeadRows(this.#settings.file);
    const columns = this.#settings.columns ?? recogniseCelColumns(head, time) ?? recogniseCelColumns(rows, time);
    if (columns === null) return null;
    const layout = new CelLayout(columns, time);
    // Teaches the zone before the first row is read, which may tell nothing about it.
    for (const row of head) layout.read(row);
    return layout;
  }
}

/** The first rows of a file; none when it does not exist. */
export async function readHeadRows(file: string): Promise<(readonly string[])[]> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const buffer = Buffer.alloc(64 * 1024);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    const records: CsvRecord[] = [];
    new CsvFramer().push(buffer.subarray(0, bytesRead), records);
    return records.map((record) => record.fields);
  } finally {
    await handle.close();
  }
}

/** Where and how often a CSV reader's tail begins. */
export function startOf(
  settings: CsvReaderSettings,
  clock: Clock,
): { startAt: 'start' | 'end' | number; pollMs: number } {
  const { lookBackMs, pollMs } = settings;
  const startAt = lookBackMs === null ? 'start' : lookBackMs === 0 ? 'end' : clock.now().getTime() - lookBackMs;
  return { startAt, pollMs };
}

/** The status of a reader in plain words. */
export function readerStatus(
  part: string,
  file: string,
  tail: FileTail,
  words: { readonly missing: string; readonly unreadable: string | null; readonly lastEventAt: Date | null },
): PartStatus {
  const { fault, isMissing, rows, position, behindBytes } = tail.state;
  const details = { file, rows, position, behindBytes, lastEventAt: words.lastEventAt };
  if (fault !== null) return { part, health: 'error', message: `${file} cannot be read: ${fault}`, ...details };
  if (isMissing) return { part, health: 'warning', message: words.missing, ...details };
  if (words.unreadable !== null) return { part, health: 'warning', message: words.unreadable, ...details };
  return { part, health: 'ok', message: `Reading ${file}`, ...details };
}
