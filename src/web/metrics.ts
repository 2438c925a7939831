import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Call } from '../core/call.ts';
import type { CallWatcher, DeliveryStore, Log } from '../core/ports.ts';
import type { PbxEvent } from '../core/pbx-event.ts';
import type { MetricsText } from './ports.ts';

export interface MetricsSources {
  readonly log: Log;
  /** Calls that last, by source. */
  openCalls(): ReadonlyMap<string, number>;
  readonly deliveries: Pick<DeliveryStore, 'counts' | 'paused'>;
}

/** What the parts of the house report; everything else is read from the sources when somebody asks. */
export interface Metrics extends MetricsText {
  readonly callWatcher: CallWatcher;
  /** `script` as routed, `status` as answered to the dialplan. */
  countAgiRequest(request: { readonly script: string; readonly status: string; readonly durationMs: number }): void;
  /** After these events were made durable. */
  countPbxEvents(events: readonly PbxEvent[], acceptedAt: Date): void;
  countDeliveryAttempt(attempt: {
    readonly crm: string;
    readonly outcome: 'delivered' | 'retried' | 'rejected' | 'skipped' | 'paused';
  }): void;
}

/** The server's own Prometheus registry: nothing is registered globally, so several servers may live in one process. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const calls = new Counter({
    name: 'ringledger_calls_total',
    help: 'Calls that ended, by result',
    labelNames: ['source', 'direction', 'result'],
    registers,
  });
  new Gauge({
    name: 'ringledger_open_calls',
    help: 'Calls that last now',
    labelNames: ['source'],
    registers,
    collect() {
      this.reset();
      for (const [source, count] of sources.openCalls()) this.set({ source }, count);
    },
  });
  new Gauge({
    name: 'ringledger_deliveries',
    help: 'Deliveries in the ledger by CRM and state',
    labelNames: ['crm', 'state'],
    registers,
    async collect() {
      const counts = await readOr(sources, () => sources.deliveries.counts(), []);
      this.reset();
      for (const { crm, state, count } of counts) this.set({ crm, state }, count);
    },
  });
  new Gauge({
    name: 'ringledger_crm_paused',
    help: '1 while deliveries to the CRM are paused',
    labelNames: ['crm'],
    registers,
    async collect() {
      const paused = await readOr(sources, () => sources.deliveries.paused(), new Map<string, string>());
      this.reset();
      for (const crm of paused.keys()) this.set({ crm }, 1);
    },
  });
  const attempts = new Counter({
    name: 'ringledger_delivery_attempts_total',
    help: 'Attempts to deliver, by outcome',
    labelNames: ['crm', 'outcome'],
    registers,
  });
  const agiRequests = new Counter({
    name: 'ringledger_agi_requests_total',
    help: 'FastAGI requests by script and answered status',
    labelNames: ['script', 'status'],
    registers,
  });
  const agiDuration = new Histogram({
    name: 'ringledger_agi_duration_seconds',
    help: 'Time from the head of a FastAGI request to the last variable set',
    labelNames: ['script'],
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3],
    registers,
  });
  const pbxEvents = new Counter({
    name: 'ringledger_pbx_events_total',
    help: 'Events taken from phone systems, by where they were read',
    labelNames: ['source', 'origin'],
    registers,
  });
  const lag = new Gauge({
    name: 'ringledger_pbx_event_lag_seconds',
    help: 'Age of the newest event of the last batch when it became durable',
    labelNames: ['source', 'origin'],
    registers,
  });

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    callWatcher: {
      onStage(stage, call) {
        if (stage === 'call_ended') calls.inc(labelsOf(call));
      },
    },
    countAgiRequest({ script, status, durationMs }) {
      agiRequests.inc({ script, status });
      agiDuration.observe({ script }, durationMs / 1000);
    },
    countPbxEvents(events, acceptedAt) {
      for (const { source, origin } of events) pbxEvents.inc({ source, origin });
      const newest = events.at(-1);
      if (newest === undefined) return;
      const ageMs = Math.max(0, acceptedAt.getTime() - newest.at);
      lag.set({ source: newest.source, origin: newest.origin }, ageMs / 1000);
    },
    countDeliveryAttempt({ crm, outcome }) {
      attempts.inc({ crm, outcome });
    },
  };
}

const labelsOf = ({ source, direction, result }: Call) => ({ source, direction, result });

/** A database that is down must not take the other figures with it. */
async function readOr<Value>(sources: MetricsSources, read: () => Promise<Value>, fallback: Value): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    sources.log.warn({ error: (error as Error).message }, 'a figure for /metrics could not be read');
    return fallback;
  }
}
