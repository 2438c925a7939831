import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeRelease } from '../scripts/sbom.mjs';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const readJson = <Content>(file: string) => JSON.parse(readFileSync(resolve(root, file), 'utf8')) as Content;
const manifest = readJson<LockedPackage>('package.json');
const lock = readJson<{ packages: Readonly<Record<string, LockedPackage>> }>('package-lock.json').packages;
const { '': self, ...locked } = lock;

describe('what others wrote and we ship', () => {
  it('is named to the exact version, and the lock file is of these names', () => {
    const { dependencies, devDependencies } = manifest;
    assert.deepEqual([self!.dependencies, self!.devDependencies], [dependencies, devDependencies]);
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`);
      assert.equal(locked[`node_modules/${name}`]?.version, version, name);
    }
  });

  it('is locked by its content, from whichever registry it comes', () => {
    for (const [path, { integrity, resolved }] of Object.entries(locked)) {
      assert.match(integrity ?? '', /^sha512-/, path);
      assert.equal(resolved, undefined, `${path} names a registry`);
    }
  });

  it('stands in the bill of materials, with what the browser gets', function () {
    this.timeout(30_000);
    const { stdout } = spawnSync('npm', ['--version'], { encoding: 'utf8' });
    // Debian's own is older and has no such command; releases are not made with it.
    if (Number.parseInt(stdout, 10) < 10) return this.skip();
    const env = { SOURCE_DATE_EPOCH: '1795246371' };
    const bom = describeRelease(env);
    const { component, timestamp } = bom.metadata;
    assert.deepEqual(
      [bom.bomFormat, component.name, timestamp],
      ['CycloneDX', 'ringledger', '2026-11-21T07:32:51.000Z'],
    );
    assert.equal(bom.serialNumber, describeRelease(env).serialNumber);
    const inIt = new Set(bom.components.map(({ name, version }) => `${name}@${version}`));
    for (const [path, { version }] of Object.entries(locked)) {
      assert.ok(inIt.has(`${path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`), path);
    }
    for (const { name, hashes } of bom.components) assert.equal(hashes?.[0]?.alg, 'SHA-512', name);
    const shipped = new Set(bom.components.filter(({ scope }) => scope === 'required').map(({ name }) => name));
    for (const name of Object.keys(manifest.dependencies!)) assert.ok(shipped.has(name), `${name} is shipped`);
    for (const name of ['preact', '@preact/signals-core', '@codemirror/state', '@lezer/common', 'uplot'])
      assert.ok(shipped.has(name), `${name} is shipped to browsers`);
    for (const name of ['mocha', 'vite', 'typescript']) assert.ok(!shipped.has(name), `${name} is not shipped`);
    assert.ok(!JSON.stringify(bom).includes(root), 'no path of this machine');
  });
});
