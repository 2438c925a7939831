import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HooksUnderTest, sampleHookCall } from './hooks-under-test.ts';

const stage = 'conversation_ended' as const;
const answering = (phone: string) => `export default () => ({ state: 'success', data: { phone: '${phone}' } });`;
const place = 'process_client_phone';

describe('a hook in the folder', () => {
  let under: HooksUnderTest;
  beforeEach(async () => {
    under = new HooksUnderTest();
    await under.hooks.start();
  });
  afterEach(() => under.stop());

  const phone = (crm = 'local', call = sampleHookCall()) =>
    under.hooks.forCrm(crm).process_client_phone({ ...call, stage, phone: '+79161110002' });

  it('is the core where there is none', async () => {
    assert.equal(await phone(), '+79161110002');
    assert.equal(under.hooks.customizeAutodistribution, null);
    assert.deepEqual(under.hooks.status(), []);
  });

  it('comes into force when it is saved, changes when it is saved again, and goes with its file', async () => {
    const path = under.save(`${place}.js`, answering('1'));
    await under.untilInForce(place, ({ health }) => health === 'ok');
    assert.equal(await phone(), '1');
    const first = under.statusOf(place)['version'];

    under.save(`${place}.js`, answering('2'));
    await under.untilInForce(place, ({ version }) => version !== first);
    assert.equal(await phone(), '2');

    rmSync(path);
    await under.hooks.refresh();
    assert.equal(await phone(), '+79161110002');
    assert.deepEqual(under.hooks.status(), []);
  });

  it('stays as it was while the file is broken, and says where', async () => {
    await under.install(`${place}.ts`, `export default (): object => ({ state: 'success', data: { phone: '1' } });`);
    for (const [broken, reason] of [
      ['export default () => {\n  return { state: ;\n};', /process_client_phone\.ts:2:19: Unexpected ";"/],
      ["import { gone } from './gone.ts';\nexport default () => gone;", /Could not resolve "\.\/gone\.ts"/],
      ["throw new Error('not today');", /not today/],
      ['export const hook = 1;', /no default export that is a function/],
      ['', /no default export/],
    ] as const) {
      await under.install(`${place}.ts`, broken);
      const status = under.statusOf(place);
      assert.equal(status.health, 'warning');
      assert.match(status.message, reason);
      assert.equal(await phone(), '1', broken);
    }
    await under.install(`${place}.ts`, answering('2'));
    assert.equal(under.statusOf(place).health, 'ok');
    assert.equal(await phone(), '2');
  });

  it('that the system would not run, or run as something else, stays out and says why', async () => {
    const lines = ['#!/usr/bin/env python3', `print('{"state":"success","data":{"phone":"2"}}')`, ''];
    await under.install(`${place}.py`, lines.join('\n').replace('"2"', '"1"'), 0o755);
    for (const [text, reason] of [
      [lines.join('\r\n'), /line ends of Windows/],
      [`\uFEFF${lines.join('\n')}`, /byte order mark/],
      [lines.slice(1).join('\n'), /has no first line that says what runs it/],
    ] as const) {
      await under.install(`${place}.py`, text, 0o755);
      assert.match(under.statusOf(place).message, reason);
      assert.equal(await phone(), '1');
    }
  });

  it('that was saved on Windows works where the language allows it', async () => {
    await under.install(
      `${place}.js`,
      "\uFEFFexport default () => {\r\n  return { state: 'success', data: { phone: '1' } };\r\n};\r\n",
    );
    assert.equal(await phone(), '1');
  });

  it('finds a file beside it that was saved after it', async () => {
    await under.install(
      `${place}.py`,
      '#!/usr/bin/env python3\nimport json, numbers_of_ours\nprint(json.dumps({"state": "success", "data": {"phone": numbers_of_ours.PHONE}}))\n',
      0o755,
    );
    assert.equal(await phone(), '+79161110002');
    await under.install('numbers_of_ours.py', 'PHONE = "1"\n');
    assert.equal(await phone(), '1');
  });

  it('that is broken at the start runs in the version that worked last', async () => {
    await under.install(`${place}.js`, answering('1'));
    await under.install(`${place}.js`, answering('2'));
    under.save(`${place}.js`, 'export default () => {');
    await under.hooks.stop();
    const { hooksFolder, versionsFolder } = under;
    const again = new HooksUnderTest({ folder: hooksFolder }, { versionsFolder });
    await again.hooks.start();
    const input = { ...sampleHookCall(), stage, phone: '+79161110002' };
    assert.equal(await again.hooks.forCrm('local').process_client_phone(input), '2');
    assert.match(again.statusOf(place).message, /^The file cannot be used, the version of 20.* goes on: /);
    await again.stop();
  });

  it('keeps its last 20 working versions', async () => {
    for (let version = 1; version <= 23; version += 1) {
      await under.install(
        `${place}.sh`,
        `#!/bin/sh\nprintf '{"state":"success","data":{"phone":"${version}"}}'`,
        0o755,
      );
      if (version === 5) await under.install(`${place}.sh`, '#!/bin/sh\nif broken', 0o755);
    }
    const kept = readdirSync(join(under.versionsFolder, 'all', place));
    assert.equal(kept.length, 20);
    assert.ok(existsSync(join(under.versionsFolder, 'all', place, kept.sort().at(-1)!, `${place}.sh`)));
    assert.equal(await phone(), '23');
    assert.equal(under.statusOf(place)['version'], kept.at(-1));
  });

  it('may differ for one CRM', async () => {
    await under.install(`${place}.js`, answering('all'));
    await under.install(`other/${place}.js`, answering('other'));
    assert.equal(await phone('local'), 'all');
    assert.equal(await phone('other'), 'other');
    rmSync(join(under.hooksFolder, 'other', `${place}.js`));
    await under.hooks.refresh();
    assert.equal(await phone('other'), 'all');
  });

  it('may import its neighbours, and changes when they do', async () => {
    under.save('lib/format.ts', "export const format = (phone: string): string => phone.replace('+7', '8');");
    await under.install(
      `${place}.ts`,
      `import { format } from './lib/format.ts';
       export default ({ phone }: { phone: string }) => ({ state: 'success', data: { phone: format(phone) } });`,
    );
    assert.equal(await phone(), '89161110002');
    under.save('lib/format.ts', 'export const format = (phone: string): string => phone.slice(-10);');
    await under.untilInForce(place, () => true);
    await under.hooks.refresh();
    assert.equal(await phone(), '9161110002');
  });

  it('may be CommonJS and use packages beside it', async () => {
    const folder = join(under.hooksFolder, 'node_modules', 'shorten');
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'index.js'),
      "const { basename } = require('path'); module.exports = (path) => basename(path);",
    );
    await under.install(
      `${place}.cjs`,
      "const shorten = require('shorten'); module.exports = () => ({ state: 'success', data: { phone: shorten('/a/b') } });",
    );
    assert.equal(await phone(), 'b');
  });

  it('sees nothing of the environment but what is allowed', async () => {
    await under.stop();
    const env = { PATH: process.env['PATH'], SECRET: 'secret', TOKEN: 'token', TZ: 'UTC' };
    under = new HooksUnderTest({ environment: ['TOKEN'] }, { env });
    await under.install(
      `other/${place}.js`,
      "export default () => ({ state: 'success', data: { phone: Object.keys(process.env).sort().join().slice(0, 64) } });",
    );
    const seen = (await phone('other')).split(',');
    assert.ok(!seen.includes('SECRET'));
    await under.install(
      `other/${place}.js`,
      `export default () => ({ state: 'success', data: {
         phone: [process.env.TOKEN, process.env.RINGLEDGER_HOOK, process.env.RINGLEDGER_CRM, process.env.HOME].join() } });`,
    );
    assert.equal(await phone('other'), 'token,process_client_phone,other,');
  });

  it('runs often, in order of its turns, and is measured', async () => {
    await under.install(
      `${place}.js`,
      `let running = 0; let most = 0;
       export default async () => {
         most = Math.max(most, (running += 1));
         await new Promise((resolve) => setTimeout(resolve, 5));
         running -= 1;
         return { state: 'success', data: { phone: String(most) } };
       };`,
    );
    const phones = await Promise.all(Array.from({ length: 50 }, () => phone()));
    assert.ok(Math.max(...phones.map(Number)) <= 8, phones.join());
    assert.equal(under.statusOf(place)['runs'], 50);
    assert.ok(Number(under.statusOf(place)['p50Ms']) >= 5);
  });

  it('tells what it prints and why it failed to the log and to the status, with the call', async () => {
    await under.install(
      `${place}.js`,
      "export default () => { console.log('looking'); throw new Error('no such list'); };",
    );
    await phone();
    assert.equal(under.statusOf(place).health, 'ok', 'one odd call is no reason to warn');
    assert.equal(under.statusOf(place)['failuresInRow'], 1);
    await phone();
    assert.equal(under.statusOf(place).health, 'warning', 'it has never worked');
    assert.match(under.statusOf(place).message, /^2 runs, 2 failed, 2 of them the last in a row; last failure /);
    const [error] = under.statusOf(place)['errors'] as { message: string; linkedId: string; kind: string }[];
    assert.equal(error!.kind, 'error');
    // The place in the file as it was written.
    assert.match(error!.message, /^Error: no such list\n.*process_client_phone\.js:1/s);
    assert.equal(error!.linkedId, '1795246371.2');
    assert.ok(under.lines.some(({ level, fields }) => level === 'warn' && fields['linkedId'] === '1795246371.2'));
    assert.ok(under.lines.some(({ fields }) => fields['printed'] === 'looking'));
  });

  it('that has worked is told of at once when it fails, and warned of at the third time in a row', async () => {
    const failing = "throw new Error('no such list')";
    const text = (what: string) =>
      `let runs = 0; export default ({ phone }) => { runs += 1; ${what} return { state: 'success', data: { phone } }; };`;
    await under.install(`${place}.js`, text(`if (runs > 1 && runs !== 4) ${failing};`));
    const standing: string[] = [];
    for (let run = 0; run < 7; run += 1) {
      await phone();
      standing.push(`${under.statusOf(place)['failuresInRow']} ${under.statusOf(place).health}`);
    }
    assert.deepEqual(standing, ['0 ok', '1 ok', '2 ok', '0 ok', '1 ok', '2 ok', '3 warning']);
    // What the version before did is no fault of the one that is to mend it.
    await under.install(`${place}.js`, text(''));
    assert.equal(under.statusOf(place)['failuresInRow'], 0);
    assert.equal(under.statusOf(place).health, 'ok');
    assert.equal(under.statusOf(place)['runs'], 7);
  });

  it('that anybody may change, that is not executable, or whose name is none is not taken, and that is told', async () => {
    under.save('need_registration.js', answering('1'), 0o666);
    under.save('process_call_params.py', '#!/usr/bin/env python3\n', 0o644);
    under.save('process_clients_phone.js', answering('1'));
    under.save('post_registration.js', answering('1'));
    under.save('post_registration.mjs', answering('1'));
    under.save('README.md', '');
    under.save('lib.js', '');
    await under.hooks.refresh();
    const warnings = under.hooks.status().filter(({ health }) => health === 'warning');
    assert.deepEqual(
      warnings.map(({ message }) => message.replaceAll(under.folder, '…')),
      [
        'anybody may change it, so it is not run: chmod o-w …/hooks/need_registration.js',
        'stands beside …/hooks/post_registration.js, which is the one that runs; keep one of them',
        'is not executable: chmod +x …/hooks/process_call_params.py',
        `there is no hook process_clients_phone; they are ${warnings[3]!.message.split('they are ')[1]}`,
      ],
    );
  });

  it('of autodistribution that stands with a CRM counts where there is no other CRM', async () => {
    const text = "export default () => ({ state: 'success', data: { number: '102', name: 'VIP' } });";
    await under.install('other/customize_autodistribution.js', text);
    assert.equal(under.hooks.customizeAutodistribution, null);
    const [notice] = under.hooks.status();
    assert.match(notice!.message, /is asked for all CRMs alike, so it is not taken here: move it to .*\/hooks$/);
    await under.stop();
    under = new HooksUnderTest({}, { crms: ['local'] });
    await under.install('local/customize_autodistribution.js', text);
    const answer = await under.hooks.customizeAutodistribution!({ number: '101', name: 'Acme', requestData: {} });
    assert.deepEqual(answer, { number: '102', name: 'VIP' });
  });

  it('is warm again by itself after its process has ended', async () => {
    await under.install(
      `${place}.js`,
      `let runs = 0;
       export default () => { runs += 1; if (runs === 2) process.exit(1); return { state: 'success', data: { phone: String(runs) } }; };`,
    );
    assert.equal(await phone(), '1');
    assert.equal(await phone(), '+79161110002');
    assert.equal(await phone(), '1');
  });
});
