import type { CallerQuestion } from '../src/core/caller-lookup.ts';
import type { AgiSession } from './session.ts';
import { agiArguments } from './variables.ts';

/** Asterisk writes `unknown` into the head where it knows nothing. */
const known = (text: string | undefined) => (text === undefined || text === 'unknown' ? '' : text);

/**
 * What a session asks: from the URL's query (`?did=7000001`), else from the script's arguments by position, else from
 * the head. Everything else in the query, and further arguments as `arg_4` … or, where written so, `name=value`, is
 * request data.
 */
export function readQuestion(session: AgiSession): CallerQuestion {
  const { query, args, head } = session.request;
  const argument = (name: (typeof agiArguments)[number]) => query.get(name) || args[agiArguments.indexOf(name)] || '';
  const requestData = new Map([...query].filter(([name]) => !(agiArguments as readonly string[]).includes(name)));
  for (const [index, arg] of args.slice(agiArguments.length).entries()) {
    const pair = /^([\w-]{1,64})=(.*)$/s.exec(arg);
    requestData.set(pair?.[1] ?? `arg_${agiArguments.length + index + 1}`, pair?.[2] ?? arg);
  }
  const dnid = known(head.get('agi_dnid')) || known(head.get('agi_extension'));
  return {
    callerNumber: argument('callerNumber') || known(head.get('agi_callerid')),
    callerName: known(head.get('agi_calleridname')),
    did: argument('did') || dnid,
    trunk: argument('trunk'),
    requestData: Object.fromEntries(requestData),
    linkedId: known(head.get('agi_uniqueid')),
    askedAtMs: session.acceptedAtMs,
  };
}
