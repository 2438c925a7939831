import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file that comes with the program, wherever it was compiled to: `packaging/asterisk/cel.conf`. */
export function shippedFile(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, name))) {
    if (dirname(folder) === folder) throw new Error(`${name} is missing from the installation`);
    folder = dirname(folder);
  }
  return join(folder, name);
}
