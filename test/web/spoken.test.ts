import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createSpoken } from '../../src/web/ui/i18n/spoken.ts';

const translations = JSON.parse(
  readFileSync(new URL('../../src/web/ui/i18n/findings.ru.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>;
const doctor = new URL('../../src/doctor/', import.meta.url);

/** What is asked of Asterisk, typed into a shell, or stands within a sentence: nobody translates it. */
const notSaid =
  /^(?:(?:core|manager|cel|cdr|pjsip|sip|iax2) show |STRFTIME|no answer|There is no manager|\.\/|\.\.\/|node:|CEL (?:Tracking|Event) |tcp bind|timestamp events|cel logging|is no folder|ch(?:mod|own) |\^)/;

/** The sentences of the doctor as its sources hold them, each `${…}` as one character. */
function sentences(): string[] {
  return readdirSync(doctor).flatMap((file) => {
    const text = readFileSync(new URL(file, doctor), 'utf8');
    const code = withPlaces(text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, ''));
    const literals = code.matchAll(/"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g);
    return [...literals]
      .map(([, double, single, template]) => double ?? single ?? template!)
      .filter((text) => / .* /.test(text) && /[a-z]{3}/.test(text) && !notSaid.test(text));
  });
}

/** The innermost first, so that a template within a place is part of that place. */
function withPlaces(code: string): string {
  const next = code.replace(/\$\{[^{}]*\}/g, '\u0001');
  return next === code ? code : withPlaces(next);
}

describe('what the server says', () => {
  const say = createSpoken(translations);

  it('is Russian for every sentence of the doctor', () => {
    const all = sentences();
    assert.ok(all.length > 90, String(all.length));
    const missing = all.filter((text) => say(text) === text);
    assert.deepEqual(missing, [], 'without a Russian sentence: add it to findings.ru.json');
  });

  it('is Russian for every refusal of a click', () => {
    const source = withPlaces(readFileSync(new URL('../../src/core/click-to-call.ts', import.meta.url), 'utf8'));
    const all = [...source.matchAll(/['`]((?:[A-Z]|\u0001 has)[^'`\n]* [^'`\n]*[.)\u0001])['`]/g)]
      .map(([, text]) => text!)
      .filter((text) => !text.startsWith('More calls were'));
    assert.ok(all.length >= 11, all.join('\n'));
    assert.deepEqual(
      all.filter((text) => say(text) === text),
      [],
      'without a Russian sentence: add it to findings.ru.json',
    );
  });

  it('keeps its values, also those that are sentences of their own', () => {
    assert.equal(
      say('/var/log/asterisk/cdr-csv/Master.csv is empty although Asterisk has had 17 calls.'),
      'Файл /var/log/asterisk/cdr-csv/Master.csv пуст, хотя звонков в Asterisk было 17.',
    );
    assert.equal(
      say('Asterisk cannot be asked: no AMI control user is configured'),
      'Опросить Asterisk не удалось: не указан пользователь AMI для управления (ami.control)',
    );
    assert.equal(
      say('north office: AMI user ringledger (events)'),
      'north office: пользователь AMI ringledger (events)',
    );
    assert.equal(
      say('16 runs, 16 failed; last failure 2026-11-27T04:02:07.603Z: Error: no list of couriers'),
      'запусков: 16, сбоев: 16; последний сбой 2026-11-27T04:02:07.603Z: Error: no list of couriers',
    );
  });

  it('stays as it came where nobody translated it', () => {
    for (const text of ['', 'The account is blocked', '{file} may be read by nobody', 'a\nb'])
      assert.equal(say(text), text);
  });

  it('has the same places in both languages', () => {
    for (const [english, russian] of Object.entries(translations)) {
      const known: readonly string[] = english.match(/\{\w+\*?\}/g) ?? [];
      for (const place of russian.match(/\{\w+\*?\}/g) ?? []) assert.ok(known.includes(place), `${english}: ${place}`);
    }
  });
});
