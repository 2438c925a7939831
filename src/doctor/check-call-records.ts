import { accessSync, constants, existsSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { settingOf, type AsteriskConf } from './asterisk-conf.ts';
import { isYes, readFields, readRepeated, type AsteriskView } from './asterisk-view.ts';
import { Findings, type Finding } from './finding.ts';

/** Files as this machine sees them; null: not read. */
export interface RecordFiles {
  readonly celFile: string | null;
  readonly cdrFile: string | null;
}

/** What we learn calls from when AMI was away. `APP_START` needs its applications listed as well. */
const neededEvents = [
  'CHAN_START',
  'CHAN_END',
  'HANGUP',
  'ANSWER',
  'APP_START',
  'BRIDGE_ENTER',
  'BRIDGE_EXIT',
  'BLINDTRANSFER',
  'ATTENDEDTRANSFER',
  'PICKUP',
  'FORWARD',
  'LOCAL_OPTIMIZE',
  'LINKEDID_END',
];
const neededApps = ['dial', 'queue', 'voicemail', 'park', 'parkedcall', 'confbridge', 'pickup', 'mixmonitor'];
const celColumns = ['eventtype', 'eventtime', 'channame', 'uniqueid', 'linkedid'];

/** CEL and CDR as Asterisk runs them and as their files stand: without them, what happens while AMI is away is lost. */
export async function checkCallRecords(pbx: string, view: AsteriskView, files: RecordFiles): Promise<Finding[]> {
  const processed = await callsProcessed(view);
  return [
    ...(await checkCel(pbx, view, { file: files.celFile, processed })),
    ...(await checkCdr(pbx, view, { file: files.cdrFile, processed })),
  ];
}

interface Source {
  readonly file: string | null;
  /** Calls since Asterisk started. */
  readonly processed: number;
}

async function callsProcessed(view: AsteriskView): Promise<number> {
  return Number(/^(\d+) calls? processed/m.exec(await view.command('core show channels count'))?.[1] ?? 0);
}

async function checkCel(pbx: string, view: AsteriskView, { file, processed }: Source): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: CEL`);
  const reload = 'then: asterisk -rx "module reload cel"';
  const shown = await view.command('cel show status');
  if (!isYes(readFields(shown).get('cel logging'))) {
    findings.error(
      'Channel event logging is off: calls that happen while we or AMI are away are known only roughly, from CDR.',
      `Set enable = yes, apps = ${neededApps.join(',')} and events = ALL in cel.conf (see packaging/asterisk/cel.conf), ${reload}`,
    );
    return findings.list;
  }
  const events = readRepeated(shown, 'CEL Tracking Event');
  const missingEvents = events.includes('ALL') ? [] : neededEvents.filter((event) => !events.includes(event));
  if (missingEvents.length > 0)
    findings.error(
      `These events are not logged: ${missingEvents.join(', ')}.`,
      `Set events = ALL in cel.conf, ${reload}`,
    );
  const apps = readRepeated(shown, 'CEL Tracking Application');
  const missingApps = neededApps.filter((app) => !apps.includes(app));
  if (missingApps.length > 0 && !apps.includes('all')) {
    findings.warning(
      `The start of these applications is not logged: ${missingApps.join(', ')}.`,
      `Set apps = ${[...new Set([...apps, ...missingApps])].join(',')} in cel.conf, ${reload}`,
    );
  }
  if (file === null) {
    findings.warning(
      'No CEL file is configured for us to read.',
      'Set cel.file in the pbx entry of ringledger.yaml, e.g. /var/log/asterisk/cel-custom/Master.csv',
    );
    return findings.list;
  }
  const writers = readRepeated(shown, 'CEL Event Subscriber');
  if (!writers.some((writer) => /custom|csv/i.test(writer))) {
    findings.error(
      `No module writes CEL to a file (there ${writers.length === 1 ? 'is' : 'are'}: ${writers.join(', ') || 'none'}).`,
      'Add load = cel_custom.so to modules.conf where autoload is off, put packaging/asterisk/cel_custom.conf in place, then: asterisk -rx "module load cel_custom.so"',
    );
  }
  await checkCelColumns(view, findings);
  checkFile(findings, { file, processed, what: 'CEL' });
  if (findings.isClean) findings.ok(`is logged to ${file}, with all columns`);
  return findings.list;
}

async function checkCelColumns(view: AsteriskView, findings: Findings): Promise<void> {
  const mend =
    'Take the mapping of packaging/asterisk/cel_custom.conf, then: asterisk -rx "module reload cel_custom.so"';
  let conf: AsteriskConf | null;
  try {
    conf = await view.conf('cel_custom.conf');
  } catch (error) {
    findings.unknown(
      `cel_custom.conf cannot be read: ${(error as Error).message}`,
      'Run doctor as root, or put our user into the group asterisk.',
    );
    return;
  }
  const mapping = conf?.get('mappings')?.[0]?.[1]?.toLowerCase();
  if (mapping === undefined) {
    findings.error(
      'cel_custom.conf maps no columns, so no file is written.',
      // Without a mapping the module does not start, and what does not run cannot be reloaded.
      mend.replace('module reload', 'module load'),
    );
    return;
  }
  const missing = celColumns.filter((column) => !mapping.includes(column));
  if (missing.length > 0) findings.error(`The CEL file lacks the columns ${missing.join(', ')}.`, mend);
  if (!/event_?extra/.test(mapping)) {
    findings.warning(
      'The CEL file lacks the column extra: hang-up causes and transfers are then guessed from other rows.',
      mend,
    );
  }
}

async function checkCdr(pbx: string, view: AsteriskView, { file, processed }: Source): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: CDR`);
  const [status = '', backendText = ''] = (await view.command('cdr show status')).split(/\* Registered Backends/i);
  if (!isYes(readFields(status).get('logging'))) {
    findings.error(
      'Call detail records are off.',
      'Set enable = yes in [general] of cdr.conf, then: asterisk -rx "module reload cdr"',
    );
    return findings.list;
  }
  const backends = backendText
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^\w/.test(line));
  if (backends.some((backend) => backend.startsWith('cdr_manager')) && (await lacksLinkedId(view, findings))) {
    findings.warning(
      'The AMI event Cdr does not carry the linkedid, so a CDR is matched to its call by uniqueid alone.',
      'Take [mappings] of packaging/asterisk/cdr_manager.conf, then: asterisk -rx "module reload cdr_manager.so"',
    );
  }
  if (file !== null) {
    if (!backends.some((backend) => /csv|custom/i.test(backend))) {
      findings.error(
        `No module writes CDR to a file (there are: ${backends.join(', ') || 'none'}).`,
        'Add load = cdr_csv.so to modules.conf where autoload is off, then: asterisk -rx "module load cdr_csv.so"',
      );
    }
    await checkCsvColumns(view, findings);
    checkFile(findings, { file, processed, what: 'CDR' });
  }
  if (findings.isClean) findings.ok(`is logged by ${backends.join(', ')}${file === null ? '' : ` to ${file}`}`);
  return findings.list;
}

async function lacksLinkedId(view: AsteriskView, findings: Findings): Promise<boolean> {
  try {
    const conf = await view.conf('cdr_manager.conf');
    if (conf !== null && !isYes(settingOf(conf, 'general', 'enabled'))) return false;
    return !(conf?.get('mappings') ?? []).some(([column]) => column.toLowerCase() === 'linkedid');
  } catch (error) {
    findings.unknown(
      `cdr_manager.conf cannot be read: ${(error as Error).message}`,
      'Run doctor as root, or put our user into the group asterisk.',
    );
    return false;
  }
}

async function checkCsvColumns(view: AsteriskView, findings: Findings): Promise<void> {
  try {
    const conf = await view.conf('cdr.conf');
    const missing = ['loguniqueid', 'newcdrcolumns'].filter((key) => !isYes(settingOf(conf, 'csv', key)));
    if (missing.length === 0) return;
    findings.warning(
      `The CDR file lacks columns: ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set.`,
      `Set ${missing.map((key) => `${key} = yes`).join(' and ')} in [csv] of cdr.conf, then: asterisk -rx "module reload cdr_csv.so"`,
    );
  } catch (error) {
    findings.unknown(
      `cdr.conf cannot be read: ${(error as Error).message}`,
      'Run doctor as root, or put our user into the group asterisk.',
    );
  }
}

/** A file that is not there yet is right only while there was no call. */
function checkFile(
  findings: Findings,
  { file, processed, what }: { file: string; processed: number; what: string },
): void {
  let found: Stats;
  try {
    found = statSync(file);
    accessSync(file, constants.R_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && !existsSync(dirname(file))) {
      const folder = dirname(file);
      findings.error(
        `There is no folder ${folder}, and Asterisk makes none for ${what}.`,
        `If the name is right: install -d -m 0750 -o asterisk -g asterisk ${folder}`,
      );
    } else if (code === 'ENOENT' && processed === 0) {
      findings.warning(
        `${file} does not exist yet; Asterisk has had no call since its start.`,
        'Place a call and run doctor again.',
      );
    } else if (code === 'ENOENT') {
      findings.error(
        `${file} does not exist although Asterisk has had ${processed} calls.`,
        `Correct the file's name in the pbx entry of ringledger.yaml, or switch ${what} on.`,
      );
    } else {
      findings.error(
        `${file} may not be read by this user (${code ?? String(error)}).`,
        'Put the user ringledger into the group asterisk: usermod -aG asterisk ringledger, and start the service again.',
      );
    }
    return;
  }
  if (found.size === 0 && processed > 0) {
    findings.error(
      `${file} is empty although Asterisk has had ${processed} calls.`,
      `Place a call; when it stays empty, see whether Asterisk writes ${what} elsewhere: asterisk -rx "core show settings" shows its log folder.`,
    );
    return;
  }
  const ageDays = (Date.now() - found.mtimeMs) / 86_400_000;
  if (found.size > 0 && processed > 0 && ageDays > 4) {
    findings.warning(
      `${file} has not grown for ${Math.floor(ageDays)} days.`,
      `Place a call; when the file still does not grow, ${what} is written elsewhere.`,
    );
  }
}
