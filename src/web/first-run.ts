import { rmSync } from 'node:fs';
import { timingSafeEqual, createHash } from 'node:crypto';
import { ensureLocalToken } from './local-token.ts';

export interface FirstRun {
  /** Where the person who installs finds the token. */
  readonly file: string;
  /** Makes the file, where it is missing. */
  prepare(): void;
  isRight(presented: string): boolean;
  /** The first user exists: the token is worth nothing any more. */
  finish(): void;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** The token that makes the first user of the interface: who can read the service's files may, and nobody else. */
export function createFirstRun(file: string): FirstRun {
  return {
    file,
    prepare: () => void ensureLocalToken(file),
    isRight: (presented) => timingSafeEqual(digest(presented.trim()), digest(ensureLocalToken(file))),
    finish: () => rmSync(file, { force: true }),
  };
}
