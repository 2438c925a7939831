import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import assert from 'node:assert/strict';

/** A disk of this size (`64k`, `8m`) in the place of the folder; null where it may not be mounted: that needs root. */
export function mountSmallDisk(folder: string, size: string): { fill(): string; unmount(): void } | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return null;
  }
  return {
    /** Leaves no byte free; returns the file to remove for there to be room again. */
    fill() {
      const filler = join(folder, 'filler');
      assert.throws(() => writeFileSync(filler, Buffer.alloc(32 * 1024 * 1024)), { code: 'ENOSPC' });
      return filler;
    },
    unmount() {
      execFileSync('umount', ['-l', folder]);
    },
  };
}
