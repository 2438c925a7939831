/**
 * One of several nodes that deliver from the same database to a CRM that is two tables of it: `crm_requests` notes each
 * request, `crm_records` keeps one record per key. Arguments: the database's configuration as JSON, the node's name.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createDeliveryRunner } from '../../../src/core/delivery.ts';
import type { DatabaseConfig } from '../../../src/storage/config.ts';
import { openDatabase } from '../../../src/storage/connection.ts';
import { createDeliveryStore } from '../../../src/storage/delivery-store.ts';
import { createKeptLog } from '../kept-log.ts';

const [config, node] = process.argv.slice(2);
const database = await openDatabase(JSON.parse(config!) as DatabaseConfig);
const clock = { now: () => new Date() };
const runner = createDeliveryRunner({
  store: createDeliveryStore({ database, clock }),
  crms: ['kommo'],
  node: node!,
  clock,
  log: createKeptLog(),
  leaseMs: 1_500,
  pollMs: 20,
  async handle(delivery) {
    await database.knex('crm_requests').insert({ key: delivery.uniqueId, node });
    await delay(10);
    await database.knex('crm_records').insert({ key: delivery.uniqueId }).onConflict('key').ignore();
    await delay(5);
    return { crmId: delivery.uniqueId };
  },
});
await runner.start();
process.stdout.write('ready\n');
process.once('SIGTERM', () => void runner.stop().then(() => database.close()));
