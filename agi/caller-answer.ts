import type { CallerAnswer } from '../src/core/caller-lookup.ts';
import type { AgiSession } from './session.ts';
import { answerVariables } from './variables.ts';

/** A CRM's id that means nothing to the dialplan. */
const plainId = /^[\w.:-]{1,100}$/;

/** Tells the dialplan who is calling, and the phone what to show. */
export async function setCaller(session: AgiSession, { contact, name }: CallerAnswer): Promise<void> {
  if (contact && plainId.test(contact.id)) await session.setVariable(answerVariables.contactId, contact.id);
  if (name === '') return;
  await session.setVariable(answerVariables.name, name);
  await session.setVariable('CALLERID(name)', name);
}
