/**
 * AMI events per second of processor time, in one process, in pieces as a socket gives them: cut into messages by a bare
 * splitter, by our parser (all headers split), by asterisk-ami-client's stream; then through translator and tracker with
 * a store that forgets. The traffic is that of the recorded stories, hundreds of calls overlapping; it is also followed
 * as a session with our event filters sees it, of which every event costs something.
 *
 * node --import tsx bench/ami.ts [CALLS]
 */
import { createRequire } from 'node:module';
import { CallTracker, defaultTrackerSettings } from '../src/core/tracking/call-tracker.ts';
import type { AmiMessage } from '../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../src/pbx/asterisk/ami/ami-parser.ts';
import { eventFilters } from '../src/pbx/asterisk/translate.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { createTrafficReader, playTraffic, readStories, trafficPlan } from '../test/support/traffic.ts';
import { measure, report } from './figure.ts';

interface ClientStream {
  on(name: string, listener: () => void): ClientStream;
  write(chunk: Buffer): boolean;
  end(onDone: () => void): void;
  resume(): void;
}
const require = createRequire(import.meta.url);
// The package that asterisk-ami-client reads with is not a dependency of ours by name.
const clientRequire = createRequire(require.resolve('asterisk-ami-client'));
const connectorRequire = createRequire(clientRequire.resolve('asterisk-ami-connector'));
const ClientEventsStream = connectorRequire('asterisk-ami-events-stream') as new () => ClientStream;

const calls = Number(process.argv[2] ?? 1_500);
const pieceBytes = 64 * 1024;
const rounds = 3;

interface Traffic {
  readonly bytes: Buffer;
  readonly events: number;
}
function toTraffic(messages: readonly string[]): Traffic {
  return { bytes: Buffer.from(messages.map((message) => `${message}\r\n\r\n`).join('')), events: messages.length };
}
const messages = [...playTraffic({ stories: readStories('ami'), calls, storiesPerSecond: 20 })]
  .join('')
  .split('\r\n\r\n')
  .slice(0, -1);
const filters = eventFilters.map((filter) => new RegExp(filter, 's'));
const unfiltered = toTraffic(messages);
const filtered = toTraffic(messages.filter((message) => filters.some((filter) => filter.test(message))));

function* piecesOf({ bytes }: Traffic): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

/** The best of some rounds: the first ones are compiled while they run, and other processes disturb. */
async function perSecond(traffic: Traffic, work: (pieces: Generator<Buffer>) => Promise<number> | number) {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    let count = 0;
    const { cpuSeconds } = await measure(async () => (count = await work(piecesOf(traffic))));
    if (count !== traffic.events) throw new Error(`${count} events of ${traffic.events} were seen`);
    best = Math.max(best, count / cpuSeconds);
  }
  return best;
}

function splitBarely(pieces: Generator<Buffer>): number {
  let rest = '';
  let count = 0;
  for (const piece of pieces) {
    const whole = (rest + piece.toString('utf8')).split('\r\n\r\n');
    rest = whole.pop()!;
    for (const message of whole) {
      const headers: Record<string, string> = {};
      for (const line of message.split('\r\n')) {
        const colon = line.indexOf(': ');
        headers[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (headers.Event !== undefined) count++;
    }
  }
  return count;
}

function parse(pieces: Generator<Buffer>): number {
  const parser = new AmiParser();
  const parsed: AmiMessage[] = [];
  let count = 0;
  for (const piece of pieces) {
    parser.push(piece, parsed);
    for (const message of parsed) if (message.get('Uniqueid') !== '' || message.event !== '') count++;
    parsed.length = 0;
  }
  return count;
}

async function readWithClient(pieces: Generator<Buffer>): Promise<number> {
  const stream = new ClientEventsStream();
  let count = 0;
  stream.on('amiEvent', () => count++).resume();
  for (const piece of pieces) if (!stream.write(piece)) await new Promise((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => stream.end(resolve));
  return count;
}

async function follow(pieces: Generator<Buffer>, isTracked: boolean): Promise<void> {
  const tracker = new CallTracker({
    store: { save: async () => {}, load: async () => [], loadFollowed: async () => [] },
    plan: trafficPlan(),
    clock: { now: () => new Date() },
    log: silentLog,
    watchers: [],
    screen: () => null,
    settings: defaultTrackerSettings,
  });
  const read = createTrafficReader('ami');
  for (const piece of pieces) {
    const events = read(piece);
    if (isTracked) await tracker.accept(events);
  }
}
const following = (traffic: Traffic, isTracked: boolean) => async (pieces: Generator<Buffer>) => {
  await follow(pieces, isTracked);
  return traffic.events;
};

const unit = 'events/s';
// Its speed does not depend on how many there are, and it takes its time.
const some = toTraffic(messages.slice(0, messages.length / 10));
const client = { name: 'asterisk-ami-client', value: await perSecond(some, readWithClient) };
const splitter = { name: 'bare splitter', value: await perSecond(unfiltered, splitBarely) };
const parsed = await perSecond(unfiltered, parse);
report({ what: 'AMI parsed', value: parsed, unit, peer: client, target: { atLeast: 200_000 } });
report({ what: 'AMI parsed', value: parsed, unit, peer: splitter });
report({
  what: 'AMI parsed and translated',
  value: await perSecond(unfiltered, following(unfiltered, false)),
  unit,
  peer: splitter,
});
report({
  what: 'AMI parsed, translated and tracked',
  value: await perSecond(unfiltered, following(unfiltered, true)),
  unit,
  peer: splitter,
  target: { atLeast: 60_000 },
});
report({
  what: `the same, of the ${Math.round((filtered.events / unfiltered.events) * 100)} % that our filters let through`,
  value: await perSecond(filtered, following(filtered, true)),
  unit,
  peer: { name: 'bare splitter', value: await perSecond(filtered, splitBarely) },
});
