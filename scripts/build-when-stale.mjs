// Compiles to dist/ when a source is newer than the last build. Run by `npm start` after scripts/setup.mjs.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'dist', '.built');
const sources = [
  'agi',
  'src',
  'migrations',
  'scripts/build-ui.mjs',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
];

if (!existsSync(stamp) || newestOf(sources.map((name) => join(root, name))) > statSync(stamp).mtimeMs) await build();

function newestOf(paths) {
  return Math.max(
    ...paths.map((path) => {
      const found = statSync(path);
      if (!found.isDirectory()) return found.mtimeMs;
      const entries = readdirSync(path, { withFileTypes: true }).map((entry) => join(path, entry.name));
      // A folder's own time tells of files that were removed.
      return Math.max(found.mtimeMs, newestOf(entries));
    }),
  );
}

async function build() {
  console.error('Compiling …');
  // What was removed from the sources must not live on.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.error('The sources do not compile.');
    process.exit(1);
  }
  const { buildUi } = await import('./build-ui.mjs');
  await buildUi();
  writeFileSync(stamp, '');
}
