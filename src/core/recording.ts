/** What a recording is, as people and programs see it, and what the web server offers of recordings. */
import type { Direction } from './call.ts';

/**
 * - `waiting`: the file is not there or not whole yet; looked for again on a schedule.
 * - `ready`: converted; the mp3 is served.
 * - `original`: whole, but not converted (yet); the PBX's own file is served, and `reason` says why.
 * - `missing`: not there a quarter of an hour after the call; still looked for, rarely.
 * - `empty`: there, without a sound in it (a header alone); still looked at, rarely.
 * - `unreadable`: there, but no recording, or nothing that may be served; `reason` says why.
 * - `removed`: deleted by retention, quota or on request; the links answer 410.
 */
export type RecordingState = 'waiting' | 'ready' | 'original' | 'missing' | 'empty' | 'unreadable' | 'removed';

/** One recording as people and programs see it: a conversation's part of a file, or the whole file that was cut. */
export interface Recording {
  /** Random; the one in the link. */
  readonly id: string;
  readonly source: string;
  readonly linkedId: string;
  /** Null: the whole file, of which other recordings are parts. */
  readonly uniqueId: string | null;
  /** 0 is the conversation's main recording, the one that CRMs are given. */
  readonly position: number;
  readonly direction: Direction;
  readonly client: string | null;
  readonly extension: string | null;
  readonly did: string | null;
  readonly startedAt: Date;
  readonly callEndedAt: Date;
  readonly state: RecordingState;
  readonly reason: string | null;
  /** When it is looked at next; null: nothing more happens by itself. */
  readonly dueAt: Date | null;
  /** Conversions that failed. */
  readonly attempts: number;
  /** As the phone system named it; empty while nothing was announced. */
  readonly announcedPath: string;
  /** The file on this machine, and the root it was found under. */
  readonly path: string | null;
  readonly root: string | null;
  /** The part of the file, null for all of it. */
  readonly part: { readonly fromMs: number; readonly toMs: number } | null;
  readonly durationMs: number | null;
  /** Two channels in a file without a header. */
  readonly isInterleaved: boolean;
  /** Loudness for drawing, one list per channel, 0 to 255; null while not converted. */
  readonly peaks: readonly (readonly number[])[] | null;
  readonly mp3: { readonly name: string; readonly bytes: number; readonly isArchived: boolean } | null;
  readonly readyAt: Date | null;
  /** Null: for ever. */
  readonly keepUntil: Date | null;
  readonly linkVersion: number;
  readonly createdAt: Date;
}

/** What a recording needs to be made into bytes for a browser. */
export interface RecordingContent {
  readonly contentType: string;
  readonly fileName: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Bytes `from` to `to`, both included; a few at once, many as a stream. */
  read(from: number, to: number): Promise<Uint8Array | NodeJS.ReadableStream>;
  close(): Promise<void>;
}

/** How a link is answered. */
export type RecordingAnswer =
  | { readonly kind: 'content'; readonly recording: Recording; readonly content: RecordingContent }
  | { readonly kind: 'not-ready'; readonly retryAfterSeconds: number }
  | { readonly kind: 'not-found' | 'expired' | 'revoked' | 'removed' | 'missing' | 'empty' };

/** Who listens, for the audit. */
export interface RecordingPlay {
  readonly address: string;
  readonly forwardedFor: string | null;
  readonly agent: string | null;
}
export interface StoredPlay extends RecordingPlay {
  readonly at: Date;
}

/** What the web server offers of recordings. */
export interface RecordingDoor {
  /** What a link opens. `query` holds whatever stood behind the question mark; parameters that are not ours are ignored. */
  open(id: string, query: Readonly<Record<string, unknown>>): Promise<RecordingAnswer>;
  /** Notes that somebody listens; several requests of one player within a minute are one play. */
  played(recording: Recording, play: RecordingPlay): Promise<void>;
  ofCall(source: string, linkedId: string): Promise<readonly Recording[]>;
  find(id: string): Promise<Recording | null>;
  plays(id: string): Promise<readonly StoredPlay[]>;
  /** The link as a CRM would be given it now. */
  linkOf(recording: Recording): string;
  /** Makes all links given out so far invalid; null: there is no such recording. */
  revokeLinks(id: string): Promise<Recording | null>;
  /** Deletes everything recorded with this client (normalised number), here and in the archive, and cuts the links. */
  forgetNumber(number: string): Promise<{ readonly removed: number }>;
}

/** `missing`: there is no converter; `full`: no room on the disk; `expired`: not in time; `failed`: it broke off. */
export class ConversionFailed extends Error {
  override readonly name = 'ConversionFailed';
  readonly kind: 'missing' | 'full' | 'expired' | 'failed';
  constructor(kind: ConversionFailed['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
