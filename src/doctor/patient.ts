import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { withCrm } from '../installation/open-crm.ts';
import { localTokenFile, type Config, type LoadedConfig } from '../config.ts';
import type { Clock, Employee, Log } from '../core/ports.ts';
import { checkInclude } from '../dialplan/check.ts';
import { readFolder } from '../dialplan/files.ts';
import { placeOfDialplan } from '../dialplan/generate.ts';
import { createNumberPlan } from '../numbering/number-plan.ts';
import type { AsteriskConfig } from '../pbx/asterisk/config.ts';
import { createControlSession } from '../pbx/asterisk/source.ts';
import { openDatabase } from '../storage/connection.ts';
import { checkVantage } from './check-machine.ts';
import type { ManagerUser } from './check-manager.ts';
import { createAsteriskView } from './control-view.ts';
import { Findings, type Finding } from './finding.ts';
import type { Patient, PbxPatient } from './visit.ts';

export interface PatientParts {
  readonly loaded: LoadedConfig;
  readonly employees: readonly Employee[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What the configuration says there is to look at. */
export function createPatient({ loaded, employees, clock, log }: PatientParts): Patient {
  const { config, file } = loaded;
  const tokenFile = localTokenFile(config);
  const { storage } = config;
  const isFile = storage.kind === 'sqlite' && storage.path !== ':memory:';
  const owned = new Set(employees.flatMap(({ extensions }) => extensions));
  return {
    pbxes: config.pbx.map((pbx) => createPbxPatient(pbx, { clock, log })),
    timeZone: config.installation.timezone,
    employees,
    plan: createNumberPlan(config.numbering, (number) => owned.has(number)),
    hostName: hostname(),
    agiServers: config.dialplan.agi.servers,
    recordingFolder: config.dialplan.recording.folder,
    ffmpeg: config.recordings.convert.program,
    databaseFile: isFile ? storage.path : null,
    secretFiles: [
      ...(file === null ? [] : [{ file, holdsSecrets: loaded.holdsSecrets }]),
      ...[...loaded.secretFiles, ...(existsSync(tokenFile) ? [tokenFile] : [])].map((path) => ({
        file: path,
        holdsSecrets: true,
      })),
    ],
    further: new Map([
      ...(storage.kind === 'postgres' ? [['storage', () => checkDatabase(config)] as const] : []),
      ['rights', async () => checkVantage({ runsAs: process.getuid?.() ?? null, folder: dirname(tokenFile) })],
      ['dialplan', async () => checkDialplan(config)],
      ...config.crm
        .filter(({ kind }) => kind !== 'local')
        .map((entry) => [`crm:${entry.name}`, () => checkCrm(config, entry)] as const),
      ...(config.pbx.length === 0 ? [['phone systems', async () => noPbx()] as const] : []),
    ]),
  };
}

/** What the CRM says of itself; its messages say how to mend it. */
async function checkCrm(config: Config, entry: Config['crm'][number]): Promise<Finding[]> {
  const parts = await withCrm(config, entry, ({ adapter }) => adapter.check());
  return parts.map(({ part, health, message }) => ({ check: part, state: health, message, mend: null }));
}

function noPbx(): Finding[] {
  const findings = new Findings('phone systems');
  findings.warning(
    'No phone system is configured, so no calls are followed.',
    'Add an entry under pbx in ringledger.yaml.',
  );
  return findings.list;
}

/** The rights that each AMI user needs for what we ask of Asterisk. */
export function managerUsersOf({ events, control }: NonNullable<AsteriskConfig['ami']>): ManagerUser[] {
  const users: ManagerUser[] = [
    {
      role: 'events',
      name: events.username,
      read: ['call', 'cdr', 'dialplan'],
      // Channels are listed over the control session where there is one.
      write: control === null ? ['reporting'] : [],
      optional: ['reporting'],
    },
  ];
  if (control !== null) {
    users.push({
      role: 'control',
      name: control.username,
      read: [],
      write: ['originate', 'command', 'reporting'],
      optional: ['system', 'call', 'config', 'agent'],
    });
  }
  return users;
}

function createPbxPatient(pbx: AsteriskConfig, { clock, log }: { clock: Clock; log: Log }): PbxPatient {
  return {
    name: pbx.name,
    users: pbx.ami === null ? [] : managerUsersOf(pbx.ami),
    files: { celFile: pbx.cel?.file ?? null, cdrFile: pbx.cdr?.file ?? null },
    mendView:
      pbx.ami?.control == null
        ? 'Set ami.control in the pbx entry of ringledger.yaml, with the user ringledger-control of packaging/asterisk/manager-ringledger.conf.'
        : 'Is Asterisk running, is AMI enabled in manager.conf, and are user, secret and permit right there? asterisk -rx "manager show users"',
    async openView() {
      const session = createControlSession(pbx, { clock, log });
      if (session === null) throw new Error('no AMI control user is configured');
      session.start();
      try {
        await session.command('core show version', 5000);
      } catch (error) {
        const { message } = session.status();
        await session.stop();
        throw new Error(message.replace(/ Click-to-call and the dialplan wait for it\.$/, ''), { cause: error });
      }
      return { ...createAsteriskView(session), close: () => session.stop() };
    },
  };
}

async function checkDatabase({ storage }: Config): Promise<Finding[]> {
  const findings = new Findings('storage');
  try {
    const database = await openDatabase(storage);
    try {
      await database.knex.raw('select 1');
      findings.ok(`${database.place} answers`);
    } finally {
      await database.close();
    }
  } catch (error) {
    findings.error(
      `PostgreSQL does not answer: ${(error as Error).message}`,
      'Compare storage.url with what PostgreSQL offers: psql "<the URL>" -c "select 1"',
    );
  }
  return findings.list;
}

/** Whether Asterisk would read what we generate. Only once something was generated is its absence an error. */
function checkDialplan(config: Config): Finding[] {
  const findings = new Findings('dialplan');
  const place = placeOfDialplan(config.dialplan);
  const files = readFolder(config.dialplan.folder);
  const edited = files.filter(({ state }) => state === 'edited').map(({ name }) => name);
  if (files.length === 0) {
    findings.warning(
      `Nothing has been generated into ${config.dialplan.folder} yet.`,
      'When Ringledger is to distribute calls: ringledger dialplan check, then: ringledger dialplan apply',
    );
    return findings.list;
  }
  for (const { level, message } of checkInclude(place)) {
    const mend =
      'Add the line and run: asterisk -rx "dialplan reload"; ringledger dialplan check looks at the whole dialplan.';
    if (level === 'error') findings.error(message, mend);
    else findings.warning(message, mend);
  }
  if (edited.length > 0) {
    findings.warning(
      `Changed by hand: ${edited.join(', ')}.`,
      'The next apply will refuse to replace them. Put the change into a template of your own in dialplan.templatesFolder.',
    );
  }
  if (findings.isClean) findings.ok(`${files.length} files, included by ${place.includeFrom}`);
  return findings.list;
}
