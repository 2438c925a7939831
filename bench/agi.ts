/**
 * FastAGI: our server with all its protections against the bare ding-dong package and a bare Node socket server, in turns
 * in the same run, four commands in each session. `npx tsx bench/agi.ts [sessions per turn] [turns]`.
 *
 * Sessions per second of wall time depend on who else uses the machine and on the client, which works as hard as the
 * server; sessions per second of the server's own CPU time say what one core can do.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { agiHead } from '../test/support/agi-client.ts';
import { report } from './figure.ts';

const sessions = Number(process.argv[2] ?? 1000);
const turns = Number(process.argv[3] ?? 31);
/** A service answers for weeks; in its first thousands of sessions the compiler is at work, longest on the largest program. */
const warmUp = 8000;
const concurrency = 32;

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Contender {
  readonly title: string;
  readonly kind: string;
  readonly script: string;
  readonly turns: { readonly perSecond: number; readonly perCpuSecond: number }[];
  readonly latenciesMs: number[];
  child?: ChildProcess;
  port: number;
}
const contender = (title: string, kind: string, script: string): Contender => ({
  title,
  kind,
  script,
  turns: [],
  latenciesMs: [],
  port: 0,
});
const contenders = [
  contender('bare Node', 'bare', 'x'),
  contender('ding-dong', 'ding-dong', 'x'),
  contender('ringledger, four commands', 'four-commands', 'four-commands'),
  contender('ringledger, distribute (6 commands, 100,000 contacts)', 'distribute', 'distribute'),
];

function ask(port: number, head: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(head));
    socket.on('data', (chunk) => {
      if (chunk[chunk.length - 1] === 10) socket.write('200 result=1\n');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

async function cpuSeconds(child: ChildProcess): Promise<number> {
  child.send('cpu');
  const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
  return (usage.user + usage.system) / 1e6;
}

async function runTurn(
  { child, port, script, latenciesMs, turns }: Contender,
  count: number,
  isKept: boolean,
): Promise<void> {
  const head = agiHead({ port, script, args: ['+79161000007', '7000001', 'provider'] });
  const cpuBefore = await cpuSeconds(child!);
  const startedAt = performance.now();
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const askedAt = performance.now();
      await ask(port, head);
      if (isKept) latenciesMs.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = (await cpuSeconds(child!)) - cpuBefore;
  if (isKept) turns.push({ perSecond: count / seconds, perCpuSecond: count / cpu });
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const quantile = (values: number[], part: number) => values.sort((a, b) => a - b)[Math.floor(values.length * part)]!;

for (const each of contenders) {
  each.port = await findFreePort();
  each.child = fork(fileURLToPath(new URL(import.meta.url.replace(/agi(\.[jt]s)$/, 'agi-servers$1'))), [
    each.kind,
    String(each.port),
  ]);
  await once(each.child, 'message');
  await runTurn(each, warmUp, false);
}
for (let turn = 0; turn < turns; turn += 1) for (const each of contenders) await runTurn(each, sessions, true);
for (const { child } of contenders) child!.disconnect();

const [bare, dingDong, fourCommands, distribute] = contenders as [Contender, Contender, Contender, Contender];
const cpuOf = ({ turns }: Contender) => median(turns.map(({ perCpuSecond }) => perCpuSecond));
const unit = 'sessions/s';
report({
  what: 'FastAGI, four commands, all protections on',
  value: cpuOf(fourCommands),
  unit,
  peer: { name: 'bare Node server', value: cpuOf(bare) },
  target: { atLeast: 0.75, isOfRatio: true },
});
report({
  what: 'FastAGI, four commands, all protections on',
  value: cpuOf(fourCommands),
  unit,
  peer: { name: 'ding-dong', value: cpuOf(dingDong) },
});
report({
  what: 'FastAGI distribute, six commands, 100,000 contacts',
  value: cpuOf(distribute),
  unit,
  peer: { name: 'bare Node server', value: cpuOf(bare) },
});
report({
  what: `FastAGI distribute, 99th percentile, ${concurrency} at once without pause`,
  value: quantile(distribute.latenciesMs, 0.99),
  unit: 'ms',
  peer: { name: 'bare Node server', value: quantile(bare.latenciesMs, 0.99) },
});
