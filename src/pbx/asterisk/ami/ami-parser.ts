import { AmiMessage } from './ami-message.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const blankLine = Buffer.from('\r\n\r\n');
const bareBlankLine = Buffer.from('\n\n');
const mixedBlankLine = Buffer.from('\n\r\n');
const banner = Buffer.from('Asterisk Call Manager/');
const afterBanner = /^Asterisk Call Manager\/\S*/;

/** The greeting of an AMI server, e.g. `Asterisk Call Manager/9.0.0`, without the line break. */
export function isBanner(line: string): boolean {
  return afterBanner.test(line);
}

/**
 * Cuts an AMI byte stream into messages, whatever the sizes of its pieces. A message whose first line ends in CR LF ends
 * at an empty CR LF line, so that bare line feeds inside its values stay there; one whose first line ends in a bare LF
 * (a capture that went through an editor) ends at any empty line. The server's greeting is passed over wherever a message may
 * start. Memory is bounded: of a message over `maxMessageBytes` the whole lines within the limit are kept, the rest is
 * dropped, and the message says so.
 */
export class AmiParser {
  readonly #maxMessageBytes: number;
  /** Bytes of a message that has not ended yet; grows by doubling, reused. */
  #held = Buffer.alloc(0);
  #heldLength = 0;
  /** How many of the held bytes were searched for the end already. */
  #searched = 0;
  /** The kept part of a message that is over the limit, while its rest is dropped. */
  #overlong: { text: Buffer; lineEnd: '\r\n' | '\n' } | null = null;

  constructor(options: { maxMessageBytes?: number } = {}) {
    this.#maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
  }

  /** Gives the next bytes; appends the messages that ended in them to `messages`. */
  push(chunk: Buffer, messages: AmiMessage[]): void {
    let bytes = chunk;
    let searched = 0;
    if (this.#heldLength > 0) {
      this.#hold(chunk);
      bytes = this.#held.subarray(0, this.#heldLength);
      searched = this.#searched;
      this.#heldLength = 0;
    }
    const rest = this.#cut(bytes, searched, messages);
    // `bytes` may lie in the held buffer itself; copyWithin semantics make that safe.
    if (rest.start < bytes.length) {
      this.#hold(bytes.subarray(rest.start));
      this.#searched = rest.searched - rest.start;
    }
  }

  /** The stream has ended. A last message without its blank line is given only when asked for (files, not sockets). */
  end(messages: AmiMessage[]): void {
    if (this.#heldLength > 0 && this.#overlong === null) {
      this.push(Buffer.from('\r\n\r\n'), messages);
      if (this.#heldLength > 0) this.push(Buffer.from('\n\n'), messages);
    }
    this.reset();
  }

  /** Forgets an unfinished message: the connection was lost. */
  reset(): void {
    this.#heldLength = 0;
    this.#searched = 0;
    this.#overlong = null;
  }

  #hold(piece: Buffer): void {
    const needed = this.#heldLength + piece.length;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#held.length * 2, 4096));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      piece.copy(grown, this.#heldLength);
      this.#held = grown;
    } else {
      piece.copy(this.#held, this.#heldLength);
    }
    this.#heldLength = needed;
  }

  /** Cuts all whole messages out of `bytes`; returns where the unfinished rest starts and how far it was searched. */
  #cut(bytes: Buffer, alreadySearched: number, messages: AmiMessage[]): { start: number; searched: number } {
    let start = 0;
    let searched = alreadySearched;
    for (;;) {
      if (this.#overlong !== null) {
        const end = findEnd(bytes, start, this.#overlong.lineEnd);
        if (end === null) return { start: Math.max(start, bytes.length - 3), searched: start };
        this.#finishOverlong(messages);
        start = end.next;
        continue;
      }
      while (start < bytes.length && (bytes[start] === lineFeed || bytes[start] === carriageReturn)) start++;
      const firstLineEnd = bytes.indexOf(lineFeed, start);
      const firstLineLength = (firstLineEnd < 0 ? bytes.length : firstLineEnd) - start;
      if (firstLineLength > this.#maxMessageBytes) {
        // Nothing of it can be kept as a whole line, and how its lines end is not known.
        this.#overlong = { text: Buffer.alloc(0), lineEnd: '\n' };
        continue;
      }
      if (firstLineEnd < 0) return { start, searched: start };
      if (bytes[start] === banner[0] && isBannerAt(bytes, start)) {
        start = firstLineEnd + 1;
        continue;
      }
      const lineEnd = bytes[firstLineEnd - 1] === carriageReturn && firstLineEnd > start ? '\r\n' : '\n';
      const end = findEnd(bytes, Math.max(firstLineEnd - 1, searched - 3, start), lineEnd);
      // Up to three of the last bytes may be the beginning of the end.
      const length = (end?.at ?? bytes.length - 3) - start;
      if (length > this.#maxMessageBytes) {
        const kept = bytes.subarray(start, start + this.#maxMessageBytes);
        const lastBreak = kept.lastIndexOf(lineFeed);
        this.#overlong = { text: Buffer.from(kept.subarray(0, Math.max(lastBreak, 0))), lineEnd };
        start += Math.max(lastBreak - 1, 0);
        continue;
      }
      if (end === null) return { start, searched: bytes.length };
      messages.push(new AmiMessage(bytes.toString('utf8', start, end.at), { lineEnd }));
      start = end.next;
      searched = 0;
    }
  }

  #finishOverlong(messages: AmiMessage[]): void {
    const { text, lineEnd } = this.#overlong!;
    this.#overlong = null;
    const whole = lineEnd === '\r\n' && text.at(-1) === carriageReturn ? text.subarray(0, -1) : text;
    if (whole.length > 0) messages.push(new AmiMessage(whole.toString('utf8'), { lineEnd, isTruncated: true }));
  }
}

function isBannerAt(bytes: Buffer, start: number): boolean {
  return (
    bytes.length >= start + banner.length && bytes.compare(banner, 0, banner.length, start, start + banner.length) === 0
  );
}

/** The end of the message's text and the start of the next message. */
function findEnd(bytes: Buffer, from: number, lineEnd: '\r\n' | '\n'): { at: number; next: number } | null {
  if (lineEnd === '\r\n') {
    const at = bytes.indexOf(blankLine, from);
    return at < 0 ? null : { at, next: at + blankLine.length };
  }
  const bare = bytes.indexOf(bareBlankLine, from);
  const mixed = bytes.indexOf(mixedBlankLine, from);
  if (bare < 0 && mixed < 0) return null;
  if (mixed < 0 || (bare >= 0 && bare < mixed)) return { at: bare, next: bare + bareBlankLine.length };
  return { at: mixed, next: mixed + mixedBlankLine.length };
}
