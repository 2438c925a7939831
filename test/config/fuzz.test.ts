import assert from 'node:assert/strict';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config.ts';
import { ConfigError, formatFault } from '../../src/config/fault.ts';
import { maskSecrets } from '../../src/config/secrets.ts';

function faultsOf(text: string, env: NodeJS.ProcessEnv = {}): ConfigError['faults'] {
  try {
    parseConfig({ file: 'f.yaml', text, env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}
const section = fc.constantFrom(
  'installation',
  'numbering',
  'storage',
  'pbx',
  'users',
  'calls',
  'crm',
  'registration',
  'agi',
  'distribution',
  'callerName',
  'dialplan',
  'http',
  'metrics',
  'log',
  'htpp',
);
const key = fc.oneof(
  fc.constantFrom(
    'name',
    'kind',
    'port',
    'host',
    'tokens',
    'token',
    'rules',
    'lists',
    'inbound',
    'extensions',
    'workingHours',
    'ami',
    'secretFile',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 8 }),
);
const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));

describe('the configuration under rubbish', function () {
  this.timeout(60_000);

  it('answers any bytes with faults that have a place, never with a crash', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        for (const fault of faultsOf(text)) assert.ok(formatFault(fault).startsWith('f.yaml'), formatFault(fault));
      }),
      { numRuns: 1000 },
    );
  });

  it('answers any structure in any section with placed faults, each on a line of the file', () => {
    fc.assert(
      fc.property(fc.dictionary(section, value, { maxKeys: 3 }), (sections) => {
        const text = stringify(sections);
        const lineCount = text.split('\n').length;
        for (const { line, message } of faultsOf(text)) {
          assert.ok(line === null || (line >= 1 && line <= lineCount), `${line} of ${lineCount}: ${message}`);
          assert.notEqual(message, '');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('answers any environment with faults or warnings', () => {
    const name = fc
      .tuple(section, fc.array(fc.constantFrom('PORT', '0', 'NAME', 'TOKENS', 'AMI', 'FILE', 'X'), { maxLength: 4 }))
      .map(([first, rest]) => ['RINGLEDGER', first.toUpperCase(), ...rest].join('_'));
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ maxLength: 12 }), { maxKeys: 3 }), (env) => {
        faultsOf('pbx: [{ name: office, kind: asterisk, ami: null }]', env);
      }),
      { numRuns: 500 },
    );
  });

  it('never lets a secret through the mask', () => {
    const secretKey = fc.constantFrom('secret', 'password', 'token', 'eventsSecret', 'apiKey', 'accessToken');
    fc.assert(
      fc.property(value, secretKey, (around, name) => {
        const shown = JSON.stringify(maskSecrets({ around, deep: [{ [name]: 'canary-canary' }] }));
        assert.ok(!shown.includes('canary'));
      }),
      { numRuns: 1000 },
    );
  });
});
