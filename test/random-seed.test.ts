import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Title → what it failed with. */
function run(seed: string): Record<string, string> {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/mocha/bin/mocha.js'), '--reporter', 'json', 'test/support/processes/left-to-chance.ts'],
    { cwd: root, encoding: 'utf8', env: { ...process.env, RINGLEDGER_TEST_SEED: seed } },
  );
  assert.match(stdout, /^\{/, stderr);
  const { failures } = JSON.parse(stdout) as { failures: { title: string; err: { message: string } }[] };
  return Object.fromEntries(failures.map(({ title, err }) => [title, err.message]));
}

describe('a test that leaves something to chance', function () {
  this.timeout(60_000);

  it('says in its failure what draws the same again, and that does', () => {
    const first = run('');
    assert.deepEqual(Object.keys(first), ['dice', 'dice again', 'samples', 'property', 'nothing of chance']);
    const { 'nothing of chance': plain, ...drawn } = first;
    assert.equal(plain, 'drawn: []', 'others are not bothered, and no process that is started is either');
    const seeds = Object.values(drawn).map((message) => /\nRINGLEDGER_TEST_SEED=(\d+) draws/.exec(message)?.[1]);
    assert.match(seeds[0]!, /^\d+$/);
    assert.deepEqual(seeds, Array(4).fill(seeds[0]));
    assert.deepEqual(run(seeds[0]!), first);
    assert.notDeepEqual(run(''), first, 'else it is drawn anew');
  });

  it('takes no seed that is none', () => {
    assert.throws(() => run('abc'), /RINGLEDGER_TEST_SEED=abc is no seed/);
  });
});
