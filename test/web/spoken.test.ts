import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createSpoken } from '../../src/web/ui/i18n/spoken.ts';
import { declaredSentences, place } from './declared-sentences.ts';
import { neverShownAlone, wholeSentences } from './sentence-parts.ts';
import { faultsOf, faultsOfAllSettings } from './wrong-settings.ts';

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

/** Where sentences stand that the web interface shows: faults of settings, forms and hooks, findings of the dialplan, states. */
const spokenRooms = [
  'src/config.ts',
  'src/config',
  'src/dialplan',
  'src/installation/dialplan.ts',
  'src/installation/settings.ts',
  'src/installation/setup.ts',
  'src/installation/hook-workshop.ts',
  'src/installation/nodes.ts',
  'src/hooks/hook-desk.ts',
  'src/hooks/hook-files.ts',
  'src/hooks/hook-slot.ts',
  'src/hooks/loaded-hook.ts',
  'src/hooks/process',
  'src/hooks/contract/envelope.ts',
  'src/hooks/config.ts',
  'src/crm/rules-config.ts',
  'src/crm/local',
  'src/crm/kommo/adapter.ts',
  'src/crm/kommo/api.ts',
  'src/crm/kommo/config.ts',
  'src/crm/kommo/access/pace.ts',
  'src/crm/kommo/access/token-store.ts',
  'src/crm/kommo/access/tokens.ts',
  'src/crm/retailcrm/account.ts',
  'src/crm/retailcrm/adapter.ts',
  'src/crm/retailcrm/api.ts',
  'src/crm/retailcrm/config.ts',
  'src/recordings/config.ts',
  'src/recordings/convert.ts',
  'src/recordings/find.ts',
  'src/recordings/keeper.ts',
  'src/recordings/recordings.ts',
  'src/recordings/sound-file.ts',
  'src/pbx/asterisk/config.ts',
  'src/pbx/asterisk/ami/ami-link.ts',
  'src/pbx/asterisk/control-session.ts',
  'src/pbx/asterisk/event-session.ts',
  'src/pbx/asterisk/presence-session.ts',
  'src/pbx/asterisk/source.ts',
  'src/pbx/asterisk/csv/cdr-reader.ts',
  'src/pbx/asterisk/csv/cel-reader.ts',
  'src/storage/config.ts',
  'src/storage/health.ts',
  'src/numbering/config.ts',
  'src/numbering/extension-pattern.ts',
  'src/core/number-pattern.ts',
  'src/core/crm-checks.ts',
  'src/core/contact-search.ts',
  'src/core/distribution.ts',
  'src/core/delivery/crm-loop.ts',
  'src/web/config.ts',
  'src/web/query.ts',
  'src/web/fault.ts',
  'src/web/contact-book-door.ts',
  'src/web/contacts-csv.ts',
  'src/web/contacts-import.ts',
  'src/web/routes/calls.ts',
  'src/web/routes/contacts.ts',
  'src/web/routes/deliveries.ts',
  'src/web/routes/employees.ts',
  'src/web/routes/hooks.ts',
  'src/web/routes/leads.ts',
  'src/web/routes/tasks.ts',
  'src/web/routes/settings.ts',
  'src/web/routes/setup.ts',
  'src/web/routes/people.ts',
  'src/storage/spool.ts',
  'src/core/caller-lookup.ts',
  'src/core/click-to-call/request-limits.ts',
  'src/core/recording/judge-file.ts',
  'src/installation/service/phone-systems.ts',
  'src/app.ts',
  'agi/config.ts',
  'agi/server.ts',
];

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

  const untranslated = (texts: Iterable<string>) => [...new Set(texts)].filter((text) => say(text) === text);

  it('is Russian for every fault of a setting, whichever it is and whatever stands there', function () {
    this.timeout(60_000);
    const all = faultsOfAllSettings();
    assert.ok(all.size > 400, String(all.size));
    assert.deepEqual(untranslated(all), [], 'without a Russian sentence: add it to findings.ru.json');
  });

  it('is Russian for what only several settings get wrong, what is no YAML, and files and variables', () => {
    const trunk = 'trunks: [{ name: provider, device: "PJSIP/{number}@provider" }]';
    const texts = [
      'users: [{ id: a, name: A, extensions: ["101"] }, { id: a, name: B, extensions: ["101"], deputies: [a, z] }]',
      'crm: [{ name: local, kind: local }, { name: local, kind: local, colour: red }]',
      'http: { prot: 1, tokens: [{ name: a, token: short }] }',
      'log: { level: inof }',
      'pbx: [{ name: o, kind: asterisk, ami: { events: { username: u, secretFile: /nowhere/secret } } }]',
      'pbx: [{ name: o, kind: asterisk, ami: { events: { username: u, secret: s, secretFile: s } } }]',
      'installation: { workingHours: { mon: "9 to 5", someday: "09:00-18:00", holidays: [tomorrow] } }',
      `dialplan: { ${trunk}, groups: [{ name: aa, members: ["1"], then: "group:aa" }, { name: aa, members: ["1"] }] }`,
      `dialplan: { ${trunk}, menus: [{ name: mm, greeting: hello, choices: { "1": "queue:zz", "2": hangup:now } }] }`,
      'dialplan: { folder: /etc/asterisk, extensions: [{ extension: "1", forward: { to: "2" } }] }',
      'dialplan: { inbound: { defaultRoute: "context:a b" }, schedules: [{ name: ss, open: [{ days: mon, from: "18:00", to: "09:00" }], whenOpen: "menu:xx", whenClosed: "schedule:yy" }] }',
      'registration: { lists: [{ name: l, kind: black }, { name: l, kind: black, numbers: ["_8."] }] }',
      'registration: { rules: [{ name: r, calls: [missed] }, { name: r, calls: [missed] }] }',
      'registration: { rules: [{ name: r, calls: [missed], task: { text: "{{nobody}}", responsible: somebody } }] }',
      'agi: { host: 0.0.0.0 }',
      'callerName: { template: "{{colour}}" }',
      'clickToCall: { allow: ["", "12a", "_8*9", "*."] }',
      'extension: *8',
      ...[
        'a: b: c',
        'a: [1',
        'a: {b: 1',
        '[',
        '{',
        'a: "b" c',
        'a: "b',
        "a: 'b",
        '\ta: 1',
        'a: 1\n b: 2',
        'a: 1\na: 2',
      ],
      ...['a: @b', 'a: `b', 'a: %b', 'a: !b c', 'a: |b\n c', 'a: - b', 'a\nb: 1', ' a: 1\nb: 2', 'a: ]', 'a: "\\q"'],
    ].flatMap((text) => {
      const faults = faultsOf(text);
      assert.notEqual(faults.length, 0, `nothing is wrong with: ${text}`);
      return faults;
    });
    const fromFile = faultsOf('', { RINGLEDGER_STORAGE_URL_FILE: '/nowhere/url' });
    assert.deepEqual(untranslated([...texts, ...fromFile]), []);
    const yaml = texts.flatMap((text) => /^not valid YAML: (.*)$/s.exec(text)?.[1] ?? []);
    assert.ok(yaml.length > 20, String(yaml.length));
    assert.deepEqual(untranslated(yaml), [], 'YAML faults whose reason stays English');
  });

  it('is Russian for what the parts say where an owner looks: settings, forms, hooks, dialplan, CRMs, states', () => {
    const all = spokenRooms.flatMap((room) => declaredSentences(room));
    assert.ok(all.length > 400, String(all.length));
    const readable = new Set(untranslated(all).map((text) => text.replaceAll(place, '…')));
    const missing = [...readable].filter((text) => !neverShownAlone.includes(text));
    assert.deepEqual(missing, [], 'without a Russian sentence: add it to findings.ru.json');
    const idle = neverShownAlone.filter((text) => !readable.has(text));
    assert.deepEqual(idle, [], 'these stand nowhere any more');
  });

  it('is Russian for what is put together of several sentences', () => {
    assert.deepEqual(untranslated(wholeSentences), []);
    for (const text of wholeSentences) {
      const russian = say(text).replace(/\b(?:ringledger|asterisk|setfacl|apt) [^;.]+/g, '');
      const words = russian.match(/(?:\b[a-z]{2,}\b ){3,}/g) ?? [];
      assert.deepEqual(words, [], `half of it stays English: ${say(text)}`);
    }
  });

  it('leaves what a person wrote and a program printed as it came', () => {
    assert.equal(say("'service' is not a number"), "'service' здесь не подходит; нужно число");
    assert.equal(say('ended with code 1: nothing'), 'завершился с кодом 1: nothing');
    assert.equal(say("there is no group 'the file is empty'"), "группы 'the file is empty' нет");
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

  it('comes to an end, and soon, whatever others wrote', () => {
    const startedAt = performance.now();
    for (const text of ['crm:', 'Empty; and 3 more', ' is , '])
      assert.ok(say(text.repeat(50_000)).length > 100_000, text);
    assert.ok(performance.now() - startedAt < 5_000);
  });

  it('has the same places in both languages, and a word of its own in each sentence', () => {
    for (const [english, russian] of Object.entries(translations)) {
      assert.match(english.replace(/\{\w+[*+]?\}/g, ''), /[a-z]/i, english);
      const known: readonly string[] = english.match(/\{\w+[*+]?\}/g) ?? [];
      for (const place of russian.match(/\{\w+[*+]?\}/g) ?? [])
        assert.ok(known.includes(place), `${english}: ${place}`);
    }
  });
});
