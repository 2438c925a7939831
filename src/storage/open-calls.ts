import type { Call } from '../core/call.ts';
import type { Database } from './connection.ts';
import { readCalls } from './read-calls.ts';

/** More than a PBX carries at once; calls that lost their end are closed by whoever follows them. */
const mostCalls = 1_000;

/** The calls of these sources that stand in the ledger without an end, as last saved, the oldest first. */
export async function readOpenCalls({ reader }: Database, sources: readonly string[]): Promise<readonly Call[]> {
  const ids = await reader('calls')
    .whereIn('source', sources)
    .whereNull('ended_at')
    .orderBy('id')
    .limit(mostCalls)
    .pluck<number[]>('id');
  return (await readCalls(reader, ids)).map(({ call }) => call);
}
