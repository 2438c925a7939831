import type { Employee, NumberPlan } from '../core/ports.ts';
import type { AsteriskView } from './asterisk-view.ts';
import { Findings, type Finding } from './finding.ts';

const shownAtMost = 15;

/** The phones that Asterisk knows against the users that we know. */
export async function checkStaff(
  pbx: string,
  view: AsteriskView,
  { employees, plan }: { employees: readonly Employee[]; plan: NumberPlan },
): Promise<Finding[]> {
  const findings = new Findings(`${pbx}: extensions and users`);
  const phones = (await listEndpoints(view)).filter((name) => plan.isExtension(name) && !plan.isTrunk(name));
  if (phones.length === 0) {
    findings.unknown(
      'Asterisk shows no phones with extensions as names.',
      'See whether numbering.extensions fits the names of your endpoints: asterisk -rx "pjsip show endpoints"',
    );
    return findings.list;
  }
  const active = employees.filter(({ isActive }) => isActive);
  const owned = new Set(active.flatMap(({ extensions }) => extensions));
  const ownerless = phones.filter((extension) => !owned.has(extension));
  if (ownerless.length > 0) {
    findings.warning(
      `Nobody has the extension${ownerless.length === 1 ? '' : 's'} ${shorten(ownerless)}: calls there are kept, but belong to no user.`,
      'Add the extensions to the users in ringledger.yaml (or in the CRM), or list those that are no persons in numbering.notExtensions.',
    );
  }
  const known = new Set(phones);
  const missing = active.flatMap(({ name, extensions }) =>
    extensions.filter((extension) => !known.has(extension)).map((extension) => `${extension} (${name})`),
  );
  if (missing.length > 0) {
    findings.warning(
      `Asterisk has no phone ${shorten(missing)}.`,
      "Correct the user's extension, or create the endpoint in Asterisk.",
    );
  }
  const phoneless = active.filter(({ extensions }) => extensions.length === 0).map(({ name }) => name);
  if (phoneless.length > 0) {
    findings.warning(
      `Without an extension: ${shorten(phoneless)}. They get no calls and no conversations.`,
      'Give them an extension, or set active: false.',
    );
  }
  if (findings.isClean) findings.ok(`${phones.length} phones, ${active.length} users`);
  return findings.list;
}

function shorten(names: readonly string[]): string {
  const rest = names.length - shownAtMost;
  return rest > 0 ? `${names.slice(0, shownAtMost).join(', ')} and ${rest} more` : names.join(', ');
}

/** Names of PJSIP endpoints, chan_sip and IAX2 peers; a channel driver that is not loaded has none. */
export async function listEndpoints(view: AsteriskView): Promise<string[]> {
  const pjsip = await commandOrNothing(view, 'pjsip show endpoints');
  const sip = await commandOrNothing(view, 'sip show peers');
  const iax = await commandOrNothing(view, 'iax2 show peers');
  const peers = [...sip.split('\n'), ...iax.split('\n')].flatMap((line) => {
    const match = /^([^\s/]+)(?:\/\S+)?\s+(?:\d{1,3}\.|\(|-none-|\S+:\S*:)/.exec(line);
    return match === null ? [] : [match[1]!];
  });
  const endpoints = [...pjsip.matchAll(/^\s*Endpoint:\s+([^\s/<]+)/gm)].map((match) => match[1]!);
  return [...new Set([...endpoints, ...peers])];
}

async function commandOrNothing(view: AsteriskView, text: string): Promise<string> {
  try {
    return await view.command(text);
  } catch {
    return '';
  }
}
