import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { configSchema, parseConfig } from '../../src/config.ts';
import { knownKeys, outlineOf } from '../../src/config/outline.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const example = readFileSync(join(root, 'ringledger.example.yaml'), 'utf8');

describe('ringledger.example.yaml', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-example-'));
    mkdirSync(join(folder, 'secrets'));
    // What the installation has made by then, and nothing else.
    for (const name of ['ami-events', 'ami-control']) writeFileSync(join(folder, 'secrets', name), 'x'.repeat(64));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is valid as it stands', () => {
    const { config } = parseConfig({ file: join(folder, 'ringledger.yaml'), text: example, env: {} });
    assert.equal(config.pbx[0]!.ami!.events.secret, 'x'.repeat(64));
    assert.equal(config.pbx[0]!.cel!.file, '/var/log/asterisk/cel-custom/Master.csv');
    assert.deepEqual(config.registration.rules![0]!.task && config.registration.rules![0]!.task.responsible, [
      'client',
      'default',
    ]);
  });

  it('names every section and every setting of the first two levels', () => {
    const sections = knownKeys(outlineOf(configSchema), {})!;
    const missing = [...sections].flatMap(([section, outline]) => {
      const part = new RegExp(`^#? ?${section}:[\\s\\S]*?(?=^# -{10}|^#? ?[a-z]\\w+:|\\Z)`, 'im').exec(
        example + '\n# ----------',
      );
      if (part === null) return [section];
      const start = part.index;
      const text = example.slice(
        start,
        example.indexOf('\n# -----', start) < 0 ? undefined : example.indexOf('\n# -----', start),
      );
      return [...(knownKeys(outline, {})?.keys() ?? [])]
        .filter((key) => key !== 'kind' && key !== 'url')
        .filter((key) => !new RegExp(`[\\s{#]${key}:`).test(text))
        .map((key) => `${section}.${key}`);
    });
    assert.deepEqual(missing, []);
  });

  it('tells the defaults as they are', () => {
    const defaults = parseConfig({ file: '/etc/ringledger/ringledger.yaml', text: '', env: {} }).config;
    // The sections that are wholly commented out.
    const text =
      /^# distribution:[\s\S]*?(?=\n\n)/m.exec(example)![0] + '\n' + /^# metrics:[\s\S]*$/m.exec(example)![0];
    const shown = parse(text.replaceAll(/^# ?/gm, '')) as Record<string, unknown>;
    for (const section of ['distribution', 'callerName', 'agi', 'metrics', 'log'] as const) {
      assert.deepEqual(shown[section], defaults[section], section);
    }
  });

  it('and the short one of the README are valid', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    for (const [, text] of readme.matchAll(/```yaml\n([\s\S]*?)```/g)) {
      parseConfig({ file: join(folder, 'ringledger.yaml'), text: text!, env: {} });
    }
  });
});
