/** Which part a channel plays, from its name. Asterisk's channel names are `TECH/endpoint-suffix`. */
import type { NumberPlan } from '../ports.ts';

/** `plumbing` joins others and never becomes a conversation. */
export type ChannelRole = 'employee' | 'outside' | 'plumbing';

/** Technologies whose channels are made by Asterisk for itself. */
const plumbingTechs = new Set([
  'Local',
  'Bridge',
  'CBAnn',
  'CBRec',
  'Announcer',
  'Recorder',
  'Message',
  'Surrogate',
  'Snoop',
  'UnicastRTP',
  'Parked',
  'Conference',
  'Voicemail',
  'Announce',
]);

/** `PJSIP/101-00000003` → tech `PJSIP`, endpoint `101`. Prefixes that a masquerade puts before the name are dropped. */
export function parseChannelName(name: string): { readonly tech: string; readonly endpoint: string } {
  let bare = name;
  while (bare.startsWith('AsyncGoto/') || bare.startsWith('Parked/') || bare.startsWith('Transfered/')) {
    bare = bare.slice(bare.indexOf('/') + 1);
  }
  const slash = bare.indexOf('/');
  if (slash < 0) return { tech: bare, endpoint: '' };
  const dash = bare.lastIndexOf('-');
  return { tech: bare.slice(0, slash), endpoint: bare.slice(slash + 1, dash > slash ? dash : undefined) };
}

export function isPlumbing(name: string): boolean {
  return name === '' || plumbingTechs.has(parseChannelName(name).tech);
}

/** The two halves of a Local channel share this; null for anything else. `Local/101@queue-00000001;2` → `Local/101@queue-00000001`. */
export function localPair(name: string): string | null {
  return name.startsWith('Local/') && name.at(-2) === ';' ? name.slice(0, -2) : null;
}

/** `Local/101@queue-00000001;1` → `Local/101@queue-00000001;2`, and back; null for anything else. */
export function otherHalf(name: string): string | null {
  const pair = localPair(name);
  return pair === null ? null : `${pair};${name.endsWith('1') ? '2' : '1'}`;
}

/** The number a Local channel stands for: `Local/101@queue-00000001;1` → `101`. */
export function localExten(name: string): string {
  return name.startsWith('Local/') ? name.slice(6, name.indexOf('@') > 0 ? name.indexOf('@') : undefined) : '';
}

/** `Local/101@queue-00000001;1` → `queue`. */
export function localContext(name: string): string {
  const pair = localPair(name);
  return pair === null ? '' : pair.slice(pair.indexOf('@') + 1, pair.lastIndexOf('-'));
}

/** The digits before the rest of an endpoint's name: `101-desk` → `101`; empty where there is no rest or no such digits. */
export const leadingNumber = (endpoint: string): string => /^(\d{2,8})(?=[^\d.])/.exec(endpoint)?.[1] ?? '';

/** The extension behind a channel name; null when it is not an employee's phone. */
export function extensionOf(name: string, callerNumber: string, plan: NumberPlan): string | null {
  if (isPlumbing(name)) return null;
  const { endpoint } = parseChannelName(name);
  if (plan.isTrunk(endpoint)) return null;
  if (plan.isExtension(endpoint)) return endpoint;
  // One extension, several devices: `101-desk`, `101_mobile`, `101a`. Many have no caller id of their own.
  const leading = leadingNumber(endpoint);
  if (plan.isExtension(leading)) return leading;
  // Endpoints that are not named like their extension (`ivan-desk`) give it as their caller id.
  return plan.isExtension(callerNumber) && !/^\+?\d{6,}$/.test(endpoint) ? callerNumber : null;
}

export function roleOf(name: string, callerNumber: string, plan: NumberPlan): ChannelRole {
  if (isPlumbing(name)) return 'plumbing';
  return extensionOf(name, callerNumber, plan) === null ? 'outside' : 'employee';
}
