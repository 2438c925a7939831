import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { DatabaseConfig } from '../../src/storage/config.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import type { Database } from '../../src/storage/connection.ts';
import { isUnavailable } from '../../src/storage/errors.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';
import { createSpool } from '../../src/storage/spool.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { numberedChange, sampleEvent } from '../support/ledger-samples.ts';
import { startPostgresCluster } from '../support/postgres-cluster.ts';
import { until } from '../support/until.ts';

const clock = { now: () => new Date() };

function startProcess(name: string, config: DatabaseConfig, ...args: readonly string[]): ChildProcess {
  const file = fileURLToPath(new URL(`../support/processes/${name}.ts`, import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', file, JSON.stringify(config), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Stands between us and a server's socket, and can let everything vanish without a word. */
async function startProxy(target: string) {
  const pairs: [Socket, Socket][] = [];
  const proxy = { isSilent: false, port: 0, stop: async () => undefined as void };
  const server = createServer((client) => {
    const upstream = connect(target);
    pairs.push([client, upstream]);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (bytes) => proxy.isSilent || to.write(bytes));
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = (server.address() as AddressInfo).port;
  proxy.stop = async () => {
    for (const socket of pairs.flat()) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return proxy;
}

/** Every call that is in the ledger is there whole and once; returns their numbers. */
async function readWholeCalls(database: Database): Promise<number[]> {
  const calls: { id: number; linked_id: string }[] = await database.knex('calls').select('id', 'linked_id');
  const idsOf = async (table: string): Promise<number[]> => database.knex(table).pluck('call_id');
  const tables = { conversations: 2, call_events: 1, deliveries: 2, call_links: 1 };
  for (const [table, perCall] of Object.entries(tables)) {
    const counts = new Map(calls.map((call) => [call.id, 0]));
    for (const id of await idsOf(table)) counts.set(id, counts.get(id)! + 1);
    assert.deepEqual([...new Set(counts.values())], calls.length > 0 ? [perCall] : [], table);
  }
  return calls.map((call) => Number(call.linked_id.split('.')[1])).sort((a, b) => a - b);
}

describe('the storage under faults', function () {
  this.timeout(120_000);
  const clean: (() => Promise<unknown>)[] = [];
  const processes: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of processes.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    for (const step of clean.splice(0).reverse()) await step();
  });
  const track = (child: ChildProcess): ChildProcess => {
    processes.push(child);
    return child;
  };

  forEachDatabase((makeDatabase) => {
    it('loses nothing that was committed and doubles nothing when the service is killed while it saves', async () => {
      const { config, database } = await makeDatabase();
      // The file belongs to the child; ours is opened again after each kill, as a restart would.
      if (config.kind === 'sqlite') await database.close();
      const calls = 4_000;
      for (const killAfter of [1, 17, 60, 133]) {
        const child = track(startProcess('save-calls', config, String(calls), '10'));
        let last = -1;
        let lines = 0;
        createInterface({ input: child.stdout! }).on('line', (line) => {
          last = Number(line);
          if (++lines === killAfter) child.kill('SIGKILL');
        });
        await once(child, 'close');
        assert.equal(child.signalCode, 'SIGKILL', 'it was killed in the middle');
        const reopened = await openDatabase(config);
        const numbers = await readWholeCalls(reopened);
        await reopened.close();
        assert.ok(numbers.length % 10 === 0, 'batches are whole');
        assert.ok(numbers.length > last, `${last} was acknowledged, ${numbers.length} are there`);
        assert.deepEqual(
          numbers,
          Array.from(numbers, (_, n) => n),
        );
      }
    });
  });

  forEachDatabase((makeDatabase, kind) => {
    if (kind === 'sqlite') return;
    it('shares the work between two processes and takes over from the one that is killed', async () => {
      const { config, database } = await makeDatabase();
      const { knex } = database;
      await knex.schema.createTable('crm_requests', (table) => {
        table.increments('id');
        table.text('key');
        table.text('node');
      });
      await knex.schema.createTable('crm_records', (table) => {
        table.text('key').primary();
      });
      const store = createCallStore({ database, crms: ['kommo'], settleMs: 0, clock });
      await store.save(Array.from({ length: 200 }, (_, n) => numberedChange(n, 2)));

      const nodes = ['a', 'b'].map((node) => track(startProcess('delivery-node', config, node)));
      const requestsOf = async (node: string) => (await knex('crm_requests').where({ node }).select('id')).length;
      await until(async () => (await requestsOf('a')) > 30 && (await requestsOf('b')) > 30, { timeoutMs: 60_000 });
      nodes[0]!.kill('SIGKILL');
      await once(nodes[0]!, 'exit');
      const isDone = async () => (await knex('deliveries').where({ state: 'delivered' }).select('id')).length === 400;
      await until(isDone, { timeoutMs: 60_000 });
      nodes[1]!.kill('SIGTERM');
      await once(nodes[1]!, 'exit');

      const requests: { key: string; node: string }[] = await knex('crm_requests').orderBy('id').select('key', 'node');
      assert.equal((await knex('crm_records').select('key')).length, 400, 'each has one record');
      const repeated = requests.length - 400;
      assert.ok(repeated <= 4, `only what was in work on the killed node is asked again, not ${repeated}`);
      const firstAt = new Map<string, number>();
      requests.forEach(({ key }, n) => firstAt.has(key) || firstAt.set(key, n));
      for (let n = 0; n < 200; n++) {
        assert.ok(firstAt.get(`1795250000.${n}-0`)! < firstAt.get(`1795250000.${n}-1`)!, `the order of call ${n}`);
      }
      const lost = await knex('delivery_attempts').where({ node: 'a', result: 'lost' }).select('id');
      assert.ok(lost.length >= 1 && lost.length <= 4, `${lost.length} leases were taken over`);
    });
  });

  it('gives up a PostgreSQL that no packet reaches, and is itself again when the network is back', async () => {
    const cluster = await startPostgresCluster();
    clean.push(() => cluster.remove());
    const proxy = await startProxy(join(cluster.socketFolder, '.s.PGSQL.5432'));
    clean.push(() => proxy.stop());
    const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`;
    const database = await openDatabase({ kind: 'postgres', url, queryTimeoutMs: 300 });
    clean.push(() => database.close());
    await migrateDatabase(database);
    const store = createCallStore({ database, crms: ['kommo'], settleMs: 0, clock });
    await store.save([numberedChange(0, 2)]);
    proxy.isSilent = true;
    const startedAt = performance.now();
    await assert.rejects(store.save([numberedChange(1, 2)]), isUnavailable);
    assert.ok(performance.now() - startedAt < 5_000);
    proxy.isSilent = false;
    for (let n = 1; n < 20; n++) await store.save([numberedChange(n, 2)]);
    assert.equal((await readWholeCalls(database)).length, 20);
  });

  it('loses no event while PostgreSQL is down, and saves each once when it is back', async () => {
    const cluster = await startPostgresCluster();
    clean.push(() => cluster.remove());
    const database = await openDatabase({ kind: 'postgres', url: cluster.urlOf('postgres') });
    clean.push(() => database.close());
    await migrateDatabase(database);
    const store = createCallStore({ database, crms: ['kommo'], settleMs: 0, clock });
    const folder = mkdtempSync(join(tmpdir(), 'ringledger-spool-'));
    clean.push(async () => rmSync(folder, { recursive: true }));
    // Stands for the tracker: each event is one whole call, numbered by its bridge.
    const spool = createSpool({
      path: join(folder, 'events.spool'),
      log: createKeptLog(),
      retryMs: 20,
      sink: {
        accept: (events) =>
          store.save(events.map((event) => numberedChange('bridgeId' in event ? Number(event.bridgeId) : -1, 2))),
        resynced: async () => undefined,
      },
    });
    clean.push(() => spool.stop());
    await spool.start();
    const accept = async (n: number) => {
      const head = { ...sampleEvent('L', n), type: 'bridge-left', bridgeId: String(n) } as const;
      await spool.accept([head satisfies PbxEvent]);
    };
    for (let n = 0; n < 20; n++) await accept(n);
    await cluster.crash();
    const startedAt = performance.now();
    for (let n = 20; n < 120; n++) await accept(n);
    assert.ok(performance.now() - startedAt < 10_000, 'readers are not held up');
    assert.equal(spool.status().health, 'error');
    await assert.rejects(store.save([numberedChange(1)]), isUnavailable);
    await cluster.start();
    await until(() => spool.status().health === 'ok', { timeoutMs: 30_000 });
    for (let n = 120; n < 130; n++) await accept(n);
    assert.deepEqual(
      await readWholeCalls(database),
      Array.from({ length: 130 }, (_, n) => n),
    );
  });
});
