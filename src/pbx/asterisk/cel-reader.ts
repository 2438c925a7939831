import { open } from 'node:fs/promises';
import type { PbxEvent } from '../../core/pbx-event.ts';
import type { Clock, CursorStore, Log, PartStatus, PbxEventSink } from '../../core/ports.ts';
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
  #layout: CelLayout | null;
  #unreadable = 0;
  #lastEventAt: Date | null = null;

  /** Throws RangeError when configured columns lack one that is needed. */
  constructor(settings: CsvReaderSettings, parts: CsvReaderParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#layout = settings.columns === null ? null : new CelLayout(settings.columns, parts.time);
    this.#tail = new FileTail(
      { path: settings.file, cursor: `${parts.source}: cel ${settings.file}`, ...startOf(settings, parts.clock) },
      {
        cursors: parts.cursors,
        log: parts.log,
        onRows: (rows) => this.#take(rows),
        timeOf: (row) => this.#layoutFor([row])?.read(row)?.at ?? null,
      },
    );
  }

  start(): void {
    this.#tail.start();
  }
  stop(): Promise<void> {
    return this.#tail.stop();
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
    const layout = this.#layoutFor(rows) ?? (await this.#recogniseByHead());
    const events: PbxEvent[] = [];
    let unreadable = 0;
    for (const row of rows) {
      const record = layout?.read(row) ?? null;
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

  #layoutFor(rows: readonly (readonly string[])[]): CelLayout | null {
    if (this.#layout !== null) return this.#layout;
    const columns = recogniseCelColumns(rows, this.#parts.time);
    if (columns !== null) this.#layout = new CelLayout(columns, this.#parts.time);
    return this.#layout;
  }

  /** A batch may hold only rows that show nothing; a heading stands in the first line. */
  async #recogniseByHead(): Promise<CelLayout | null> {
    const handle = await open(this.#settings.file, 'r');
    try {
      const buffer = Buffer.alloc(64 * 1024);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
      const records: CsvRecord[] = [];
      new CsvFramer().push(buffer.subarray(0, bytesRead), records);
      return this.#layoutFor(records.map((record) => record.fields));
    } finally {
      await handle.close();
    }
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
