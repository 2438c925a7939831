import assert from 'node:assert/strict';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { createMetrics } from '../../src/web/metrics.ts';
import { answeredCall, openHouse, silentLog } from './house.ts';

function openMetrics(deliveries: Partial<Parameters<typeof createMetrics>[0]['deliveries']> = {}) {
  return createMetrics({
    log: silentLog(),
    openCalls: () => new Map([['office', 2]]),
    deliveries: {
      counts: async () => [{ crm: 'local', state: 'pending', count: 3 }],
      paused: async () => new Map([['kommo', 'token revoked']]),
      ...deliveries,
    },
  });
}
const lineOf = (text: string, start: string) => text.split('\n').find((line) => line.startsWith(start));

describe('the metrics', () => {
  it('count calls, questions, events and attempts', async () => {
    const metrics = openMetrics();
    metrics.callWatcher.onStage('conversation_ended', answeredCall, answeredCall.conversations[0]!);
    metrics.callWatcher.onStage('call_ended', answeredCall, null);
    metrics.countAgiRequest({ script: 'distribute', status: 'FOUND', durationMs: 12 });
    metrics.countDeliveryAttempt({ crm: 'local', outcome: 'retried' });
    const event: PbxEvent = {
      type: 'ringing',
      source: 'office',
      origin: 'ami',
      at: 1000,
      linkedId: '1',
      uniqueId: '1',
      channel: 'x',
    };
    metrics.countPbxEvents([event, { ...event, at: 2000 }], new Date(2500));
    metrics.countPbxEvents([], new Date(2500));
    const text = await metrics.text();
    assert.equal(
      lineOf(text, 'ringledger_calls_total'),
      'ringledger_calls_total{source="office",direction="inbound",result="answered"} 1',
    );
    assert.equal(
      lineOf(text, 'ringledger_agi_requests_total'),
      'ringledger_agi_requests_total{script="distribute",status="FOUND"} 1',
    );
    assert.equal(
      lineOf(text, 'ringledger_agi_duration_seconds_bucket{le="0.02"'),
      'ringledger_agi_duration_seconds_bucket{le="0.02",script="distribute"} 1',
    );
    assert.equal(
      lineOf(text, 'ringledger_delivery_attempts_total'),
      'ringledger_delivery_attempts_total{crm="local",outcome="retried"} 1',
    );
    assert.equal(
      lineOf(text, 'ringledger_pbx_events_total'),
      'ringledger_pbx_events_total{source="office",origin="ami"} 2',
    );
    assert.equal(
      lineOf(text, 'ringledger_pbx_event_lag_seconds'),
      'ringledger_pbx_event_lag_seconds{source="office",origin="ami"} 0.5',
    );
  });

  it('read open calls, deliveries and paused CRMs when asked', async () => {
    const text = await openMetrics().text();
    assert.equal(lineOf(text, 'ringledger_open_calls'), 'ringledger_open_calls{source="office"} 2');
    assert.equal(lineOf(text, 'ringledger_deliveries{'), 'ringledger_deliveries{crm="local",state="pending"} 3');
    assert.equal(lineOf(text, 'ringledger_crm_paused{'), 'ringledger_crm_paused{crm="kommo"} 1');
    assert.ok(lineOf(text, 'process_resident_memory_bytes'));
  });

  it('go on without the figures of a database that is down', async () => {
    const text = await openMetrics({ counts: () => Promise.reject(new Error('down')) }).text();
    assert.equal(lineOf(text, 'ringledger_deliveries{'), undefined);
    assert.ok(lineOf(text, 'ringledger_open_calls'));
  });

  it('of two servers in one process are apart', async () => {
    const [one, other] = [openMetrics(), openMetrics()];
    one.countDeliveryAttempt({ crm: 'local', outcome: 'delivered' });
    assert.equal(lineOf(await other.text(), 'ringledger_delivery_attempts_total'), undefined);
  });

  it('are for this machine, for tokens, or for all when so configured', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    const house = await openHouse({ parts: { metrics: openMetrics() } });
    const response = await house.request('/metrics', { token: null });
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.equal((await house.request('/metrics', { token: null, headers })).status, 401);
    assert.equal((await house.request('/metrics', { headers })).status, 200);
    await house.stop();
    const open = await openHouse({ parts: { metrics: openMetrics() }, metrics: { public: true } });
    assert.equal((await open.request('/metrics', { token: null, headers })).status, 200);
    await open.stop();
    const off = await openHouse({ parts: { metrics: openMetrics() }, metrics: { enabled: false } });
    assert.equal((await off.request('/metrics')).status, 404);
    await off.stop();
  });
});
