/** Brings calls from the ledger to the CRMs: conversations, recordings, the card of an incoming call, each by the rules of its CRM. */
import { join } from 'node:path';
import { createDeliveryRunner } from '../../core/delivery.ts';
import type { DeliveryHandler, DeliveryOutcome } from '../../core/delivery/crm-loop.ts';
import { AuthRequired, Rejected } from '../../core/errors.ts';
import { createIncomingCards } from '../../core/incoming-card.ts';
import { createConversationHandler } from '../../core/registration.ts';
import type { InstalledHooks } from '../../hooks/installed-hooks.ts';
import { createCallStore } from '../../storage/call-store.ts';
import { createCursorStore } from '../../storage/cursor-store.ts';
import { createDeliveryStore } from '../../storage/delivery-store.ts';
import type { Metrics } from '../../web/metrics.ts';
import { createInstallation } from '../foundations.ts';
import type { OpenedCrms } from './crms.ts';
import type { Ground } from './ground.ts';

/** Late events of an ended call (CEL, recordings) arrive within this; only then is it offered to the CRMs. */
const settleMs = 2_000;

export type Deliveries = Awaited<ReturnType<typeof createDeliveries>>;

/** Nothing of it runs yet: `runner` and `recordings` are the caller's to start. */
export async function createDeliveries(
  ground: Ground,
  parts: {
    readonly crms: OpenedCrms;
    readonly hooks: InstalledHooks;
    /** Where browsers reach this server. */
    readonly publicUrl: () => string;
    readonly countAttempt: Metrics['countDeliveryAttempt'];
  },
) {
  const { config, database, stateFolder, plan, clock, log } = ground;
  const { crms, hooks, publicUrl, countAttempt } = parts;
  const wake = () => runner.wake();
  const callStore = createCallStore({ database, crms: crms.names, settleMs, clock, announce: wake });
  const deliveryStore = createDeliveryStore({ database, clock });
  const recordings = !config.recordings.enabled
    ? null
    : (await import('../../recordings/recordings.ts')).createRecordings({
        config: config.recordings,
        db: database.knex,
        calls: callStore,
        cursors: createCursorStore(database),
        plan,
        // A recording is made once, whatever the number of CRMs.
        hooks: hooks.forCrm(crms.names.length === 1 ? crms.names[0]! : ''),
        clock,
        log: log.child({ part: 'recordings' }),
        timeZone: config.installation.timezone,
        publicUrl,
        folder: join(stateFolder, 'recordings'),
        secretFile: join(stateFolder, 'recording-link-secret'),
        crms: crms.all.flatMap(({ entry, adapter }) => (adapter.attachRecording === undefined ? [] : [entry.name])),
        announce: wake,
      });
  const recordingHandlers = new Map(
    crms.all.flatMap(({ entry, adapter }) =>
      recordings === null ? [] : [[entry.name, recordings.deliveryHandler(adapter)] as const],
    ),
  );
  const destinations = crms.all.map(({ entry, adapter, mirror }) => ({
    crm: adapter,
    hooks: hooks.forCrm(entry.name),
    installation: createInstallation(config, entry, ground),
    users: () => crms.usersOf(entry.name) ?? [],
    knownContact: (number: string) => mirror.find(number),
  }));
  const handlers = new Map(
    destinations.map((destination) => [
      destination.crm.name,
      createConversationHandler({
        ...destination,
        ledger: recordings === null ? callStore : recordings.ledgerFor(destination.crm, callStore),
      }),
    ]),
  );
  const cards = createIncomingCards({ crms: destinations, clock, log });
  ground.onStop(() => cards.stop());
  const handle: DeliveryHandler = async (delivery, context) => {
    const handler = (delivery.kind === 'recording' ? recordingHandlers : handlers).get(delivery.crm);
    if (handler === undefined) return { skip: `nothing here delivers ${delivery.kind} to ${delivery.crm}` };
    return handler(delivery, context);
  };
  const runner = createDeliveryRunner({
    store: deliveryStore,
    handle: (delivery, context) => countedAttempt(countAttempt, delivery.crm, () => handle(delivery, context)),
    crms: crms.names,
    concurrencyOf: (name) => crms.all.find((crm) => crm.entry.name === name)?.concurrency ?? null,
    node: ground.node,
    clock,
    log,
  });
  return { runner, recordings, destinations, cards, callStore, store: wakingAfter(deliveryStore, wake) };
}

/** What a person puts into the queue again is worked on at once. */
function wakingAfter(
  store: ReturnType<typeof createDeliveryStore>,
  wake: () => void,
): ReturnType<typeof createDeliveryStore> {
  return {
    ...store,
    resendMatching: async (filter, now) => {
      const count = await store.resendMatching(filter, now);
      if (count > 0) wake();
      return count;
    },
    oweMissing: async (missing) => {
      const count = await store.oweMissing(missing);
      if (count > 0) wake();
      return count;
    },
    resend: async (id, now) => {
      const isResent = await store.resend(id, now);
      if (isResent) wake();
      return isResent;
    },
    resume: async (crm) => {
      await store.resume(crm);
      wake();
    },
  };
}

/** Passes the outcome on as it came, and counts it. */
async function countedAttempt(
  count: Metrics['countDeliveryAttempt'],
  crm: string,
  attempt: () => Promise<DeliveryOutcome>,
): Promise<DeliveryOutcome> {
  try {
    const outcome = await attempt();
    count({ crm, outcome: 'skip' in outcome ? 'skipped' : 'delivered' });
    return outcome;
  } catch (error) {
    const outcome = error instanceof Rejected ? 'rejected' : error instanceof AuthRequired ? 'paused' : 'retried';
    count({ crm, outcome });
    throw error;
  }
}
