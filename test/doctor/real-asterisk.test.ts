import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { EventEmitter } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createDoctorCommand } from '../../src/cli/doctor.ts';
import { doctorParts } from '../../src/cli/installation-parts.ts';
import { createRecordCommand } from '../../src/cli/record.ts';
import { addStatusCommand } from '../../src/cli/status.ts';
import { readAsteriskConf, settingOf } from '../../src/doctor/asterisk-conf.ts';
import type { AsteriskView } from '../../src/doctor/asterisk-view.ts';
import { checkCallRecords } from '../../src/doctor/check-call-records.ts';
import { checkClock } from '../../src/doctor/check-clock.ts';
import { checkManager, type ManagerUser } from '../../src/doctor/check-manager.ts';
import { checkStaff } from '../../src/doctor/check-staff.ts';
import { createAsteriskView } from '../../src/doctor/control-view.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { asteriskConfig, type AsteriskConfig } from '../../src/pbx/asterisk/config.ts';
import type { ControlSession } from '../../src/pbx/asterisk/control-session.ts';
import { createControlSession } from '../../src/pbx/asterisk/source.ts';
import { runCommand } from '../cli/terminal.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { CannotProvision } from '../support/lab/provision.ts';
import { until } from '../support/until.ts';
import { silentLog } from '../web/house.ts';

const notInOrder = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state !== 'ok').map(({ state, message }) => `${state}: ${message}`);

const packaging = resolve(dirname(fileURLToPath(import.meta.url)), '../../packaging/asterisk');
const shippedFiles = Object.fromEntries(
  ['cel.conf', 'cel_custom.conf', 'cdr.conf', 'cdr_manager.conf'].map((name) => [
    name,
    readFileSync(join(packaging, name), 'utf8'),
  ]),
);

describe('the doctor visits a real Asterisk', function () {
  this.timeout(120_000);
  let lab: Lab;
  let config: AsteriskConfig;
  let session: ControlSession;
  let view: AsteriskView;
  const clock = { now: () => new Date() };

  before(async function () {
    try {
      // With the files that we tell administrators to copy.
      lab = await startLab({ pbxFiles: shippedFiles });
    } catch (error) {
      if (!(error instanceof CannotProvision)) throw error;
      console.warn(`      not run here: ${error.message}`);
      return this.skip();
    }
    config = asteriskConfig.parse({
      name: 'lab',
      kind: 'asterisk',
      ami: {
        port: lab.pbx.settings.ports.ami,
        events: { username: 'ringledger-events', secret: lab.secrets.events },
        control: { username: 'ringledger-control', secret: lab.secrets.control },
      },
    });
    session = createControlSession(config, { clock, log: silentLog() })!;
    session.start();
    view = createAsteriskView(session, (path) => lab.pbx.outside(path));
  });
  after(async () => {
    await session?.stop();
    await lab?.stop();
  });

  const users: readonly ManagerUser[] = [
    {
      role: 'events',
      name: 'ringledger-events',
      read: ['call', 'cdr', 'dialplan'],
      write: [],
      optional: ['reporting'],
    },
    {
      role: 'control',
      name: 'ringledger-control',
      read: [],
      write: ['originate', 'command', 'reporting'],
      optional: ['call', 'system', 'config', 'agent'],
    },
  ];
  const outside = (path: string) => lab.pbx.outside(join(lab.pbx.settings.folders.log, path));
  const files = () => ({ celFile: outside('cel-custom/Master.csv'), cdrFile: outside('cdr-csv/Master.csv') });

  it('and finds AMI, clock, CEL and CDR in order', async () => {
    assert.deepEqual(notInOrder(await checkManager('lab', view, users)), []);
    assert.deepEqual(
      notInOrder(await checkClock('lab', view, { timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone })),
      [],
    );
    await (
      await lab.call({ from: '101', to: '102', givesUpAfterSeconds: 1 })
    ).ended;
    await until(() => Object.values(files()).every((file) => existsSync(file)));
    assert.deepEqual(notInOrder(await checkCallRecords('lab', view, files())), []);
  });

  it('and would find the AMI users that we ship in order', () => {
    const conf = readAsteriskConf(packaging, 'manager-ringledger.conf');
    for (const { name, read, write, optional } of users) {
      const rights = (key: string) => (settingOf(conf, name, key) ?? '').split(',').filter((right) => right !== '');
      assert.deepEqual(
        read.filter((right) => !rights('read').includes(right)),
        [],
      );
      assert.deepEqual(
        write.filter((right) => !rights('write').includes(right)),
        [],
      );
      assert.deepEqual(
        rights('write').filter((right) => ![...write, ...optional].includes(right)),
        [],
      );
      assert.equal(settingOf(conf, name, 'deny'), '0.0.0.0/0.0.0.0');
      assert.equal(settingOf(conf, name, 'writetimeout'), '5000');
    }
  });

  it('and finds what was made wrong', async () => {
    const etc = (name: string) => lab.pbx.outside(join(lab.pbx.settings.folders.etc, name));
    const before = { manager: readFileSync(etc('manager.conf'), 'utf8'), cel: readFileSync(etc('cel.conf'), 'utf8') };
    writeFileSync(
      etc('manager.conf'),
      before.manager
        .replace('timestampevents = yes', 'timestampevents = no')
        .replace('read = call,cdr,dialplan', 'read = call')
        .replaceAll('writetimeout = 5000\n', ''),
    );
    writeFileSync(
      etc('cel.conf'),
      before.cel.replace('events = ALL', 'events = CHAN_START,HANGUP,APP_START').replace(/^apps = .*$/m, 'apps = dial'),
    );
    try {
      await lab.pbx.command('manager reload');
      await lab.pbx.command('module reload cel');
      const manager = await checkManager('lab', view, users);
      assert.deepEqual(notInOrder(manager), [
        'warning: AMI events carry no time of their own, so a burst is dated when it arrives.',
        'error: It lacks the right to read: cdr, dialplan.',
        'warning: writetimeout is 100 ms: Asterisk drops us when we pause for a moment.',
      ]);
      const [cel] = await checkCallRecords('lab', view, files());
      assert.match(cel!.message, /^These events are not logged: CHAN_END, ANSWER, .*LINKEDID_END\.$/);
    } finally {
      writeFileSync(etc('manager.conf'), before.manager);
      writeFileSync(etc('cel.conf'), before.cel);
      await lab.pbx.command('manager reload');
      await lab.pbx.command('module reload cel');
    }
    assert.deepEqual(notInOrder(await checkManager('lab', view, users)), []);
  });

  it('and finds the folder of CEL missing, which Asterisk never makes', async () => {
    const folder = outside('cel-custom');
    renameSync(folder, `${folder}-elsewhere`);
    try {
      await (
        await lab.call({ from: '101', to: '102', givesUpAfterSeconds: 1 })
      ).ended;
      assert.ok(!existsSync(folder));
      assert.deepEqual(
        (await checkCallRecords('lab', view, files())).filter(({ state }) => state !== 'ok').map(({ mend }) => mend),
        [`If the name is right: install -d -m 0750 -o asterisk -g asterisk ${folder}`],
      );
    } finally {
      renameSync(`${folder}-elsewhere`, folder);
    }
  });

  it('and knows its phones', async () => {
    const plan = createNumberPlan(numberingConfig.parse({}));
    const [finding] = await checkStaff('lab', view, { employees: [], plan });
    assert.equal(
      finding!.message,
      'Nobody has the extensions 101, 102, 103, 104: calls there are kept, but belong to no user.',
    );
  });

  it('and reads its configuration over AMI where the files are not at hand', async () => {
    const remote = createAsteriskView(session, () => '/nonexistent');
    for (const name of ['cel_custom.conf', 'cdr_manager.conf', 'cdr.conf']) {
      assert.deepEqual(
        Object.fromEntries((await remote.conf(name))!),
        Object.fromEntries((await view.conf(name))!),
        name,
      );
    }
  });

  it('and as a command reports all of it, in words and as JSON', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringledger-doctor-'));
    try {
      const write = (controlSecret: string) =>
        writeFileSync(
          join(folder, 'ringledger.yaml'),
          stringify({
            installation: { timezone: Intl.DateTimeFormat().resolvedOptions().timeZone },
            pbx: [
              {
                name: 'lab',
                kind: 'asterisk',
                ami: { ...config.ami, control: { username: 'ringledger-control', secret: controlSecret } },
                cel: { file: files().celFile },
                cdr: { file: files().cdrFile },
              },
            ],
            users: ['101', '102', '103', '104'].map((extension) => ({
              id: extension,
              name: extension,
              extensions: [extension],
            })),
          }),
          { mode: 0o644 },
        );
      const run = (...words: string[]) =>
        runCommand(['doctor', ...words], { commands: [createDoctorCommand(doctorParts)], cwd: folder });

      write(lab.secrets.control);
      const { findings } = JSON.parse((await run('--json')).out) as { findings: Finding[] };
      const ofLab = findings.filter(({ check }) => check.startsWith('lab: '));
      // Debian's own Asterisk is known to lose voices.
      const isDebians = lab.pbx.settings.place.version.includes('dfsg');
      assert.deepEqual(
        ofLab.filter(({ state }) => state !== 'ok').map(({ check, state }) => `${state} ${check}`),
        isDebians ? ['warning lab: recorded voices'] : [],
      );
      assert.deepEqual(
        ofLab.map(({ check }) => check),
        [
          'lab: AMI',
          'lab: AMI user ringledger-events (events)',
          'lab: AMI user ringledger-control (control)',
          'lab: CEL',
          'lab: CDR',
          'lab: clock',
          'lab: recorded voices',
          'lab: extensions and users',
        ],
      );
      const open = findings.find(({ check }) => check === 'secrets')!;
      assert.match(open.message, /ringledger\.yaml holds secrets and may be read by every user/);

      write('wrong');
      const { out, exitCode } = await run('--quiet');
      assert.equal(exitCode, 1);
      assert.match(
        out,
        /ERROR {3}lab: AMI: Asterisk cannot be asked: .*refused the login.*\n {8}→ Is Asterisk running/,
      );
      assert.doesNotMatch(out, /^OK /m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('and `record` keeps what AMI sends, with numbers masked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringledger-record-'));
    try {
      const { ami } = config;
      writeFileSync(
        join(folder, 'ringledger.yaml'),
        `pbx: [{ name: lab, kind: asterisk, ami: ${JSON.stringify(ami)} }]`,
      );
      const file = join(folder, 'call.ami');
      const signals = new EventEmitter();
      const run = (...words: string[]) =>
        runCommand(['record', ...words], {
          commands: [addStatusCommand, createRecordCommand({ signals })],
          cwd: folder,
        });
      const recording = run(file, '--mask');
      await until(() => existsSync(file) && readFileSync(file, 'utf8').includes('Response: '));
      await (
        await lab.call({ from: '79161110002', to: '7000001', givesUpAfterSeconds: 1 })
      ).ended;
      await until(() => readFileSync(file, 'utf8').includes('Event: Hangup'));
      signals.emit('SIGINT');
      const { exitCode, out } = await recording;
      assert.equal(exitCode, 0);
      assert.match(out, /^\d+ bytes in /);
      const text = readFileSync(file, 'latin1');
      assert.match(text, /Event: Newchannel/);
      assert.doesNotMatch(text, /79161110002|9161110002/);

      assert.match((await run(file)).err, /exists already/);
      assert.match((await run(join(folder, 'x.ami'), '--pbx', 'other')).err, /configured: lab/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
