const quote = '"';

/**
 * Splits one CSV record (without its line break) into fields; a quote inside a quoted field is doubled. Null when a
 * quoted field is still open at the end: the record goes on in the next line.
 *
 * Written here, not taken from csv-parse: there a row that was torn by a crash swallows the rows behind it, and a stored reading
 * position needs the byte where each row ends.
 */
export function splitCsvRecord(text: string): string[] | null {
  const fields: string[] = [];
  for (let i = 0; ;) {
    let comma: number;
    if (text[i] === quote) {
      let end = text.indexOf(quote, i + 1);
      let hasDoubled = false;
      while (end >= 0 && text[end + 1] === quote) {
        hasDoubled = true;
        end = text.indexOf(quote, end + 2);
      }
      if (end < 0) return null;
      const inner = text.slice(i + 1, end);
      comma = end + 1 < text.length ? text.indexOf(',', end + 1) : -1;
      // Text after a closing quote is no CSV; it is kept so that nothing shifts.
      const stray = comma === end + 1 ? '' : text.slice(end + 1, comma < 0 ? text.length : comma);
      fields.push((hasDoubled ? inner.replaceAll('""', quote) : inner) + stray);
    } else {
      comma = text.indexOf(',', i);
      fields.push(text.slice(i, comma < 0 ? text.length : comma));
    }
    if (comma < 0) return fields;
    i = comma + 1;
  }
}

/** No row of a CDR or CEL file is narrower. */
const minWidth = 6;

/** One record and where it ends, in bytes from the start of the framer's stream. */
export interface CsvRecord {
  readonly fields: readonly string[];
  readonly endOffset: number;
}

/**
 * Cuts a byte stream into CSV records; line breaks inside quotes belong to the field. A row that was torn (the writer
 * crashed, the disk was full) leaves a quote open: it is given up as soon as a following line is by itself a row as wide as the last good one,
 * at the latest after `maxRecordBytes`, so that a broken row costs itself and not the file.
 */
export class CsvFramer {
  readonly #maxRecordBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Offset of the first held byte. */
  #offset: number;
  /** Fields of the last good row; 0 before the first. */
  #width = 0;

  constructor(options: { startOffset?: number; maxRecordBytes?: number } = {}) {
    this.#offset = options.startOffset ?? 0;
    this.#maxRecordBytes = options.maxRecordBytes ?? 64 * 1024;
  }

  push(chunk: Buffer, records: CsvRecord[]): void {
    if (chunk.indexOf(0x0a) < 0) {
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
      return;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([...this.#held, chunk]);
    let start = 0;
    let lineStart = 0;
    for (let from = 0; ;) {
      const lineEnd = bytes.indexOf(0x0a, from);
      if (lineEnd < 0) break;
      from = lineEnd + 1;
      // A line that is a whole row by itself ends whatever was open before it; the rest of a field is narrower.
      const alone = lineStart > start && this.#width > 0 ? readLine(bytes, lineStart, lineEnd, false) : null;
      const fields =
        alone !== null && alone.length === this.#width
          ? alone
          : readLine(bytes, start, lineEnd, lineEnd - start > this.#maxRecordBytes);
      lineStart = from;
      if (fields === null) continue;
      if (fields.length >= minWidth) this.#width = fields.length;
      if (fields.length > 0) records.push({ fields, endOffset: this.#offset + from });
      start = from;
    }
    this.#offset += start;
    const rest = bytes.subarray(start);
    this.#held = rest.length > 0 ? [rest] : [];
    this.#heldBytes = rest.length;
  }

  /** The stream has ended: a last line without a line break is a record too. */
  end(records: CsvRecord[]): void {
    if (this.#heldBytes === 0) return;
    const bytes = Buffer.concat(this.#held);
    const fields = readLine(bytes, 0, bytes.length, true);
    if (fields !== null && fields.length > 0) records.push({ fields, endOffset: this.#offset + bytes.length });
    this.#offset += bytes.length;
    this.#held = [];
    this.#heldBytes = 0;
  }
}

function readLine(bytes: Buffer, start: number, lineEnd: number, isForced: boolean): string[] | null {
  const end = lineEnd > start && bytes[lineEnd - 1] === 0x0d ? lineEnd - 1 : lineEnd;
  if (end === start) return [];
  // A power cut leaves zeros where a row was not written yet; the next row stands behind them, and no database takes them.
  const text = bytes.toString('utf8', start, end).replaceAll('\0', '');
  return splitCsvRecord(text) ?? (isForced ? text.split(',') : null);
}
