import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../../src/web/routes/', import.meta.url);
const words = JSON.parse(readFileSync(new URL('../../src/web/ui/i18n/en.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, string>
>;

/** `POST /deliveries/:id/resend` of every route below `/api/v1` that the list of changes keeps. */
function changes(): string[] {
  return readdirSync(folder).flatMap((file) => {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const found = [...text.matchAll(/\bapi\.(post|patch|put|delete)(?:<[^>]*>)?\(\s*'([^']+)',?(.*)/g)];
    assert.equal(
      found.length,
      text.match(/\bapi\.(?:post|patch|put|delete)\b/g)?.length ?? 0,
      `${file}: every route is read`,
    );
    return found
      .filter(([, , , rest]) => !rest!.includes('isLook: true'))
      .map(([, method, path]) => `${method!.toUpperCase()} ${path}`);
  });
}

describe('the list of changes', () => {
  it('has words for every change that can be made, and for none that there is no more', () => {
    const known = Object.keys(words).flatMap((key) => /^people\.did\.([A-Z]+ \/.*)$/.exec(key)?.[1] ?? []);
    const made = changes();
    assert.ok(made.length > 30);
    assert.deepEqual(known.sort(), made.sort());
  });

  it('names in its words only what the path tells', () => {
    for (const [key, text] of Object.entries(words)) {
      const [, path] = /^people\.did\.[A-Z]+ (\/.*)$/.exec(key) ?? [];
      if (path === undefined) continue;
      const places = [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      for (const place of places) assert.ok(path.split('/').includes(`:${place}`), `${key}: {${place}}`);
    }
  });
});
