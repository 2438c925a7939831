import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toAscii } from '../../agi/transliterate.ts';
import { makeHarmless, renderCallerName, toDisplay } from '../../src/core/caller-name.ts';

const plain = (text: string) => toDisplay(text, null);
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

describe("the caller's name", () => {
  it('has at most 20 characters as people count them, cut between characters', () => {
    assert.equal(plain('Общество с ограниченной ответственностью «Ромашка»'), 'Общество с ограничен');
    const family = '👨‍👩‍👧‍👦';
    assert.equal(plain(family.repeat(25)), family.repeat(3), '25 bytes each, 80 in all');
    assert.equal(plain('🇷🇺'.repeat(25)), '🇷🇺'.repeat(10));
    assert.equal(plain('e\u0301'.repeat(25)), 'é'.repeat(20));
    assert.equal(plain('각'.normalize('NFD').repeat(30)), '각'.repeat(20));
  });

  it('keeps ё and й however they are written', () => {
    assert.equal(plain('Алёна Йордан'.normalize('NFD')), 'Алёна Йордан'.normalize('NFC'));
  });

  it('loses line breaks, control, bidi and invisible characters, and broken bytes', () => {
    assert.equal(plain('Ivan\r\nEXEC\0 \tSystem\u2028x\u0085y'), 'Ivan EXEC System x y');
    assert.equal(plain('\u202eIvan\u202c \u2066Petrov\u2069\u200b\u00ad\ufeff'), 'Ivan Petrov');
    assert.equal(plain('a\ud800b\udc00c\ufffdd\ue000e\u{e0041}'), 'abcde');
    assert.equal(plain('a\u200db'), 'ab');
  });

  it('makes harmless what AGI, AMI and the dialplan would take for syntax', () => {
    assert.equal(plain('Ivan "the", First'), "Ivan 'the' First");
    assert.equal(plain('${EXTEN}'), '(EXTEN)');
    assert.equal(plain('$[1+1] `id` a;b|c<d>'), "(1+1) 'id' a b/c(d)");
    assert.equal(plain('a\\b&c=d'), 'a/b+c-d');
    assert.equal(makeHarmless('ООО "Ромашка" (Москва)'), "ООО 'Ромашка' (Москва)");
  });

  it('is no heap of combining marks', () => {
    assert.equal(plain('Z' + '\u0335'.repeat(100) + 'algo'), 'algo');
    assert.equal(plain('\u0335'.repeat(100)), '');
  });

  it('follows the template and tidies what is missing', () => {
    const parts = { name: 'Ivan', company: 'Acme', trunk: 'Sales' };
    const render = (template: string, fields: object = {}) =>
      renderCallerName({ ...parts, ...fields }, { template, transliterate: null });
    assert.equal(render('{{name}}'), 'Ivan');
    assert.equal(render('{{ name }} ({{company}})'), 'Ivan (Acme)');
    assert.equal(render('{{name}} ({{company}})', { company: null }), 'Ivan');
    assert.equal(render('{{trunk}}: {{name}}'), 'Sales Ivan');
    assert.equal(render('{{company}} - {{name}}', { company: null }), 'Ivan');
    assert.equal(render('{{name}}', { name: '' }), 'Acme');
    assert.equal(render('{{name}}', { name: '{{company}} $& $1' }), '((company)) + 1');
    assert.equal(render('{{name}}', { name: null, company: null }), '');
  });

  it('becomes ASCII for phones that show nothing else, quotes and Ц included', () => {
    const ascii = (text: string) => toDisplay(text, toAscii);
    assert.equal(ascii('ООО «Цветы»'), "OOO 'Tsvety'");
    assert.equal(ascii('Щербакова Ёлка'), 'Shcherbakova Yolka');
    assert.equal(ascii('Юрий Цой 😀'), 'Yuriy Tsoy');
    assert.equal(ascii('№5 “x”'), "N5 'x'");
    assert.equal(ascii('😀'), '');
    assert.equal(
      toDisplay('x', () => 'a"b\n${c}'),
      "a'b (c)",
      'what comes of it is trusted no more',
    );
    assert.equal(ascii('Ґанок Їжак Євген ґї'), 'Ganok Yizhak Yevgen');
    assert.equal(ascii('Бєлов Надія Ўлад'), 'Byelov Nadiya Ulad');
    assert.equal(ascii('Әсел Ғани Қайрат'), 'Asel Gani Kayrat');
    assert.equal(ascii('Ңұр Өмір Үміт Һәм'), 'Nur Omir Umit Ham');
    assert.equal(ascii('Əliyev Rəhim'), 'Aliyev Rahim');
  });

  it('keeps these promises for any text', () => {
    for (const transliterate of [null, toAscii]) {
      const text = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc
          .array(
            fc.constantFrom(
              '"',
              ',',
              '\\',
              '\r\n',
              '\0',
              '${',
              '}',
              '👨‍👩‍👧',
              '\u200d',
              '\ufe0f',
              '\u0301',
              'ё',
              '\ud83d',
              '\u202e',
              'Ivan ',
            ),
          )
          .map((parts) => parts.join('')),
      );
      fc.assert(
        fc.property(text, (name) => {
          const shown = renderCallerName({ name, company: null, trunk: null }, { template: '{{name}}', transliterate });
          assert.ok([...graphemes.segment(shown)].length <= 20);
          assert.ok(Buffer.byteLength(shown) <= 80);
          assert.equal(Buffer.from(shown).toString(), shown, 'valid UTF-8');
          assert.doesNotMatch(shown, /["`,;:?$%^~=&|\\<>[\]{}]|(?!\u200d)\p{C}|[\p{Zl}\p{Zp}]/u);
          assert.equal(toDisplay(shown, null), shown, 'nothing is left to be done');
          if (transliterate) assert.match(shown, /^[\x20-\x7e]*$/);
        }),
        { numRuns: 5000 },
      );
    }
  });
});
