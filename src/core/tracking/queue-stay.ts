/** Where a client waited for somebody to become free. */
import type { QueueStay } from '../call.ts';
import type { CallView } from './call-view.ts';

/** What may begin while a client waits. */
const recorders: ReadonlySet<string> = new Set(['mixmonitor', 'stopmixmonitor', 'monitor']);

/** The last queue that the client stood in, until the client talked to somebody, went on in the dialplan, or hung up. */
export function queueOf(view: CallView): QueueStay | null {
  const { client, direction } = view;
  if (client === null || direction !== 'inbound') return null;
  const run = client.apps.findLast(({ app }) => app.toLowerCase() === 'queue');
  const name = run?.args.split(',', 1)[0]?.trim() ?? '';
  if (run === undefined || name === '') return null;
  const talk = view.talks.find(({ from, members }) => from >= run.at && members.includes(client.id));
  // Clocks of whole seconds put what came before the queue into the same second as the queue.
  const next = client.apps.find(
    ({ app, at, isFromCdr }) =>
      at >= run.at + 1_000 && !recorders.has(app.toLowerCase()) && isFromCdr === run.isFromCdr,
  );
  const status = client.variables.QUEUESTATUS;
  const leftBy = status !== undefined && status.at >= run.at ? status.at : null;
  const ends = [talk?.from, leftBy, next?.at, client.ended?.at, view.endedAt];
  const known = ends.filter((at) => at !== undefined && at !== null);
  return {
    name,
    joinedAt: new Date(Math.floor(run.at)),
    leftAt: known.length === 0 ? null : new Date(Math.floor(Math.max(run.at, Math.min(...known)))),
  };
}
