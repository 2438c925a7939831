/**
 * A process to be killed: saves numbered calls in batches and prints the number of the last one after each commit.
 * Arguments: the database's configuration as JSON, how many calls, how many per batch.
 */
import { createCallStore } from '../../../src/storage/call-store.ts';
import type { DatabaseConfig } from '../../../src/storage/config.ts';
import { openDatabase } from '../../../src/storage/connection.ts';
import { numberedChange } from '../ledger-samples.ts';

const [config, count, batch] = process.argv.slice(2);
const database = await openDatabase(JSON.parse(config!) as DatabaseConfig);
const clock = { now: () => new Date() };
const store = createCallStore({ database, crms: ['kommo'], settleMs: 0, clock });
const perBatch = Number(batch);
for (let first = 0; first < Number(count); first += perBatch) {
  await store.save(Array.from({ length: perBatch }, (_, n) => numberedChange(first + n, 2)));
  process.stdout.write(`${first + perBatch - 1}\n`);
}
await database.close();
