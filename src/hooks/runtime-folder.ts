import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the programs that run hooks, which comes with the product. */
export function findRuntimeFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'hook-runtime'))) {
    if (dirname(folder) === folder) throw new Error('the folder hook-runtime is missing from the installation');
    folder = dirname(folder);
  }
  return join(folder, 'hook-runtime');
}
