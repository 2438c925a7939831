import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { MaskedTexts } from '../../src/config/masked-text.ts';

const canary = 'canary-4711-secret';
const text = `# Ours. secret: ${canary} and { apiKey: "${canary}" }
storage: { url: postgres://ringledger:${canary}@db/calls }
pbx:
  - name: office   # the first
    ami:
      events: { username: e, secret: '${canary}' }
      control:
        username: c
        secret: |
          ${canary}
http:
  tokens:
    - { name: board, tokenFile: secrets/board }
    - name: other
      token: "${canary}"   # replaced yearly
    # token: ${canary}
`;

describe('the text of a configuration without its secrets', () => {
  it('has none of them, also not in comments and addresses, and comes back as it was', () => {
    const texts = new MaskedTexts();
    const masked = texts.mask(text)!;
    assert.doesNotMatch(masked, /canary/);
    assert.match(masked, /tokenFile: secrets\/board/);
    const { text: restored, strangers } = texts.unmask(masked);
    assert.deepEqual(strangers, []);
    assert.deepEqual(parse(restored), {
      ...(parse(text) as object),
      pbx: [{ ...(parse(text) as { pbx: { ami: object }[] }).pbx[0] }],
    });
    const lines = (whole: string) =>
      whole.split('\n').filter((line) => !/secret: \||"?canary-4711-secret(\\n)?"?$/.test(line));
    assert.deepEqual(lines(restored), lines(text), 'all but the text block is as it was written');
  });

  it('gives a secret back only where one may stand', () => {
    const texts = new MaskedTexts();
    const [placeholder] = /<kept-secret-\w+>/.exec(texts.mask(`secret: ${canary}\n`)!)!;
    for (const place of [
      'name: X',
      'names: [X]',
      '# see X',
      'a: &a X',
      'a: { name: &b X, secret: *b }',
      '{ secret: &c X, name: *c }',
      'secretFile: X',
      'X: 1',
      '# url: http://X/',
    ]) {
      const { text: restored, strangers } = texts.unmask(place.replace('X', placeholder));
      assert.doesNotMatch(restored, /canary/, place);
      assert.deepEqual(strangers, [{ line: 1 }], place);
    }
    const moved = texts.unmask(`other: { deep: { apiKey: ${placeholder} } }\n`);
    assert.deepEqual(parse(moved.text), { other: { deep: { apiKey: canary } } });
  });

  it('masks what an alias makes a secret', () => {
    const texts = new MaskedTexts();
    assert.doesNotMatch(texts.mask(`name: &a ${canary}\nsecret: *a\n`)!, /canary/);
  });

  it('shows nothing of a text that is no YAML', () => {
    assert.equal(new MaskedTexts().mask(`secret: ${canary}\nx: [\n`), null);
  });

  it('takes masked secrets out of messages', () => {
    const texts = new MaskedTexts();
    texts.mask(text);
    assert.equal(texts.clean(`'${canary}' is not a list`), "'***' is not a list");
  });
});
