import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeSchema } from '../../src/installation/settings.ts';
import { formOf, type Schema } from '../../src/web/ui/setting-forms.ts';

type Texts = Readonly<Record<string, string>>;
const read = (language: string) =>
  JSON.parse(
    readFileSync(new URL(`../../src/web/ui/i18n/settings.${language}.json`, import.meta.url), 'utf8'),
  ) as Texts;

/** Every setting that the forms can show, by its path without places in lists, with what the schema itself says of it. */
function shownSettings(): ReadonlyMap<string, string | undefined> {
  const shown = new Map<string, string | undefined>();
  const show = (properties: Readonly<Record<string, Schema>>, place: string): void => {
    for (const [key, schema] of Object.entries(properties)) {
      const path = place === '' ? key : `${place}.${key}`;
      shown.set(path, shown.get(path) ?? schema.description);
      walk(schema, path);
    }
  };
  const walk = (schema: Schema, place: string): void => {
    const form = formOf(schema);
    if (form.kind === 'group') show(form.properties, place);
    if (form.kind === 'entries') walk(form.items, place);
    if (form.kind !== 'variants') return;
    for (const { properties = {} } of form.variants) {
      const { [form.tag]: tag, ...others } = properties;
      show(form.variants.length > 1 ? properties : others, place);
      assert.notEqual(tag, undefined);
    }
  };
  walk(describeSchema() as Schema, '');
  return shown;
}

describe('what the settings are for', () => {
  const shown = shownSettings();
  const [english, russian] = [read('en'), read('ru')];
  // As the screen does: one CRM's own rules mean what those of the section mean.
  const textOf = (texts: Texts, path: string) =>
    texts[`setting.${path}`] ?? texts[`setting.${path.replace(/^crm\.registration\./, 'registration.')}`];

  it('is said of every setting that the screen can show, in both languages', () => {
    assert.ok(shown.size > 250, 'the walk found the settings');
    const paths = [...shown.keys()];
    assert.deepEqual(
      paths.filter((path) => textOf(russian, path) === undefined),
      [],
      'without a Russian text: add it to settings.ru.json',
    );
    assert.deepEqual(
      paths.filter((path) => textOf(english, path) === undefined && shown.get(path) === undefined),
      [],
      'without an English text: describe it in its schema, or add it to settings.en.json',
    );
  });

  it('is said of nothing that there is no more, and in the language it should be in', () => {
    const isShown = (key: string) => shown.has(key.replace(/^setting\./, ''));
    for (const texts of [english, russian])
      assert.deepEqual(
        Object.keys(texts).filter((key) => !isShown(key)),
        [],
      );
    for (const [key, text] of Object.entries(russian)) assert.match(text, /[а-яё]{3}|^\{\{/i, key);
    for (const [key, text] of Object.entries(english)) assert.doesNotMatch(text, /[а-яё]/i, key);
  });
});
