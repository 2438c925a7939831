import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureSecretFile } from '../../src/files/secret-file.ts';

describe('a secret that the machine makes for itself', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-secret-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const ensure = (file: string) => ensureSecretFile(file, { what: 'token', atLeast: 24 });

  it('is made once, with the folders above it, for its owner alone, and nothing stays beside it', () => {
    const file = join(folder, 'data', 'token');
    const secret = ensure(file);
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(readFileSync(file, 'utf8'), `${secret}\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(ensure(file), secret);
    assert.deepEqual(readdirSync(join(folder, 'data')), ['token']);
  });

  it('is another for each file, and one that a person wrote is taken as it is', () => {
    assert.notEqual(ensure(join(folder, 'one')), ensure(join(folder, 'other')));
    const file = join(folder, 'own');
    writeFileSync(file, '  a quiet morning in the office \n', { mode: 0o640 });
    assert.equal(ensure(file), 'a quiet morning in the office');
    assert.equal(statSync(file).mode & 0o777, 0o640);
  });

  it('that is too short to be one is refused by name, and so is a folder in its place', () => {
    const file = join(folder, 'short');
    for (const text of ['', '\n', 'secret']) {
      writeFileSync(file, text);
      assert.throws(
        () => ensure(file),
        /^Error: The token in .*\/short is too short; remove the file and start again\.$/,
      );
      assert.equal(readFileSync(file, 'utf8'), text);
    }
    assert.throws(() => ensure(folder), { code: 'EISDIR' });
  });
});
