import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAsteriskConf, settingOf } from '../../src/doctor/asterisk-conf.ts';
import {
  checkFastAgi,
  checkFfmpeg,
  checkHostName,
  checkRecordingFolder,
  checkSecretFiles,
  checkStorageFolder,
  checkVantage,
} from '../../src/doctor/check-machine.ts';
import { visit, type Patient } from '../../src/doctor/visit.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { viewOf } from './sick-asterisk.ts';

describe('the doctor looks at the machine', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-doctor-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('whether its own name resolves', async () => {
    assert.equal((await checkHostName('localhost'))[0]!.state, 'ok');
    const [finding] = await checkHostName('no-such-host.invalid');
    assert.equal(finding!.state, 'error');
    assert.equal(finding!.mend, 'Add a line to /etc/hosts: 127.0.1.1 no-such-host.invalid');
  });

  it('whether FastAGI answers where the dialplan asks', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await checkFastAgi([`127.0.0.1:${port}`]), [
      { check: 'FastAGI', state: 'ok', message: `127.0.0.1:${port} answers`, mend: null },
    ]);
    server.close();
    await once(server, 'close');
    const [finding] = await checkFastAgi([`127.0.0.1:${port}`]);
    assert.equal(finding!.state, 'error');
    assert.match(finding!.message, /ECONNREFUSED.*default route/);
  });

  it('whether ffmpeg is there', async () => {
    const program = join(folder, 'ffmpeg');
    assert.match((await checkFfmpeg(program))[0]!.message, /is not installed/);
    writeFileSync(program, '#!/bin/sh\necho "ffmpeg version 7.1 Copyright"\n', { mode: 0o755 });
    assert.deepEqual(await checkFfmpeg(program), [{ check: 'ffmpeg', state: 'ok', message: '7.1', mend: null }]);
    writeFileSync(program, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    assert.match((await checkFfmpeg(program))[0]!.message, /does not run/);
  });

  it('whether recordings may be read', async () => {
    assert.equal((await checkRecordingFolder(folder))[0]!.state, 'ok');
    assert.match((await checkRecordingFolder(join(folder, 'none')))[0]!.message, /does not exist/);
  });

  it('whether the database may be written and is nobody else’s to read', async () => {
    const file = join(folder, 'data', 'ringledger.db');
    assert.deepEqual((await checkStorageFolder(file))[0]!.message, `${file} will be made at the first start`);
    assert.equal(existsSync(join(folder, 'data')), false);
    mkdirSync(join(folder, 'data'), { mode: 0o750 });
    writeFileSync(file, '');
    assert.deepEqual((await checkStorageFolder(file))[0]!.message, `${file} may be written`);
    chmodSync(join(folder, 'data'), 0o755);
    assert.equal((await checkStorageFolder(file))[0]!.state, 'warning');
    writeFileSync(join(folder, 'file'), '');
    assert.equal((await checkStorageFolder(join(folder, 'file', 'x.db')))[0]!.state, 'error');
  });

  it('whether it looks with the eyes of the service', async () => {
    if (process.getuid!() === 0) chownSync(folder, 65_534, 65_534);
    const [finding] = await checkVantage({ runsAs: 0, folder });
    assert.equal(finding!.state, 'unknown');
    assert.match(finding!.mend!, /^.*runuser -u ringledger -- ringledger doctor$/);
    assert.deepEqual(await checkVantage({ runsAs: statSync(folder).uid, folder }), []);
    assert.deepEqual(await checkVantage({ runsAs: 0, folder: join(folder, 'not-yet') }), []);
  });

  it('whether secrets are open to everybody', async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'x', { mode: 0o640 });
    assert.equal((await checkSecretFiles([{ file, holdsSecrets: true }]))[0]!.state, 'ok');
    chmodSync(file, 0o644);
    assert.equal((await checkSecretFiles([{ file, holdsSecrets: false }]))[0]!.state, 'ok');
    const [finding] = await checkSecretFiles([{ file, holdsSecrets: true }]);
    assert.deepEqual([finding!.state, finding!.mend], ['error', `chmod 0640 ${file}; chown root:ringledger ${file}`]);
  });

  describe('in a visit', () => {
    const patient = (change: Partial<Patient> = {}): Patient => ({
      pbxes: [],
      timeZone: 'UTC',
      employees: [],
      plan: createNumberPlan(numberingConfig.parse({})),
      hostName: 'localhost',
      agiServers: [],
      recordingFolder: folder,
      ffmpeg: join(folder, 'none'),
      databaseFile: join(folder, 'data', 'x.db'),
      secretFiles: [],
      further: new Map(),
      ...change,
    });
    const pbx = { name: 'office', mendView: 'Set the secret.', users: [], files: { celFile: null, cdrFile: null } };

    it('without an AMI session it says how to get one, and looks at all else', async () => {
      const findings = await visit(
        patient({ pbxes: [{ ...pbx, openView: () => Promise.reject(new Error('login refused')) }] }),
      );
      assert.deepEqual(findings.at(-1), {
        check: 'office: AMI',
        state: 'error',
        message: 'Asterisk cannot be asked: login refused',
        mend: 'Set the secret.',
      });
      assert.deepEqual(
        findings.map(({ check }) => check),
        ['storage', 'secrets', 'host name', 'recordings', 'ffmpeg', 'office: AMI'],
      );
    });

    it('a check that breaks is a finding and the others go on', async () => {
      const view = { ...viewOf(), variable: () => Promise.reject(new Error('Permission denied')) };
      let isClosed = false;
      const openView = async () => ({ ...view, close: async () => void (isClosed = true) });
      const further = new Map([['dialplan', () => Promise.reject(new Error('boom'))]]);
      const findings = await visit(patient({ pbxes: [{ ...pbx, openView }], further }));
      assert.ok(isClosed);
      const broken = findings
        .filter(({ state }) => state === 'unknown')
        .map(({ check, message }) => `${check}: ${message}`);
      assert.deepEqual(broken, [
        'dialplan: It could not be looked at: boom',
        'office: clock: It could not be looked at: Permission denied',
      ]);
      assert.ok(findings.some(({ check }) => check === 'office: extensions and users'));
    });
  });

  describe("in Asterisk's configuration files", () => {
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

    it('comments, templates, additions and includes are read as Asterisk reads them', () => {
      mkdirSync(join(folder, 'manager.d'));
      write('manager.d/b.conf', '[second](locked)\nsecret = b ; note\n');
      write('manager.d/a.conf', '[first](locked)\nsecret => a\\;1\nwritetimeout=1\nwritetimeout=5000\n');
      write('manager.d/.hidden.conf', '[hidden]\n');
      write(
        'manager.conf',
        '; comment\n[general]\nenabled = yes\n;-- a block\nbindaddr = 0.0.0.0\n--;\n[locked](!)\ndeny=0.0.0.0/0\n#include "manager.d/*.conf"\n#tryinclude none.conf\n[general](+)\nport=5038\n',
      );
      const conf = readAsteriskConf(folder, 'manager.conf')!;
      assert.deepEqual(Object.fromEntries(conf), {
        general: [
          ['enabled', 'yes'],
          ['port', '5038'],
        ],
        locked: [['deny', '0.0.0.0/0']],
        first: [
          ['deny', '0.0.0.0/0'],
          ['secret', 'a;1'],
          ['writetimeout', '1'],
          ['writetimeout', '5000'],
        ],
        second: [
          ['deny', '0.0.0.0/0'],
          ['secret', 'b'],
        ],
      });
      assert.equal(settingOf(conf, 'first', 'WriteTimeout'), '5000');
    });

    it('a file that includes itself comes to an end, and one that is not there is null', () => {
      write('a.conf', '[x]\nk=v\n#include a.conf\n');
      assert.ok(readAsteriskConf(folder, 'a.conf')!.has('x'));
      assert.equal(readAsteriskConf(folder, 'none.conf'), null);
    });
  });
});
