/** The servers that bench/agi.ts compares, each in a process of its own: `agi-servers.ts KIND`, told by message. */
import { createServer, type Server } from 'node:net';
import dingDong from 'ding-dong';
import { agiServerConfig, callerNameConfig, distributionConfig } from '../agi/config.ts';
import { createRoutes, type AgiHandler } from '../agi/routes.ts';
import { AgiServer } from '../agi/server.ts';
import { CallerLookup } from '../src/core/caller-lookup.ts';
import { ContactMirror } from '../src/core/contact-mirror.ts';
import { ContactSearch } from '../src/core/contact-search.ts';
import { StaffDirectory } from '../src/core/employees.ts';
import type { Contact, Log } from '../src/core/ports.ts';
import { numberingConfig } from '../src/numbering/config.ts';
import { createNumberPlan } from '../src/numbering/number-plan.ts';

const answers: readonly [string, string][] = [
  ['RL_EXTENSION', '101'],
  ['RL_NAME', 'Ivan Petrov'],
  ['CALLERID(name)', 'Ivan Petrov'],
  ['RL_STATUS', 'FOUND'],
];

/** The least that can be called a FastAGI server: no limits, no quoting, one reading of the bytes. */
function listenBare(): Server {
  return createServer((socket) => {
    let text = '';
    let next = -1;
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (next < 0 ? !text.endsWith('\n\n') : !text.endsWith('\n')) return;
      text = '';
      next += 1;
      const answer = answers[next];
      if (answer) socket.write(`SET VARIABLE ${answer[0]} "${answer[1]}"\n`);
      else socket.end();
    });
  });
}

function listenDingDong(port: number): Server {
  return dingDong((context) => {
    context.on('error', () => undefined);
    void context.onEvent('variables').then(async () => {
      for (const [name, value] of answers) await context.setVariable(name, value);
      await context.end();
    });
  }).start(port, '127.0.0.1');
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

function createLookup(): CallerLookup {
  const mirror = new ContactMirror();
  mirror.put(
    Array.from({ length: 100_000 }, (_, index): Contact => {
      const number = `+7916${String(1_000_000 + index)}`;
      const contact = { company: null, tags: [], url: null, updatedAt: new Date(0), responsibleId: '1' };
      return { ...contact, id: String(index), name: `Contact ${index}`, numbers: [number] };
    }),
  );
  const directory = new StaffDirectory({
    timeZone: 'Europe/Moscow',
    employees: ['1', '2'].map((id) => ({
      id,
      name: `Employee ${id}`,
      extensions: [`10${id}`],
      email: null,
      deputies: ['2'],
      mobile: null,
      isActive: true,
      workingHours: null,
    })),
  });
  const monotonicMs = () => performance.now();
  const distribution = distributionConfig.parse({});
  const search = new ContactSearch({
    sources: [{ name: 'local', mirror, findContact: null }],
    settings: {
      breaker: { failures: distribution.breakerFailures, openMs: distribution.breakerOpenMs },
      freshMs: distribution.freshMs,
      staleMs: distribution.staleMs,
    },
    monotonicMs,
    log: silent,
  });
  return new CallerLookup(
    {
      search,
      directory,
      numberPlan: createNumberPlan(numberingConfig.parse({})),
      stateOf: () => 'idle',
      customizeAutodistribution: null,
      clock: { now: () => new Date() },
      monotonicMs,
      log: silent,
    },
    {
      deadlineMs: distribution.deadlineMs,
      hookMs: distribution.hookMs,
      policy: { ringsWhileTalking: false, ringsUnknown: true },
      name: { template: callerNameConfig.parse({}).template, transliterate: null },
    },
  );
}

const fourCommands: AgiHandler = async (session) => {
  for (const [name, value] of answers) await session.setVariable(name, value);
};

const port = Number(process.argv[3]);
const kind = process.argv[2];
if (kind === 'bare') listenBare().listen(port, '127.0.0.1', 1024);
else if (kind === 'ding-dong') listenDingDong(port);
else {
  const routes =
    kind === 'distribute'
      ? createRoutes({ lookup: createLookup(), keepsExistingName: false })
      : new Map([['four-commands', fourCommands]]);
  await new AgiServer({ config: agiServerConfig.parse({ port }), routes, log: silent }).start();
}

process.on('message', () => process.send!(process.cpuUsage()));
process.on('disconnect', () => process.exit(0));
process.send!('ready');
