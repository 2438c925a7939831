/** Secrets that a machine makes for itself. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The secret in the file, without blanks around it. Where there is no file one is made, 64 hex digits readable by its owner
 * alone, whole or not at all, and on the disk before it is used: what it opened yesterday it opens after a power cut too. Of
 * several that make it at once all get the same. Throws the system's own error, and one in words for a secret that is shorter
 * than `atLeast`; `what` names it there.
 */
export function ensureSecretFile(file: string, secret: { readonly what: string; readonly atLeast: number }): string {
  const { what, atLeast } = secret;
  const text = readIfThere(file) ?? make(file);
  if (text.length < atLeast) throw new Error(`The ${what} in ${file} is too short; remove the file and start again.`);
  return text;
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return null;
  }
}

function make(file: string): string {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const beside = join(folder, `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    withOpen(beside, 'wx', (handle) => {
      writeFileSync(handle, `${randomBytes(32).toString('hex')}\n`);
      fsyncSync(handle);
    });
    linkSync(beside, file);
  } catch (error) {
    // Another made it meanwhile; that one holds.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  withOpen(folder, 'r', fsyncSync);
  return readFileSync(file, 'utf8').trim();
}

function withOpen(path: string, flags: string, work: (handle: number) => void): void {
  const handle = openSync(path, flags, 0o600);
  try {
    work(handle);
  } finally {
    closeSync(handle);
  }
}
