/** The real service over a ledger with a week of calls, for tests and pictures of the web interface. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createApp, type App } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Log } from '../../src/core/ports.ts';
import type { Call, CallResult, Direction } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { CallTracker, defaultTrackerSettings } from '../../src/core/tracking/call-tracker.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { readCapture } from '../../src/pbx/asterisk/capture.ts';
import type { ShownCall } from '../../src/web/routes/calls.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { openDatabase, type Database } from '../../src/storage/connection.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';
import { sampleCall, sampleConversation, sampleEvent } from '../support/ledger-samples.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

export const adminPassword = 'correct horse battery';
export const supervisorPassword = 'a quiet morning 101';

/** That must never be seen in a browser, a log, or the list of what was done. */
export const secrets = { file: 'canary-in-a-file-0123456789', inline: 'canary-inline-0123456789' };

export const names = ['Anna Orlova', 'Boris Klimov', 'Vera Pavlova', 'Gleb Smirnov', 'Daria Belova'];
const clients = [
  { number: '+79161110002', name: 'Ivan Petrov', company: 'Petrov & Sons' },
  { number: '+79161110003', name: 'Северный дом', company: 'ООО «Северный дом»' },
  { number: '+79161110004', name: 'Olga Nikitina', company: null },
  { number: '+74951234567', name: 'Городская клиника № 4', company: null },
];

export interface SeededService {
  readonly app: App;
  readonly url: string;
  readonly folder: string;
  readonly apiToken: string;
  readonly configFile: string;
  /** Adds rows of CEL, as Asterisk does, with their times shifted to now. */
  startCall(): void;
  ask(path: string, options?: { readonly method?: string; readonly body?: unknown }): Promise<Response>;
  stop(): Promise<void>;
}

/** `hostile`: texts that stand wherever people or networks may write. */
export async function startSeededService(
  options: {
    readonly hostile?: readonly string[];
    /** Sections of the configuration, over those of a small office. */
    readonly config?: Readonly<Record<string, unknown>>;
    readonly env?: NodeJS.ProcessEnv;
    readonly log?: Log;
    readonly restart?: () => void;
  } = {},
): Promise<SeededService> {
  const folder = mkdtempSync(join(tmpdir(), 'ringledger-interface-'));
  const celFile = join(folder, 'Master.csv');
  writeFileSync(celFile, '');
  mkdirSync(join(folder, 'asterisk', 'ringledger'), { recursive: true });
  const hooks = join(folder, 'hook-files');
  mkdirSync(hooks);
  writeFileSync(
    join(hooks, 'customize_autodistribution.js'),
    'export default () => { throw new Error("no such shift") }\n',
  );
  const storage = { kind: 'sqlite', path: join(folder, 'ringledger.db') } as const;
  const configFile = join(folder, 'ringledger.yaml');
  mkdirSync(join(folder, 'secrets'));
  writeFileSync(join(folder, 'secrets', 'wallboard'), `${secrets.file}\n`, { mode: 0o640 });
  const text = `# The office in the Tverskaya street. Ask Anna before you change anything.\n${stringify({
    installation: { country: 'RU', timezone: 'Europe/Moscow' },
    numbering: { extensions: ['_1XX'], trunks: ['provider'] },
    storage,
    http: {
      port: 0,
      tokens: [
        { name: 'wallboard', tokenFile: 'secrets/wallboard', access: 'read' },
        { name: 'reports', token: secrets.inline },
      ],
    },
    agi: { port: 0 },
    recordings: { enabled: false },
    hooks: { folder: hooks },
    dialplan: {
      folder: join(folder, 'asterisk', 'ringledger'),
      asteriskFolder: join(folder, 'asterisk'),
      historyFolder: join(folder, 'history'),
    },
    pbx: [{ name: 'office', kind: 'asterisk', ami: null, cel: { file: celFile }, cdr: null }],
    users: names.map((name, index) => ({ id: `u${101 + index}`, name, extensions: [String(101 + index)] })),
    ...options.config,
  })}`;
  writeFileSync(configFile, text, { mode: 0o640 });
  const env = options.env ?? {};
  const { config } = parseConfig({ file: configFile, text, env });
  const database = await openDatabase(storage);
  await migrateDatabase(database);
  if (options.hostile === undefined) await seedTransfer(database);
  await seedCalls(database, options.hostile ?? null);
  // As if it never had been owed.
  await database.knex('deliveries').where({ unique_id: '1795251386.30' }).delete();
  await database.close();

  const origin = { file: configFile, env, cwd: folder, restart: options.restart ?? null };
  const app = await createApp(config, { log: options.log ?? silentLog, origin });
  const url = `http://127.0.0.1:${app.httpPort}`;
  const apiToken = readFileSync(join(folder, 'api-token'), 'utf8').trim();
  const ask: SeededService['ask'] = (path, { method = 'GET', body } = {}) =>
    fetch(`${url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${apiToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  const service: SeededService = {
    app,
    url,
    folder,
    apiToken,
    configFile,
    ask,
    startCall: () => appendFileSync(celFile, celOfOneCall(Date.now() / 1000)),
    async stop() {
      await app.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await seedBook(service, options.hostile ?? null);
  return service;
}

/** Makes the first user with the token of the file, as the person who installs does. */
export async function makeUsers({ url, folder, ask }: SeededService): Promise<void> {
  await fetch(`${url}/api/v1/session`);
  const token = readFileSync(join(folder, 'first-run-token'), 'utf8');
  const body = JSON.stringify({ token, name: 'admin', password: adminPassword });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/session/first-user`, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`The first user could not be made: ${answer.status} ${await answer.text()}`);
  await ask('web-users', {
    method: 'POST',
    body: { name: 'vera', password: supervisorPassword, role: 'supervisor', extensions: ['101', '102'] },
  });
}

/** Installs two hooks, one of which fails, and sends the deliveries of the newest calls again, so that both run about them. */
export async function runSomeHooks({ ask, folder }: SeededService): Promise<void> {
  const hooks = join(folder, 'hook-files');
  writeFileSync(
    join(hooks, 'process_call_params.js'),
    `// Long talks are marked, so that their managers look at them first.
export default async function processCallParams(input) {
  const { duration, call_full } = input;
  console.log('talked', duration, 's with', call_full.channel.from.number);
  const mark = duration > 120 ? 'long talk' : 'talk';
  return { state: 'success', data: { call_result: mark } };
}
`,
  );
  writeFileSync(
    join(hooks, 'need_registration.js'),
    "export default () => { throw new Error('no list of couriers') }\n",
  );
  const isInForce = async () => {
    const { items } = (await (await ask('hooks')).json()) as { items: readonly { health: string | null }[] };
    return items.filter(({ health }) => health !== null).length === 3;
  };
  await until(isInForce, { what: 'the hooks are in force' });
  const { items } = (await (await ask('calls?limit=8')).json()) as { items: readonly Call[] };
  const sent: string[] = [];
  for (const { source, linkedId } of items) {
    const path = `calls/${source}/${linkedId}`;
    const { conversations } = (await (await ask(path)).json()) as ShownCall;
    const deliveries = conversations.flatMap((conversation) => conversation.deliveries);
    for (const { id } of deliveries) await ask(`deliveries/${id}/resend`, { method: 'POST' });
    if (deliveries.length > 0) sent.push(path);
  }
  const areKnown = async () => {
    const answers = await Promise.all(sent.map(async (path) => (await ask(`${path}/hook-runs`)).json()));
    return (answers as { items: readonly object[] }[]).every((answer) => answer.items.length >= 2);
  };
  await until(areKnown, { what: 'the runs are known', timeoutMs: 20_000 });
}

const results: readonly CallResult[] = [
  'answered',
  'answered',
  'answered',
  'missed',
  'answered',
  'busy',
  'answered',
  'no_answer',
];
const dids = ['74950000001', '74950000002'];

async function seedCalls(database: Database, hostile: readonly string[] | null): Promise<void> {
  const store = createCallStore({
    database,
    crms: ['local'],
    settleMs: 0,
    clock: { now: () => new Date() },
    announce: () => undefined,
  });
  const count = hostile?.length ?? 320;
  const calls = Array.from({ length: count }, (_, index) => callBefore(index, hostile?.[index] ?? null));
  await store.save(
    calls.map((call) => ({
      call,
      newEvents: [0, 40, 900].map((at) => ({ ...sampleEvent(call.linkedId, at), at: call.startedAt.getTime() + at })),
      absorbed: [],
      owed: call.conversations.filter(({ registered }) => registered).map(({ uniqueId }) => uniqueId),
    })),
  );
  const { knex } = database;
  await knex('deliveries').update({ state: 'delivered', attempts: 1, delivered_at: Date.now(), crm_id: '4711' });
  await knex.raw(`insert into delivery_attempts (delivery_id, at, node, result)
    select id, delivered_at, 'ringledger@pbx', 'delivered' from deliveries`);
  const refused = hostile ?? ['The contact is locked by another user', 'Field “phone”: the number is not valid'];
  const ids = await knex('deliveries')
    .orderBy('id', 'desc')
    .limit(hostile === null ? 4 : 500)
    .pluck<number[]>('id');
  for (const [index, id] of ids.entries()) {
    const reason = refused[index % refused.length]!;
    await knex('deliveries')
      .where({ id })
      .update({ state: 'rejected', attempts: 3, last_error: reason, crm_id: null, delivered_at: null });
    const attempt = { delivery_id: id, at: Date.now() - 60_000, node: 'ringledger@pbx' };
    await knex('delivery_attempts').insert([
      { ...attempt, result: 'retry', reason: 'The CRM answered 503' },
      { ...attempt, at: Date.now(), result: 'rejected', reason },
    ]);
  }
}

/** Its linkedid. */
export const transferCall = '1795251383.27';
const transferScenario = new URL('../scenarios/attended-transfer-refer/asterisk-22/ami.log', import.meta.url);

/** A real call, ten minutes ago: held, and passed on to a colleague who was asked before. */
async function seedTransfer(database: Database): Promise<void> {
  const clock = { now: () => new Date() };
  const plan = createNumberPlan(
    numberingConfig.parse({ country: 'RU', extensions: ['_1XX'], trunks: ['provider'] }),
    (number) => /^1\d\d$/.test(number),
  );
  const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
  const tracker = new CallTracker({
    store,
    plan,
    clock,
    log: silentLog,
    watchers: [],
    screen: () => null,
    settings: defaultTrackerSettings,
  });
  const events: PbxEvent[] = [];
  const settings = { source: 'office', timeZone: 'Europe/Moscow' };
  for await (const some of readCapture(fileURLToPath(transferScenario), settings)) events.push(...some);
  const shift = Date.now() - 600_000 - events[0]!.at;
  await tracker.accept(events.map((event) => ({ ...event, at: event.at + shift })));
  await tracker.stop();
}

/** The n-th call counted back from now: about fifty a day, in working hours. */
function callBefore(index: number, hostile: string | null): Call {
  const day = Math.floor(index / 50);
  const startedAt = new Date(Date.now() - day * 86_400_000 - (index % 50) * 640_000 - 1_200_000);
  const result = hostile === null ? results[(index * 7 + day) % results.length]! : 'missed';
  const direction: Direction = hostile !== null || index % 4 !== 3 ? 'inbound' : 'outbound';
  const client = clients[index % 9];
  const isAnswered = result === 'answered';
  const waiting = 4 + ((index * 5) % 23);
  const duration = isAnswered ? 25 + ((index * 37) % 420) : 0;
  const linkedId = `${Math.floor(startedAt.getTime() / 1000)}.${index}`;
  const at = (seconds: number) => new Date(startedAt.getTime() + seconds * 1000);
  const registered = index % 11 !== 5;
  const first = sampleConversation({
    uniqueId: `${linkedId}1`,
    extension: String(101 + (index % 5)),
    result,
    registered,
    reason: registered ? null : 'rule:suppliers',
    requestedAt: at(1),
    answeredAt: isAnswered ? at(1 + waiting) : null,
    endedAt: at(1 + waiting + duration),
    duration,
    waiting,
  });
  // Every fifth answered call was passed on.
  const second = sampleConversation({
    uniqueId: `${linkedId}2`,
    extension: String(101 + ((index + 2) % 5)),
    requestedAt: at(1 + waiting + duration),
    answeredAt: at(7 + waiting + duration),
    endedAt: at(67 + waiting + duration),
    duration: 60,
    waiting: 6,
  });
  const conversations = isAnswered && index % 5 === 1 ? [first, second] : [first];
  return sampleCall({
    linkedId,
    direction,
    client:
      hostile === null
        ? (client?.number ?? `+7916${String(2_000_000 + index * 7919).slice(-7)}`)
        : `+7916${String(3_000_000 + index)}`,
    clientName: hostile ?? (index % 6 === 0 ? 'MOBILE CALLER' : null),
    did: hostile === null ? dids[index % 2]! : hostile.slice(0, 60),
    result,
    startedAt,
    endedAt: conversations.at(-1)!.endedAt,
    conversations,
  });
}

async function seedBook({ ask }: SeededService, hostile: readonly string[] | null): Promise<void> {
  const people =
    hostile === null
      ? clients
      : hostile.map((name, index) => ({
          name: name.slice(0, 400),
          company: name.slice(0, 400),
          number: `+7926${String(3_000_000 + index)}`,
        }));
  for (const [index, { name, company, number }] of people.entries()) {
    const body = {
      name,
      company,
      numbers: [number],
      responsibleId: `u${101 + (index % 5)}`,
      tags: index % 3 === 0 ? ['regular'] : [],
    };
    const answer = await ask('contacts', { method: 'POST', body });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  }
  const texts = hostile?.slice(0, 100) ?? [
    'Call back Olga about the invoice',
    'Send the price list to Северный дом',
    'Ask for the address',
  ];
  for (const [index, text] of texts.entries()) {
    const dueAt = new Date(Date.now() + (index - 1) * 5_400_000).toISOString();
    await ask('tasks', { method: 'POST', body: { text, dueAt, responsibleId: `u${101 + (index % 5)}` } });
  }
  const leads = hostile?.slice(0, 100) ?? ['Northern house: 40 phones', 'Clinic: new line', 'Petrov: renewal'];
  for (const name of leads) {
    await ask('leads', {
      method: 'POST',
      body: { name: name.slice(0, 400), pipelineId: 'sales', statusId: 'new', responsibleId: 'u101' },
    });
  }
}

const scenario = new URL('../scenarios/queue-answered/asterisk-22/cel.csv', import.meta.url);

/** A real call's rows up to the talk: it lasts until somebody hangs up. */
function celOfOneCall(nowSeconds: number): string {
  const rows = readFileSync(fileURLToPath(scenario), 'utf8').split('\n').slice(0, 19);
  const shift = Math.floor(nowSeconds - 1_795_250_836);
  return `${rows.join('\n')}\n`.replace(
    /\b(17952508\d\d)\.(\d{6})\b/g,
    (_, seconds: string, rest: string) => `${Number(seconds) + shift}.${rest}`,
  );
}
