import { chown, stat } from 'node:fs/promises';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Gives a file or folder to its owner as far as this process may: who is not root keeps it, and may still hand it to a group
 * of his. Resolves with true when at least its group is the owner's.
 */
export async function giveTo(path: string, { uid, gid }: Owner): Promise<boolean> {
  const now = await stat(path);
  if (now.uid === uid && now.gid === gid) return true;
  for (const user of [uid, now.uid]) {
    try {
      await chown(path, user, gid);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
  }
  return now.gid === gid;
}
