/**
 * Carries what is owed to the CRMs. Each CRM has its own loop and its own places for work, so a slow one never delays
 * another. The store gives out each delivery to one node at a time and keeps the order within a call; the loop decides
 * when to try, what an outcome means, and when to try again.
 */
import { createCrmLoop } from './delivery/crm-loop.ts';
import type { DeliveryHandler } from './delivery/crm-loop.ts';
import type { Clock, DeliveryStore, Log, PartStatus } from './ports.ts';

export interface DeliveryRunnerOptions {
  readonly store: DeliveryStore;
  readonly handle: DeliveryHandler;
  readonly crms: readonly string[];
  /** Unique among the running nodes, the same after a restart. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Deliveries of one CRM in work at once; 4. */
  readonly concurrency?: number;
  /** Of one CRM, where it differs. */
  readonly concurrencyOf?: (crm: string) => number | null;
  /** A node that is silent for longer than this has lost its deliveries; renewed three times in this span; a minute. */
  readonly leaseMs?: number;
  /** How often a CRM without news is looked at; a second. */
  readonly pollMs?: number;
  /** How long `stop` waits for handlers that are in work; ten seconds. */
  readonly drainMs?: number;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
}

export interface DeliveryRunner {
  /** Takes back what this node left in work when it was stopped, then starts one loop per CRM. */
  start(): Promise<void>;
  /** Claims no more; resolves when the handlers in work have ended, or were told to after `drainMs`. */
  stop(): Promise<void>;
  /** Look now: something new is owed, was sent again, or a CRM was resumed. */
  wake(): void;
  /** One part per CRM. */
  status(): readonly PartStatus[];
}

export function createDeliveryRunner(options: DeliveryRunnerOptions): DeliveryRunner {
  const { crms, ...shared } = options;
  const loops = crms.map((crm) =>
    createCrmLoop({
      ...shared,
      crm,
      concurrency: options.concurrencyOf?.(crm) ?? options.concurrency ?? 4,
      leaseMs: options.leaseMs ?? 60_000,
      pollMs: options.pollMs ?? 1_000,
      drainMs: options.drainMs ?? 10_000,
      random: options.random ?? Math.random,
    }),
  );
  return {
    async start() {
      await options.store.releaseLeases(options.node, options.clock.now());
      for (const loop of loops) loop.start();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
    wake() {
      for (const loop of loops) loop.wake();
    },
    status: () => loops.map((loop) => loop.status()),
  };
}
