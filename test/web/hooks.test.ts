import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hookNames } from '../../src/core/hooks.ts';
import { hooksConfig } from '../../src/hooks/config.ts';
import { createHookWorkshop } from '../../src/installation/hook-workshop.ts';
import type { HookDraft, HookList, HookTrialReport, HookVersionEntry, OpenHook } from '../../src/web/hook-door.ts';
import type { Wire } from '../../src/web/ui/wire.ts';
import { HooksUnderTest, sampleHookCall } from '../hooks/hooks-under-test.ts';
import { answeredCall, openHouse, readToken, type House } from './house.ts';

const place = 'process_client_phone';
const answering = (phone: string) => `export default () => ({ state: 'success', data: { phone: '${phone}' } });\n`;

interface Fault {
  readonly error: { readonly code: string; readonly message: string; readonly fields?: readonly object[] };
}

describe('hooks over HTTP', function () {
  this.timeout(60_000);
  let under: HooksUnderTest;
  let house: House;
  const start = async (settings: Record<string, unknown> = {}) => {
    under = new HooksUnderTest(settings);
    await under.hooks.start();
    const workshop = createHookWorkshop({
      config: hooksConfig.parse({ folder: under.hooksFolder, ...settings }),
      versionsFolder: under.versionsFolder,
      crms: ['local', 'other', '../..', '.hidden'],
      installed: under.hooks,
      surroundingsOf: () => ({ timeZone: 'Europe/Moscow', userOf: () => null, phoneFieldId: null }),
      findCall: async (source, linkedId) =>
        (source ?? 'office') === 'office' && linkedId === answeredCall.linkedId ? answeredCall : null,
      env: process.env,
    });
    house = await openHouse({ parts: { hooks: workshop } });
  };
  afterEach(async () => {
    await house.stop();
    await under.stop();
  });

  const read = async <Answer>(path: string): Promise<Wire<Answer>> => {
    const answer = await house.request(`/api/v1/hooks${path}`);
    assert.equal(answer.status, 200, await answer.clone().text());
    return (await answer.json()) as Wire<Answer>;
  };
  const send = async (method: string, path: string, json: unknown) => {
    const answer = await house.request(`/api/v1/hooks${path}`, { method, json });
    return { status: answer.status, body: (await answer.json()) as Wire<OpenHook> & Fault & HookTrialReport };
  };
  const save = (text: string, basedOn: string | null, more: object = {}, query = '') =>
    send('PATCH', `/${place}${query}`, { text, basedOn, ...more });
  const filePath = (name = `${place}.js`) => join(under.hooksFolder, name);
  const phone = (crm = 'local') =>
    under.hooks
      .forCrm(crm)
      .process_client_phone({ ...sampleHookCall(), stage: 'conversation_ended', phone: '+79161110002' });

  it('lists all 13 places, what stands in them and how it does', async () => {
    await start();
    await under.install(`${place}.py`, '#!/usr/bin/env python3\nimport json\n', 0o755);
    await under.install(`other/${place}.js`, answering('1'));
    under.save('process_record_file_path.sh', '#!/bin/sh\n');
    await phone('other');
    const { items, notices } = await read<HookList>('');
    assert.deepEqual([...new Set(items.map(({ hook }) => hook))], hookNames);
    assert.deepEqual(
      items
        .filter(({ fileName }) => fileName !== null)
        .map((one) => [one.crm, one.fileName, one.language, one.health, one.runs]),
      [
        [null, `${place}.py`, 'python', 'ok', 0],
        ['other', `${place}.js`, 'js', 'ok', 1],
      ],
    );
    assert.match(notices[0]!.message, /is not executable/);
  });

  it('makes a hook of each language that comes into force when it is saved', async () => {
    await start();
    for (const [language, name, mode] of [
      ['ts', `${place}.ts`, 0o644],
      ['js', `${place}.js`, 0o644],
      ['php', `${place}.php`, 0o644],
      ['python', `${place}.py`, 0o755],
    ] as const) {
      const query = `?crm=${language === 'php' ? 'other' : 'local'}`;
      const draft = await read<HookDraft>(`/${place}/draft${query}&language=${language}`);
      assert.equal(draft.name, name);
      const { status, body } = await save(draft.text, null, { language }, query);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.health, 'ok');
      assert.equal(readFileSync(body.file!.path, 'utf8'), draft.text);
      assert.equal(statSync(body.file!.path).mode & 0o777, mode);
      assert.equal(await phone(language === 'php' ? 'other' : 'local'), '+79161110002');
      const off = await send('POST', `/${place}/switch-off${query}`, { basedOn: body.file!.stamp });
      assert.equal(off.body.file, null);
      assert.ok(existsSync(`${join(under.hooksFolder, query.slice(5), name)}.off`));
    }
  });

  it('changes a hook at once, keeps its rights, and leaves nothing beside it', async () => {
    await start();
    await under.install(`${place}.sh`, '#!/bin/sh\nprintf \'{"state":"success","data":{"phone":"1"}}\'\n', 0o750);
    const { file } = await read<OpenHook>(`/${place}`);
    assert.equal(await phone(), '1');
    const { status, body } = await save(file!.text!.replace(':"1"', ':"2"').replace('"1"}', '"2"}'), file!.stamp);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(await phone(), '2');
    assert.equal(statSync(filePath(`${place}.sh`)).mode & 0o777, 0o750);
    assert.deepEqual(readdirSync(under.hooksFolder), [`${place}.sh`]);
  });

  it('refuses what does not load, says where, and the one before goes on', async () => {
    await start();
    for (const [name, good, bad, field, mode] of [
      [
        `${place}.ts`,
        answering('1'),
        "import { a } from 'node:fs';\nexport default () => {\n  return { state: ; };\n};",
        'text:3:19',
        0o644,
      ],
      [`${place}.js`, answering('1'), "\n\nthrow new Error('not today');\n", 'text:3:7', 0o644],
      [
        `${place}.php`,
        "<?php return array('state' => 'success', 'data' => array('phone' => '1'));\n",
        '<?php\n$a = ;\n',
        'text:2',
        0o644,
      ],
      [
        `${place}.py`,
        `#!/usr/bin/env python3\nprint('{"state":"success","data":{"phone":"1"}}')\n`,
        '#!/usr/bin/env python3\nimport json\nprint(\n',
        'text:3',
        0o755,
      ],
      [
        `${place}.sh`,
        `#!/bin/sh\necho '{"state":"success","data":{"phone":"1"}}'\n`,
        '#!/bin/sh\nif true; then\n',
        'text:',
        0o755,
      ],
    ] as const) {
      await under.install(name, good, mode);
      const { file } = await read<OpenHook>(`/${place}`);
      const { status, body } = await save(bad, file!.stamp);
      assert.equal(status, 422, name);
      assert.equal(body.error.code, 'does_not_load');
      const fault = body.error.fields![0] as { field: string; message: string };
      assert.ok(fault.field.startsWith(field), `${name}: ${JSON.stringify(fault)}`);
      assert.doesNotMatch(fault.message, /trials|Traceback/);
      assert.equal(readFileSync(filePath(name), 'utf8'), good);
      assert.equal(await phone(), '1', name);
      await send('POST', `/${place}/switch-off`, { basedOn: file!.stamp });
    }
  });

  it('overwrites nothing that somebody else changed, made or took out', async () => {
    await start();
    await under.install(`${place}.js`, answering('1'));
    const { file } = await read<OpenHook>(`/${place}`);
    await under.install(`${place}.js`, answering('theirs'));
    const late = await save(answering('mine'), file!.stamp);
    assert.deepEqual([late.status, late.body.error.code], [409, 'changed_meanwhile']);
    assert.equal((await save(answering('mine'), null, { language: 'ts' })).status, 409);
    assert.equal((await send('POST', `/${place}/switch-off`, { basedOn: file!.stamp })).status, 409);
    assert.equal(await phone(), 'theirs');
    const { file: now } = await read<OpenHook>(`/${place}`);
    assert.equal((await save(answering('mine'), now!.stamp)).status, 200);
    assert.equal(await phone(), 'mine');
    const { file: last } = await read<OpenHook>(`/${place}`);
    await send('POST', `/${place}/switch-off`, { basedOn: last!.stamp });
    assert.equal((await save(answering('mine'), last!.stamp)).status, 409);
    // A file that is not taken as it is stands there all the same.
    under.save(`other/${place}.py`, 'print()', 0o644);
    assert.equal((await save('#!/usr/bin/env python3\n', null, { language: 'python' }, '?crm=other')).status, 409);
  });

  it('lets only one of two who save at the same moment win', async () => {
    await start();
    await under.install(`${place}.js`, answering('0'));
    const { file } = await read<OpenHook>(`/${place}`);
    const both = await Promise.all([save(answering('1'), file!.stamp), save(answering('2'), file!.stamp)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409]);
    assert.equal(await phone(), both[0]!.status === 200 ? '1' : '2');
  });

  it('takes names of files from nowhere but the closed lists', async () => {
    await start();
    const text = answering('1');
    for (const [path, query] of [
      ['/gone', ''],
      ['/..%2f..%2fetc', ''],
      [`/${place}`, '?crm=gone'],
      [`/${place}`, '?crm=..'],
      [`/${place}`, '?crm=..%2f..'],
      [`/${place}`, '?crm=.hidden'],
      [`/${place}`, '?crm=local%2f..%2fother'],
    ]) {
      const { status } = await send('PATCH', `${path}${query}`, { text, basedOn: null, language: 'js' });
      assert.ok(status >= 400 && status < 500, `${path}${query}: ${status}`);
    }
    assert.equal((await save(text, null, { language: '../x' })).status, 400);
    assert.equal((await send('POST', `/${place}/versions/..%2f..%2fx/restore`, { basedOn: null })).status, 422);
    assert.deepEqual(readdirSync(under.hooksFolder), []);
  });

  it('takes no more than an editor should hold, and follows no link', async () => {
    await start();
    assert.equal((await save(`//${'x'.repeat(300 * 1024)}`, null, { language: 'js' })).status, 400);
    assert.equal((await save(`//${'ж'.repeat(200 * 1024)}`, null, { language: 'js' })).status, 422);
    writeFileSync(join(under.folder, 'elsewhere.js'), answering('1'));
    symlinkSync(join(under.folder, 'elsewhere.js'), filePath());
    await under.hooks.refresh();
    const { file } = await read<OpenHook>(`/${place}`);
    const { status, body } = await save(answering('2'), file!.stamp);
    assert.equal(status, 422);
    assert.match(body.error.message, /is a link to a file elsewhere/);
    assert.equal(readFileSync(join(under.folder, 'elsewhere.js'), 'utf8'), answering('1'));
  });

  it('shows a program that is no text without offering to change it', async () => {
    await start();
    await under.install(place, '\0\u0001ELF', 0o755);
    assert.equal((await read<OpenHook>(`/${place}`)).file!.text, null);
    const { file } = await read<OpenHook>(`/${place}`);
    assert.equal((await save('x', file!.stamp)).status, 422);
  });

  it('tells all fields with types and meanings, as deep as they go', async () => {
    await start();
    const { fields } = await read<OpenHook>('/process_contact_creation_params');
    const found = new Map(fields.input.map((field) => [field.path, field]));
    assert.equal(found.get('call_full.channel.from.number')?.description, 'Empty when unknown or withheld');
    assert.equal(found.get('call_full.conversations.*.user.name')?.type, 'string');
    assert.equal(found.get('tags[].name')?.type, 'string');
    assert.ok(fields.answer.some(({ path }) => path === 'custom_fields_values[].values[].value'));
    assert.ok(!fields.answer.some(({ path }) => path.startsWith('call_full')));
  });

  it('tries a text that is not saved about a call of the ledger, and shows what it changed', async () => {
    await start();
    await under.install(`${place}.js`, answering('installed'));
    under.save('lib.js', 'export const last = (phone) => phone.slice(-4);');
    const text = `import { last } from './lib.js';
export default ({ phone, call_full }) => {
  console.log('seen', call_full.channel.id);
  return { state: 'success', data: { phone: last(phone), colour: 'red' } };
};`;
    const call = { linkedId: answeredCall.linkedId };
    const { status, body } = await send('POST', `/${place}/test`, { text, call });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.changes, [{ field: 'phone', before: '+79161110002', after: '0002' }]);
    assert.deepEqual(body.ignored, ['colour']);
    assert.equal(body.result, '0002');
    assert.match(body.printed, /seen 1795246371\.2/);
    assert.equal(body.fault, null);
    assert.equal((body.input as { phone: string }).phone, '+79161110002');
    const { body: installed } = await send('POST', `/${place}/test`, { call: { source: 'office', ...call } });
    assert.equal(installed.result, 'installed');
    assert.equal((await send('POST', `/${place}/test`, { call: { linkedId: 'gone' } })).status, 404);
    assert.equal(await phone(), 'installed');
    assert.deepEqual(readdirSync(join(under.versionsFolder, 'trials')), []);
  });

  it('tries what hangs, throws, answers garbage or is none at all, and says so', async () => {
    await start({ deadlineMs: 300 });
    for (const [text, fault, line] of [
      ['export default () => new Promise(() => {});', /no answer within 300 ms/, null],
      ["export default () => {\n  throw new Error('not today');\n};", /not today/, 2],
      ["export default () => ({ state: 'success', data: { phone: true } });", /data\.phone/, null],
      ["export default () => ({ state: 'error' });", /answered the state "error"/, null],
      ['export default () => {', /Unexpected end of file/, 1],
      ['process.exit(3);', /./, null],
    ] as const) {
      const { status, body } = await send('POST', `/${place}/test`, { text, language: 'js' });
      assert.equal(status, 200);
      assert.match(body.fault!, fault);
      assert.deepEqual(body.changes, []);
      if (line !== null) assert.equal(body.faults[0]?.line, line, text);
    }
    assert.deepEqual(readdirSync(under.hooksFolder), []);
  });

  it('counts a no of need_registration as a change, and fields that the CRM knows alone as well', async () => {
    await start();
    const test = async (hook: string, data: string) =>
      (
        await send('POST', `/${hook}/test`, {
          text: `export default () => ({ state: 'success', data: ${data} });`,
          language: 'js',
        })
      ).body;
    assert.deepEqual((await test('need_registration', '{ result: true }')).changes, []);
    assert.deepEqual((await test('need_registration', '{ result: false }')).changes, [
      { field: 'result', before: true, after: false },
    ]);
    assert.deepEqual((await test('process_lead_update_params', '{ price: 7 }')).changes, [
      { field: 'price', before: null, after: 7 },
    ]);
    const click = await test('process_originate_params', "{ context: 'other-trunk' }");
    assert.deepEqual(
      click.changes.map(({ field, after }) => [field, after]),
      [['context', 'other-trunk']],
    );
    assert.deepEqual((await test('post_registration', '{ any: 1 }')).changes, []);
  });

  it('keeps versions, tells how they differ, and puts one back', async () => {
    await start();
    await under.install(`${place}.js`, answering('1'));
    await under.install(`${place}.js`, answering('2'));
    const { items } = await read<{ items: HookVersionEntry[] }>(`/${place}/versions`);
    assert.deepEqual(
      items.map(({ isPresent }) => isPresent),
      [true, false],
    );
    const { difference } = await read<{ difference: string }>(`/${place}/versions/${items[1]!.id}`);
    assert.match(difference, /-export default .*phone: '2'.*\n\+export default .*phone: '1'/);
    assert.equal((await read<{ difference: string }>(`/${place}/versions/${items[0]!.id}`)).difference, '');
    const { file } = await read<OpenHook>(`/${place}`);
    const stale = await send('POST', `/${place}/versions/${items[1]!.id}/restore`, { basedOn: 'x' });
    assert.equal(stale.status, 409);
    const { status } = await send('POST', `/${place}/versions/${items[1]!.id}/restore`, { basedOn: file!.stamp });
    assert.equal(status, 200);
    assert.equal(await phone(), '1');
    // Also once it was taken out.
    const { file: now } = await read<OpenHook>(`/${place}`);
    await send('POST', `/${place}/switch-off`, { basedOn: now!.stamp });
    assert.equal((await send('POST', `/${place}/versions/${items[0]!.id}/restore`, { basedOn: null })).status, 200);
    assert.equal(await phone(), '2');
  });

  it('is closed to those who may only look, and to changes where the configuration says so', async () => {
    await start({ editable: false });
    await under.install(`${place}.js`, answering('1'));
    const reading = await house.request('/api/v1/hooks', { token: readToken });
    assert.equal(reading.status, 403);
    const { file, obstacle } = await read<OpenHook>(`/${place}`);
    assert.equal(obstacle?.kind, 'forbidden');
    assert.equal((await save(answering('2'), file!.stamp)).status, 422);
    assert.equal((await send('POST', `/${place}/switch-off`, { basedOn: file!.stamp })).status, 422);
    assert.equal((await send('POST', `/${place}/test`, { text: answering('2') })).status, 422);
    assert.equal((await send('POST', `/${place}/test`, {})).body.result, '1');
    const { items } = await read<{ items: HookVersionEntry[] }>(`/${place}/versions`);
    assert.equal(
      (await send('POST', `/${place}/versions/${items[0]!.id}/restore`, { basedOn: file!.stamp })).status,
      422,
    );
    assert.equal(await phone(), '1');
  });

  it('says in plain words when the folder cannot be written', async () => {
    await start({ folder: join('/proc', 'ringledger-hooks') });
    const { obstacle } = await read<OpenHook>(`/${place}`);
    const { status, body } = await save(answering('1'), null, { language: 'js' });
    assert.equal(status, 422);
    assert.match(body.error.message, /cannot be written|may not write/);
    assert.ok(obstacle === null || obstacle.kind === 'unwritable');
    await house.stop();
    await under.stop();
    await start({ folder: join('/etc/hostname', 'hooks') });
    assert.equal((await read<OpenHook>(`/${place}`)).obstacle?.kind, 'unwritable');
    const onFile = await save(answering('1'), null, { language: 'js' });
    assert.match(onFile.body.error.message, /is no folder/);
  });
});
