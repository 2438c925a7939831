const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * Reads the times that Asterisk writes without a zone (`2026-11-21 07:32:51`, with or without a fraction) as times of a
 * zone, and those with one (`…+0300`, `…Z`) or as seconds since the epoch (`1795246371.123456`) as they are. The result is in
 * milliseconds since the epoch, with the fraction kept; null for anything else. An hour that a clock change repeats is
 * taken as its first pass.
 */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  /** Offset of the zone by local hour: every row of a file falls into few different hours. */
  readonly #offsets = new Map<number, number>();

  /** Throws RangeError for a zone that the runtime does not know. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  parse(text: string): number | null {
    if (text.charCodeAt(4) !== 0x2d) return parseEpoch(text);
    const match = dateTime.exec(text);
    if (match === null) return null;
    const [, year, month, day, hour, minute, second, fraction, zone] = match;
    const wall = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
    if (Number.isNaN(wall)) return null;
    const ms = fraction === undefined ? 0 : Number('0' + fraction) * 1000;
    if (zone === undefined) return wall - this.#offsetAt(wall) + ms;
    return wall - parseZone(zone) + ms;
  }

  #offsetAt(wall: number): number {
    const hour = Math.floor(wall / (hourMs / 4));
    let offset = this.#offsets.get(hour);
    if (offset === undefined) {
      offset = this.#findOffset(hour * (hourMs / 4));
      if (this.#offsets.size > 10_000) this.#offsets.clear();
      this.#offsets.set(hour, offset);
    }
    return offset;
  }

  /** The offset that was in force before a change answers for both passes of a repeated hour. */
  #findOffset(wall: number): number {
    const before = this.#offsetOfInstant(wall - dayMs);
    if (this.#offsetOfInstant(wall - before) === before) return before;
    const after = this.#offsetOfInstant(wall + dayMs);
    return after;
  }

  #offsetOfInstant(instant: number): number {
    const parts: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instant)) parts[type] = Number(value);
    const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
    return wall - Math.floor(instant / 1000) * 1000;
  }
}

const dateTime = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

function parseZone(zone: string): number {
  if (zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  return sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) * 60_000;
}

/** `1795246371`, `1795246371.123456`, or milliseconds as `int64` writes them; null for anything else. */
function parseEpoch(text: string): number | null {
  if (text === '') return null;
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 1e8) return null;
  return seconds > 1e11 ? seconds : Math.round(seconds * 1e6) / 1e3;
}

const uniqueIdTime = /(?:^|-)(\d{9,10})\.\d+$/;

/** When the channel of this uniqueid was made, to the second (`[systemname-]seconds.count`); null for a chosen id. */
export function timeOfUniqueId(uniqueId: string): number | null {
  const match = uniqueIdTime.exec(uniqueId);
  return match === null ? null : Number(match[1]) * 1000;
}
