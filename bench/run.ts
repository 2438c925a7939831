/**
 * `npm run bench [NAME…]`: runs each bench as a process of its own, compiled as the service is (what tsx makes of a
 * program runs slower), one after the other, and prints one table. Figures "per second" of what only computes are per
 * second of processor time, all threads, so that they tell what one core can do and hang little on who else uses the
 * machine. Ends with 1 when a target is missed or a bench fails.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatTable } from '../src/cli/table.ts';
import { cellsOf, headings, isMet, type Figure } from './figure.ts';

/** In the order of the table; those on one core compute only, in one thread. */
const benches = [
  { name: 'agi', isOnOneCore: false },
  { name: 'ami', isOnOneCore: true },
  { name: 'ledger', isOnOneCore: false },
  { name: 'catch-up', isOnOneCore: false },
  { name: 'replay', isOnOneCore: true },
  { name: 'service', isOnOneCore: false },
  { name: 'dialplan', isOnOneCore: true },
  { name: 'storage', isOnOneCore: false },
  { name: 'pages', isOnOneCore: false },
  { name: 'recordings', isOnOneCore: false },
  { name: 'hooks', isOnOneCore: false },
];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are ${benches.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
const compiled = join(root, '.bench-dist');

function compile(): void {
  rmSync(compiled, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.bench.json')], { cwd: root, stdio: 'inherit' });
  if (!existsSync(join(compiled, 'bench'))) throw new Error('The benches do not compile.');
  symlinkSync(join(root, 'test/scenarios'), join(compiled, 'test/scenarios'));
}
const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

async function runBench({
  name,
  isOnOneCore,
}: (typeof benches)[number]): Promise<{ figures: Figure[]; isFine: boolean }> {
  const command = [process.execPath, join(compiled, 'bench', `${name}.js`)];
  const [program, ...words] = isOnOneCore && canPin ? ['taskset', '-c', '0', ...command] : command;
  const figures: Figure[] = [];
  const child = spawn(program!, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.on('message', ({ figure }: { figure: Figure }) => figures.push(figure));
  const [code] = (await once(child, 'exit')) as [number | null];
  return { figures, isFine: code === 0 };
}

compile();
const figures: Figure[] = [];
const failed: string[] = [];
for (const bench of benches.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const startedAt = performance.now();
  const run = await runBench(bench);
  figures.push(...run.figures);
  if (!run.isFine) failed.push(bench.name);
  console.error(`${bench.name}: ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
}
console.log(`\nNode ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}\n`);
console.log(formatTable(headings, figures.map(cellsOf)));
if (failed.length > 0) console.log(`\nFailed: ${failed.join(', ')}`);
if (failed.length > 0 || !figures.every(isMet)) process.exitCode = 1;
