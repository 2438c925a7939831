import type { AsteriskView } from './asterisk-view.ts';
import { Findings, type Finding } from './finding.ts';

/**
 * Asterisk as Debian and Ubuntu build it since 20.6.0: their patch `opus_plc` drops packets whose number is lower than
 * that of the one before. After a transfer these are another phone's, so that in half of the calls MixMonitor leaves the
 * second employee's voice out.
 */
export async function checkRecordedVoices(pbx: string, view: AsteriskView): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: recorded voices`);
  const version = /Asterisk (?:certified\/)?(\d+)\.(\d+)\S*/.exec(await view.command('core show version'));
  if (version === null) {
    findings.unknown('Asterisk does not tell its version.', 'Look by hand: asterisk -rx "core show version"');
    return findings.list;
  }
  const [name, major, minor] = version;
  const isPatched = /dfsg\S*cs\d/.test(name) && Number(major) * 1000 + Number(minor) >= 20_006;
  if (isPatched) {
    findings.warning(
      `${name} comes from Debian or Ubuntu, whose patch often leaves the second employee's voice out of the recording of a transferred call.`,
      'Let the phones use another codec than the trunk (allow = ulaw where the trunk has alaw), or use a build without the patch; see "One voice is missing" in docs/recordings.md.',
    );
  } else findings.ok(`${name} records all voices of a transferred call`);
  return findings.list;
}
