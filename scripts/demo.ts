/**
 * The main job, shown: two real Asterisks (a PBX, and the world that calls it), the service beside the PBX, a handful of
 * calls of different kinds, and the ledger and the CRM they left. Where Asterisk cannot be had, recorded calls are played.
 * With `--crm kommo` the CRM is an account of amoCRM/Kommo, played by a server on this machine.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { replayCalls } from '../src/cli/replay.ts';
import { formatTable } from '../src/cli/table.ts';
import type { Call } from '../src/core/call.ts';
import type { Contact } from '../src/core/ports.ts';
import { numberingConfig } from '../src/numbering/config.ts';
import { createNumberPlan } from '../src/numbering/number-plan.ts';
import { readCapture } from '../src/pbx/asterisk/capture.ts';
import { FakeKommo } from '../test/support/fake-kommo.ts';
import { InstalledLab } from '../test/support/installed-lab.ts';
import { CannotProvision } from '../test/support/lab/provision.ts';
import { answer, hangUp, neverAnswer, press, ring, stay, talk } from '../test/support/lab/script.ts';
import type { ListedCall } from '../test/support/running-service.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { until } from '../test/support/until.ts';

const say = (line = '') => console.log(line);
const known = '79161110002';
const stranger = '79161110009';
const { values: options } = parseArgs({ options: { crm: { type: 'string', default: 'local' } } });
const withKommo = options.crm === 'kommo';
if (!['local', 'kommo'].includes(options.crm)) throw new Error(`--crm ${options.crm}: write local or kommo`);

try {
  await showRealCalls();
} catch (error) {
  if (!(error instanceof CannotProvision)) throw error;
  say(`No Asterisk here: ${error.message}`);
  say('Recorded calls of a real one are played instead.\n');
  await showRecordedCalls();
}

async function showRealCalls(): Promise<void> {
  const account = withKommo ? await startAccount() : null;
  try {
    await showCallsWith(account);
  } finally {
    await account?.close();
  }
}

/** The account as its owner would have set it up: users, and one contact. */
async function startAccount(): Promise<FakeKommo> {
  const account = await FakeKommo.start({ clock: { now: () => new Date() }, requestsPerSecond: 7 });
  const names = ['Anna', 'Boris', 'Vera', 'Gleb'];
  const users = names.map((name, index) => ({
    id: 501 + index,
    name,
    email: `${name.toLowerCase()}@example.org`,
    isActive: true,
  }));
  account.users.splice(0, account.users.length, ...users);
  account.addCard('contacts', { name: 'Пётр Ёжиков', phones: ['8 (916) 111-00-02'], responsibleId: 502 });
  return account;
}

/** The CRM section of the configuration, and rules that make a lead of whoever is unknown. */
function kommoConfig(account: FakeKommo): Record<string, unknown> {
  return {
    crm: [
      {
        name: 'amo',
        kind: 'kommo',
        settings: {
          account: account.address,
          longLivedToken: 'long-lived',
          extensions: Object.fromEntries(account.users.map(({ email }, index) => [String(101 + index), email])),
        },
      },
    ],
    registration: {
      rules: [
        {
          name: 'a missed call is called back',
          calls: ['missed'],
          task: { text: 'Call back {{name}} {{client}}', due: 15 },
        },
        {
          name: 'who is unknown becomes a lead',
          clients: ['unknown'],
          contact: {},
          lead: { name: 'Call from {{client}}' },
        },
      ],
    },
  };
}

async function showCallsWith(account: FakeKommo | null): Promise<void> {
  say('Two Asterisks and the service start (the first time, Asterisk is fetched: about a minute) …');
  const house = await InstalledLab.start({
    config: {
      users: [
        { id: 'anna', name: 'Anna', extensions: ['101'] },
        { id: 'boris', name: 'Boris', extensions: ['102'], deputies: ['vera'] },
        { id: 'vera', name: 'Vera', extensions: ['103'] },
        { id: 'gleb', name: 'Gleb', extensions: ['104'] },
      ],
      distribution: { freshMs: 0 },
      ...(account === null ? {} : kommoConfig(account)),
    },
    report: (line) => say(`  ${line}`),
  });
  try {
    const { lab, service } = house;
    const applied = await house.command('dialplan', 'apply');
    say('\nringledger dialplan apply');
    for (const line of applied.output.trim().split('\n')) say(`  ${line}`);
    if (account === null) {
      await service.post<Contact>('/api/v1/contacts', {
        name: 'Пётр Ёжиков',
        company: 'Ромашка',
        numbers: ['8 (916) 111-00-02'],
        responsibleId: 'boris',
      });
    }
    await until(async () => {
      const trace = await service.app.lookup.trace({ number: known, did: null, trunk: null });
      const status = await service.app.status();
      return trace.extension === '102' && status.every((part) => part.health !== 'error');
    });

    const call = async (title: string, play: () => Promise<void>) => {
      say(`  ${title}`);
      await play();
      await lab.quiet();
    };
    const place = async (from: string, to: string, seconds: number, givesUpAfterSeconds = 60) =>
      (await lab.call({ from, to, then: [talk(seconds), hangUp()], givesUpAfterSeconds })).ended;

    say('\nCalls');
    await call('a known client calls: Boris, who is responsible for him, is rung first', async () => {
      await lab.script({ '102': [ring(1), answer(), stay()] });
      await place(known, '7000001', 3);
    });
    await call('he calls again, Boris does not pick up, the deputy Vera does', async () => {
      await lab.script({ '102': [neverAnswer()], '103': [ring(1), answer(), stay()] });
      await place(known, '7000001', 2);
    });
    await call('a stranger calls the group, nobody answers, the caller gives up', async () => {
      await lab.script({ '101': [neverAnswer()], '103': [neverAnswer()] });
      await place(stranger, '7000001', 1, 2);
    });
    await call('the known client is handed from Boris to Gleb (##104)', async () => {
      await lab.script({
        '102': [ring(1), answer(), talk(2), press('##104'), stay()],
        '104': [ring(1), answer(), stay()],
      });
      await place(known, '7000001', 12);
    });
    await call('Anna calls the stranger back', async () => {
      await lab.script({ [stranger]: [ring(1), answer(), talk(2), hangUp()] });
      await place('101', stranger, 10);
    });
    await call('click-to-call: Gleb is rung, then the known client', async () => {
      await lab.script({ '104': [ring(1), answer(), stay()], [known]: [ring(1), answer(), talk(2), hangUp()] });
      const before = lab.witness.of(known).length;
      await service.app.sources.get('lab')!.originate!({
        requestId: 'demo-1',
        extension: '104',
        clientNumber: `+${known}`,
        clientName: 'Пётр Ёжиков',
        timeoutMs: 20_000,
      });
      // His earlier calls have ended already: it is one more that must be over.
      await until(() => lab.witness.of(known).length > before && lab.witness.of(known).at(-1)!.endedAt !== null, {
        timeoutMs: 20_000,
      });
    });
    await call('Anna calls Vera: employees among themselves', async () => {
      await lab.script({ '103': [ring(1), answer(), stay()] });
      await place('101', '103', 2);
    });

    let calls: readonly ListedCall[] = [];
    await until(
      async () => {
        calls = await service.calls();
        const owed = calls.flatMap((one) => one.conversations.filter((conversation) => conversation.registered));
        return calls.length === 7 && owed.every(({ deliveries }) => deliveries[0]?.state === 'delivered');
      },
      { timeoutMs: 20_000, what: 'all calls are delivered' },
    ).catch((error: Error) => say(`\n${error.message}`));

    say('\nThe ledger (one row per conversation)\n');
    printCalls(calls, (uniqueId) => {
      const delivery = calls.flatMap((one) => one.conversations).find((one) => one.uniqueId === uniqueId)
        ?.deliveries[0];
      return delivery === undefined ? '' : `${delivery.crm}: ${delivery.state}`;
    });
    if (account !== null) {
      // The link follows when the recording is converted.
      const isLinked = () =>
        account.callNotes.every(({ params }) => params['call_status'] !== 4 || params['link'] !== undefined);
      await until(isLinked, { timeoutMs: 20_000, what: 'all recordings are linked' }).catch((error: Error) =>
        say(`\n${error.message}`),
      );
      return printAccount(account);
    }
    const { items: contacts } = await service.get<{ items: Contact[] }>('/api/v1/contacts');
    const { items: tasks } = await service.get<{
      items: { text: string; dueAt: Date; responsibleId: string | null }[];
    }>('/api/v1/tasks');
    say('\nThe built-in CRM\n');
    say(
      formatTable(
        ['contact', 'numbers', 'responsible'],
        contacts.map((one) => [one.name, one.numbers.join(' '), one.responsibleId]),
      ),
    );
    say();
    say(
      formatTable(
        ['task', 'due', 'responsible'],
        tasks.map((one) => [one.text, one.dueAt.toISOString(), one.responsibleId]),
      ),
    );
  } finally {
    await house.stop();
  }
}

/** What the service left in the account, each with where it hangs. */
function printAccount(account: FakeKommo): void {
  const userOf = (id: number) => account.users.find((user) => user.id === id)?.name ?? String(id);
  const placeOf = (kind: string | null, id: number | null) => {
    const lead = kind === 'leads' ? account.leads.find((one) => one.id === id) : undefined;
    const card = account.contacts.find((one) => one.id === (lead === undefined ? id : lead.contacts[0]));
    return [lead && `lead "${lead.name}"`, card && `contact "${card.name}"`].filter(Boolean).join(' of ') || '–';
  };
  const time = (seconds: number) => new Date(seconds * 1_000).toISOString().slice(11, 19);
  say('\nThe amoCRM/Kommo account\n');
  const numbers = (card: FakeKommo['contacts'][number]) => card.phones.map(({ value }) => value).join(' ');
  say(
    formatTable(
      ['contact', 'numbers', 'responsible'],
      account.contacts.map((card) => [card.name, numbers(card), userOf(card.responsible_user_id)]),
    ),
  );
  say();
  say(
    formatTable(
      ['lead', 'of', 'responsible'],
      account.leads.map((lead) => [
        lead.name,
        placeOf('contacts', lead.contacts[0] ?? null),
        userOf(lead.responsible_user_id),
      ]),
    ),
  );
  say();
  say(
    formatTable(
      ['task', 'at', 'due', 'responsible'],
      account.tasks.map((task) => [
        task.text,
        placeOf(task.entity_type, task.entity_id),
        time(task.complete_till),
        userOf(task.responsible_user_id),
      ]),
    ),
  );
  say();
  const calls = account.callNotes.map((note) => [
    time(note.created_at),
    note.note_type === 'call_in' ? 'inbound' : 'outbound',
    note.params['phone'],
    placeOf(note.kind, note.entity_id),
    note.params['call_result'],
    `${String(note.params['duration'])} s`,
    userOf(note.created_by),
    String(note.params['link'] ?? '–').replace(/\?.*/, '?…'),
  ]);
  say(formatTable(['time', 'direction', 'phone', 'stands at', 'result', 'talked', 'employee', 'recording'], calls));
  say();
  const cards = account.shownCards.map(({ phone, users }) => [phone, (users ?? []).map(userOf).join(', ')]);
  say(formatTable(['a card opened for', 'before'], cards));
}

function printCalls(calls: readonly Call[], deliveryOf: (uniqueId: string) => string): void {
  const rows = calls.flatMap((call) =>
    call.conversations.map((one, index) => [
      ...(index === 0
        ? [call.startedAt.toISOString().slice(11, 19), call.direction, call.client ?? '–']
        : ['', '', '']),
      one.extension,
      one.result,
      `${one.duration} s`,
      `${one.waiting} s`,
      one.registered ? 'yes' : `no: ${one.reason}`,
      deliveryOf(one.uniqueId),
    ]),
  );
  say(formatTable(['time', 'direction', 'client', 'phone', 'result', 'talked', 'rang', 'sent', 'CRM'], rows));
}

async function showRecordedCalls(): Promise<void> {
  const scenarios = join(dirname(fileURLToPath(import.meta.url)), '../test/scenarios');
  const plan = createNumberPlan(numberingConfig.parse({ country: 'RU', trunks: ['provider'], extensions: ['_1XX'] }));
  const wanted = [
    'inbound-answered',
    'second-dial',
    'caller-gives-up',
    'queue-timed-out',
    'blind-transfer-dtmf',
    'outbound-answered',
    'internal-answered',
  ];
  const there = new Set(readdirSync(scenarios));
  const calls: Call[] = [];
  for (const name of wanted.filter((one) => there.has(one))) {
    const streams = [readCapture(join(scenarios, name, 'asterisk-22/ami.log'), { source: 'pbx', timeZone: 'UTC' })];
    for await (const call of replayCalls(streams, { plan, log: silentLog, screen: () => null, keepsInternal: true }))
      calls.push(call);
  }
  printCalls(calls, () => '');
}
