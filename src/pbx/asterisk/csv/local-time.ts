const hourMs = 3_600_000;
const quarterMs = hourMs / 4;
const dayMs = 24 * hourMs;
const hyphen = 0x2d;

/** How far a channel's first record may lie from the second in its uniqueid. */
const nearMs = 10 * 60_000;

/**
 * Reads the times that Asterisk writes without a zone (`2026-11-21 07:32:51`, with or without a fraction) as times of a
 * zone, and those with one (`…+0300`, `…Z`) or as seconds since the epoch (`1795246371.123456`) as they are. The result is in
 * milliseconds since the epoch, with the fraction kept; null for anything else. An hour that a clock change repeats is
 * taken as its first pass.
 *
 * Whether Asterisk writes local time or GMT (`usegmtime`) can be learned from uniqueids, which hold the true time.
 */
export class LocalTime {
  readonly #isCertain: boolean;
  readonly #format: Intl.DateTimeFormat;
  /** Offset of the zone by local quarter of an hour: the rows of a file fall into few different ones. */
  readonly #offsets = new Map<number, number>();
  /** Learned: the offset from UTC that is really used; null while it is the zone's. */
  #fixedOffset: number | null = null;

  /** With `isCertain`, nothing is learned. Throws RangeError for a zone that the runtime does not know. */
  constructor(timeZone: string, options: { isCertain?: boolean } = {}) {
    this.#isCertain = options.isCertain ?? false;
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
    if (text.charCodeAt(4) !== hyphen) return parseEpoch(text);
    const wall = parseWall(text);
    if (wall === null) return null;
    if (wall.offset !== null) return wall.at - wall.offset;
    return wall.at - (this.#fixedOffset ?? this.#offsetAt(wall.at));
  }

  /**
   * Compares the time at which a channel began, as written, with its uniqueid. Reading on follows: the zone where that
   * fits, else GMT, else the offset by which they differ. Later records of a long call fit nothing and change nothing.
   */
  learn(startText: string, uniqueId: string): void {
    if (this.#isCertain || startText.charCodeAt(4) !== hyphen) return;
    const madeAt = timeOfUniqueId(uniqueId);
    const wall = madeAt === null ? null : parseWall(startText);
    if (madeAt === null || wall === null || wall.offset !== null) return;
    const difference = wall.at - madeAt;
    const isNear = (offset: number) => Math.abs(difference - offset) < nearMs;
    if (isNear(this.#offsetAt(wall.at))) this.#fixedOffset = null;
    else if (isNear(0)) this.#fixedOffset = 0;
    else if (!this.#isLearned) {
      const rounded = Math.round(difference / quarterMs) * quarterMs;
      if (Math.abs(difference - rounded) < 5_000 && Math.abs(rounded) <= 14 * hourMs) this.#fixedOffset = rounded;
      else return;
    } else return;
    this.#isLearned = true;
  }
  #isLearned = false;

  #offsetAt(wall: number): number {
    const quarter = Math.floor(wall / quarterMs);
    let offset = this.#offsets.get(quarter);
    if (offset === undefined) {
      offset = this.#findOffset(quarter * quarterMs);
      if (this.#offsets.size > 10_000) this.#offsets.clear();
      this.#offsets.set(quarter, offset);
    }
    return offset;
  }

  /** The offset that was in force before a change answers for both passes of a repeated hour. */
  #findOffset(wall: number): number {
    const before = this.#offsetOfInstant(wall - dayMs);
    if (this.#offsetOfInstant(wall - before) === before) return before;
    return this.#offsetOfInstant(wall + dayMs);
  }

  #offsetOfInstant(instant: number): number {
    const parts: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instant)) parts[type] = Number(value);
    const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
    return wall - Math.floor(instant / 1000) * 1000;
  }
}

const dateTime = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

/** `at` as if it were UTC; `offset` where the text says it. */
function parseWall(text: string): { at: number; offset: number | null } | null {
  const match = dateTime.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const seconds = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
  const at = seconds + (fraction === undefined ? 0 : Math.round(Number('0' + fraction) * 1e6) / 1e3);
  return { at, offset: zone === undefined ? null : parseZone(zone) };
}

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
