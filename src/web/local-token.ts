import { readFileSync } from 'node:fs';
import { ensureSecretFile } from '../files/secret-file.ts';

/**
 * The token of the command line on this machine: made at the first start, readable by the service's user (and root)
 * alone, so who may read the file may use the API. There is no default password.
 */
export function ensureLocalToken(file: string): string {
  return ensureSecretFile(file, { what: 'token', atLeast: 24 });
}

/** Throws as `readFileSync` does when there is no such file or it may not be read. */
export function readLocalToken(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
