import { AuthRequired, Rejected, Retryable } from '../errors.ts';
import type { Clock, Delivery, DeliveryStore, Log, PartStatus } from '../ports.ts';
import { CrmGate, retryDelayMs } from './retry-schedule.ts';

export interface DeliveryContext {
  /** Aborted when the lease was lost or the service must stop now; what is begun after that is begun in vain. */
  readonly signal: AbortSignal;
  /** Keeps what was already done in the CRM; rejects with `LeaseLost` when another node has taken over. */
  saveProgress(progress: Readonly<Record<string, string>>): Promise<void>;
}

/** The CRM's id of the record, or in plain words why there is nothing to deliver. */
export type DeliveryOutcome = { readonly crmId: string } | { readonly skip: string };

/**
 * Does one delivery. Rejects with `Retryable`, `Rejected` or `AuthRequired`; anything else is a bug, is logged with its
 * stack and tried again like `Retryable`. May be called again for the same delivery whose first answer was lost.
 */
export type DeliveryHandler = (delivery: Delivery, context: DeliveryContext) => Promise<DeliveryOutcome>;

/** Another node owns the delivery by now; what was done for it counts as not done. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor() {
    super('Another node has taken over the delivery');
  }
}

export interface CrmLoopOptions {
  readonly crm: string;
  readonly store: DeliveryStore;
  readonly handle: DeliveryHandler;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly drainMs: number;
  readonly random: () => number;
}

export interface CrmLoop {
  start(): void;
  stop(): Promise<void>;
  wake(): void;
  status(): PartStatus;
}

/** How long `stop` still waits for handlers that were told to end. */
const abortMs = 1_000;

/** Resolves after this time or with the promise, whichever is first. */
async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, deadline]);
  clearTimeout(timer);
}

/** The CRM's own words belong to what the person who must look is shown. */
function describeRejection({ message, details }: Rejected): string {
  if (details === null) return message;
  return `${message}: ${typeof details === 'string' ? details : JSON.stringify(details)}`;
}

/** All of one CRM: its places for work and what is known of its health. */
export function createCrmLoop(options: CrmLoopOptions): CrmLoop {
  const { crm, store, handle, node, clock, concurrency, leaseMs, pollMs, drainMs, random } = options;
  const log = options.log.child({ crm });
  const gate = new CrmGate({ concurrency, random });
  const inWork = new Map<string, { readonly done: Promise<void>; readonly abort: AbortController }>();
  let loop: Promise<void> = Promise.resolve();
  let isStopping = false;
  let isWoken = false;
  let endRest: () => void = () => undefined;
  let crmFailure: string | null = null;
  let storeFailure: string | null = null;
  let pauseReason: string | null = null;

  const now = () => clock.now().getTime();
  const allDone = () => Promise.all([...inWork.values()].map(({ done }) => done));

  function rest(): Promise<void> {
    if (isWoken || isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pollMs);
      endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  function wake(): void {
    isWoken = true;
    endRest();
  }

  async function noteAnswer(askedAt: number): Promise<void> {
    if (gate.isOpen(askedAt)) crmFailure = null;
    if (!gate.answered(askedAt)) return;
    log.info({}, 'The CRM answers again; what waited for it is sent now, oldest first');
    await store.retryNow(crm, clock.now());
  }

  async function keepError(delivery: Delivery, askedAt: number, error: unknown): Promise<boolean> {
    const fields = { delivery: delivery.id, linkedId: delivery.linkedId, attempt: delivery.attempts + 1 };
    if (error instanceof LeaseLost) return false;
    if (error instanceof Rejected) {
      log.warn({ ...fields, reason: error.message, details: error.details }, 'The CRM refused a delivery');
      const isKept = await store.rejected(delivery, describeRejection(error));
      await noteAnswer(askedAt);
      return isKept;
    }
    if (error instanceof AuthRequired) {
      log.error(
        { ...fields, reason: error.message },
        'The CRM no longer lets us in; it is paused until access is renewed',
      );
      pauseReason = error.message;
      await store.pause(crm, error.message);
      return store.putBack(delivery, clock.now(), error.message);
    }
    const retryAfterMs = error instanceof Retryable ? error.retryAfterMs : null;
    const delayMs = retryDelayMs(delivery.attempts + 1, { retryAfterMs, random });
    const failedAt = now();
    const dueAt = new Date(failedAt + delayMs);
    if (error instanceof Retryable) {
      log.warn({ ...fields, reason: error.message, delayMs }, 'A delivery is tried again later');
      crmFailure = error.message;
      gate.failed(failedAt, retryAfterMs);
      return store.retryLater(delivery, dueAt, error.message);
    }
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    log.error({ ...fields, stack, delayMs }, 'A delivery failed by a fault of ours; it is kept and tried again');
    return store.retryLater(delivery, dueAt, `Internal fault: ${message}`);
  }

  async function work(delivery: Delivery, abort: AbortController): Promise<void> {
    const askedAt = now();
    const loseLease = () => abort.abort(new LeaseLost());
    const renewal = setInterval(() => {
      store.renew(delivery, leaseMs, clock.now()).then(
        (isRenewed) => isRenewed || loseLease(),
        // The database may be back before the lease runs out; if it is not, the fence decides.
        (error: unknown) => log.warn({ delivery: delivery.id, err: error }, 'A lease could not be renewed'),
      );
    }, leaseMs / 3);
    const context: DeliveryContext = {
      signal: abort.signal,
      async saveProgress(progress) {
        if (await store.saveProgress(delivery, progress)) return;
        loseLease();
        throw new LeaseLost();
      },
    };
    try {
      const answer = await Promise.resolve()
        .then(() => handle(delivery, context))
        .then(
          (outcome) => ({ outcome }),
          (error: unknown) => ({ error }),
        );
      let isKept: boolean;
      if ('error' in answer) {
        // What is thrown because it was cut short says nothing about the CRM.
        const isCut = abort.signal.aborted && !(abort.signal.reason instanceof LeaseLost);
        isKept = isCut
          ? await store.putBack(delivery, clock.now(), 'The service was stopped in the middle')
          : await keepError(delivery, askedAt, abort.signal.aborted ? abort.signal.reason : answer.error);
      } else if ('skip' in answer.outcome) {
        isKept = await store.skipped(delivery, answer.outcome.skip);
      } else {
        isKept = await store.delivered(delivery, answer.outcome.crmId, clock.now());
        await noteAnswer(askedAt);
      }
      if (!isKept) log.warn({ delivery: delivery.id }, 'The outcome of a delivery was dropped: its lease was lost');
    } finally {
      clearInterval(renewal);
    }
  }

  function begin(delivery: Delivery): void {
    // A lease that ran out may be claimed here once more while the first handler is still on its way to its end.
    const claim = `${delivery.id}:${delivery.fence}`;
    const abort = new AbortController();
    const done = work(delivery, abort)
      // Only the store can fail here. The lease runs out and the delivery is done again under the same key.
      .catch((error: unknown) => log.error({ delivery: delivery.id, err: error }, 'An outcome could not be kept'))
      .finally(() => {
        inWork.delete(claim);
        wake();
      });
    inWork.set(claim, { done, abort });
  }

  async function claimAndBegin(): Promise<void> {
    const limit = concurrency - inWork.size;
    if (limit <= 0 || !gate.isOpen(now())) return;
    try {
      const deliveries = await store.claim({ crm, node, limit, leaseMs, now: clock.now() });
      pauseReason = deliveries.length > 0 ? null : ((await store.paused()).get(crm) ?? null);
      storeFailure = null;
      for (const delivery of deliveries) begin(delivery);
    } catch (error) {
      if (storeFailure === null) log.error({ err: error }, 'Deliveries cannot be read from the database');
      storeFailure = error instanceof Error ? error.message : String(error);
    }
  }

  return {
    start() {
      loop = (async () => {
        while (!isStopping) {
          isWoken = false;
          await claimAndBegin();
          await rest();
        }
      })();
    },

    async stop() {
      isStopping = true;
      endRest();
      await loop;
      await waitAtMost(drainMs, allDone());
      for (const { abort } of inWork.values()) abort.abort(new Error('The service stops'));
      // A handler that is deaf to this keeps its lease; it runs out, and the next start takes it back sooner.
      await waitAtMost(abortMs, allDone());
    },

    wake,

    status() {
      const part = `deliveries:${crm}`;
      const details = { inWork: inWork.size };
      if (storeFailure !== null) {
        return { part, health: 'error', message: `The database does not answer: ${storeFailure}`, ...details };
      }
      if (pauseReason !== null) {
        const message = `Paused: ${pauseReason}. When that is settled: ringledger deliveries resume ${crm}`;
        return { part, health: 'error', message, ...details };
      }
      if (crmFailure !== null) {
        const health = gate.isDown ? 'error' : 'warning';
        return { part, health, message: `Attempts fail and are repeated: ${crmFailure}`, ...details };
      }
      return { part, health: 'ok', message: 'Sent as they fall due', ...details };
    },
  };
}
