/**
 * The compiled service as a process of its own, next to a PBX that this process plays: memory at rest and with 1,000
 * calls at once; how long the dialplan waits for an answer at rest and while the ledger writes 50 calls a second.
 *
 * npm run bench service
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventFilters } from '../src/pbx/asterisk/translate.ts';
import { agiHead } from '../test/support/agi-client.ts';
import { FakeAmi, type FakeConnection } from '../test/support/fake-ami.ts';
import { firstSecond, playTraffic, readStories } from '../test/support/traffic.ts';
import { until } from '../test/support/until.ts';
import { report } from './figure.ts';

const loadedSeconds = 15;
const callsPerSecond = 50;
const asksPerSecond = 100;
const manyCalls = 1_000;
const slicesPerSecond = 50;

const program = fileURLToPath(new URL('../src/main.js', import.meta.url));
if (!existsSync(program)) throw new Error('This bench is of the compiled service: run it by `npm run bench service`.');

// Made before anything is measured: this process shares the processor with the service.
const filters = eventFilters.map((filter) => new RegExp(filter, 's'));
function* playFiltered(traffic: Parameters<typeof playTraffic>[0]): Generator<string> {
  for (const text of playTraffic(traffic))
    yield text
      .split('\r\n\r\n')
      .filter((message) => filters.some((filter) => filter.test(message)))
      .map((message) => `${message}\r\n\r\n`)
      .join('');
}
const stories = readStories('ami');
const storiesPerSecond = Math.round(
  (callsPerSecond * stories.length) / stories.reduce((sum, { calls }) => sum + calls, 0),
);
const answered = stories.find(({ name }) => name === 'inbound-answered')!;
const talkBegins = answered.messages.findLastIndex(({ parts }) => String(parts[0]).startsWith('Event: BridgeEnter'));
const lasting = { ...answered, messages: answered.messages.slice(0, talkBegins + 1) };
// The service takes a call of which nothing was heard for half a day to be over.
const afterSeconds = Math.floor(Date.now() / 1_000) - firstSecond;
const beginning = [...playFiltered({ stories: [lasting], calls: manyCalls, storiesPerSecond: 100, afterSeconds })];
const load = [
  ...playFiltered({
    stories,
    calls: callsPerSecond * loadedSeconds,
    storiesPerSecond,
    afterSeconds: afterSeconds + beginning.length,
  }),
];

const folder = mkdtempSync(join(tmpdir(), 'ringledger-bench-'));
const ami = await FakeAmi.start();
writeFileSync(
  join(folder, 'ringledger.yaml'),
  `
installation: { country: RU, timezone: UTC }
numbering: { extensions: [_1XX], trunks: [provider] }
pbx:
  - name: office
    kind: asterisk
    ami:
      port: ${ami.port}
      events: { username: events, secret: secret }
      control: { username: control, secret: secret }
agi: { port: 0 }
http: { port: 0 }
storage: { kind: sqlite, path: ledger.sqlite }
users:
${stories.map((_, index) => `  - { id: user-${index}, name: Employee ${index}, extensions: [${101 + index}] }`).join('\n')}
`,
);
const service = spawn(process.execPath, [program, 'start'], {
  cwd: folder,
  env: { PATH: process.env['PATH'] },
  stdio: ['ignore', 'pipe', 'ignore'],
});
const ended = once(service, 'exit');
// Also when something fails here.
process.on('exit', () => service.kill('SIGKILL'));

interface Ready {
  readonly agiPort: number;
  readonly httpPort: number;
}
async function becomeReady(): Promise<Ready> {
  for await (const line of createInterface({ input: service.stdout })) {
    const entry = JSON.parse(line) as Partial<Ready>;
    if (entry.agiPort !== undefined) {
      service.stdout.resume();
      return entry as Ready;
    }
  }
  throw new Error('The service did not start');
}
const { agiPort, httpPort } = await becomeReady();

async function openCalls(): Promise<number> {
  const status = (await (await fetch(`http://127.0.0.1:${httpPort}/status`)).json()) as {
    parts: { part: string; openCalls?: number }[];
  };
  return status.parts.find(({ part }) => part === 'ledger')!.openCalls!;
}
const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))![1]) / 1024;

/** How long a caller waits, from the dialplan's connecting to the last command. */
function ask(head: string): Promise<number> {
  const askedAt = performance.now();
  return new Promise((resolve, reject) => {
    let commands = 0;
    const socket = connect(agiPort, '127.0.0.1', () => socket.write(head));
    socket.on('data', (chunk) => {
      if (chunk[chunk.length - 1] !== 10) return;
      commands++;
      socket.write('200 result=1\n');
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (commands === 0) reject(new Error('The dialplan was not answered'));
      else resolve(performance.now() - askedAt);
    });
  });
}
async function askFor(seconds: number): Promise<number[]> {
  const asked: Promise<number>[] = [];
  const head = agiHead({ port: agiPort, script: 'distribute', args: ['+79161000007', '7000001', 'provider'] });
  for (const startedAt = performance.now(); asked.length < seconds * asksPerSecond;) {
    asked.push(ask(head));
    await delay(Math.max(0, startedAt + (asked.length * 1_000) / asksPerSecond - performance.now()));
  }
  return (await Promise.all(asked)).sort((a, b) => a - b);
}
const quantile = (sorted: readonly number[], part: number) => sorted[Math.floor(sorted.length * part)]!;

async function send(seconds: readonly string[]): Promise<void> {
  const startedAt = performance.now();
  for (const [second, text] of seconds.entries()) {
    const length = Math.ceil(text.length / slicesPerSecond);
    for (let slice = 0; slice < slicesPerSecond; slice++) {
      events.send(text.slice(slice * length, (slice + 1) * length));
      await delay(
        Math.max(0, startedAt + second * 1_000 + ((slice + 1) * 1_000) / slicesPerSecond - performance.now()),
      );
    }
  }
}

const isOfEvents = (connection: FakeConnection) =>
  connection.actions.some((action) => action.get('Username') === 'events');
await until(() => ami.connections.some(isOfEvents));
const events = ami.connections.find(isOfEvents)!;
await until(() => events.actions.some((action) => action.get('Action') === 'CoreShowChannels'));
// What the start itself needed is given back by then.
await delay(3_000);
report({ what: 'memory of the service at rest', value: rssMb(), unit: 'MB', target: { atMost: 150 } });
// Compiled while it runs.
await askFor(5);
const atRest = await askFor(loadedSeconds);

await send(beginning);
await until(async () => (await openCalls()) >= manyCalls);
const open = await openCalls();
report({ what: `memory of the service with ${open.toLocaleString('en')} calls going on`, value: rssMb(), unit: 'MB' });

const [underLoad] = await Promise.all([askFor(loadedSeconds), send(load)]);
for (const [name, part] of [
  ['median', 0.5],
  ['99th percentile', 0.99],
] as const)
  report({
    what: `FastAGI distribute while ${callsPerSecond} calls/s go into the ledger, ${name}`,
    value: quantile(underLoad, part),
    unit: 'ms',
    peer: { name: 'at rest', value: quantile(atRest, part) },
  });
report({ what: 'memory of the service after that', value: rssMb(), unit: 'MB' });
service.kill('SIGTERM');
await ended;
await ami.stop();
rmSync(folder, { recursive: true });
