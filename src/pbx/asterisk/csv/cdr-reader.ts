import type { PbxEvent } from '../../../core/pbx-event.ts';
import type { PartStatus } from '../../../core/ports.ts';
import { CdrLayout, translateCdr } from './cdr-row.ts';
import { readerStatus, readHeadRows, startOf, type CsvReaderParts, type CsvReaderSettings } from './cel-reader.ts';
import { FileTail } from './file-tail.ts';

export interface CdrReaderSettings extends CsvReaderSettings {
  /**
   * What to do with rows that do not say which call they belong to (`newcdrcolumns = no`): take each channel for a call of its own,
   * which is right only where nothing else reports calls.
   */
  readonly withoutLinkedId: 'own-call' | 'skip';
  /**
   * Awaited before rows are given on: the reader that knows more of the same calls tells them first, so that none is
   * taken for final in the words of a CDR alone, without the uniqueids of the phones. Null where there is none.
   */
  readonly richerReader: { catchUp(): Promise<void> } | null;
}

/** What happened to calls, from a CDR file (`cdr_csv`'s Master.csv): whole seconds and no bridges, but on every Asterisk. */
export class CdrReader {
  readonly #settings: CdrReaderSettings;
  readonly #parts: CsvReaderParts;
  readonly #layout: CdrLayout;
  readonly #tail: FileTail;
  #isZoneKnown = false;
  #unreadable = 0;
  #skipped = 0;
  #lastEventAt: Date | null = null;

  constructor(settings: CdrReaderSettings, parts: CsvReaderParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#layout = new CdrLayout(settings.columns, parts.time);
    this.#tail = new FileTail(
      { path: settings.file, cursor: `${parts.source}: cdr ${settings.file}`, ...startOf(settings, parts.clock) },
      {
        cursors: parts.cursors,
        log: parts.log,
        onRows: (rows) => this.#take(rows),
        timeOf: async (row) => {
          await this.#learnZone();
          return this.#layout.read(row)?.endedAt ?? null;
        },
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

  status(): PartStatus {
    const { file } = this.#settings;
    return readerStatus(`${this.#parts.source}: CDR`, file, this.#tail, {
      missing: `There is no ${file} yet. If calls have been made, load cdr_csv and set [csv] in cdr.conf.`,
      unreadable:
        this.#skipped > 0
          ? `${this.#skipped} rows of ${file} have no linkedid and were passed over; set loguniqueid = yes and newcdrcolumns = yes in [csv] of cdr.conf`
          : this.#unreadable > 0
            ? `${this.#unreadable} rows of ${file} are no CDR rows; set cdr.columns to their order`
            : null,
      lastEventAt: this.#lastEventAt,
    });
  }

  /** The row that comes first may be a later one of a long call and tell nothing about the zone. */
  async #learnZone(): Promise<void> {
    if (this.#isZoneKnown) return;
    for (const row of await readHeadRows(this.#settings.file)) this.#layout.read(row);
    this.#isZoneKnown = true;
  }

  async #take(rows: readonly (readonly string[])[]): Promise<void> {
    await this.#learnZone();
    const events: PbxEvent[] = [];
    let unreadable = 0;
    let skipped = 0;
    for (const row of rows) {
      const record = this.#layout.read(row);
      if (record === null) unreadable++;
      else if (record.linkedId === '' && this.#settings.withoutLinkedId === 'skip') skipped++;
      else translateCdr(this.#parts.source, record, events);
    }
    if (events.length > 0) {
      await this.#settings.richerReader?.catchUp();
      await this.#parts.sink.accept(events);
      this.#lastEventAt = new Date(events.at(-1)!.at);
    }
    this.#unreadable += unreadable;
    this.#skipped += skipped;
  }
}
