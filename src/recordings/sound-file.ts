/**
 * Sound files as PBXes write them, read just far enough to know what they are, whether they are whole, and where a part
 * of them lies. Whatever is handed on has a header of our own making: nothing that a file claims of itself reaches a
 * converter or a browser unread.
 */
import { Readable } from 'node:stream';
import type { FileHandle } from 'node:fs/promises';
import type { TranscoderInput } from '../core/ports.ts';
import type { Recording } from '../core/recording.ts';
import type { FileLook } from '../core/recording/judge-file.ts';

/** How the samples lie in the file, where time can be counted in bytes. */
interface Samples {
  readonly offset: number;
  readonly bytes: number;
  /** Bytes that belong together, and the time they take. */
  readonly blockBytes: number;
  readonly blockMs: number;
}

export interface SoundFile {
  readonly container: TranscoderInput['container'];
  readonly channels: 1 | 2;
  readonly contentType: string;
  readonly extension: string;
  readonly bytes: number;
  /** Null: the format does not tell. */
  readonly isClosed: boolean | null;
  readonly hasSound: boolean;
  /** Null where time cannot be counted in bytes (mp3, ogg). */
  readonly samples: Samples | null;
  /** Samples a second, where they are 16-bit numbers as they are. */
  readonly plainRate: number | null;
  /** The header before the samples when they are given out as `container`, for this many bytes of them. */
  headerFor(sampleBytes: number): Buffer;
}

/** The file is no recording that we know; in words for people. */
export class UnreadableSound extends Error {
  override readonly name = 'UnreadableSound';
}

/** Extensions of what may be served at all, with and without a known inside. */
export const soundExtensions = [
  'wav',
  'WAV',
  'wav49',
  'wav16',
  'mp3',
  'gsm',
  'sln',
  'slin',
  'raw',
  'sln12',
  'sln16',
  'sln24',
  'sln32',
  'sln44',
  'sln48',
  'alaw',
  'al',
  'alw',
  'ulaw',
  'ul',
  'ulw',
  'mu',
  'pcm',
  'g722',
  'ogg',
  'opus',
] as const;

/** Samples a second of files that are nothing but 16-bit samples. */
const linearRates = {
  sln: 8000,
  slin: 8000,
  raw: 8000,
  sln12: 12_000,
  sln16: 16_000,
  sln24: 24_000,
  sln32: 32_000,
  sln44: 44_100,
  sln48: 48_000,
} as const;

const noHeader = () => Buffer.alloc(0);
const longestHeader = 64 * 1024;
/** Read at once: more than the usual, because each read costs as much as copying this. */
export const chunkBytes = 256 * 1024;

/**
 * What the open file is, by its extension and its first bytes. `isInterleaved`: plain samples are those of two channels in
 * turns, which nothing in the file tells. @throws UnreadableSound
 */
export async function inspectSound(file: FileHandle, extension: string, isInterleaved = false): Promise<SoundFile> {
  const { size: bytes } = await file.stat();
  const kind = extension.toLowerCase();
  if (kind === 'wav' || kind === 'wav49' || kind === 'wav16') return inspectWav(file, bytes);
  const raw = (samples: Omit<Samples, 'offset' | 'bytes'>, fmt: Buffer): SoundFile => ({
    plainRate: plainRateOf(fmt),
    container: 'wav',
    channels: fmt.readUInt16LE(2) === 2 ? 2 : 1,
    contentType: 'audio/wav',
    extension: 'wav',
    bytes,
    isClosed: null,
    hasSound: bytes >= samples.blockBytes,
    samples: { offset: 0, bytes: bytes - (bytes % samples.blockBytes), ...samples },
    headerFor: (sampleBytes) => wavHeader(fmt, sampleBytes),
  });
  const stream = (container: SoundFile['container'], contentType: string, samples: Samples | null): SoundFile => ({
    plainRate: null,
    container,
    channels: 1,
    contentType,
    extension: kind,
    bytes,
    isClosed: null,
    hasSound: bytes > 64,
    samples,
    headerFor: noHeader,
  });
  switch (kind) {
    case 'sln':
    case 'slin':
    case 'raw':
    case 'sln12':
    case 'sln16':
    case 'sln24':
    case 'sln32':
    case 'sln44':
    case 'sln48': {
      const rate = linearRates[kind];
      const channels = isInterleaved ? 2 : 1;
      return raw({ blockBytes: 2 * channels, blockMs: 1000 / rate }, fmtChunk({ tag: 1, rate, bits: 16, channels }));
    }
    case 'alaw':
    case 'al':
    case 'alw':
      return raw({ blockBytes: 1, blockMs: 1 / 8 }, fmtChunk({ tag: 6, rate: 8000, bits: 8 }));
    case 'ulaw':
    case 'ul':
    case 'ulw':
    case 'mu':
    case 'pcm':
      return raw({ blockBytes: 1, blockMs: 1 / 8 }, fmtChunk({ tag: 7, rate: 8000, bits: 8 }));
    case 'gsm':
      return stream('gsm', 'audio/gsm', { offset: 0, bytes: bytes - (bytes % 33), blockBytes: 33, blockMs: 20 });
    case 'g722':
      return stream('g722', 'audio/G722', { offset: 0, bytes, blockBytes: 8, blockMs: 1 });
    case 'mp3':
      if (!(await beginsWith(file, (head) => isMp3(head)))) throw new UnreadableSound('it is no mp3');
      return stream('mp3', 'audio/mpeg', null);
    case 'ogg':
    case 'opus':
      if (!(await beginsWith(file, (head) => head.toString('latin1', 0, 4) === 'OggS')))
        throw new UnreadableSound('it is no ogg');
      return stream('ogg', 'audio/ogg', null);
    default:
      throw new UnreadableSound(`.${extension} is no sound that can be served`);
  }
}

/** The file as judged: how large, whether closed, whether there is sound in it. */
export function lookAt(sound: SoundFile, at: number): FileLook {
  return { at, bytes: sound.bytes, isClosed: sound.isClosed, hasSound: sound.hasSound };
}

async function beginsWith(file: FileHandle, isRight: (head: Buffer) => boolean): Promise<boolean> {
  const head = Buffer.alloc(16);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  // What is still empty may become one.
  return bytesRead < 4 || isRight(head.subarray(0, bytesRead));
}
const isMp3 = (head: Buffer) =>
  head.toString('latin1', 0, 3) === 'ID3' || (head[0] === 0xff && (head[1]! & 0xe0) === 0xe0);

/** Format tags that a telephone system may write; everything else is refused. */
const wavTags: ReadonlySet<number> = new Set([1, 3, 6, 7, 0x11, 0x31]);

/** RIFF: `RIFF size WAVE`, then chunks of `name size content`, content padded to even length. */
async function inspectWav(file: FileHandle, bytes: number): Promise<SoundFile> {
  const head = Buffer.alloc(Math.min(longestHeader, bytes));
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  const empty: SoundFile = {
    plainRate: null,
    container: 'wav',
    channels: 1,
    contentType: 'audio/wav',
    extension: 'wav',
    bytes,
    isClosed: true,
    hasSound: false,
    samples: null,
    headerFor: noHeader,
  };
  if (bytesRead < 12) return empty;
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE')
    throw new UnreadableSound('it is named .wav and is none');
  let fmt: Buffer | null = null;
  for (let at = 12; at + 8 <= bytesRead;) {
    const name = head.toString('latin1', at, at + 4);
    const size = head.readUInt32LE(at + 4);
    const start = at + 8;
    if (name === 'fmt ') {
      if (start + size > bytes) return empty;
      if (size < 16 || size > 64 || start + size > bytesRead) throw new UnreadableSound('its header is broken');
      fmt = Buffer.from(head.subarray(start, start + size));
    }
    if (name === 'data') {
      if (fmt === null) throw new UnreadableSound('its header is broken');
      return describeWav({ fmt, offset: start, told: size, bytes });
    }
    at = start + size + (size % 2);
  }
  if (bytes <= longestHeader) return empty;
  throw new UnreadableSound('its header is broken');
}

function describeWav(found: { fmt: Buffer; offset: number; told: number; bytes: number }): SoundFile {
  const { offset, told, bytes } = found;
  const { fmt, channels, blockBytes, blockMs } = readFmt(found.fmt);
  const present = Math.max(0, bytes - offset);
  // While Asterisk writes, the header tells nothing or less than is there. What comes after a closed file's samples are
  // chunks of words about it, never more than a few kilobytes; a few samples at the end may be cut off with it.
  const isClosed = told > 0 && told <= present + 1 && present - told <= longestHeader;
  const usable = isClosed ? Math.min(told, present) : present;
  return {
    plainRate: plainRateOf(fmt),
    container: 'wav',
    channels,
    contentType: 'audio/wav',
    extension: 'wav',
    bytes,
    isClosed: present === 0 ? true : isClosed,
    hasSound: usable >= blockBytes,
    samples: { offset, bytes: usable - (usable % blockBytes), blockBytes, blockMs },
    headerFor: (sampleBytes) => wavHeader(fmt, sampleBytes),
  };
}

/** The `fmt ` chunk, checked and written anew. */
function readFmt(given: Buffer): { fmt: Buffer; channels: 1 | 2; blockBytes: number; blockMs: number } {
  let tag = given.readUInt16LE(0);
  // WAVE_FORMAT_EXTENSIBLE: the real tag begins the sub-format.
  if (tag === 0xfffe && given.length >= 26) tag = given.readUInt16LE(24);
  const channels = given.readUInt16LE(2);
  const rate = given.readUInt32LE(4);
  const blockBytes = given.readUInt16LE(12);
  const bits = given.readUInt16LE(14);
  if (!wavTags.has(tag)) throw new UnreadableSound(`its sound is coded in a way that is not served (tag ${tag})`);
  if (channels !== 1 && channels !== 2) throw new UnreadableSound(`it has ${channels} channels`);
  if (rate < 4000 || rate > 96000) throw new UnreadableSound(`it has ${rate} samples a second`);
  if (tag === 0x31) {
    // Two GSM frames in 65 bytes: 320 samples.
    if (blockBytes !== 65 || channels !== 1) throw new UnreadableSound('its header is broken');
    return { fmt: gsmFmt(rate), channels, blockBytes, blockMs: (320 * 1000) / rate };
  }
  if (tag === 0x11) {
    if (bits !== 4 || blockBytes < 8 || blockBytes > 8192) throw new UnreadableSound('its header is broken');
    const samples = ((blockBytes - 4 * channels) * 2) / channels + 1;
    return {
      fmt: adpcmFmt({ rate, channels, blockBytes, samples }),
      channels,
      blockBytes,
      blockMs: (samples * 1000) / rate,
    };
  }
  const isRight = tag === 1 ? [8, 16, 24, 32].includes(bits) : tag === 3 ? bits === 32 || bits === 64 : bits === 8;
  if (!isRight || blockBytes !== (channels * bits) / 8) throw new UnreadableSound('its header is broken');
  return { fmt: fmtChunk({ tag, rate, bits, channels }), channels, blockBytes, blockMs: 1000 / rate };
}

const plainRateOf = (fmt: Buffer) =>
  fmt.readUInt16LE(0) === 1 && fmt.readUInt16LE(14) === 16 ? fmt.readUInt32LE(4) : null;

function fmtChunk(of: { tag: number; rate: number; bits: number; channels?: number }): Buffer {
  const { tag, rate, bits, channels = 1 } = of;
  const fmt = Buffer.alloc(16);
  fmt.writeUInt16LE(tag, 0);
  fmt.writeUInt16LE(channels, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt32LE((rate * channels * bits) / 8, 8);
  fmt.writeUInt16LE((channels * bits) / 8, 12);
  fmt.writeUInt16LE(bits, 14);
  return fmt;
}
function gsmFmt(rate: number): Buffer {
  const fmt = Buffer.alloc(20);
  fmt.writeUInt16LE(0x31, 0);
  fmt.writeUInt16LE(1, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt32LE(Math.floor((rate * 65) / 320), 8);
  fmt.writeUInt16LE(65, 12);
  fmt.writeUInt16LE(0, 14);
  fmt.writeUInt16LE(2, 16);
  fmt.writeUInt16LE(320, 18);
  return fmt;
}
function adpcmFmt(of: { rate: number; channels: number; blockBytes: number; samples: number }): Buffer {
  const fmt = Buffer.alloc(20);
  fmt.writeUInt16LE(0x11, 0);
  fmt.writeUInt16LE(of.channels, 2);
  fmt.writeUInt32LE(of.rate, 4);
  fmt.writeUInt32LE(Math.floor((of.rate * of.blockBytes) / of.samples), 8);
  fmt.writeUInt16LE(of.blockBytes, 12);
  fmt.writeUInt16LE(4, 14);
  fmt.writeUInt16LE(2, 16);
  fmt.writeUInt16LE(of.samples, 18);
  return fmt;
}
function wavHeader(fmt: Buffer, sampleBytes: number): Buffer {
  const header = Buffer.alloc(20 + fmt.length + 8);
  const longest = 0xffffffff - header.length;
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(longest, sampleBytes) + header.length - 8, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(fmt.length, 16);
  fmt.copy(header, 20);
  header.write('data', 20 + fmt.length, 'latin1');
  header.writeUInt32LE(Math.min(longest, sampleBytes), 24 + fmt.length);
  return header;
}

/** How long the file plays; null where only a decoder can tell. */
export function durationOf({ samples }: SoundFile): number | null {
  return samples === null ? null : (samples.bytes / samples.blockBytes) * samples.blockMs;
}

/** A little more than what a converter adds or leaves out. */
const sameLengthMs = 250;

/**
 * False where another sound has taken the place of the recording's file, as when a mailbox numbers its messages anew. Only
 * whole files of a known length tell.
 */
export function isStillThat(recording: Pick<Recording, 'part' | 'durationMs'>, sound: SoundFile): boolean {
  const duration = durationOf(sound);
  if (recording.part !== null || recording.durationMs === null || duration === null) return true;
  return Math.abs(duration - recording.durationMs) <= sameLengthMs;
}

/** Bytes made of a header of ours and a stretch of the file: what is served of an original, and what is converted. */
export interface SoundSlice {
  readonly head: Buffer;
  readonly offset: number;
  readonly bytes: number;
  /** True when the part could not be cut out by bytes, so that this is the whole file. */
  readonly isWhole: boolean;
}

/** What a transcoder may measure without decoding. */
export function plainOf({ plainRate }: SoundFile, { head }: SoundSlice): TranscoderInput['plain'] {
  return plainRate === null ? null : { rate: plainRate, headerBytes: head.length };
}

export function sliceSound(
  sound: SoundFile,
  part: { readonly fromMs: number; readonly toMs: number } | null,
): SoundSlice {
  const { samples } = sound;
  if (samples === null) return { head: Buffer.alloc(0), offset: 0, bytes: sound.bytes, isWhole: true };
  const blocks = samples.bytes / samples.blockBytes;
  const from = part === null ? 0 : Math.min(blocks, Math.floor(part.fromMs / samples.blockMs));
  const to = part === null ? blocks : Math.min(blocks, Math.ceil(part.toMs / samples.blockMs));
  const bytes = Math.max(0, to - from) * samples.blockBytes;
  return {
    head: sound.headerFor(bytes),
    offset: samples.offset + from * samples.blockBytes,
    bytes,
    isWhole: part === null,
  };
}

/** Bytes `from` to `to` (both included) of the slice. The file handle stays open. */
export function readSlice(
  file: FileHandle,
  slice: SoundSlice,
  from = 0,
  to = slice.head.length + slice.bytes - 1,
): Readable {
  const head = slice.head.subarray(from, to + 1);
  const start = slice.offset + Math.max(0, from - slice.head.length);
  const end = slice.offset + to - slice.head.length;
  if (end < start) return Readable.from([head]);
  const samples = file.createReadStream({ start, end, autoClose: false, highWaterMark: chunkBytes });
  return head.length === 0 ? samples : Readable.from(joined(head, samples), { objectMode: false });
}
async function* joined(head: Buffer, rest: Readable): AsyncGenerator<Buffer> {
  yield head;
  for await (const chunk of rest) yield chunk as Buffer;
}
