import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel, type DialplanModel } from '../../src/dialplan/model.ts';
import { parseDialplan, parseShownContext } from '../../src/dialplan/parse.ts';
import {
  compileTemplates,
  shippedTemplatesFolder,
  TemplateError,
  type RenderedFile,
} from '../../src/dialplan/render.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { everySetting } from './every-setting.ts';

const surroundings = { extensions: ['_10X', '200-249'], timeZone: 'Europe/Moscow' };

/** As every-setting, but with one phone instead of fifty: what matters is that every place of every template is used. */
const settings = {
  ...everySetting,
  variant: 'freepbx',
  freepbx: { outboundPatterns: ['_8XXXXXXXXXX'], record: true },
  groups: everySetting.groups.map((group) => ({ ...group, members: group.members.slice(0, 3) })),
};

const fragments = [
  '\n',
  '\r',
  '\0',
  '\t',
  '\x1b',
  '\u2028',
  '\u0085',
  '\n same => n,System(id)\n',
  '\n[evil]\n',
  '\nexten => s,1,System(id)',
  ',',
  '|',
  ';',
  ';--',
  '--;',
  '&',
  '&SIP/itsp/14165551212',
  '500&SIP/itsp/14165551212',
  '&PJSIP/79990000000@provider',
  ')',
  '(',
  '),System(id',
  ')\n',
  '^',
  ':',
  '?',
  '=',
  '"',
  "'",
  '\\',
  '\\n',
  '\\;',
  '$',
  '${',
  '}',
  '${SHELL(id)}',
  '${EVAL(${RL_NAME})}',
  '$[',
  ']',
  '$[1 + 1]',
  '${EXTEN}',
  '{{',
  '}}',
  '{{{x}}}',
  '{extension}',
  '{number}',
  '#exec',
  '#include /etc/passwd',
  '..',
  '../',
  '/',
  '/../../etc',
  '-',
  '_',
  '_.',
  '_X!',
  '!',
  '.',
  '@',
  '@provider',
  '*',
  '#',
  '+',
  '<',
  '>',
  '`',
  '`id`',
  '|id',
  'x',
  'h',
  's',
  'i',
  'T',
  'System',
  'Local/',
  'PJSIP/',
  '%',
  '%s',
  '101',
  '7000001',
  'ringledger-inbound',
  'ё',
  '😀',
  '\u202e',
  '\ufeff',
  ' ',
  '0',
  '00:00',
  '127.0.0.1:1',
  '__proto__',
  'constructor',
];

const nastyValue = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...fragments), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...fragments), fc.string({ maxLength: 20 })).map(([a, b]) => b + a),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 400 }) },
);

type Path = readonly (string | number)[];

function stringPlaces(value: unknown, path: Path = []): { path: Path; text: string }[] {
  if (typeof value === 'string') return value === '' ? [] : [{ path, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : Object.entries(value);
  return entries.flatMap(([key, item]) => stringPlaces(item, [...path, key]));
}

function replaceAt<T>(value: T, [key, ...rest]: Path, text: string): T {
  if (key === undefined) return text as T;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>;
  copy[key] = replaceAt(copy[key], rest, text);
  return copy as T;
}

/** What must be the same whatever the values are: contexts and their applications in order, and every function that is called. */
function shapeOf(files: readonly RenderedFile[]) {
  const { contexts, faults } = parseDialplan(files);
  assert.deepEqual(faults, []);
  const steps = [...contexts.values()].flatMap((context) => context.steps);
  return {
    contexts: contexts.size,
    names: new Set(contexts.keys()),
    apps: steps.map(({ app }) => app),
    functions: steps.flatMap(({ args }) => args.match(/[A-Z_]+\(|\$\{|\$\[|[)}&|^,;"\\]/g) ?? []),
  };
}

const isNasty = (text: string) => /[^A-Za-z0-9_./+@:-]/.test(text);

describe('values that try to become dialplan', function () {
  this.timeout(300_000);
  const templates = compileTemplates({ shipped: shippedTemplatesFolder(), owner: null });
  const model = buildModel(dialplanConfig.parse(settings), surroundings);
  const benign = shapeOf(templates.render(model));
  const accepted = new Map<string, RenderedFile[]>();

  const keepSample = (text: string, files: RenderedFile[]) => {
    if (accepted.size < 400 && (isNasty(text) || accepted.size < 100)) accepted.set(text, files);
  };

  it('are refused by the templates, or change nothing but the value (50,000 values)', () => {
    const places = stringPlaces(model);
    assert(places.length > 150, String(places.length));
    let refused = 0;
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(places.length - 1), nastyValue, fc.boolean(), (index, value, isAppended) => {
        const { path, text } = places[index]!;
        const tried = isAppended ? text + value : value;
        let files: RenderedFile[];
        try {
          files = templates.render(replaceAt<DialplanModel>(model, path, tried));
        } catch (error) {
          assert(error instanceof TemplateError, String(error));
          assert.match(error.message, /\.hbs:\d+: .+ must be /);
          const setting = path.findLast((key) => typeof key === 'string')!;
          assert(error.message.includes(String(setting)), `${error.message} names ${path.join('.')}`);
          refused += 1;
          return;
        }
        taken += 1;
        const shape = shapeOf(files);
        assert.deepEqual(shape.apps, benign.apps, `${path.join('.')} = ${JSON.stringify(tried)}`);
        // The name of another of our contexts, in place of one, is no new context. The settings refuse such names.
        if (!shape.names.has(tried)) assert.equal(shape.contexts, benign.contexts);
        // A semicolon in free text is escaped; nothing else of this list is taken anywhere.
        const plain = (functions: string[]) => functions.filter((one) => one !== ';');
        assert.deepEqual(
          plain(shape.functions),
          plain(benign.functions),
          `${path.join('.')} = ${JSON.stringify(tried)}`,
        );
        keepSample(tried, files);
      }),
      { numRuns: 50_000 },
    );
    assert(refused > 10_000 && taken > 200, `${refused} refused, ${taken} taken`);
  });

  it('are refused by the settings, or change nothing but the value', () => {
    const places = stringPlaces(settings);
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(places.length - 1), nastyValue, fc.boolean(), (index, value, isAppended) => {
        const { path, text } = places[index]!;
        const tried = isAppended ? text + value : value;
        const parsed = dialplanConfig.safeParse(replaceAt<object>(settings, path, tried));
        if (!parsed.success) {
          assert(parsed.error.issues.every((issue) => issue.message !== ''));
          return;
        }
        const files = templates.render(buildModel(parsed.data, surroundings));
        const { apps } = shapeOf(files);
        taken += 1;
        // A number that becomes a pattern, or a target of another kind, rightly changes the number of steps.
        const known = new Set(benign.apps);
        assert(
          apps.every((app) => known.has(app)),
          `${path.join('.')} = ${JSON.stringify(tried)}`,
        );
        keepSample(tried, files);
      }),
      { numRuns: 10_000 },
    );
    assert(taken > 20, String(taken));
  });

  describe('and were taken', () => {
    let lab: Lab;
    before(async function () {
      this.timeout(180_000);
      lab = await startLab({ withoutClickToCallContexts: true });
    });
    after(() => lab?.stop());

    it('are read by a real Asterisk as the same applications', async () => {
      assert(accepted.size > 100, String(accepted.size));
      const samples = [...accepted.values()];
      for (let start = 0; start < samples.length; start += 50) {
        // Each sample gets context names of its own, so that many can be loaded at once.
        const part = samples.slice(start, start + 50).map((files, index) =>
          files.map(({ name, text }) => ({
            name: `s${index}-${name}`,
            text: text.replaceAll(/ringledger-|from-pstn-custom|from-internal-custom/g, (word) => `s${index}-${word}`),
          })),
        );
        await lab.loadDialplan(Object.fromEntries(part.flat().map(({ name, text }) => [name, text])));
        const all = await lab.pbx.command('dialplan show');
        for (const files of part) {
          for (const context of parseDialplan(files).contexts.values()) {
            if (context.steps.length === 0) continue;
            const shown = parseShownContext(all, context.name);
            assert(shown !== null, context.name);
            const appsOf = (steps: readonly { exten: string; priority: number; app: string }[]) =>
              // Where a value made two extensions the same, Asterisk keeps the first.
              [...new Map([...steps].reverse().map((step) => [`${step.exten},${step.priority}`, step.app]))].sort();
            assert.deepEqual(
              appsOf(
                shown.map(({ exten, priority, call }) => ({ exten, priority, app: call.slice(0, call.indexOf('(')) })),
              ),
              appsOf(context.steps),
            );
          }
        }
      }
    });
  });
});
