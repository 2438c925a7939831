import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The token of the command line on this machine: made at the first start, readable by the service's user (and root)
 * alone, so who may read the file may use the API. There is no default password.
 */
export function ensureLocalToken(file: string): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
  try {
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const token = readLocalToken(file);
  if (token.length < 24) throw new Error(`The token in ${file} is too short; remove the file and start again.`);
  return token;
}

/** Throws as `readFileSync` does when there is no such file or it may not be read. */
export function readLocalToken(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
