import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../src/cli/context.ts';
import { localTokenFile, parseConfig } from '../src/config.ts';
import { readAsteriskConf, settingOf } from '../src/doctor/asterisk-conf.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const installed = parseConfig({
  file: '/etc/ringledger/ringledger.yaml',
  text: 'pbx: [{ name: office, kind: asterisk, ami: null, cel: {}, cdr: {} }]',
  env: {},
}).config;

describe('what is installed beside Asterisk', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-packaging-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  describe('the systemd unit', () => {
    const unit = read('packaging/systemd/ringledger.service');
    const valuesOf = (key: string) =>
      [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].flatMap(([, value]) => value!.split(' '));

    it('is understood by systemd, with and without its drop-in, and leaves little open', function () {
      const file = join(folder, 'ringledger.service');
      writeFileSync(file, unit.replace('/usr/bin/node', process.execPath));
      const analyze = (...words: string[]) => spawnSync('systemd-analyze', [...words, file], { encoding: 'utf8' });
      const { error, stderr, status } = analyze('verify', '--man=no');
      if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return this.skip();
      assert.deepEqual([status, stderr], [0, '']);
      mkdirSync(`${file}.d`);
      writeFileSync(join(`${file}.d`, 'edit-settings.conf'), read('packaging/systemd/edit-settings.conf'));
      const extended = analyze('verify', '--man=no');
      assert.deepEqual([extended.status, extended.stderr], [0, '']);
      // Tenths; what systemd calls OK ends at 40.
      const security = analyze('security', '--offline=true', '--threshold=25', '--no-pager');
      assert.equal(security.status, 0, security.stdout + security.stderr);
    });

    it('starts the service again for as long as it takes, and when the web interface asks for it', () => {
      assert.deepEqual(valuesOf('Restart'), ['always']);
      assert.deepEqual(valuesOf('StartLimitIntervalSec'), ['0']);
      assert.deepEqual(valuesOf('SuccessExitStatus'), [String(exitCodes.restart)]);
      assert.deepEqual(valuesOf('RestartForceExitStatus'), [String(exitCodes.restart)]);
    });

    it('gives no rights of root, and those that the service needs', () => {
      assert.deepEqual(valuesOf('User'), ['ringledger']);
      assert.deepEqual(valuesOf('NoNewPrivileges'), ['yes']);
      assert.deepEqual(valuesOf('CapabilityBoundingSet'), ['']);
      assert.equal(dirname(localTokenFile(installed)), `/var/lib/${valuesOf('StateDirectory')[0]!}`);
      assert.ok(valuesOf('ReadWritePaths').includes(`-${installed.dialplan.folder}`));
      // Node asks for the addresses of this machine when it is to listen on all of them.
      assert.ok(valuesOf('RestrictAddressFamilies').includes('AF_NETLINK'));
      assert.ok(valuesOf('SupplementaryGroups').includes('asterisk'));
    });
  });

  it('the rotation is of the files that are read', () => {
    const rotation = read('packaging/logrotate/ringledger');
    const { cel, cdr } = installed.pbx[0]!;
    for (const file of [cel!.file, cdr!.file]) assert.ok(rotation.includes(`\n${file}\n`), file);
  });

  it('the AMI users of the README have secrets of their own, which others cannot read', () => {
    const steps = [...read('README.md').matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text!);
    const step = steps.find((text) => text.includes('manager-ringledger.conf'))!;
    mkdirSync(join(folder, 'asterisk'));
    mkdirSync(join(folder, 'ringledger', 'secrets'), { recursive: true });
    const script = step
      .replaceAll('/etc/', `${folder}/`)
      .replace('-o asterisk -g asterisk ', '')
      .replace('chgrp ringledger', `chgrp ${process.getgid!()}`);
    const { status, stderr } = spawnSync('sh', ['-eu'], { cwd: root, input: script, encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    const conf = readAsteriskConf(join(folder, 'asterisk'), 'manager-ringledger.conf');
    const secrets = ['events', 'control'].map((user) => {
      const file = join(folder, 'ringledger', 'secrets', `ami-${user}`);
      assert.equal(statSync(file).mode & 0o777, 0o640);
      const secret = readFileSync(file, 'utf8').trim();
      assert.match(secret, /^[0-9a-f]{64}$/);
      assert.equal(settingOf(conf, `ringledger-${user}`, 'secret'), secret);
      return secret;
    });
    assert.notEqual(secrets[0], secrets[1]);
    assert.equal(statSync(join(folder, 'asterisk', 'manager-ringledger.conf')).mode & 0o777, 0o640);
    // The example is right with what the steps before it have made.
    const file = join(folder, 'ringledger', 'ringledger.yaml');
    const { config } = parseConfig({ file, text: read('ringledger.example.yaml'), env: {} });
    assert.equal(config.pbx[0]!.ami!.events.secret, secrets[0]);
  });
});
