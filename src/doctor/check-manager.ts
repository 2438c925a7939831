import { settingOf } from './asterisk-conf.ts';
import { isYes, readFields, type AsteriskView } from './asterisk-view.ts';
import { Findings, type Finding } from './finding.ts';

export interface ManagerUser {
  /** What we use it for, in a word: `events`, `control`. */
  readonly role: string;
  readonly name: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Further rights that are used when they are there. */
  readonly optional: readonly string[];
}

/** AMI as Asterisk runs it: its address, its times, and the rights of our users. */
export async function checkManager(pbx: string, view: AsteriskView, users: readonly ManagerUser[]): Promise<Finding[]> {
  const general = new Findings(`${pbx}: AMI`);
  const fields = readFields(await view.command('manager show settings'));

  const address = fields.get('tcp bindaddress') ?? '';
  const isOpen = /^(?:0\.0\.0\.0|\[?::\]?):\d+$/.test(address);
  if (isOpen) {
    general.warning(
      `AMI listens on all addresses (${address}).`,
      'Set bindaddr = 127.0.0.1 in [general] of manager.conf, then: asterisk -rx "manager reload"',
    );
  }
  if (!isYes(fields.get('timestamp events'))) {
    general.warning(
      'AMI events carry no time of their own, so a burst is dated when it arrives.',
      'Set timestampevents = yes in [general] of manager.conf, then: asterisk -rx "manager reload"',
    );
  }
  if (general.isClean) general.ok(`listens on ${address}, events carry their time`);

  const checked = await Promise.all(users.map((user) => checkUser({ pbx, view, user, isOpen })));
  return [...general.list, ...checked.flat()];
}

async function checkUser({
  pbx,
  view,
  user,
  isOpen,
}: {
  pbx: string;
  view: AsteriskView;
  user: ManagerUser;
  isOpen: boolean;
}): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: AMI user ${user.name} (${user.role})`);
  const shown = await view.command(`manager show user ${user.name}`);
  if (/^There is no manager called/m.test(shown)) {
    findings.error(
      `Asterisk knows no AMI user ${user.name}.`,
      'Copy packaging/asterisk/manager-ringledger.conf to /etc/asterisk, include it from manager.conf, then: asterisk -rx "manager reload"',
    );
    return findings.list;
  }
  const fields = readFields(shown);
  const rights = (direction: 'read' | 'write') =>
    (fields.get(`${direction} perm`) ?? '')
      .split(',')
      .map((right) => right.trim())
      .filter((right) => right !== '' && right !== '<none>');
  for (const direction of ['read', 'write'] as const) {
    const given = rights(direction);
    const missing = user[direction].filter((right) => !given.includes(right) && !given.includes('all'));
    const wanted = user[direction].join(',');
    if (missing.length > 0) {
      findings.error(
        `It lacks the right to ${direction}: ${missing.join(', ')}.`,
        `Set ${direction} = ${wanted} in [${user.name}] of manager.conf, then: asterisk -rx "manager reload"`,
      );
    }
    const extra = given.filter((right) => ![...user[direction], ...user.optional].includes(right));
    if (extra.length > 0 && direction === 'write') {
      findings.warning(
        `It may ${direction} more than it needs: ${extra.join(', ')}.`,
        `Set ${direction} = ${wanted} in [${user.name}]; rights of AMI amount to rights on the whole system.`,
      );
    }
  }
  if (isOpen && !/^\d+:\s+deny - 0\.0\.0\.0\/0/m.test(shown)) {
    findings.warning(
      'Any address may try its secret.',
      `Set deny = 0.0.0.0/0.0.0.0 and permit = 127.0.0.1/255.255.255.255 in [${user.name}] of manager.conf.`,
    );
  }
  await checkWriteTimeout(view, user, findings);
  if (findings.isClean)
    findings.ok(`read ${rights('read').join(',') || 'none'}; write ${rights('write').join(',') || 'none'}`);
  return findings.list;
}

/** Below this a moment's pause of ours makes Asterisk cut the connection; its default is 100 ms. */
const leastWriteTimeoutMs = 1000;

async function checkWriteTimeout(view: AsteriskView, user: ManagerUser, findings: Findings): Promise<void> {
  // A session that gets no events is never behind.
  if (user.read.length === 0) return;
  const mend = `Set writetimeout = 5000 in [${user.name}] of manager.conf, then: asterisk -rx "manager reload"`;
  let written: string | undefined;
  try {
    const conf = await view.conf('manager.conf');
    written = settingOf(conf, user.name, 'writetimeout') ?? settingOf(conf, 'general', 'writetimeout');
  } catch (error) {
    findings.unknown(
      `manager.conf cannot be read to see writetimeout: ${(error as Error).message}`,
      `Run doctor as root. ${mend}`,
    );
    return;
  }
  const milliseconds = written === undefined ? 100 : Number(written);
  if (milliseconds >= leastWriteTimeoutMs) return;
  findings.warning(`writetimeout is ${milliseconds} ms: Asterisk drops us when we pause for a moment.`, mend);
}
