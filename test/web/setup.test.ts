import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type {
  DialplanOutcome,
  DialplanPreview,
  DialplanVersion,
  Examination,
  FoundPhone,
  SetupState,
} from '../../src/web/ports.ts';
import { FakeAmi, amiMessage, type FakeAction } from '../support/fake-ami.ts';
import { fakeKey, FakeRetailcrm } from '../support/fake-retailcrm.ts';
import { startSeededService, type SeededService } from './seeded-service.ts';

const eventsSecret = 'canary-events-secret';
const controlSecret = 'canary-control-secret';

/** Answers of an Asterisk to what is asked over the command line of AMI. */
class PlayedAsterisk {
  readonly ami: FakeAmi;

  private constructor(ami: FakeAmi) {
    this.ami = ami;
  }
  static async start(): Promise<PlayedAsterisk> {
    const ami = await FakeAmi.start();
    const asterisk = new PlayedAsterisk(ami);
    ami.options = { answer: (action) => asterisk.#answer(action) };
    return asterisk;
  }

  #answer(action: FakeAction): string | undefined {
    const reply = (headers: Record<string, string>) =>
      amiMessage({ Response: 'Success', ActionID: action.get('ActionID'), ...headers });
    const output = (text: string) =>
      `Response: Success\r\nActionID: ${action.get('ActionID')}\r\n${text
        .split('\n')
        .map((line) => `Output: ${line}\r\n`)
        .join('')}\r\n`;
    if (action.get('Action').toLowerCase() === 'login') {
      const right = { 'ringledger-events': eventsSecret, 'ringledger-control': controlSecret }[action.get('Username')];
      return right === action.get('Secret')
        ? reply({ Message: 'Authentication accepted' })
        : reply({ Response: 'Error', Message: 'Authentication failed' });
    }
    if (action.get('Action').toLowerCase() !== 'command') return undefined;
    const command = action.get('Command');
    if (command === 'pjsip show endpoints')
      return output(
        ' Endpoint:  101/101    Not in use\n Endpoint:  106    Unavailable\n Endpoint:  provider    In use',
      );
    if (command === 'pjsip show endpoint 106')
      return output(' ParameterName : ParameterValue\n callerid           : "Zoya Lang" <106>');
    if (command.startsWith('manager show user ')) {
      const isControl = command.endsWith('control');
      return output(
        `username: x\nread perm: ${isControl ? '<none>' : 'call,cdr,dialplan'}\nwrite perm: ${isControl ? 'command,reporting' : 'reporting'}`,
      );
    }
    if (command === 'manager show settings') return output('TCP Bindaddress: 0.0.0.0:5038\nTimestamp events: Yes');
    if (command === 'dialplan reload') return output('Dialplan reloaded.');
    return output('');
  }
  stop = () => this.ami.stop();
}

describe('the first set-up over the API', function () {
  this.timeout(30_000);
  let asterisk: PlayedAsterisk;
  let service: SeededService;
  before(async () => {
    asterisk = await PlayedAsterisk.start();
    service = await startSeededService();
  });
  after(async () => {
    await service?.stop();
    await asterisk?.stop();
  });
  const post = async <Answer>(path: string, body: unknown) => {
    const answer = await service.ask(path, { method: 'POST', body });
    const text = await answer.text();
    assert.doesNotMatch(text, /canary/);
    return { status: answer.status, body: (text === '' ? null : JSON.parse(text)) as Answer };
  };
  const trial = (part: object = {}) => ({
    host: '127.0.0.1',
    port: asterisk.ami.port,
    events: { username: 'ringledger-events', secret: eventsSecret },
    control: { username: 'ringledger-control', secret: controlSecret },
    ...part,
  });
  interface Tried {
    readonly findings: readonly Examination[];
    readonly managerLines: string;
  }

  it('connects as both AMI users and tells what they lack, and what belongs into manager.conf', async () => {
    const { body } = await post<Tried>('setup/ami', trial());
    assert.deepEqual(
      body.findings.slice(0, 2).map(({ check, state }) => [check, state]),
      [
        ['AMI user ringledger-events (events)', 'ok'],
        ['AMI user ringledger-control (control)', 'ok'],
      ],
    );
    assert.ok(
      body.findings.some(({ message }) => /lacks the right to write: originate/.test(message)),
      JSON.stringify(body),
    );
    assert.ok(body.findings.some(({ message }) => /listens on all addresses/.test(message)));
    assert.match(body.managerLines, /\[ringledger-control\]\nsecret = CHANGE-ME-2\ndeny/);
  });

  it('says in plain words why a connection fails', async () => {
    const wrong = await post<Tried>('setup/ami', trial({ events: { username: 'ringledger-events', secret: 'wrong' } }));
    assert.match(wrong.body.findings[0]!.message, /refused this user or secret/);
    assert.match(wrong.body.findings[0]!.mend!, /manager\.conf/);
    const closed = await FakeAmi.start();
    const { port } = closed;
    await closed.stop();
    const nobody = await post<Tried>('setup/ami', trial({ port }));
    assert.match(nobody.body.findings[0]!.message, /Nothing listens at 127\.0\.0\.1/);
    assert.match(nobody.body.findings[0]!.mend!, /enabled = yes/);
    const strange = await post<Tried>('setup/ami', trial({ host: 'no-such-host.invalid' }));
    assert.equal(strange.body.findings[0]!.state, 'error');
    assert.equal((await post('setup/ami', trial({ host: 'a\r\nAction: Logoff' }))).status, 400);
  });

  it('hands nothing to Asterisk but logins and questions of its own, whatever is typed in', async () => {
    const before = asterisk.ami.actions.length;
    const known = /^(?:login|events|ping|command|logoff)$/i;
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.string({ unit: 'binary', maxLength: 60 }),
        async (username, secret) => {
          const { status } = await post('setup/ami', trial({ events: { username, secret }, control: null }));
          assert.ok([200, 400, 422].includes(status), String(status));
        },
      ),
      {
        numRuns: 150,
        examples: [
          ['a\r\nAction: Originate', 'b'],
          ['a', 'b\r\n\r\nAction: Command\r\nCommand: x'],
          ['$(id)', '`id`'],
        ],
      },
    );
    const actions = asterisk.ami.actions.slice(before);
    assert.ok(actions.length > 0);
    for (const action of actions) assert.match(action.get('Action'), known, action.text);
  });

  it('cannot ask for phones before Asterisk is known, and is finished without', async () => {
    const answer = await service.ask('setup/phones');
    assert.equal(answer.status, 422);
    assert.match(await answer.text(), /once an AMI user for commands is configured/);
    assert.equal((await post('setup', { at: 'call', isFinished: true })).status, 204);
    const state = (await (await service.ask('setup')).json()) as SetupState;
    assert.deepEqual([state.at, state.isFinished, state.done.ami], ['call', true, false]);
  });

  it('saves as the settings do, and works with what was saved before any restart', async () => {
    const { hash, draft } = (await (await service.ask('settings')).json()) as { hash: string; draft: { text: string } };
    const user = (name: string) => ({ username: `ringledger-${name}`, secretFile: `secrets/ami-${name}` });
    const ami = { host: '127.0.0.1', port: asterisk.ami.port, events: user('events'), control: user('control') };
    const edits = [{ path: ['pbx', 0, 'ami'], value: ami }];
    const secrets = [
      { path: ['pbx', 0, 'ami', 'events', 'secret'], value: eventsSecret },
      { path: ['pbx', 0, 'ami', 'control', 'secret'], value: controlSecret },
    ];
    const { body } = await post<{ text: string; faults: unknown[] }>('settings/draft', {
      text: draft.text,
      edits,
      secrets,
    });
    assert.deepEqual(body.faults, []);
    assert.equal((await post('settings', { hash, text: body.text, secrets })).status, 200);
    assert.equal(readFileSync(join(service.folder, 'secrets', 'ami-events'), 'utf8').trim(), eventsSecret);

    const { items } = (await (await service.ask('setup/phones')).json()) as { items: FoundPhone[] };
    assert.deepEqual(items, [
      { extension: '101', name: null },
      { extension: '106', name: 'Zoya Lang' },
    ]);
    const state = (await (await service.ask('setup')).json()) as SetupState;
    assert.deepEqual([state.done.ami, state.ami?.control], [true, 'ringledger-control']);
  });

  it('sends a configured secret nowhere but where it goes already', async () => {
    const kept = { events: { username: 'ringledger-events' }, control: { username: 'ringledger-control' } };
    const { body } = await post<Tried>('setup/ami', trial(kept));
    assert.equal(body.findings[0]!.state, 'ok');
    const stranger = await FakeAmi.start();
    try {
      const refused = await post('setup/ami', trial({ ...kept, port: stranger.port }));
      assert.equal(refused.status, 422);
      assert.equal(stranger.actions.length, 0);
    } finally {
      await stranger.stop();
    }
  });

  it('asks a CRM whether it would take what was typed in', async () => {
    const fake = await FakeRetailcrm.start({ clock: { now: () => new Date() }, timeZone: 'UTC' });
    try {
      const settings = { account: fake.address, apiKey: fakeKey, clientToken: 'canary-client-token-1' };
      const right = await post<{ items: Examination[] }>('setup/crm', { name: 'shop', kind: 'retailcrm', settings });
      assert.ok(right.body.items.length > 0);
      assert.ok(
        right.body.items.every(({ state }) => state !== 'error'),
        JSON.stringify(right.body),
      );
      const wrong = await post<{ items: Examination[] }>('setup/crm', {
        name: 'shop',
        kind: 'retailcrm',
        settings: { ...settings, apiKey: 'canary-wrong-key' },
      });
      assert.ok(
        wrong.body.items.some(({ state }) => state === 'error'),
        JSON.stringify(wrong.body),
      );
      const short = await post<{ error: { message: string } }>('setup/crm', {
        name: 'shop',
        kind: 'retailcrm',
        settings: { ...settings, clientToken: 'short' },
      });
      assert.equal(short.status, 422);
      assert.match(short.body.error.message, /clientToken: is too short/);
    } finally {
      await fake.stop();
    }
  });

  describe('and the dialplan', () => {
    const folder = () => join(service.folder, 'asterisk', 'ringledger');

    it('is put back when Asterisk does not show what was written, and that is told', async () => {
      const { body } = await post<DialplanOutcome>('dialplan/apply', {});
      assert.equal(body.state, 'put_back');
      assert.match(body.message!, /Asterisk did not load the new dialplan: there is no context/);
      const { items } = (await (await service.ask('dialplan/versions')).json()) as { items: DialplanVersion[] };
      assert.deepEqual(items, []);
    });

    it('refuses to replace what was changed by hand until that is agreed to', async () => {
      writeFileSync(join(folder(), 'mine.conf'), '[mine]\n');
      const preview = (await (await service.ask('dialplan')).json()) as DialplanPreview;
      assert.deepEqual(preview.edited, [{ name: 'mine.conf', state: 'foreign' }]);
      assert.deepEqual([preview.isIncluded, preview.includeLine], [false, '#tryinclude "ringledger/*.conf"']);
      const { body } = await post<DialplanOutcome>('dialplan/apply', {});
      assert.deepEqual([body.state, body.needsForce], ['refused', true]);
      assert.match(body.message!, /mine\.conf \(not generated\)/);
      assert.doesNotMatch(body.message!, /--force/);
      assert.equal(readFileSync(join(folder(), 'mine.conf'), 'utf8'), '[mine]\n');
    });

    it('is checked against Asterisk', async () => {
      const { items } = (await (await service.ask('dialplan/check')).json()) as {
        items: { level: string; message: string }[];
      };
      assert.ok(items.some(({ message }) => /mine\.conf is not ours/.test(message)));
      assert.ok(
        items.some(({ level, message }) => level === 'error' && /extensions\.conf does not exist/.test(message)),
      );
    });

    it('has nothing to go back to at first', async () => {
      const { body } = await post<DialplanOutcome>('dialplan/rollback', {
        isForced: true,
        version: '20261121T000000.000Z-0000',
      });
      assert.deepEqual([body.state, body.needsForce], ['refused', false]);
    });
  });

  it('says that nobody can reload when no user for commands is configured', async () => {
    const other = await startSeededService();
    try {
      const answer = await other.ask('dialplan/apply', { method: 'POST', body: {} });
      const outcome = (await answer.json()) as DialplanOutcome;
      assert.equal(outcome.state, 'refused');
      assert.match(outcome.message!, /No AMI control user is configured/);
      appendFileSync(other.configFile, 'nonsense: [\n');
      assert.equal((await other.ask('dialplan')).status, 200, 'a faulty file leaves what the service runs with');
      const view = (await (await other.ask('settings')).json()) as {
        obstacle: { reason: string };
        draft: { text: string };
      };
      assert.deepEqual([view.obstacle.reason, view.draft.text], ['not_yaml', '']);
    } finally {
      await other.stop();
    }
  });
});
