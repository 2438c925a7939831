/**
 * What a warm hook in JavaScript adds to what it does itself: the whole way from the core and back, with mapping, checks and
 * the other process. `npx tsx bench/hooks.ts [runs]`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hooksConfig } from '../src/hooks/config.ts';
import { createHooks } from '../src/hooks/installed-hooks.ts';
import { sampleCall } from '../test/support/ledger-samples.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { report } from './figure.ts';

const runs = Number(process.argv[2] ?? 5000);
const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-hooks-'));
const hooksFolder = join(folder, 'hooks');
mkdirSync(hooksFolder);
writeFileSync(
  join(hooksFolder, 'process_client_phone.js'),
  "export default ({ phone }) => ({ state: 'success', data: { phone: phone.replace('+7', '8') } });",
);
const hooks = createHooks({
  config: hooksConfig.parse({ folder: hooksFolder }),
  versionsFolder: join(folder, 'versions'),
  crms: ['local'],
  timeZone: 'Europe/Moscow',
  distributionDeadlineMs: 800,
  userOf: () => null,
  env: process.env,
  clock: { now: () => new Date() },
  log: silentLog,
});
await hooks.start();
const { process_client_phone: ask } = hooks.forCrm('local');
const call = sampleCall();
const input = {
  call,
  conversation: call.conversations[0]!,
  stage: 'conversation_ended' as const,
  phone: '+79161110002',
};

async function measureRuns(count: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let run = 0; run < count; run += 1) {
    const startedAt = performance.now();
    if ((await ask(input)) !== '89161110002') throw new Error('the hook did not run');
    tookMs.push(performance.now() - startedAt);
  }
  return tookMs.sort((a, b) => a - b);
}

await measureRuns(Math.min(500, runs));
const tookMs = await measureRuns(runs);
const quantile = (part: number) => tookMs[Math.floor(tookMs.length * part)]!;
report({ what: 'A warm hook in JavaScript, p50', value: quantile(0.5), unit: 'ms', target: { atMost: 2 } });
report({ what: 'A warm hook in JavaScript, p99', value: quantile(0.99), unit: 'ms', target: { atMost: 10 } });
await hooks.stop();
rmSync(folder, { recursive: true, force: true });
