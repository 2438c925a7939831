import type { AsteriskView } from './asterisk-view.ts';
import { Findings, type Finding } from './finding.ts';

/** The clock of Asterisk against ours, and its zone against the configured one, in which CDR and CEL files are read. */
export async function checkClock(
  pbx: string,
  view: AsteriskView,
  { timeZone }: { timeZone: string },
): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: clock`);
  const askedAt = Date.now();
  const match = /^(\d+) ([+-]\d{4})/.exec(await view.variable('STRFTIME(,,%s %z)'));
  if (match === null) {
    findings.unknown(
      'Asterisk does not tell its time.',
      'Load func_strings.so (STRFTIME), or compare by hand: date; asterisk -rx "core show uptime"',
    );
    return findings.list;
  }
  // Whole seconds: an honest clock may seem up to one second behind.
  const offset = (Number(match[1]) * 1000 - askedAt) / 1000;
  if (offset > 2 || offset < -3) {
    findings.error(
      `Asterisk's clock is ${Math.abs(Math.round(offset))} s ${offset > 0 ? 'ahead of' : 'behind'} ours: times of calls will be wrong.`,
      'Let both machines keep time by the same servers (chrony or systemd-timesyncd): timedatectl set-ntp true',
    );
  }
  const zone = match[2]!;
  const wanted = offsetOf(timeZone, new Date(askedAt));
  if (zone !== wanted) {
    findings.error(
      `Asterisk's local time is UTC${zone}, while installation.timezone (${timeZone}) is UTC${wanted} now: CDR and CEL files would be read with wrong times.`,
      'Set installation.timezone to the zone of the Asterisk machine (timedatectl shows it), or correct the zone there and restart Asterisk.',
    );
  }
  if (findings.isClean) findings.ok(`agrees with ours, UTC${zone}`);
  return findings.list;
}

/** `+0300` */
export function offsetOf(timeZone: string, at: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(at);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  return name === 'GMT' ? '+0000' : name.replace('GMT', '').replace(':', '');
}
