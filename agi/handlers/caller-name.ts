import type { CallerLookup, CallerQuestion, LookupStatus } from '../../src/core/caller-lookup.ts';
import { setCaller } from '../caller-answer.ts';
import { readQuestion } from '../caller-question.ts';
import type { AgiSession } from '../session.ts';
import { answerVariables } from '../variables.ts';

/** A provider without a name for the caller often sends the number in its place. */
const hasName = ({ callerName, callerNumber }: CallerQuestion) =>
  callerName !== '' && callerName !== callerNumber && !/^[\s+\d().-]*$/.test(callerName);

/** The caller's name only. With `keepsExisting` a name that came from the network stays, and nobody is asked. */
export function createCallerName(
  lookup: CallerLookup,
  settings: { readonly keepsExisting: boolean },
): (session: AgiSession) => Promise<LookupStatus> {
  return async (session) => {
    const question = readQuestion(session);
    if (settings.keepsExisting && hasName(question)) {
      await session.setVariable(answerVariables.name, lookup.toDisplay(question.callerName));
      await session.setVariable(answerVariables.status, 'FOUND');
      return 'FOUND';
    }
    const answer = await lookup.callerName(question);
    await setCaller(session, answer);
    await session.setVariable(answerVariables.status, answer.status);
    return answer.status;
  };
}
