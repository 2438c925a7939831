import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export interface BundleFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzipped: Buffer;
}
/** Files of the built interface by their path below `/ui/`. */
export type Bundle = ReadonlyMap<string, BundleFile>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/** Where `npm run build` leaves the interface, seen from the sources and from the compiled program alike. */
export function builtBundleFolder(): string {
  const isCompiled = import.meta.url.endsWith('.js');
  return fileURLToPath(new URL(isCompiled ? '../../ui/' : '../../dist/ui/', import.meta.url));
}

/** Reads the whole interface into memory: no path of a request ever reaches the disk. Empty when it was not built. */
export function loadBundle(folder: string): Bundle {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(
    names.flatMap((name) => {
      const type = types[extname(name)];
      if (type === undefined) return [];
      const plain = readFileSync(join(folder, name));
      return [[name, { type, plain, gzipped: gzipSync(plain, { level: 9 }) }]];
    }),
  );
}
