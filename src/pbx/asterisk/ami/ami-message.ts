import { Rejected } from '../../../core/errors.ts';

/**
 * One message of an AMI stream: an event, or the response to an action. Headers are split only when first asked for,
 * because most events of a busy PBX are recognised by their name and passed over.
 */
export class AmiMessage {
  /** The message as received, decoded from UTF-8 (broken bytes become U+FFFD), without the blank line that ends it. */
  readonly text: string;
  /** The event's name; empty for anything that is not an event. */
  readonly event: string;
  /** True when the message was longer than the reader's limit; headers past the limit are missing. */
  readonly isTruncated: boolean;
  readonly #lineEnd: string;
  /** name, value, name, value, … in the order received. */
  #headers: string[] | null = null;

  constructor(text: string, options: { lineEnd: '\r\n' | '\n'; isTruncated?: boolean }) {
    this.text = text;
    this.#lineEnd = options.lineEnd;
    this.isTruncated = options.isTruncated ?? false;
    this.event = text.startsWith('Event: ') ? firstValue(text, this.#lineEnd) : '';
  }

  /** The first value of a header, empty when it is absent. Names are compared exactly as Asterisk writes them. */
  get(name: string): string {
    const headers = (this.#headers ??= this.#split());
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1]!;
    return '';
  }

  /** As `get`, for a first look at messages most of which are then passed over: without splitting all headers. */
  peek(name: string): string {
    if (this.#headers !== null) return this.get(name);
    const { text } = this;
    const found = text.indexOf(`${this.#lineEnd}${name}: `);
    if (found < 0) return '';
    const start = found + this.#lineEnd.length + name.length + 2;
    const end = text.indexOf(this.#lineEnd, start);
    return text.slice(start, end < 0 ? text.length : end);
  }

  has(name: string): boolean {
    const headers = (this.#headers ??= this.#split());
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
    return false;
  }

  /** All values of a repeated header (`ChanVariable`, `Output`, `Variable`), in the order received. */
  all(name: string): string[] {
    const headers = (this.#headers ??= this.#split());
    const values: string[] = [];
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) values.push(headers[i + 1]!);
    return values;
  }

  /** Every header in the order received, repeated ones included. A line without a colon has an empty name. */
  entries(): [name: string, value: string][] {
    const headers = (this.#headers ??= this.#split());
    const entries: [string, string][] = [];
    for (let i = 0; i < headers.length; i += 2) entries.push([headers[i]!, headers[i + 1]!]);
    return entries;
  }

  #split(): string[] {
    const { text } = this;
    const lineEnd = this.#lineEnd;
    const headers: string[] = [];
    for (let start = 0; start < text.length;) {
      let end = text.indexOf(lineEnd, start);
      if (end < 0) end = text.length;
      const colon = text.indexOf(':', start);
      if (colon < 0 || colon >= end) {
        headers.push('', text.slice(start, end));
      } else {
        const valueStart = text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1;
        headers.push(text.slice(start, colon), text.slice(Math.min(valueStart, end), end));
      }
      start = end + lineEnd.length;
    }
    return headers;
  }
}

function firstValue(text: string, lineEnd: string): string {
  const end = text.indexOf(lineEnd);
  return text.slice('Event: '.length, end < 0 ? text.length : end);
}

/** One header of an action; an action may repeat a name (`Variable`). */
export type AmiHeader = readonly [name: string, value: string];

const headerName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const lineBreaks = /[\r\n\0]/;
/** Asterisk 22 keeps at most 128 headers of an action and 1,023 bytes of a line (`struct message`, `AST_MAX_MANHEADERS`). */
const maxHeaders = 128;
const maxLineBytes = 1023;

/**
 * Checks the headers of one action. Rejects with `Rejected` what could become a second action or header (CR, LF, NUL in
 * a name or a value), what is not a header name, and what Asterisk would silently cut.
 */
export function checkAction(headers: readonly AmiHeader[]): void {
  if (headers.length === 0 || headers[0]![0] !== 'Action')
    throw new Rejected('An AMI action starts with the header Action');
  if (headers.length > maxHeaders)
    throw new Rejected(`An AMI action has at most ${maxHeaders} headers, not ${headers.length}`);
  headers.forEach(([name, value], index) => {
    if (!headerName.test(name)) throw new Rejected(`Not an AMI header name: ${JSON.stringify(name)}`);
    if (index > 0 && name.toLowerCase() === 'action')
      throw new Rejected('An AMI action has the header Action only once');
    if (typeof value !== 'string' || lineBreaks.test(value))
      throw new Rejected(`The AMI header ${name} must be text without line breaks and NUL`);
    if (Buffer.byteLength(value) + name.length + 2 > maxLineBytes)
      throw new Rejected(`The AMI header ${name} is longer than ${maxLineBytes} bytes`);
  });
}

/** One action as it goes on the wire, after `checkAction`. */
export function encodeAction(headers: readonly AmiHeader[]): string {
  checkAction(headers);
  let text = '';
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  return text + '\r\n';
}
