import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

describe('the README', () => {
  it('names only files and folders that are there', () => {
    const paths = [
      ...readme.matchAll(/`((?:src|agi|test|packaging|dialplan-templates|migrations|bench|scripts)\/[\w./-]*)`/g),
    ];
    assert.ok(paths.length > 15);
    const missing = paths.map(([, path]) => path!).filter((path) => !existsSync(join(root, path)));
    assert.deepEqual(missing, []);
    // In a paragraph of the tour, a bare file name stands in the folder or one of the folders named before it.
    for (const paragraph of readme
      .split('The ten-minute tour')[1]!
      .split(/^\d+\. /m)
      .slice(1)) {
      const folders = [...paragraph.matchAll(/`([\w/-]+\/)(?:[\w.-]+)?`/g)].map(([, folder]) => folder!);
      const rooms = folders.flatMap((folder) => [
        folder,
        join(folder, 'ami'),
        join(folder, 'csv'),
        join(folder, 'handlers'),
      ]);
      for (const [, file] of paragraph.matchAll(/`([\w-]+\.ts)`/g)) {
        assert.ok(
          rooms.some((folder) => existsSync(join(root, folder, file!))),
          `${file} in ${folders.join(', ')}`,
        );
      }
    }
  });

  it('names only npm scripts that are there', () => {
    const missing = [...readme.matchAll(/npm (?:run )?(start|test|demo|bench|build|lab)\b/g)].filter(
      ([, name]) => scripts[name!] === undefined,
    );
    assert.deepEqual(missing, []);
  });
});
