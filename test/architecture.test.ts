import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Folder → folders it may import. `core` imports nothing; neighbours never see each other; only the roots see all. `files`
 * lies below those who put files onto the disk; it knows what a file is and nothing of ours.
 */
const mayImport: Record<string, readonly string[]> = {
  'src/core': [],
  'src/files': [],
  'src/numbering': ['src/core'],
  'src/pbx': ['src/core'],
  'src/crm': ['src/core'],
  'src/storage': ['src/core', 'src/files', 'migrations'],
  'src/dialplan': ['src/core', 'src/files', 'agi/variables.ts'],
  'src/recordings': ['src/core', 'src/files'],
  'src/hooks': ['src/core', 'src/files'],
  'src/web': ['src/core', 'src/files'],
  'src/config': ['src/core', 'src/files'],
  agi: ['src/core'],
  migrations: [],
};
/** Composition roots: they build the house and may see every room. */
const roots = ['src/app.ts', 'src/installation', 'src/config.ts', 'src/main.ts', 'src/cli', 'src/doctor'];
/** Packages that only one file of ours may know (see the shells' docstrings for why). */
const onlyIn: Record<string, string> = {
  'ding-dong': 'agi/session.ts',
  'asterisk-ami-client': 'src/pbx/asterisk/control-session.ts',
  'fluent-ffmpeg': 'src/recordings/convert.ts',
  handlebars: 'src/dialplan/render.ts',
};

/** What the service is made of when it starts, and packages that it has no use for until somebody asks for more. */
const atRest = ['src/main.ts', 'src/cli/start.ts', 'src/cli/log.ts', 'src/app.ts'];
const notAtRest = [
  'handlebars',
  'diff',
  'csv-parse',
  'pg',
  'undici',
  'fluent-ffmpeg',
  'aws4fetch',
  'esbuild',
  'transliteration',
];

function filesOf(folder: string): string[] {
  const path = join(root, folder);
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith('.ts') && statSync(join(root, name)).isFile());
}
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}
/** What comes with the file whether it is used or not. */
function loadedWith(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?'([^']+)';$/gm)].map((match) => match[1]!);
}
const isUnder = (path: string, folder: string) => path === folder || path.startsWith(folder + '/');
const allFiles = ['src', 'agi', 'migrations'].flatMap(filesOf);

describe('the architecture', () => {
  it('lets each folder import only what the table allows', () => {
    const faults: string[] = [];
    for (const file of allFiles) {
      if (roots.some((place) => isUnder(file, place))) continue;
      const home = Object.keys(mayImport).find((folder) => isUnder(file, folder));
      if (home === undefined) {
        faults.push(`${file} stands in no room of the table`);
        continue;
      }
      for (const specifier of importsOf(file).filter((name) => name.startsWith('.'))) {
        const target = relative(root, resolve(root, dirname(file), specifier));
        const allowed = isUnder(target, home) || mayImport[home]!.some((folder) => isUnder(target, folder));
        if (!allowed) faults.push(`${file} imports ${target}`);
      }
    }
    assert.deepEqual(faults, []);
  });

  it('keeps packages out of the core', () => {
    const faults = allFiles
      .filter((file) => isUnder(file, 'src/core'))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => !name.startsWith('.'))
          .map((name) => `${file} imports ${name}`),
      );
    assert.deepEqual(faults, []);
  });

  it('keeps adapters of different systems apart', () => {
    const faults: string[] = [];
    for (const family of ['src/pbx', 'src/crm']) {
      for (const file of filesOf(family)) {
        const own = file.split('/')[2]!;
        if (own.endsWith('.ts')) continue;
        for (const specifier of importsOf(file).filter((name) => name.startsWith('.'))) {
          const target = relative(root, resolve(root, dirname(file), specifier));
          if (isUnder(target, family) && target.split('/')[2] !== own) faults.push(`${file} imports ${target}`);
        }
      }
    }
    assert.deepEqual(faults, []);
  });

  it('lets one file alone know each hardened package', () => {
    const faults = allFiles
      .filter((file) => !file.endsWith('.d.ts'))
      .flatMap((file) =>
        importsOf(file).flatMap((name) => {
          const owner = Object.entries(onlyIn).find(([pkg]) => name === pkg || name.startsWith(`${pkg}/`))?.[1];
          return owner === undefined || owner === file ? [] : [`${file} imports ${name}, which belongs to ${owner}`];
        }),
      );
    assert.deepEqual(faults, []);
  });

  it('lets one room alone put files durably into their places', () => {
    const faults = allFiles.filter((file) => {
      if (isUnder(file, 'src/files')) return false;
      // A file that is appended to is another matter: its own `datasync` tells what of it counts.
      return /\bfsync(?:Sync)?\b|\.sync\(|\brenameSync\b/.test(readFileSync(join(root, file), 'utf8'));
    });
    assert.deepEqual(faults, []);
  });

  it('holds in the memory of a service at rest no package that waits for somebody to ask', () => {
    const faults: string[] = [];
    const files = new Set(atRest);
    for (const file of files) {
      for (const specifier of loadedWith(file)) {
        if (specifier.startsWith('.')) files.add(relative(root, resolve(root, dirname(file), specifier)));
        else if (notAtRest.some((name) => specifier === name || specifier.startsWith(`${name}/`)))
          faults.push(`${file} imports ${specifier}`);
      }
    }
    assert.ok(files.has('src/storage/connection.ts'));
    assert.deepEqual(faults, []);
  });

  it('never hands anything to a shell', () => {
    const faults = allFiles.filter((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const imported = /import\s*\{([^}]*)\}\s*from\s*'node:child_process'/.exec(text)?.[1] ?? '';
      return /shell:\s*(?:true|['"`])/.test(text) || /\bexec(?:Sync)?\b/.test(imported);
    });
    assert.deepEqual(faults, []);
  });
});
