import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { AmiLink, type AmiAddress, type AmiLinkDeadlines } from './ami/ami-link.ts';

export interface RecordOptions {
  readonly address: AmiAddress;
  readonly deadlines: AmiLinkDeadlines;
  readonly output: Writable;
  /** Null: numbers stay as they are. */
  readonly mask: NumberMask | null;
  /** Ends the recording. */
  readonly signal: AbortSignal;
}

/** Everything that calls are made of, and who speaks for a queue. */
const recordedClasses = 'call,dialplan,cdr,agent,system';

/**
 * Writes what Asterisk sends to `output`, byte for byte (numbers masked where asked for), preceded by the channels that
 * exist at the beginning. Resolves with the reason when the recording ends: `stopped` when told so, else why the connection did.
 * Rejects as `AmiLink.open` does.
 */
export async function recordCapture(options: RecordOptions): Promise<string> {
  const { address, deadlines, output, mask, signal } = options;
  const write = (bytes: Buffer) => void output.write(mask === null ? bytes : mask.push(bytes));
  const link = await AmiLink.open({
    address,
    deadlines,
    eventMask: recordedClasses,
    signal,
    onMessage: () => {},
    onBytes: (bytes) => {
      write(bytes);
      if (!output.writableNeedDrain) return;
      // A full disk pipe must not fill our memory.
      link.pause();
      void once(output, 'drain').then(() => link.resume());
    },
  });
  try {
    // Refusals stand in the capture and do no harm.
    await link.request([['Action', 'BridgeList']]);
    await link.request([['Action', 'CoreShowChannels']]);
  } catch (error) {
    link.close((error as Error).message);
  }
  const reason = await link.closed;
  if (mask !== null) output.write(mask.end());
  return reason;
}

/**
 * Replaces the last six digits of telephone numbers (seven digits and more) by others: the same number always by the same, however it is
 * written (`+7…`, `8…`, without code), so that a masked capture tells the same story. Ids, times and channel names
 * stay, and so do the numbers in `keep`. What it replaces by cannot be turned back without `key`.
 */
export class NumberMask {
  readonly #key: Buffer;
  readonly #keep: ReadonlySet<string>;
  #rest = '';

  constructor(options: { readonly key?: Buffer; readonly keep?: readonly string[] } = {}) {
    this.#key = options.key ?? randomBytes(32);
    this.#keep = new Set(options.keep ?? []);
  }

  /** Masks whole lines; the beginning of an unfinished one waits. */
  push(bytes: Buffer): Buffer {
    const text = this.#rest + bytes.toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    return Buffer.from(this.mask(text.slice(0, end)), 'latin1');
  }

  /** The last line, when it had no line break. */
  end(): Buffer {
    const rest = this.mask(this.#rest);
    this.#rest = '';
    return Buffer.from(rest, 'latin1');
  }

  mask(text: string): string {
    return text.replace(longNumber, (number: string) => this.#replace(number));
  }

  #replace(number: string): string {
    if (this.#keep.has(number)) return number;
    const digest = createHmac('sha256', this.#key).update(number.slice(-10)).digest();
    const digits = String(digest.readUInt32BE(0) % 1_000_000).padStart(6, '0');
    return number.slice(0, -6) + digits;
  }
}

/**
 * Seven digits or more that are not part of a uniqueid or time (`1795250429.735044`), of a channel's suffix (`-0000001a`) or of
 * a bridge's UUID.
 */
const longNumber =
  /(?<![0-9A-Fa-f.]|\d\.|-(?=[0-9a-f]{8}(?![0-9A-Za-z]))|[0-9a-f]{4}-(?=[0-9a-f]{12}(?![0-9A-Za-z])))\d{7,15}(?!\d|\.\d|[0-9a-f]*-[0-9a-f]{4}-)/g;
