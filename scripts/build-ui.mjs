// Builds the web interface into dist/ui, with names that change with their content. `--if-stale`: only when a source is newer.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const page = join(root, 'dist', 'ui', 'index.html');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--if-stale') || isStale()) await buildUi();
}

/** True when the built pages are older than any of their sources, or missing. */
export function isStale() {
  if (!existsSync(page)) return true;
  const builtAt = statSync(page).mtimeMs;
  // Pages share a few files with the server.
  const folder = join(root, 'src', 'web');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(
    (name) => statSync(join(folder, name)).mtimeMs > builtAt,
  );
}

export async function buildUi() {
  const { build } = await import('vite');
  await build({
    configFile: false,
    logLevel: 'warn',
    root: join(root, 'src', 'web', 'ui'),
    base: '/ui/',
    publicDir: false,
    build: {
      outDir: join(root, 'dist', 'ui'),
      emptyOutDir: true,
      target: 'es2022',
      // Nothing inline: the pages run under a strict content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
}
