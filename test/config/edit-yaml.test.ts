import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { CannotEdit, editYaml } from '../../src/config/edit-yaml.ts';

const example = readFileSync(new URL('../../ringledger.example.yaml', import.meta.url), 'utf8');
/** The lines that one edit of the example file took out and put in. */
function changed(path: (string | number)[], value?: unknown) {
  const edited = editYaml(example, value === undefined ? { path } : { path, value });
  const [before, after] = [example.split('\n'), edited.split('\n')];
  return {
    edited,
    out: before.filter((line) => !after.includes(line)),
    in: after.filter((line) => !before.includes(line)),
  };
}
const comments = (text: string) => text.split('\n').filter((line) => line.includes('#')).length;

describe('a change of one setting in a YAML file', () => {
  it('replaces a value and leaves every other character as it is', () => {
    const { out, in: put } = changed(['installation', 'country'], 'KZ');
    assert.deepEqual(out, ['  country: RU                   # two letters: how national numbers are read']);
    assert.deepEqual(put, ['  country: KZ                   # two letters: how national numbers are read']);
    assert.deepEqual(changed(['pbx', 0, 'ami', 'events', 'username'], 'x').in, [
      '      events: { username: x, secretFile: secrets/ami-events }',
    ]);
    assert.deepEqual(changed(['users', 0, 'extensions'], ['101', '0102']).in, ['    extensions: ["101", "0102"]']);
  });

  it('adds a setting to its section, below what stands there', () => {
    const { out, in: put, edited } = changed(['http', 'port'], 8481);
    assert.deepEqual([out, put], [[], ['  port: 8481']]);
    assert.equal((parse(edited) as { http: { port: number } }).http.port, 8481);
    assert.deepEqual(changed(['pbx', 0, 'ami', 'events', 'secret'], 'a, }').in, [
      '      events: { username: ringledger-events, secretFile: secrets/ami-events, secret: "a, }" }',
    ]);
    assert.deepEqual(changed(['log', 'level'], 'debug').in, ['log:', '  level: debug']);
  });

  it('adds an entry to a list and takes one out, with all of its lines', () => {
    const user = { id: 'vera', name: 'Vera', extensions: ['103'] };
    const added = changed(['users', 2], user);
    assert.deepEqual(added.out, []);
    assert.deepEqual(added.in, ['  - id: vera', '    name: Vera', '    extensions: ["103"]']);
    const removed = editYaml(example, { path: ['users', 1] });
    assert.deepEqual(
      (parse(removed) as { users: { id: string }[] }).users.map(({ id }) => id),
      ['anna'],
    );
    assert.ok(comments(example) - comments(removed) <= 2, 'no more than what stood in the entry');
  });

  it('fills a section that had nothing in it, and a file that was empty', () => {
    const text = 'http:   # the API\n  # port: 8480\nlog:\n  level: info\n';
    assert.equal(
      editYaml(text, { path: ['http', 'port'], value: 1 }),
      'http:   # the API\n  port: 1\n  # port: 8480\nlog:\n  level: info\n',
    );
    assert.equal(editYaml('# mine\n', { path: ['http', 'port'], value: 1 }), '# mine\n\nhttp:\n  port: 1\n');
    assert.equal(editYaml('', { path: ['users', 0, 'id'], value: 'a' }), 'users:\n  - id: a\n');
  });

  it('keeps all comments also where it has to write a section anew', () => {
    const text = 'a:   1 # one\nlist: # two\n  # three\n  - x: 1 # four\nb:   2 # five\n';
    const edited = editYaml(text, { path: ['list', 0, 'x'] });
    assert.deepEqual((parse(edited) as { list: unknown }).list, [{}]);
    assert.ok(edited.startsWith('a:   1 # one\n') && edited.endsWith('b:   2 # five\n'), edited);
    for (const word of ['two', 'three']) assert.ok(edited.includes(`# ${word}`), edited);
  });

  it('changes no more than the lines of the setting, whichever of the example file it is', function () {
    this.timeout(60_000);
    const leaves: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      if (typeof value !== 'object' || value === null) return void leaves.push(path);
      for (const [key, inner] of Object.entries(value))
        walk(inner, [...path, Array.isArray(value) ? Number(key) : key]);
    };
    walk(parse(example), []);
    assert.ok(leaves.length > 40);
    for (const path of leaves) {
      const { out, in: put, edited } = changed(path, 'put: in # here');
      assert.deepEqual([out.length, put.length], [1, 1], path.join('.'));
      assert.equal(comments(edited), comments(example) + (put[0]!.includes('#') && !out[0]!.includes('#') ? 1 : 0));
    }
  });

  it('refuses what cannot be, and a text that is no YAML', () => {
    assert.throws(() => editYaml('a: 1\n', { path: ['a', 'b'], value: 1 }), CannotEdit);
    assert.throws(() => editYaml('a: [1\n', { path: ['a'], value: 1 }), CannotEdit);
    assert.throws(() => editYaml('a: *8\nb: 1\n', { path: ['b'], value: 2 }), CannotEdit);
  });
});
