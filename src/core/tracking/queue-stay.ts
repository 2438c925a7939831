/** Where a client waited for somebody to become free. */
import type { QueueStay } from '../call.ts';
import type { CallView } from './call-view.ts';

/** The last queue that the client stood in, until the client talked to somebody, went on in the dialplan, or hung up. */
export function queueOf(view: CallView): QueueStay | null {
  const { client, direction } = view;
  if (client === null || direction !== 'inbound') return null;
  const index = client.apps.findLastIndex(({ app }) => app.toLowerCase() === 'queue');
  const run = client.apps[index];
  const name = run?.args.split(',', 1)[0]?.trim() ?? '';
  if (run === undefined || name === '') return null;
  const talk = view.talks.find(({ from, members }) => from >= run.at && members.includes(client.id));
  const ends = [talk?.from, client.apps[index + 1]?.at, client.ended?.at, view.endedAt];
  const known = ends.filter((at) => at !== undefined && at !== null);
  return {
    name,
    joinedAt: new Date(Math.floor(run.at)),
    leftAt: known.length === 0 ? null : new Date(Math.floor(Math.max(run.at, Math.min(...known)))),
  };
}
