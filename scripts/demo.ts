/**
 * The main job, shown: two real Asterisks (a PBX, and the world that calls it), the service beside the PBX, a handful of
 * calls of different kinds, and the ledger and the CRM they left. Where Asterisk cannot be had, recorded calls are played.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replayCalls } from '../src/cli/replay.ts';
import { formatTable } from '../src/cli/table.ts';
import type { Call } from '../src/core/call.ts';
import type { Contact } from '../src/core/ports.ts';
import { numberingConfig } from '../src/numbering/config.ts';
import { createNumberPlan } from '../src/numbering/number-plan.ts';
import { readCapture } from '../src/pbx/asterisk/capture.ts';
import { InstalledLab } from '../test/support/installed-lab.ts';
import { CannotProvision } from '../test/support/lab/provision.ts';
import { answer, hangUp, neverAnswer, press, ring, stay, talk } from '../test/support/lab/script.ts';
import type { ListedCall } from '../test/support/running-service.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { until } from '../test/support/until.ts';

const say = (line = '') => console.log(line);
const known = '79161110002';
const stranger = '79161110009';

try {
  await showRealCalls();
} catch (error) {
  if (!(error instanceof CannotProvision)) throw error;
  say(`No Asterisk here: ${error.message}`);
  say('Recorded calls of a real one are played instead.\n');
  await showRecordedCalls();
}

async function showRealCalls(): Promise<void> {
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
    },
    report: (line) => say(`  ${line}`),
  });
  try {
    const { lab, service } = house;
    const applied = await house.command('dialplan', 'apply');
    say('\nringledger dialplan apply');
    for (const line of applied.output.trim().split('\n')) say(`  ${line}`);
    await service.post<Contact>('/api/v1/contacts', {
      name: 'Пётр Ёжиков',
      company: 'Ромашка',
      numbers: ['8 (916) 111-00-02'],
      responsibleId: 'boris',
    });
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
      await service.app.sources.get('lab')!.originate!({
        requestId: 'demo-1',
        extension: '104',
        clientNumber: `+${known}`,
        clientName: 'Пётр Ёжиков',
        timeoutMs: 20_000,
      });
      await until(() => (lab.witness.of(known).at(-1)?.endedAt ?? null) !== null, { timeoutMs: 20_000 });
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
    'internal-call',
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
