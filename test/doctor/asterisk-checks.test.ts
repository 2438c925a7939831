import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Employee } from '../../src/core/ports.ts';
import { checkCallRecords } from '../../src/doctor/check-call-records.ts';
import { checkClock } from '../../src/doctor/check-clock.ts';
import { checkManager, type ManagerUser } from '../../src/doctor/check-manager.ts';
import { checkRecordedVoices } from '../../src/doctor/check-recorded-voices.ts';
import { checkStaff } from '../../src/doctor/check-staff.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { healthy, viewOf, type Sickness } from './sick-asterisk.ts';

const lines = (findings: readonly Finding[]) =>
  findings.map(({ check, state, message }) => `${state} ${check}: ${message}`);
const states = (findings: readonly Finding[]) => findings.map(({ state }) => state);
const mends = (findings: readonly Finding[]) => findings.map(({ mend }) => mend ?? '').join('\n');

describe('the doctor looks at Asterisk', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-doctor-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  describe('recorded voices', () => {
    const stateFor = async (version: string) => {
      const [finding] = await checkRecordedVoices('office', viewOf({ commands: { 'core show version': version } }));
      return finding!.state;
    };
    it('are all there', async () => {
      assert.deepEqual(lines(await checkRecordedVoices('office', viewOf())), [
        'ok office: recorded voices: Asterisk 22.5.0 records all voices of a transferred call',
      ]);
      const built = 'built by nobody @ buildd.debian.org on a unknown running Linux on 2022-01-01 00:00:00 UTC';
      assert.equal(await stateFor(`Asterisk 16.28.0~dfsg-0+deb11u4 ${built}`), 'ok');
      assert.equal(await stateFor(`Asterisk 18.10.0~dfsg+~cs6.10.40431411-2 ${built}`), 'ok');
      assert.equal(await stateFor('Asterisk certified/20.7-cert2 built by root @ pbx on a x86_64'), 'ok');
    });
    it('get lost in the builds of Debian and Ubuntu', async () => {
      for (const version of ['20.6.0~dfsg+~cs6.13.40431414-2build5', '22.10.1+dfsg+~cs6.17.60671434-1'])
        assert.equal(await stateFor(`Asterisk ${version} built by nobody @ buildd.debian.org on a unknown`), 'warning');
      assert.equal(await stateFor('No such command'), 'unknown');
    });
  });

  describe('AMI', () => {
    const user: ManagerUser = {
      role: 'events',
      name: 'ringledger-events',
      read: ['call', 'dialplan'],
      write: [],
      optional: ['cdr'],
    };
    const check = (sickness?: Sickness) => checkManager('office', viewOf(sickness), [user]);
    const settings = (from: string, to: string) => ({
      commands: { 'manager show settings': healthy.commands['manager show settings']!.replace(from, to) },
    });
    const rights = (from: string, to: string) => ({
      commands: {
        'manager show user ringledger-events': healthy.commands['manager show user ringledger-events']!.replace(
          from,
          to,
        ),
      },
    });

    it('is well', async () => {
      assert.deepEqual(lines(await check()), [
        'ok office: AMI: listens on 127.0.0.1:5038, events carry their time',
        'ok office: AMI user ringledger-events (events): read call,cdr,dialplan; write none',
      ]);
    });
    it('listens on all addresses', async () => {
      const findings = await check(settings('127.0.0.1:5038', '0.0.0.0:5038'));
      assert.equal(findings[0]!.state, 'warning');
      assert.match(findings[0]!.mend!, /bindaddr = 127\.0\.0\.1/);
    });
    it('does not date its events', async () => {
      assert.match(
        mends(await check(settings('Timestamp events:          Yes', 'Timestamp events:          No'))),
        /timestampevents = yes/,
      );
    });
    it('does not know our user', async () => {
      const findings = await check({
        commands: { 'manager show user ringledger-events': 'There is no manager called ringledger-events\n' },
      });
      assert.deepEqual(states(findings), ['ok', 'error']);
    });
    it('does not give our user the rights it needs', async () => {
      const findings = await check(rights('call,cdr,dialplan', 'call'));
      assert.deepEqual(
        lines(findings)[1],
        'error office: AMI user ringledger-events (events): It lacks the right to read: dialplan.',
      );
      assert.match(mends(findings), /Set read = call,dialplan in \[ringledger-events\]/);
    });
    it('gives our user more than it needs', async () => {
      assert.match(
        lines(await check(rights('<none>', 'system,originate')))[1]!,
        /^warning .*may write more than it needs: system, originate/,
      );
      assert.deepEqual(states(await check(rights('call,cdr,dialplan', 'all'))), ['ok', 'ok']);
    });
    it('drops a reader that pauses', async () => {
      const findings = await check({ conf: { 'manager.conf': new Map() } });
      assert.match(lines(findings)[1]!, /writetimeout is 100 ms/);
      const general = new Map([['general', [['writetimeout', '5000'] as const]]]);
      assert.deepEqual(states(await check({ conf: { 'manager.conf': general } })), ['ok', 'ok']);
    });
    it('does not let us read its files', async () => {
      assert.deepEqual(states(await check({ conf: { 'manager.conf': new Error('EACCES') } })), ['ok', 'unknown']);
    });
  });

  describe('CEL and CDR', () => {
    const files = () => ({ celFile: join(folder, 'cel.csv'), cdrFile: join(folder, 'cdr.csv') });
    const writeFiles = (content = 'row\n') => Object.values(files()).forEach((file) => writeFileSync(file, content));
    const check = (sickness: Sickness = {}, given = files()) => checkCallRecords('office', viewOf(sickness), given);
    const withCalls = { 'core show channels count': '0 active channels\n0 active calls\n7 calls processed\n' };

    it('are well', async () => {
      writeFiles();
      assert.deepEqual(lines(await check({ commands: withCalls })), [
        `ok office: CEL: is logged to ${folder}/cel.csv, with all columns`,
        `ok office: CDR: is logged by cdr_manager, csv to ${folder}/cdr.csv`,
      ]);
    });
    it('are off', async () => {
      const findings = await check({
        commands: { 'cel show status': 'CEL Logging: Disabled\n', 'cdr show status': 'Logging: Disabled\n' },
      });
      assert.deepEqual(states(findings), ['error', 'error']);
      assert.match(
        mends(findings),
        /enable = yes, apps = dial,queue,.*cel\.conf[\s\S]*enable = yes in \[general\] of cdr\.conf/,
      );
    });
    it('lack events, applications, a writer', async () => {
      writeFiles();
      const shown =
        'CEL Logging: Enabled\nCEL Tracking Event: CHAN_START\nCEL Tracking Application: dial\nCEL Event Subscriber: Manager Event Logging\n';
      const findings = await check({ commands: { 'cel show status': shown } });
      assert.match(lines(findings)[0]!, /^error .*not logged: CHAN_END, HANGUP, .*LINKEDID_END/);
      assert.match(lines(findings)[1]!, /^warning .*applications is not logged: queue, /);
      assert.match(findings[1]!.mend!, /apps = dial,queue,/);
      assert.match(lines(findings)[2]!, /^error .*No module writes CEL to a file \(there is: Manager Event Logging\)/);
    });
    it('lack columns', async () => {
      writeFiles();
      const conf = {
        'cel_custom.conf': new Map([
          [
            'mappings',
            [['Master.csv', '${eventtype},${eventtime},${CHANNEL(channame)},${CHANNEL(uniqueid)}'] as const],
          ],
        ]),
        'cdr.conf': new Map(),
      };
      const findings = await check({ conf });
      assert.deepEqual(lines(findings), [
        'error office: CEL: The CEL file lacks the columns linkedid.',
        'warning office: CEL: The CEL file lacks the column extra: hang-up causes and transfers are then guessed from other rows.',
        'warning office: CDR: The CDR file lacks columns: loguniqueid and newcdrcolumns are not set.',
      ]);
    });
    it('over AMI lack the linkedid', async () => {
      writeFiles();
      const findings = await check({
        conf: { 'cdr_manager.conf': new Map([['general', [['enabled', 'yes'] as const]]]) },
      });
      assert.deepEqual(states(findings), ['ok', 'warning']);
      assert.match(mends(findings), /packaging\/asterisk\/cdr_manager\.conf/);
    });
    it('have no file yet, which is wrong only after a call', async () => {
      assert.deepEqual(states(await check()), ['warning', 'warning']);
      assert.deepEqual(states(await check({ commands: withCalls })), ['error', 'error']);
      writeFiles('');
      assert.match(lines(await check({ commands: withCalls }))[0]!, /is empty although Asterisk has had 7 calls/);
    });
    it('have not been written for days', async () => {
      writeFiles();
      const lastWeek = new Date(Date.now() - 7 * 86_400_000);
      Object.values(files()).forEach((file) => utimesSync(file, lastWeek, lastWeek));
      assert.match(lines(await check({ commands: withCalls }))[0]!, /^warning .*has not grown for 7 days/);
    });
    it('may not be read by us', async () => {
      writeFiles();
      Object.values(files()).forEach((file) => chmodSync(file, 0));
      const isRoot = process.geteuid!() === 0;
      // Root may read everything; `nobody` may not.
      if (isRoot) process.seteuid!(65_534);
      try {
        assert.deepEqual(states(await check({ commands: withCalls })), ['error', 'error']);
      } finally {
        if (isRoot) process.seteuid!(0);
      }
    });
    it('are not configured for us to read', async () => {
      const findings = await checkCallRecords('office', viewOf(), { celFile: null, cdrFile: null });
      assert.deepEqual(states(findings), ['warning', 'ok']);
    });
  });

  describe('the clock', () => {
    const check = (time: string | undefined, timeZone = 'UTC') =>
      checkClock('office', viewOf(time === undefined ? {} : { time }), { timeZone });

    it('is well', async () => {
      assert.deepEqual(lines(await check(undefined)), ['ok office: clock: agrees with ours, UTC+0000']);
    });
    it('is an hour ahead', async () => {
      assert.match(
        lines(await check(`${Math.floor(Date.now() / 1000) + 3600} +0000`))[0]!,
        /^error .*(?:3599|3600) s ahead of ours/,
      );
    });
    it('stands in another zone than configured', async () => {
      const findings = await check(undefined, 'Europe/Moscow');
      assert.match(
        lines(findings)[0]!,
        /^error .*UTC\+0000, while installation\.timezone \(Europe\/Moscow\) is UTC\+0300 now/,
      );
    });
    it('is not told', async () => {
      assert.deepEqual(states(await check('')), ['unknown']);
    });
  });

  describe('extensions and users', () => {
    const plan = createNumberPlan(numberingConfig.parse({}));
    const user = (name: string, extensions: readonly string[], isActive = true): Employee => ({
      id: name,
      name,
      extensions,
      email: null,
      deputies: [],
      mobile: null,
      isActive,
      workingHours: null,
    });
    const check = (employees: readonly Employee[], sickness: Sickness = {}) =>
      checkStaff('office', viewOf(sickness), { employees, plan });

    it('fit one another', async () => {
      assert.deepEqual(lines(await check([user('Anna', ['101', '102'])])), [
        'ok office: extensions and users: 2 phones, 1 users',
      ]);
    });
    it('do not fit one another', async () => {
      const findings = await check([user('Anna', ['101', '109']), user('Boris', []), user('Gone', ['102'], false)]);
      assert.deepEqual(
        findings.map(({ message }) => message),
        [
          'Nobody has the extension 102: calls there are kept, but belong to no user.',
          'Asterisk has no phone 109 (Anna).',
          'Without an extension: Boris. They get no calls and no conversations.',
        ],
      );
    });
    it('are read from chan_sip and IAX2 as well', async () => {
      const sip =
        'Name/username             Host            Dyn Forcerport\n103/103                   192.168.1.5     D  Yes\n104                       (Unspecified)   D  Yes\n2 sip peers\n';
      const findings = await check([user('Anna', ['101', '102', '103', '104'])], {
        commands: { 'sip show peers': sip },
      });
      assert.deepEqual(states(findings), ['ok']);
    });
    it('cannot be told when Asterisk shows no phones', async () => {
      assert.deepEqual(states(await check([], { commands: { 'pjsip show endpoints': null } })), ['unknown']);
    });
  });
});
