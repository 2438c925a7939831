import type { Employee, NumberPlan } from '../core/ports.ts';
import type { AsteriskView } from './asterisk-view.ts';
import { checkCallRecords, type RecordFiles } from './check-call-records.ts';
import { checkClock } from './check-clock.ts';
import {
  checkFastAgi,
  checkFfmpeg,
  checkHostName,
  checkRecordingFolder,
  checkSecretFiles,
  checkStorageFolder,
} from './check-machine.ts';
import { checkManager, type ManagerUser } from './check-manager.ts';
import { checkRecordedVoices } from './check-recorded-voices.ts';
import { checkStaff } from './check-staff.ts';
import { Findings, type Finding } from './finding.ts';

export interface PbxPatient {
  readonly name: string;
  /** Rejects when no session can be had; the message says why. */
  openView(): Promise<AsteriskView & { close(): Promise<void> }>;
  /** How to get a session, for the finding when there is none. */
  readonly mendView: string;
  readonly users: readonly ManagerUser[];
  readonly files: RecordFiles;
}

/** Everything the doctor looks at, as values. */
export interface Patient {
  readonly pbxes: readonly PbxPatient[];
  readonly timeZone: string;
  readonly employees: readonly Employee[];
  readonly plan: NumberPlan;
  readonly hostName: string;
  /** `host:port`, as the dialplan calls them. */
  readonly agiServers: readonly string[];
  readonly recordingFolder: string;
  readonly ffmpeg: string;
  /** Null: the database is a server of its own. */
  readonly databaseFile: string | null;
  readonly secretFiles: readonly { readonly file: string; readonly holdsSecrets: boolean }[];
  /** Checks of other rooms, by what they look at. */
  readonly further: ReadonlyMap<string, () => Promise<readonly Finding[]>>;
}

/** Looks at everything and reports in a fixed order. A check that fails is a finding; none keeps the others from running. */
export async function visit(patient: Patient): Promise<readonly Finding[]> {
  const checks: Promise<readonly Finding[]>[] = [
    attempt('storage', async () => (patient.databaseFile === null ? [] : checkStorageFolder(patient.databaseFile))),
    attempt('secrets', () => checkSecretFiles(patient.secretFiles)),
    attempt('host name', () => checkHostName(patient.hostName)),
    attempt('FastAGI', () => checkFastAgi(patient.agiServers)),
    attempt('recordings', () => checkRecordingFolder(patient.recordingFolder)),
    attempt('ffmpeg', () => checkFfmpeg(patient.ffmpeg)),
    ...[...patient.further].map(([name, check]) => attempt(name, check)),
    ...patient.pbxes.map((pbx) => visitPbx(pbx, patient)),
  ];
  return (await Promise.all(checks)).flat();
}

async function visitPbx(pbx: PbxPatient, { timeZone, employees, plan }: Patient): Promise<readonly Finding[]> {
  let view: Awaited<ReturnType<PbxPatient['openView']>>;
  try {
    view = await pbx.openView();
  } catch (error) {
    const findings = new Findings(`${pbx.name}: AMI`);
    findings.error(`Asterisk cannot be asked: ${(error as Error).message}`, pbx.mendView);
    return findings.list;
  }
  try {
    const checks = [
      await attempt(`${pbx.name}: AMI`, () => checkManager(pbx.name, view, pbx.users)),
      await attempt(`${pbx.name}: CEL and CDR`, () => checkCallRecords(pbx.name, view, pbx.files)),
      await attempt(`${pbx.name}: clock`, () => checkClock(pbx.name, view, { timeZone })),
      await attempt(`${pbx.name}: recorded voices`, () => checkRecordedVoices(pbx.name, view)),
      await attempt(`${pbx.name}: extensions and users`, () => checkStaff(pbx.name, view, { employees, plan })),
    ];
    return checks.flat();
  } finally {
    await view.close();
  }
}

async function attempt(name: string, check: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    const findings = new Findings(name);
    findings.unknown(
      `It could not be looked at: ${(error as Error).message}`,
      'Mend what is said here, and run doctor again; --json shows all.',
    );
    return findings.list;
  }
}
