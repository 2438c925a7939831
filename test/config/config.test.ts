import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { employeesOf, findConfigFile, loadConfig, parseConfig } from '../../src/config.ts';
import { ConfigError, formatFault } from '../../src/config/fault.ts';
import { maskSecrets } from '../../src/config/secrets.ts';

function faultsOf(text: string, env: NodeJS.ProcessEnv = {}): string[] {
  try {
    parseConfig({ file: 'ringledger.yaml', text, env });
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(formatFault);
    throw error;
  }
  return [];
}
const read = (text: string, env: NodeJS.ProcessEnv = {}) => parseConfig({ file: null, text, env }).config;

describe('the configuration', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-config-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is valid when the file is empty', () => {
    const config = read('');
    assert.equal(config.http.host, '127.0.0.1');
    assert.deepEqual(config.users, []);
  });

  it('takes a section whose settings are all commented out as absent', () => {
    assert.equal(read('http:\n  # port: 1\nusers:\n').http.port, 8480);
  });

  it('tells all faults at once, each with file, line and column', () => {
    const faults = faultsOf(
      [
        'installation:',
        '  timezone: Europe/Berln',
        'http:',
        '  port: 99999',
        '  hots: 0.0.0.0',
        'users:',
        '  - name: Ivan',
        'log: { level: warning }',
      ].join('\n'),
    );
    assert.deepEqual(faults, [
      'ringledger.yaml:2:13: installation.timezone: is not a time zone; write one such as Europe/Moscow',
      'ringledger.yaml:4:9: http.port: 99999 is too large; at most 65535 allowed',
      "ringledger.yaml:5:3: http.hots: unknown setting; did you mean 'host'?",
      'ringledger.yaml:7:5: users[0].id: is missing; text is needed here',
      "ringledger.yaml:8:15: log.level: 'warning' is not one of debug, info, warn, error",
    ]);
  });

  it('names the allowed settings when an unknown one resembles none', () => {
    assert.match(faultsOf('log: { colour: red }')[0]!, /unknown setting; allowed here: level, pretty$/);
  });

  it('tells every fault of the YAML itself with its line', () => {
    const faults = faultsOf('http:\n  port: 1\n  port: 2\nlog: [\n');
    assert.equal(faults.length, 2);
    assert.match(faults[0]!, /^ringledger\.yaml:3:3: not valid YAML: Map keys must be unique/);
    assert.match(faults[1]!, /^ringledger\.yaml:\d+:\d+: not valid YAML: /);
  });

  it('refuses tags that YAML knows and we do not', () => {
    assert.deepEqual(faultsOf('http: !include x.yaml'), [
      'ringledger.yaml:1:7: not valid YAML: Unresolved tag: !include',
    ]);
  });

  it('tells where a number that begins with * lacks its quotes, which YAML takes for a name given elsewhere', () => {
    assert.deepEqual(faultsOf('numbering:\n  notExtensions: [*8, "*9"]\n'), [
      'ringledger.yaml:2:19: not valid YAML: *8 names nothing here; put it in quotes',
    ]);
    assert.deepEqual(faultsOf('numbering: { notExtensions: &some ["108"], extensions: *some }\n'), []);
  });

  it('tells what is missing where one of several kinds is needed, and what a text must hold', () => {
    assert.deepEqual(
      faultsOf('crm: [{ name: shop }]\npbx: [{ name: o, kind: asterisk, ami: null, dndDevice: DND }]\n'),
      [
        'ringledger.yaml:1:7: crm[0].kind: is missing; one of local, kommo, retailcrm is needed here',
        "ringledger.yaml:2:56: pbx[0].dndDevice: 'DND' does not hold '{extension}'",
      ],
    );
  });

  it('refuses a file that is no group of settings', () => {
    assert.match(faultsOf('just text')[0]!, /'just text' is not a group of settings/);
    assert.match(faultsOf('- a\n- b')[0]!, /a list is not a group of settings/);
  });

  it('keeps extensions as they are written, leading zeros included', () => {
    const [user] = employeesOf(read('users: [{ id: 7, name: Ivan, extensions: [0101, 102], mobile: +79161110002 }]'));
    assert.deepEqual(user, {
      id: '7',
      name: 'Ivan',
      extensions: ['0101', '102'],
      email: null,
      deputies: [],
      mobile: '+79161110002',
      isActive: true,
      workingHours: null,
    });
  });

  it('finds ids, extensions and deputies that contradict one another', () => {
    const faults = faultsOf(
      [
        'users:',
        '  - { id: 1, name: A, extensions: [101], deputies: [2, 9, 1] }',
        '  - { id: 2, name: B, extensions: [101] }',
        '  - { id: 2, name: C }',
      ].join('\n'),
    );
    assert.deepEqual(faults, [
      "ringledger.yaml:2:56: users[0].deputies[1]: there is no user with the id '9'",
      'ringledger.yaml:2:59: users[0].deputies[2]: a user cannot be their own deputy',
      'ringledger.yaml:3:36: users[1].extensions[0]: extension 101 belongs already to users[0]; an extension has one user',
      "ringledger.yaml:4:11: users[2].id: '2' is used already by users[1]; each needs its own",
    ]);
  });

  it('tells a wrong country once, where it is written', () => {
    for (const country of ['RUS', 'XX']) {
      const faults = faultsOf(`installation:\n  country: ${country}\n`);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0]!, /^ringledger\.yaml:2:12: installation\.country: .*country code such as RU/);
    }
    assert.match(faultsOf('numbering: { country: XX }')[0]!, /^ringledger\.yaml:1:23: numbering\.country: /);
  });

  it('hands the country of the installation to the number plan unless that has its own', () => {
    assert.equal(read('installation: { country: de }').numbering.country, 'DE');
    assert.equal(read('installation: { country: DE }\nnumbering: { country: KZ }').numbering.country, 'KZ');
  });

  describe('working hours', () => {
    const hoursOf = (text: string) => read(`installation:\n  workingHours: ${text}`).installation.workingHours;

    it('are read by day, by span of days and by several spans of one day', () => {
      assert.deepEqual(hoursOf('{ mon-tue: 09:00-18:00, sat: [14:00-16:00, 10:00-13:30], holidays: [2026-12-31] }'), {
        days: {
          1: [{ from: 540, to: 1080 }],
          2: [{ from: 540, to: 1080 }],
          6: [
            { from: 600, to: 810 },
            { from: 840, to: 960 },
          ],
        },
        holidays: ['2026-12-31'],
      });
    });

    it('may pass midnight', () => {
      assert.deepEqual(hoursOf('{ sun: 22:00-06:00 }')?.days, { 7: [{ from: 1320, to: 360 }] });
      assert.deepEqual(hoursOf('{ mon: 00:00-24:00 }')?.days, { 1: [{ from: 0, to: 1440 }] });
    });

    it('are refused with the day and the text that is wrong', () => {
      assert.deepEqual(
        faultsOf('installation:\n  workingHours:\n    mon: 9-18\n    someday: 09:00-18:00\n    tue: 25:00-26:00'),
        [
          "ringledger.yaml:3:10: installation.workingHours.mon: '9-18' is not a time span; write 09:00-18:00",
          'ringledger.yaml:4:14: installation.workingHours.someday: unknown day; write mon … sun, a span such as mon-fri, or holidays',
          "ringledger.yaml:5:10: installation.workingHours.tue: '25:00-26:00' is not a time span; write 09:00-18:00",
        ],
      );
    });
  });

  describe('environment variables', () => {
    it('override settings by their path, in lists by position or name', () => {
      const config = read('users: [{ id: anna, name: Anna }]\nlog: { level: debug }', {
        RINGLEDGER_HTTP_PORT: '9000',
        RINGLEDGER_HTTP_REQUEST_TIMEOUT_MS: '500',
        RINGLEDGER_LOG_PRETTY: 'true',
        RINGLEDGER_USERS_ANNA_EXTENSIONS: '0101, 102',
        RINGLEDGER_USERS_1_ID: '5',
        RINGLEDGER_USERS_1_NAME: 'Five',
        PATH: '/bin',
      });
      assert.deepEqual(
        [
          config.http.port,
          config.http.requestTimeoutMs,
          config.log,
          config.users.map((user) => [user.id, user.extensions]),
        ],
        [
          9000,
          500,
          { level: 'debug', pretty: true },
          [
            ['anna', ['0101', '102']],
            ['5', []],
          ],
        ],
      );
    });

    it('are named in faults about their values', () => {
      assert.deepEqual(faultsOf('', { RINGLEDGER_HTTP_PORT: 'many' }), [
        "RINGLEDGER_HTTP_PORT: http.port: 'many' is not a number",
      ]);
    });

    it('that name no setting are told with the nearest name, and change nothing', () => {
      const { warnings } = parseConfig({ file: null, text: '', env: { RINGLEDGER_HTP_PORT: '1' } });
      assert.deepEqual(warnings, ['RINGLEDGER_HTP_PORT names no setting; did you mean RINGLEDGER_HTTP_PORT?']);
    });

    it('give a secret by the name of its file', () => {
      const file = join(folder, 'token');
      writeFileSync(file, 'a'.repeat(32) + '\n');
      const { config, secretFiles } = parseConfig({
        file: null,
        text: 'http: { tokens: [{ name: wallboard }] }',
        env: { RINGLEDGER_HTTP_TOKENS_WALLBOARD_TOKEN_FILE: file },
      });
      assert.equal(config.http.tokens[0]!.token, 'a'.repeat(32));
      assert.deepEqual(secretFiles, [file]);
    });
  });

  describe('secret files', () => {
    it('stand next to the configuration file and lose their last line break only', () => {
      writeFileSync(join(folder, 'token'), ' b'.repeat(16) + '\n');
      writeFileSync(join(folder, 'ringledger.yaml'), 'http: { tokens: [{ name: x, tokenFile: ./token }] }');
      const { config, secretFiles } = loadConfig({ env: {}, cwd: folder });
      assert.equal(config.http.tokens[0]!.token, ' b'.repeat(16));
      assert.deepEqual(secretFiles, [join(folder, 'token')]);
    });

    it('that are missing, empty or given twice are faults, told once', () => {
      writeFileSync(join(folder, 'empty'), '\n');
      const text = `http:
  tokens:
    - { name: a, tokenFile: ${folder}/none }
    - { name: b, tokenFile: ${folder}/empty }
    - { name: c, token: ${'c'.repeat(32)}, tokenFile: ${folder}/empty }`;
      assert.deepEqual(
        faultsOf(text).map((fault) => fault.replace(/^[^ ]* /, '')),
        [
          `http.tokens[0].tokenFile: there is no file ${folder}/none`,
          `http.tokens[1].tokenFile: the file ${folder}/empty is empty`,
          "http.tokens[2].tokenFile: give either 'token' or 'tokenFile', not both",
        ],
      );
    });

    it('never appear in faults or in what is shown', () => {
      assert.doesNotMatch(faultsOf('http: { tokens: [{ name: a, token: short-secret }] }').join(), /short-secret/);
      assert.deepEqual(
        maskSecrets({
          name: 'a',
          token: 'x',
          deep: [{ apiKey: 'y', eventsSecret: 'z', secretFile: '/etc/z' }],
          url: 'postgres://ring:p@ss:w@db/ring',
        }),
        {
          name: 'a',
          token: '***',
          deep: [{ apiKey: '***', eventsSecret: '***', secretFile: '/etc/z' }],
          url: 'postgres://ring:***@db/ring',
        },
      );
    });
  });

  describe('the file', () => {
    it('is looked for as named, then in the environment, then in the working folder', () => {
      const search = { env: { RINGLEDGER_CONFIG: '/env.yaml' }, cwd: folder };
      assert.equal(findConfigFile({ ...search, file: 'named.yaml' }), join(folder, 'named.yaml'));
      assert.equal(findConfigFile(search), '/env.yaml');
      writeFileSync(join(folder, 'ringledger.yaml'), '');
      assert.equal(findConfigFile({ env: {}, cwd: folder }), join(folder, 'ringledger.yaml'));
    });

    it('that was named and does not exist is a fault', () => {
      assert.throws(() => loadConfig({ file: 'none.yaml', env: {}, cwd: folder }), {
        name: 'ConfigError',
        message: `${join(folder, 'none.yaml')}: there is no such file`,
      });
    });
  });
});
