/** The bytes behind a link: the converted recording, from this disk or the archive, or the PBX's own file. */
import { relative } from 'node:path';
import { realpath, type FileHandle } from 'node:fs/promises';
import type { Recording, RecordingContent } from '../core/recording.ts';
import type { RecordingArchive } from './archive.ts';
import { ForbiddenFile, openBelow } from './find.ts';
import type { ConvertedFolder } from './folder.ts';
import { chunkBytes, inspectSound, isStillThat, readSlice, sliceSound, UnreadableSound } from './sound-file.ts';

export interface ContentParts {
  readonly folder: ConvertedFolder;
  readonly archive: RecordingArchive | null;
}

const modifiedAtOf = (recording: Recording) => recording.readyAt ?? recording.createdAt;

/** Names say nothing that the link's holder does not see in the CRM: when, and the two numbers. */
function fileNameOf(recording: Recording, extension: string): string {
  const at = recording.startedAt.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const parties = [recording.client, recording.extension].filter((one) => one !== null);
  return `${[at, ...parties].join('_').replace(/[^0-9A-Za-z+_-]/g, '')}.${extension}`;
}

function describe(recording: Recording, of: { kind: string; type: string; extension: string; size: number }) {
  const { kind, type, extension, size } = of;
  return {
    contentType: type,
    fileName: fileNameOf(recording, extension),
    size,
    etag: `"${recording.id}-${kind}-${size.toString(36)}-${modifiedAtOf(recording).getTime().toString(36)}"`,
    modifiedAt: modifiedAtOf(recording),
  };
}

/** Null when it is gone from where it should be. */
export async function openConverted(parts: ContentParts, recording: Recording): Promise<RecordingContent | null> {
  const { mp3 } = recording;
  if (mp3 === null) return null;
  const about = { kind: 'mp3', type: 'audio/mpeg', extension: 'mp3' };
  if (mp3.isArchived) {
    const { archive } = parts;
    if (archive === null) return null;
    return {
      ...describe(recording, { ...about, size: mp3.bytes }),
      read: (from, to) => archive.read(mp3.name, from, to),
      close: async () => undefined,
    };
  }
  const file = await parts.folder.open(mp3.name);
  if (file === null) return null;
  const { size } = await file.stat();
  return {
    ...describe(recording, { ...about, size }),
    read: (from, to) => readBytes(file, from, to),
    close: () => file.close(),
  };
}

/** One read costs less than a stream, where it is not too much to hold in memory. */
async function readBytes(file: FileHandle, from: number, to: number): Promise<Uint8Array | NodeJS.ReadableStream> {
  const length = to - from + 1;
  if (length > 2 * chunkBytes)
    return file.createReadStream({ start: from, end: to, autoClose: false, highWaterMark: chunkBytes });
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length, from);
  if (bytesRead < length) throw new Error('the recording is shorter than it was');
  return bytes;
}

/** The PBX's own file, or the recording's part of it; null when it cannot be given out. */
export async function openOriginal(recording: Recording): Promise<RecordingContent | null> {
  const { path, root, part } = recording;
  if (path === null || root === null) return null;
  let file: FileHandle | null = null;
  try {
    const opened = await openBelow(root, relative(await realpath(root), path));
    if (opened === null) return null;
    file = opened.file;
    const sound = await inspectSound(file, opened.extension, recording.isInterleaved);
    if (!isStillThat(recording, sound)) return null;
    const slice = sliceSound(sound, part);
    // Somebody else's talk is in it as well.
    if ((part !== null && slice.isWhole) || !sound.hasSound) return null;
    const { contentType: type, extension } = sound;
    const handle = file;
    file = null;
    return {
      ...describe(recording, { kind: 'original', type, extension, size: slice.head.length + slice.bytes }),
      read: async (from, to) => readSlice(handle, slice, from, to),
      close: () => handle.close(),
    };
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isGone || error instanceof ForbiddenFile || error instanceof UnreadableSound) return null;
    throw error;
  } finally {
    await file?.close();
  }
}
