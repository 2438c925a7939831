/** Real calls through the service's own dialplan: who rings, what the phone shows, and what happens when the service is gone. */
import assert from 'node:assert/strict';
import type { Contact } from '../../src/core/ports.ts';
import { describeCall, differences } from '../support/expectation.ts';
import { InstalledLab } from '../support/installed-lab.ts';
import { answer, busy, hangUp, neverAnswer, ring, stay, step, talk } from '../support/lab/script.ts';
import { about, answered, unanswered, type ExpectedCall } from '../support/lab/story.ts';
import { isPaid, type ListedCall } from '../support/running-service.ts';
import { until as untilTrue } from '../support/until.ts';

const until = (what: string, condition: () => boolean | Promise<boolean>, options: { timeoutMs?: number } = {}) =>
  untilTrue(condition, { what, ...options });
const client = '79161110002';
const stranger = '79161110009';
/** Tells the witness what the phone shows. */
const tellName = step('UserEvent(shows ${CALLERID(name)})');
const tellNumber = step('UserEvent(calls ${CALLERID(num)})');

describe('a call through the generated dialplan', function () {
  this.timeout(60_000);
  let house: InstalledLab;
  let seen = new Set<string>();

  before(async function () {
    this.timeout(600_000);
    house = await InstalledLab.start({
      config: {
        users: [
          { id: 'anna', name: 'Anna', extensions: ['101'] },
          { id: 'boris', name: 'Boris', extensions: ['102'], deputies: ['vera'] },
          { id: 'vera', name: 'Vera', extensions: ['103'] },
          { id: 'gleb', name: 'Gleb', extensions: ['104'] },
        ],
        distribution: { freshMs: 0 },
      },
    });
    const { exitCode, output } = await house.command('dialplan', 'apply');
    assert.equal(exitCode, 0, output);
    await house.service.post<Contact>('/api/v1/contacts', {
      name: 'Пётр "Ёж", ООО Ромашка и сыновья',
      numbers: ['8 (916) 111-00-02'],
      responsibleId: 'boris',
    });
    await until('the service follows the PBX and knows the contact', async () => {
      const status = await house.service.app.status();
      const trace = await house.service.app.lookup.trace({ number: client, did: null, trunk: null });
      return status.every((part) => part.health !== 'error') && trace.extension === '102';
    });
  });
  after(async function () {
    this.timeout(60_000);
    await house?.stop();
  });
  beforeEach(async () => {
    house.lab.witness.reset();
    seen = new Set((await house.service.calls()).map((call) => call.linkedId));
  });

  /** The calls since the last look, once they are as expected and delivered. */
  async function ledgerShows(expected: readonly ExpectedCall[]): Promise<readonly ListedCall[]> {
    let fresh: readonly ListedCall[] = [];
    let faults: string[] = ['not looked yet'];
    await until(
      'the ledger shows the call, delivered',
      async () => {
        fresh = (await house.service.calls()).filter((call) => !seen.has(call.linkedId));
        faults = differences(fresh, expected);
        const owed = fresh.flatMap((call) => call.conversations.filter((one) => one.registered));
        return faults.length === 0 && owed.every((conversation) => isPaid(conversation, 1));
      },
      { timeoutMs: 15_000 },
    ).catch((error: Error) =>
      assert.fail(`${error.message}\n${faults.join('\n')}\n${fresh.map(describeCall).join('\n')}`),
    );
    return fresh;
  }

  it('rings the responsible of a known client and shows the name, cut and harmless', async () => {
    await house.lab.script({ '102': [tellName, ring(1), answer(), stay()] });
    const call = await house.lab.call({ from: client, to: '7000001', then: [talk(2), hangUp()] });
    await call.ended;
    await house.lab.quiet();
    const [shown] = [...house.lab.witness.told].filter((name) => name.startsWith('shows '));
    assert.equal(shown, "shows Пётр 'Ёж' ООО Ромашк");
    await ledgerShows([
      {
        direction: 'inbound',
        client: `+${client}`,
        did: '7000001',
        result: 'answered',
        conversations: [answered('102', 2, { hasRecording: true })],
      },
    ]);
  });

  it('rings the deputy when the responsible does not answer', async () => {
    await house.lab.script({ '102': [neverAnswer()], '103': [ring(0.5), answer(), stay()] });
    const call = await house.lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
    await call.ended;
    await house.lab.quiet();
    await ledgerShows([
      { direction: 'inbound', client: `+${client}`, result: 'answered', conversations: [answered('103', 1)] },
    ]);
  });

  it('does not ring a phone that is not there, but the deputy at once', async () => {
    await house.lab.unregister('102');
    try {
      await until(
        'the phone is known to be away',
        () => house.service.app.sources.get('lab')!.deviceState!('102') === 'unavailable',
      );
      await house.lab.script({ '103': [ring(0.5), answer(), stay()] });
      const call = await house.lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
      await call.ended;
      await house.lab.quiet();
      await ledgerShows([
        {
          direction: 'inbound',
          client: `+${client}`,
          result: 'answered',
          conversations: [answered('103', 1, { waiting: about(0.5) })],
        },
      ]);
    } finally {
      await house.lab.register('102');
    }
  });

  it('sends a stranger to the default route, and a missed call leaves one task', async () => {
    await house.lab.script({ '101': [busy()], '103': [neverAnswer()] });
    const call = await house.lab.call({ from: stranger, to: '7000001' });
    await call.ended;
    await house.lab.quiet();
    await ledgerShows([
      {
        direction: 'inbound',
        client: `+${stranger}`,
        result: 'missed',
        conversations: [unanswered(['101', '103'], 'missed')],
      },
    ]);
    const { items: tasks } = await house.service.get<{ items: { text: string }[] }>('/api/v1/tasks');
    assert.equal(tasks.filter((task) => task.text.includes(`+${stranger}`)).length, 1, JSON.stringify(tasks));
    const { items: contacts } = await house.service.get<{ items: Contact[] }>(`/api/v1/contacts?number=%2B${stranger}`);
    assert.equal(contacts.length, 1);
  });

  it('rings the employee first and then the client on click-to-call, showing the client to the employee', async () => {
    await house.lab.script({
      '104': [tellNumber, ring(0.5), answer(), stay()],
      [client]: [ring(0.5), answer(), talk(1), hangUp()],
    });
    await house.service.app.sources.get('lab')!.originate!({
      requestId: 'request-1',
      extension: '104',
      clientNumber: `+${client}`,
      clientName: 'Пётр',
      timeoutMs: 20_000,
    });
    await until(
      '104 was called and the call is over',
      () => {
        const [own] = house.lab.witness.of('104');
        return own !== undefined && own.endedAt !== null;
      },
      { timeoutMs: 20_000 },
    );
    await house.lab.quiet();
    assert.deepEqual(
      [...house.lab.witness.told].filter((name) => name.startsWith('calls ')),
      [`calls +${client}`],
    );
    await ledgerShows([
      {
        direction: 'outbound',
        client: `+${client}`,
        result: 'answered',
        conversations: [answered('104', 1, { requestId: 'request-1' })],
      },
    ]);
  });

  it('lets a request fail whose employee does not answer, without calling the client', async () => {
    await house.lab.script({ '104': [busy()] });
    await house.service.app.sources.get('lab')!.originate!({
      requestId: 'request-2',
      extension: '104',
      clientNumber: `+${client}`,
      clientName: null,
      timeoutMs: 20_000,
    });
    await until('104 was called', () => (house.lab.witness.of('104')[0]?.endedAt ?? null) !== null);
    await house.lab.quiet();
    assert.equal(house.lab.witness.of(client).length, 0);
    await ledgerShows([
      {
        direction: 'outbound',
        client: `+${client}`,
        result: 'failed',
        conversations: [
          {
            extension: '104',
            registered: false,
            reason: 'rule:click_to_call_unanswered',
            result: 'failed',
            requestId: 'request-2',
          },
        ],
      },
    ]);
  });

  it('is found whole by the doctor', async () => {
    const { exitCode, output } = await house.command('doctor');
    assert.equal(exitCode, 0, output);
    assert.match(output, /service: /, 'what the running service says is told too');
  });

  it('reaches the default route without silence when the service is down, and is in the ledger once it is back', async () => {
    await house.service.stop();
    await house.lab.script({ '101': [ring(0.5), answer(), stay()], '103': [neverAnswer()] });
    const startedAt = Date.now();
    const call = await house.lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
    await call.ended;
    await house.lab.quiet();
    const [rung] = house.lab.witness.of('101');
    assert(rung !== undefined && rung.startedAt - startedAt < 2_500, 'the default route rings within the deadline');
    assert(call.experience()!.hasRung, 'the caller hears ringing');
    await house.restartService();
    await ledgerShows([
      {
        direction: 'inbound',
        client: `+${client}`,
        did: '7000001',
        result: 'answered',
        conversations: [answered('101', 1)],
      },
    ]);
  });
});
