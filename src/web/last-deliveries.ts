import type { Call } from '../core/call.ts';
import type { InterfaceParts, WebParts } from './ports.ts';
import type { LiveDelivery } from './routes/live.ts';

export interface LastDeliveries {
  /** Tells at once and then every second, until the returned function is called. */
  watch(tell: (items: readonly LiveDelivery[]) => void): () => void;
}

const shown = 12;
const everyMs = 1_000;

/** What became of the last conversations in the CRMs, read once for everybody who watches; nobody: not at all. */
export function createLastDeliveries(
  { ledger, log }: Pick<WebParts, 'ledger' | 'log'>,
  contactOf: InterfaceParts['contactOf'],
): LastDeliveries {
  const viewers = new Set<(items: readonly LiveDelivery[]) => void>();
  const newest = { sort: 'createdAt', order: 'desc', limit: shown, after: null } as const;
  /** Of the calls that are shown; their clients do not change. */
  let calls = new Map<string, Call | null>();
  let last: readonly LiveDelivery[] | null = null;
  let ticking: NodeJS.Timeout | null = null;
  let isReading = false;

  async function read(): Promise<readonly LiveDelivery[]> {
    const { items } = await ledger.listDeliveries(newest);
    const known = new Map<string, Call | null>();
    for (const { source, linkedId } of items) {
      const key = `${source}/${linkedId}`;
      if (!known.has(key)) known.set(key, calls.get(key) ?? (await ledger.findCall(source, linkedId)));
    }
    calls = known;
    return items.map(({ id, crm, kind, source, linkedId, state, attempts, createdAt, lastError }) => {
      const { client = null, clientName = null } = known.get(`${source}/${linkedId}`) ?? {};
      const contact = client === null ? null : contactOf(client);
      return { id, crm, kind, source, linkedId, state, attempts, createdAt, lastError, client, clientName, contact };
    });
  }

  async function look(): Promise<void> {
    if (isReading) return;
    isReading = true;
    try {
      last = await read();
      for (const tell of viewers) tell(last);
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'the last deliveries could not be read for the live view');
    } finally {
      isReading = false;
    }
  }

  return {
    watch(tell) {
      viewers.add(tell);
      ticking ??= setInterval(() => void look(), everyMs);
      if (last !== null) tell(last);
      void look();
      return () => {
        viewers.delete(tell);
        if (viewers.size > 0 || ticking === null) return;
        clearInterval(ticking);
        ticking = null;
        last = null;
      };
    },
  };
}
