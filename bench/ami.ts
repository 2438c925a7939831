/**
 * Events per second of an AMI capture on one core: cut into messages by a bare splitter, by our parser (all headers split), parsed and
 * translated, and by asterisk-ami-client's stream. All in one run; ratios are what to compare between machines.
 *
 * node --import tsx bench/ami.ts CAPTURE [EVENTS]
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { PbxEvent } from '../src/core/pbx-event.ts';
import type { AmiMessage } from '../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../src/pbx/asterisk/ami/ami-parser.ts';
import { LocalTime } from '../src/pbx/asterisk/csv/local-time.ts';
import { AmiTranslator } from '../src/pbx/asterisk/translate.ts';

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

const [path, wanted = '200000'] = process.argv.slice(2);
if (path === undefined) throw new Error('Give an AMI capture');
const capture = readFileSync(path);
const chunkBytes = 16 * 1024;

/** The capture over and over, cut as a socket would. */
function* chunks(events: number): Generator<Buffer> {
  for (let seen = 0; seen < events; seen += eventsInCapture)
    for (let i = 0; i < capture.length; i += chunkBytes) yield capture.subarray(i, i + chunkBytes);
}
const eventsInCapture = capture.toString('latin1').split('\r\nEvent: ').length;

interface Run {
  readonly name: string;
  readonly events: number;
  readonly perSecond: number;
}
async function measure(name: string, run: () => Promise<number> | number): Promise<Run> {
  await run();
  const started = process.hrtime.bigint();
  const count = await run();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { name, events: count, perSecond: Math.round(count / seconds) };
}

const total = Number(wanted);
const runs: Run[] = [];

runs.push(
  await measure('bare splitter', () => {
    let rest = '';
    let count = 0;
    for (const chunk of chunks(total)) {
      const messages = (rest + chunk.toString('utf8')).split('\r\n\r\n');
      rest = messages.pop()!;
      for (const message of messages) {
        const headers: Record<string, string> = {};
        for (const line of message.split('\r\n')) {
          const colon = line.indexOf(': ');
          headers[line.slice(0, colon)] = line.slice(colon + 2);
        }
        if (headers.Event !== undefined) count++;
      }
    }
    return count;
  }),
);
runs.push(
  await measure('our parser', () => {
    const parser = new AmiParser();
    const messages: AmiMessage[] = [];
    let count = 0;
    for (const chunk of chunks(total)) {
      parser.push(chunk, messages);
      for (const message of messages) {
        message.get('Uniqueid');
        if (message.event !== '') count++;
      }
      messages.length = 0;
    }
    return count;
  }),
);
runs.push(
  await measure('our parser and translation', () => {
    const parser = new AmiParser();
    const translator = new AmiTranslator({ source: 'bench', now: null, time: new LocalTime('UTC') });
    const messages: AmiMessage[] = [];
    const events: PbxEvent[] = [];
    let count = 0;
    for (const chunk of chunks(total)) {
      parser.push(chunk, messages);
      for (const message of messages) {
        translator.translate(message, events);
        if (message.event !== '') count++;
      }
      messages.length = 0;
      events.length = 0;
    }
    return count;
  }),
);
const few = Math.ceil(total / 10);
runs.push(
  await measure('asterisk-ami-client', async () => {
    const stream = new ClientEventsStream();
    let count = 0;
    stream.on('amiEvent', () => count++).resume();
    for (const chunk of chunks(few)) if (!stream.write(chunk)) await new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => stream.end(resolve));
    return count;
  }),
);

const client = runs.at(-1)!;
for (const run of runs)
  console.log(
    `${run.name.padEnd(28)} ${String(run.perSecond).padStart(8)} events/s   ×${(run.perSecond / client.perSecond).toFixed(1)} of asterisk-ami-client`,
  );
