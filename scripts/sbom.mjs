// Writes dist/sbom.cdx.json: what a release is made of, in CycloneDX, from the lock file alone; needs no network.
// Needs npm 10 or newer.
//   npm run sbom                 or, for the same bytes again: SOURCE_DATE_EPOCH=… npm run sbom
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const developmentMark = 'cdx:npm:package:development';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(root, 'dist', 'sbom.cdx.json');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(describeRelease(), null, 2)}\n`);
  console.log(`Written: ${file}`);
}

/**
 * npm's own account, put right where it is wrong for us: it calls the program after the folder that it stands in, and it
 * takes what is bundled for the browser for mere tools. Packages that only build and test stay in it, marked as such.
 */
export function describeRelease(env = process.env) {
  const words = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only', '--offline'];
  const { status, stdout, stderr } = spawnSync('npm', words, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`npm sbom failed:\n${stderr}`);
  const bom = JSON.parse(stdout);
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  bom.metadata.component.name = name;
  const bundled = findBundled(bom);
  for (const component of bom.components) {
    if (!bundled.has(component['bom-ref'])) continue;
    component.scope = 'required';
    component.properties = component.properties.filter((property) => property.name !== developmentMark);
  }
  const epoch = env['SOURCE_DATE_EPOCH'];
  if (epoch !== undefined) {
    bom.metadata.timestamp = new Date(Number(epoch) * 1000).toISOString();
    bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom.components))}`;
  }
  return bom;
}

/** What the browser's pages import, and what that needs. */
function findBundled({ components, dependencies }) {
  const folder = join(root, 'src', 'web', 'ui');
  const imported = new Set();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.tsx?$/.test(file)) continue;
    for (const [, path] of readFileSync(join(folder, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^'.][^']*)'/g))
      imported.add(
        path
          .split('/')
          .slice(0, path.startsWith('@') ? 2 : 1)
          .join('/'),
      );
  }
  const needs = new Map(dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const direct = new Set(needs.get(dependencies[0].ref));
  const found = new Set();
  const waiting = components
    .filter((component) => imported.has(component.name) && direct.has(component['bom-ref']))
    .map((component) => component['bom-ref']);
  for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
    if (found.has(ref)) continue;
    found.add(ref);
    waiting.push(...(needs.get(ref) ?? []));
  }
  return found;
}

/** The same for the same text. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
