import type { CallerLookup, LookupStatus } from '../../src/core/caller-lookup.ts';
import { setCaller } from '../caller-answer.ts';
import { readQuestion } from '../caller-question.ts';
import type { AgiSession } from '../session.ts';
import { answerVariables } from '../variables.ts';

/**
 * Who should get the call, and what the phone shows. The status is set last: when the call ends or the server fails in
 * between, the dialplan finds it empty and takes the default route.
 */
export function createDistribute(lookup: CallerLookup): (session: AgiSession) => Promise<LookupStatus> {
  return async (session) => {
    const answer = await lookup.distribute(readQuestion(session));
    if (answer.extension !== null) {
      await session.setVariable(answerVariables.extension, answer.extension);
      await session.setVariable(answerVariables.deputies, answer.deputies.join('-'));
    }
    await setCaller(session, answer);
    await session.setVariable(answerVariables.status, answer.status);
    return answer.status;
  };
}
