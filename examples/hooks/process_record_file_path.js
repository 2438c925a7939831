// Recordings are moved to the archive at night, into a folder for each month: 2026-11/name.mp3.
// What is not in the archive is served from where the PBX wrote it.
import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';

const archive = process.env.ARCHIVE ?? '/srv/recordings';

export default function processRecordFilePath({ path, call_full }) {
  const month = call_full.channel.start_time.slice(0, 7);
  const archived = join(archive, month, `${basename(path, extname(path))}.mp3`);
  return { state: 'success', data: { path: existsSync(archived) ? archived : path } };
}
