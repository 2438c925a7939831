/** The calls of now, of all phone systems, on whichever node one asks. */
import type { Call } from '../../core/call.ts';
import type { LedgerQueries } from '../../core/ledger-queries.ts';
import type { Log } from '../../core/ports.ts';

export interface OpenCallsParts {
  /** Of the phone systems that this node follows. */
  readonly followed: () => readonly Call[];
  /** Names of the phone systems that it does not follow now. */
  readonly notFollowed: () => readonly string[];
  /** Where their calls stand, as the node that follows them last saved them. */
  readonly ledger: Pick<LedgerQueries, 'listCalls'>;
  readonly log: Log;
  /** A saved call is seen after so long, and the database is asked no more often, and only while somebody looks; a second. */
  readonly everyMs?: number;
  /** What was read so long ago is no longer so; ten seconds. */
  readonly trustedMs?: number;
}

/** More than a PBX carries at once; calls that lost their end are closed by whoever follows them. */
const mostCalls = 1_000;

/** The calls of this source that stand in the ledger without an end, the oldest first. */
export async function readOpenCalls(ledger: OpenCallsParts['ledger'], source: string): Promise<readonly Call[]> {
  const calls: Call[] = [];
  let after: string | null = null;
  do {
    const page = await ledger.listCalls({ source, isOpen: true, sort: 'startedAt', order: 'asc', limit: 500, after });
    calls.push(...page.items);
    after = page.nextCursor;
  } while (after !== null && calls.length < mostCalls);
  return calls;
}

/**
 * Returns at once what is known now; calls of phone systems that another node follows are read from the ledger behind
 * it, so that the first answer after a while lacks them.
 */
export function createOpenCalls(parts: OpenCallsParts): () => readonly Call[] {
  const { followed, notFollowed, ledger, log, everyMs = 1_000, trustedMs = 10_000 } = parts;
  let elsewhere: readonly Call[] = [];
  let readAt = -Infinity;
  let isReading = false;

  const readAgain = async (sources: readonly string[]) => {
    isReading = true;
    try {
      elsewhere = (await Promise.all(sources.map((source) => readOpenCalls(ledger, source)))).flat();
      readAt = performance.now();
    } catch (error) {
      // The database has a line of its own.
      log.debug({ err: error }, 'the calls that another node follows could not be read');
    }
    isReading = false;
  };
  return () => {
    const sources = notFollowed();
    if (sources.length === 0) return followed();
    const age = performance.now() - readAt;
    if (!isReading && age >= everyMs) void readAgain(sources);
    if (age >= trustedMs) return followed();
    return [...followed(), ...elsewhere.filter(({ source }) => sources.includes(source))];
  };
}
