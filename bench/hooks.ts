/**
 * What a warm hook in JavaScript adds to what it does itself: the whole way from the core and back, with mapping, checks and
 * the other process; and what hooks that misbehave cost the dialplan. `npx tsx bench/hooks.ts [runs]`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agiServerConfig } from '../agi/config.ts';
import { createRoutes } from '../agi/routes.ts';
import { AgiServer } from '../agi/server.ts';
import { hooksConfig } from '../src/hooks/config.ts';
import { createHooks } from '../src/hooks/installed-hooks.ts';
import { askAgi } from '../test/support/agi-client.ts';
import { createTestLookup } from '../test/support/caller-lookup.ts';
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
  config: hooksConfig.parse({ folder: hooksFolder, breakerFailures: 100 }),
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

// Beside hooks that do all they can to be a nuisance, the dialplan is answered as ever.
const evil = {
  process_call_params: 'export default () => { for (;;); };',
  process_record_file_path: "export default () => { for (;;) console.log('evil '.repeat(10000)); };",
  need_registration: 'const kept = []; export default () => { for (;;) kept.push(Buffer.alloc(8e6, 1)); };',
};
for (const [name, text] of Object.entries(evil)) writeFileSync(join(hooksFolder, `${name}.js`), text);
await hooks.refresh();
const agi = new AgiServer({
  config: agiServerConfig.parse({ port: 0 }),
  routes: createRoutes({ lookup: createTestLookup(), keepsExistingName: false }),
  log: silentLog,
});
await agi.start();
async function measureAgi(): Promise<number> {
  const answersMs: number[] = [];
  while (answersMs.length < runs) {
    const args = ['+79161110002', '7000001', 'provider'];
    answersMs.push((await askAgi({ port: agi.port, script: 'distribute', args })).tookMs);
  }
  return answersMs.sort((a, b) => a - b)[Math.floor(runs * 0.99)]!;
}
await measureAgi();
const aloneMs = await measureAgi();
let isOver = false;
const { need_registration, process_call_params, process_record_file_path } = hooks.forCrm('local');
const params = { phone: null, result: 'answered', direction: 'inbound', startedAt: new Date() } as const;
const nuisances = [
  () => need_registration(input),
  () => process_record_file_path({ ...input, path: '/x' }),
  () =>
    process_call_params({
      ...input,
      params: { ...params, duration: 0, link: null, userId: null, responsibleId: null },
    }),
].map(async (run) => {
  while (!isOver) await run();
});
const besideMs = await measureAgi();
isOver = true;
await agi.stop(0);
await Promise.all(nuisances);
report({
  what: "The dialplan's question beside three evil hooks, p99",
  value: besideMs,
  unit: 'ms',
  peer: { name: 'without them', value: aloneMs },
  target: { atMost: 20 },
});
await hooks.stop();
rmSync(folder, { recursive: true, force: true });
