import { open } from 'node:fs/promises';
import type { PbxEvent } from '../../core/pbx-event.ts';
import { AmiMessage } from './ami/ami-message.ts';
import { AmiParser } from './ami/ami-parser.ts';
import { cdrDispositions, CdrLayout, stockCdrColumnsOf, translateCdr } from './csv/cdr-row.ts';
import { CelLayout, recogniseCelColumns, translateCel } from './csv/cel-row.ts';
import { CsvFramer, type CsvRecord } from './csv/csv-record.ts';
import { LocalTime } from './csv/local-time.ts';
import { AmiTranslator } from './translate.ts';

export type CaptureKind = 'ami' | 'cel' | 'cdr';

/** How to read a capture; the configuration of the source that it came from. */
export interface CaptureSettings {
  /** Name of the source in the events. */
  readonly source: string;
  /** Zone of times that are written without one. */
  readonly timeZone: string;
}

const chunkBytes = 256 * 1024;
/** Read before the kind is decided. */
const headBytes = 64 * 1024;

/**
 * Reads a recorded AMI stream (raw bytes), a CEL CSV or a CDR Master.csv, told apart by content, and yields its events in batches, in
 * the order of the file. Memory does not grow with the file. Throws an Error that says what is wrong when the file cannot be read
 * or is none of these; an empty file yields nothing.
 */
export async function* readCapture(
  path: string,
  settings: CaptureSettings,
): AsyncGenerator<readonly PbxEvent[], void, void> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    let reader: CaptureReader | null = null;
    let position = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const chunk = buffer.subarray(0, bytesRead);
      reader ??= createReader(chunk, settings, path);
      const events: PbxEvent[] = [];
      reader.push(chunk, events);
      if (events.length > 0) yield events;
    }
    const last: PbxEvent[] = [];
    reader?.end(last);
    if (last.length > 0) yield last;
  } finally {
    await file.close();
  }
}

interface CaptureReader {
  push(chunk: Buffer, events: PbxEvent[]): void;
  end(events: PbxEvent[]): void;
}

function createReader(head: Buffer, settings: CaptureSettings, path: string): CaptureReader {
  const kind = recogniseCapture(head, settings.timeZone);
  if (kind === null) throw new Error(`${path} is neither an AMI capture, nor a CEL CSV, nor a CDR Master.csv`);
  const { source } = settings;
  const time = new LocalTime(settings.timeZone);
  if (kind === 'ami') {
    const parser = new AmiParser();
    const translator = new AmiTranslator({ source, now: null, time });
    const messages: AmiMessage[] = [];
    const translateAll = (events: PbxEvent[]) => {
      for (const message of messages) translator.translate(message, events);
      messages.length = 0;
    };
    return {
      push(chunk, events) {
        parser.push(chunk, messages);
        translateAll(events);
      },
      end(events) {
        parser.end(messages);
        translateAll(events);
      },
    };
  }
  const framer = new CsvFramer();
  const translateRow = kind === 'cel' ? celRowTranslator(head, source, time) : cdrRowTranslator(head, source, time);
  const records: CsvRecord[] = [];
  const translateAll = (events: PbxEvent[]) => {
    for (const record of records) translateRow(record.fields, events);
    records.length = 0;
  };
  return {
    push(chunk, events) {
      framer.push(chunk, records);
      translateAll(events);
    },
    end(events) {
      framer.end(records);
      translateAll(events);
    },
  };
}

type TranslateRow = (fields: readonly string[], events: PbxEvent[]) => void;

function celRowTranslator(head: Buffer, source: string, time: LocalTime): TranslateRow {
  const rows = firstRows(head);
  const layout = new CelLayout(recogniseCelColumns(rows, time)!, time);
  // Teaches the zone before the first row is read, which may tell nothing about it.
  for (const row of rows) layout.read(row);
  return (fields, events) => {
    const record = layout.read(fields);
    if (record !== null) translateCel(source, record, events);
  };
}
function cdrRowTranslator(head: Buffer, source: string, time: LocalTime): TranslateRow {
  const rows = firstRows(head);
  const layout = new CdrLayout(headingOf(rows), time);
  for (const row of rows) layout.read(row);
  return (fields, events) => {
    const record = layout.read(fields);
    if (record !== null) translateCdr(source, record, events);
  };
}

/** What the first bytes of a file look like; null for none of the three. */
export function recogniseCapture(head: Buffer, timeZone: string): CaptureKind | null {
  const text = head.toString('latin1', 0, headBytes);
  if (/(?:^|\n)(?:Asterisk Call Manager\/|(?:Event|Response|Action): )/.test(text)) return 'ami';
  const time = new LocalTime(timeZone);
  const rows = firstRows(head);
  if (recogniseCelColumns(rows, time) !== null) return 'cel';
  const heading = headingOf(rows);
  if (heading !== null) return 'cdr';
  return rows.some((fields) => isStockCdr(fields, time)) ? 'cdr' : null;
}

function firstRows(head: Buffer): (readonly string[])[] {
  const framer = new CsvFramer();
  const records: CsvRecord[] = [];
  framer.push(head.subarray(0, headBytes), records);
  // A file of a single row may lack its line break.
  if (records.length === 0) framer.end(records);
  return records.map((record) => record.fields);
}
function isStockCdr(fields: readonly string[], time: LocalTime): boolean {
  const columns = stockCdrColumnsOf(fields);
  if (columns === null) return false;
  return (
    cdrDispositions.has(fields[columns.indexOf('disposition')]!) &&
    time.parse(fields[columns.indexOf('start')]!) !== null &&
    time.parse(fields[columns.indexOf('end')]!) !== null
  );
}
/** The column names of a CDR file that has them in its first line (an export of a table). */
function headingOf(rows: readonly (readonly string[])[]): readonly string[] | null {
  const heading = rows[0]?.map((name) => name.trim().toLowerCase());
  return heading !== undefined && ['channel', 'dstchannel', 'disposition'].every((name) => heading.includes(name))
    ? heading
    : null;
}
