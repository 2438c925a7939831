import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { addCrmCommand } from '../../src/cli/crm.ts';
import { createDoctorCommand } from '../../src/cli/doctor.ts';
import { doctorParts } from '../../src/cli/installation-parts.ts';
import { fakeKey, FakeRetailcrm } from '../support/fake-retailcrm.ts';
import { runCommand } from './terminal.ts';

const clientToken = 'a-secret-of-the-shop';

describe('ringledger crm', () => {
  let folder: string;
  let fake: FakeRetailcrm;
  const run = (...words: string[]) =>
    runCommand(words, { commands: [addCrmCommand, createDoctorCommand(doctorParts)], cwd: folder });
  const configure = (settings: object = {}, http: object = { publicUrl: 'https://calls.example.org' }) => {
    const shop = { account: fake.address, apiKey: fakeKey, clientToken, ...settings };
    const crm = [
      { name: 'local', kind: 'local' },
      { name: 'shop', kind: 'retailcrm', settings: shop },
    ];
    const users = [{ id: 'anna', name: 'Anna', extensions: ['101'], email: 'anna@example.org' }];
    writeFileSync(join(folder, 'ringledger.yaml'), stringify({ http, users, crm }));
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-cli-crm-'));
    fake = await FakeRetailcrm.start({ clock: { now: () => new Date() } });
    fake.addUser({ id: 1, email: 'Anna@example.org' });
    configure();
  });
  afterEach(async () => {
    await fake.stop();
    rmSync(folder, { recursive: true });
  });

  it('setup shows what would change and sends nothing; with --apply it is sent and read back', async () => {
    const shown = await run('crm', 'setup', 'shop');
    assert.equal(shown.exitCode, 0, shown.err);
    assert.match(shown.out, /^\+ makeCallUrl: https:\/\/calls\.example\.org\/retailcrm\/shop\/make-call$/m);
    assert.match(shown.out, /^\+ additionalCodes 101: 1$/m);
    assert.match(shown.out, /Nothing was sent/);
    assert.ok(!shown.out.includes(clientToken));
    assert.equal(fake.modules.size, 0);
    const sent = await run('crm', 'setup', 'shop', '--apply');
    assert.match(sent.out, /read back as it should be/);
    assert.equal(fake.modules.size, 1);
    assert.equal((await run('crm', 'setup', 'shop')).out, 'The integration in the CRM is as configured.\n');
    assert.ok(!existsSync(join(folder, 'data')), 'the database is left to the service');
  });

  it('setup says when the CRM kept it otherwise, and when it cannot ask us', async () => {
    configure({ lines: { '+74951234567': 'elsewhere' } }, {});
    const { exitCode, out } = await run('crm', 'setup', 'shop', '--apply');
    assert.equal(exitCode, 1);
    assert.match(out, /publicUrl is not set/);
    assert.match(out, /The CRM says: notExistSiteCodes: elsewhere/);
    assert.match(out, /kept otherwise: externalPhones \+74951234567/);
  });

  it('says in plain words what is wrong', async () => {
    configure({ apiKey: 'wrong' });
    for (const words of [
      ['crm', 'setup', 'shop'],
      ['crm', 'check', 'shop'],
    ]) {
      const { exitCode, out, err } = await run(...words);
      assert.equal(exitCode, 1);
      assert.match(out + err, /does not accept our key/);
      assert.doesNotMatch(out + err, /\n +at /);
    }
    assert.match((await run('crm', 'setup', 'nobody')).err, /there is: local, shop/);
    assert.equal((await run('crm', 'setup', 'local')).exitCode, 2);
  });

  it('check finds the built-in one in order before the first start, and makes nothing', async () => {
    const { exitCode, out, err } = await run('crm', 'check', 'local');
    assert.deepEqual([exitCode, err], [0, '']);
    assert.match(out, /^warning crm:local: no employees yet/);
    assert.ok(!existsSync(join(folder, 'data')));
  });

  it('is part of the doctor', async () => {
    const before = await run('doctor', '--json');
    const find = (out: string) =>
      (JSON.parse(out) as { findings: { check: string; state: string; message: string }[] }).findings.find(
        ({ check }) => check === 'crm:shop integration',
      )!;
    assert.equal(find(before.out).state, 'warning');
    await run('crm', 'setup', 'shop', '--apply');
    assert.equal(find((await run('doctor', '--json')).out).state, 'ok');
  });
});
