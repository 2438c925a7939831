import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel } from '../../src/dialplan/model.ts';
import { compileTemplates, shippedTemplatesFolder } from '../../src/dialplan/render.ts';
import type { AmiMessage } from '../support/lab/ami-link.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { answer, busy, hangUp, neverAnswer, ring, stay, step, talk } from '../support/lab/script.ts';
import {
  findDeadPort,
  startAnsweringPeer,
  startFloodingPeer,
  startHangingUpPeer,
  startMutePeer,
  type FastAgiPeer,
} from './fast-agi-server.ts';

const client = '79161110001';
const waitMs = 1000;

/** How much later than the deadline the next phone may ring: SIP, a loaded machine. */
const slackMs = 1500;

function filesFor(servers: readonly string[], changes: object = {}): Record<string, string> {
  const config = dialplanConfig.parse({
    agi: { servers, waitMs },
    ringSeconds: 2,
    deputyRingSeconds: 2,
    trunks: [
      {
        name: 'provider',
        device: 'PJSIP/{number}@provider',
        callerId: '74950000000',
        rewrite: [{ from: '+', to: '' }],
      },
    ],
    inbound: { defaultRoute: 'extension:104' },
    outbound: [{ pattern: '_8XXXXXXXXXX', strip: 1, prepend: '7', trunks: ['provider'] }],
    ...changes,
  });
  const model = buildModel(config, { extensions: ['_10X'], timeZone: 'Europe/Moscow' });
  const files = compileTemplates({ shipped: shippedTemplatesFolder(), owner: null }).render(model);
  return Object.fromEntries(files.map(({ name, text }) => [name, text]));
}

describe('the generated dialplan in a real Asterisk', function () {
  this.timeout(60_000);
  let lab: Lab;
  const peers: FastAgiPeer[] = [];
  const events: AmiMessage[] = [];

  before(async function () {
    this.timeout(180_000);
    lab = await startLab({
      generatedDialplan: filesFor(['127.0.0.1:4573']),
      withoutClickToCallContexts: true,
      trunkContext: 'ringledger-inbound',
      phonesContext: 'ringledger-outbound',
    });
    lab.pbx.ami.onEvent((event) => events.push(event));
  });
  afterEach(async () => {
    await lab.hangUpAll();
    await lab.quiet();
    lab.witness.reset();
    events.length = 0;
    await Promise.all(peers.splice(0).map((peer) => peer.close()));
  });
  after(() => lab?.stop());

  const keep = (peer: FastAgiPeer) => {
    peers.push(peer);
    return peer;
  };
  const load = (ports: readonly number[], changes: object = {}) =>
    lab.loadDialplan(
      filesFor(
        ports.map((port) => `127.0.0.1:${port}`),
        changes,
      ),
    );
  const firstCall = (party: string) => {
    const [experience] = lab.witness.of(party);
    assert(experience, `${party} was not called: ${lab.witness.describe()}`);
    return experience;
  };
  const answered = (party: string) =>
    lab.witness.until(`${party} answers`, () => lab.witness.of(party).some(({ answeredAt }) => answeredAt !== null));
  const callIn = () => lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
  const variable = (name: string) =>
    events.filter((event) => event['Event'] === 'VarSet' && event['Variable'] === name);

  /** Calls in, and holds that the caller heard ringing and that 104, the default route, rang within the deadline. */
  async function reachesDefaultRoute(withinMs: number): Promise<void> {
    await lab.script({ '104': [ring(0.3), answer(), stay()] });
    const call = await callIn();
    await answered('104');
    await call.ended;
    const caller = call.experience();
    assert(caller !== null && caller.hasRung, 'the caller hears ringing');
    const waited = firstCall('104').startedAt - caller.startedAt;
    assert(waited < withinMs + slackMs, `the default route rings after ${waited} ms`);
  }

  describe('when nobody can be asked', () => {
    it('goes on to the default route when the server is dead', async () => {
      await load([await findDeadPort()]);
      await reachesDefaultRoute(0);
    });

    it('goes on when a port accepts and never answers', async () => {
      await load([keep(await startMutePeer()).port]);
      await reachesDefaultRoute(waitMs);
    });

    it('goes on when the answer is garbage', async () => {
      const garbage = 'SSH-2.0-OpenSSH_9.2\r\n\0\x01\xff\xfe HTTP/1.1 400 Bad Request\r\n\r\nSET VARIABLE\n"""\n';
      await load([keep(await startMutePeer(garbage)).port]);
      await reachesDefaultRoute(waitMs);
    });

    it('goes on when the server closes in the middle of a line', async () => {
      await load([keep(await startHangingUpPeer('SET VARIABLE RL_STA')).port]);
      await reachesDefaultRoute(0);
    });

    for (const isDeaf of [false, true]) {
      it(`goes on when the server never stops talking${isDeaf ? ' and does not listen' : ''}`, async () => {
        await load([keep(await startFloodingPeer({ isDeaf })).port]);
        await reachesDefaultRoute(waitMs);
      });
    }

    it('goes on when the server answers too late', async () => {
      const late = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' }, { afterMs: 2500 }));
      await load([late.port]);
      await reachesDefaultRoute(waitMs);
      assert.equal(lab.witness.of('101').length, 0);
    });

    it('asks the next server after one that is dead and one that is mute', async () => {
      const right = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' }));
      await load([await findDeadPort(), keep(await startMutePeer()).port, right.port]);
      await lab.script({ '101': [ring(0.3), answer(), stay()] });
      const call = await callIn();
      await answered('101');
      await call.ended;
      assert.equal(right.heads.length, 1);
    });
  });

  describe('distribution', () => {
    it('tells the server who calls where, and rings the responsible under the name it gave', async () => {
      const server = keep(
        await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101', RL_NAME: "Ёлкин И. (ООО 'Ромашка')" }),
      );
      await load([server.port]);
      await lab.script({ '101': [ring(0.5), answer(), stay()] });
      const call = await callIn();
      await answered('101');
      await call.ended;
      const [head] = server.heads;
      assert.equal(head?.get('agi_network_script'), 'distribute');
      assert.equal(head?.get('agi_arg_1'), client);
      assert.equal(head?.get('agi_arg_2'), '7000001');
      assert.equal(head?.get('agi_arg_3'), 'provider');
      // AMI tells values of variables with C escapes.
      assert.equal(variable('RL_NAME').at(-1)?.['Value']?.replaceAll('\\', ''), "Ёлкин И. ООО 'Ромашка'");
      await lab.quiet();
      assert(lab.witness.talkSeconds('101', client) > 0.5, lab.witness.describe());
    });

    it('rings deputies one after the other, and none longer than it should', async () => {
      const server = keep(
        await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101', RL_DEPUTIES: '102-103' }),
      );
      await load([server.port]);
      await lab.script({ '101': [neverAnswer()], '102': [busy()], '103': [ring(0.3), answer(), stay()] });
      const call = await callIn();
      await answered('103');
      await call.ended;
      const gap = firstCall('103').startedAt - firstCall('101').startedAt;
      assert(gap > 1500 && gap < 2000 + slackMs, `${gap} ms`);
      assert.equal(lab.witness.of('104').length, 0);
    });

    it('takes the default route when neither the responsible nor a deputy picks up', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101', RL_DEPUTIES: '102' }));
      await load([server.port]);
      await lab.script({ '101': [busy()], '102': [busy()], '104': [ring(0.3), answer(), stay()] });
      const call = await callIn();
      await answered('104');
      await call.ended;
    });

    it('rings nobody else after a conversation that the employee ended', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101', RL_DEPUTIES: '102' }));
      await load([server.port]);
      await lab.script({ '101': [answer(), talk(0.5), hangUp()] });
      const call = await lab.call({ from: client, to: '7000001', then: [stay()] });
      await call.ended;
      await lab.quiet();
      assert.deepEqual(
        lab.witness.experiences.map(({ party }) => party),
        [client, '101'],
      );
      assert.deepEqual(lab.witness.unscripted, []);
    });

    it('lets nothing of an answer become more than an extension', async () => {
      const server = keep(
        await startAnsweringPeer({
          RL_STATUS: 'FOUND',
          RL_EXTENSION: '101&PJSIP/79990000000@provider',
          RL_DEPUTIES: '$' + '{SHELL(id)}-102,30,T&103;x',
          RL_NAME: 'a)&System(id),"<${SHELL(id)}>;x',
          RL_CONTACT_ID: '1,2)&System(id)',
        }),
      );
      await load([server.port]);
      await lab.script({ '104': [ring(0.2), answer(), stay()] });
      const call = await callIn();
      await answered('104');
      await call.ended;
      assert.deepEqual(lab.witness.unscripted, []);
      assert.equal(variable('RL_NAME').at(-1)?.['Value'], 'aSystemidSHELLidx');
      assert.equal(variable('RL_CONTACT_ID').at(-1)?.['Value'], '12Systemid');
    });

    it('records the call in the folder of its day and says so on the channel', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' }));
      const folder = `${lab.pbx.settings.folders.spool}/monitor`;
      await load([server.port], { recording: { folder } });
      await lab.script({ '101': [ring(0.2), answer(), stay()] });
      const call = await callIn();
      await call.ended;
      await lab.quiet();
      const path = variable('RL_RECORDING').at(-1)?.['Value'] ?? '';
      assert.match(path, /\/monitor\/\d{4}\/\d\d\/\d\d\/[0-9.]+\.wav$/);
      assert(existsSync(lab.pbx.outside(path)), path);
      assert(path.startsWith(join(folder, '')));
    });
  });

  describe("in a context of the owner's", () => {
    /** Asks, keeps the answer in variables, transfers to the number in one of them, and has lines after that. */
    const ownersContext = `[owners-entry]
exten => 7000001,1,Answer()
 same => n,Set(TIMEOUT(absolute)=50)
 same => n,Gosub(ringledger-distribute,s,1(\${EXTEN},shop))
 same => n,Set(OWNER_SAW=\${RL_STATUS}/\${TIMEOUT(absolute)})
 same => n,GotoIf($["\${RL_STATUS}" = "FOUND"]?known:usual)
 same => n(known),Dial(PJSIP/\${RL_EXTENSION},2)
 same => n(usual),Dial(PJSIP/104,10)
exten => 7000002,1,Gosub(ringledger-caller-name,s,1(\${EXTEN},shop))
 same => n,Dial(PJSIP/104,10)
`;
    const loadOwners = (port: number) =>
      lab.loadDialplan({
        ...filesFor([`127.0.0.1:${port}`]),
        'owner.conf': `${ownersContext}\n[ringledger-inbound](+)\nexten => _700000[12],1,Goto(owners-entry,\${EXTEN},1)\n`,
        'inbound.conf': '[ringledger-inbound]\n',
      });

    it('answers in variables and comes back, also when nobody picks up', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' }));
      await loadOwners(server.port);
      await lab.script({ '101': [busy()], '104': [answer(), stay()] });
      const call = await lab.call({ from: client, to: '7000001', then: [talk(1), hangUp()] });
      await answered('104');
      await call.ended;
      assert.equal(lab.witness.of('101').length, 1);
      assert.equal(server.heads[0]?.get('agi_arg_3'), 'shop');
      assert.match(variable('OWNER_SAW')[0]?.['Value'] ?? '', /^FOUND\/(49\.\d+|50)$/);
    });

    it("comes back from a mute server with the owner's own time limit in force", async () => {
      await loadOwners(keep(await startMutePeer()).port);
      await lab.script({ '104': [answer(), stay()] });
      const call = await lab.call({ from: client, to: '7000001', then: [talk(3), hangUp()] });
      await answered('104');
      await call.ended;
      assert.match(variable('OWNER_SAW')[0]?.['Value'] ?? '', /^\/(49\.\d+|50)$/);
    });

    it('only names the caller', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'NOT_FOUND', RL_NAME: 'Romashka' }));
      await loadOwners(server.port);
      await lab.script({ '104': [answer(), stay()] });
      const call = await lab.call({ from: client, to: '7000002', then: [talk(1), hangUp()] });
      await answered('104');
      await call.ended;
      assert.equal(server.heads[0]?.get('agi_network_script'), 'caller-name');
      const leg = events.find(
        ({ Event, DestChannel = '' }) => Event === 'DialBegin' && DestChannel.startsWith('PJSIP/104'),
      );
      assert.equal(leg?.['CallerIDName'], 'Romashka');
    });
  });

  describe('calls out', () => {
    it('sends the employee through the trunk under the number of the company, marked and recorded', async () => {
      await load([await findDeadPort()], { recording: { folder: `${lab.pbx.settings.folders.spool}/monitor` } });
      await lab.script({ '79161110009': [ring(0.3), answer(), stay()] });
      const call = await lab.call({ from: '101', to: '89161110009', then: [talk(1), hangUp()] });
      await answered('79161110009');
      await call.ended;
      const [mark] = variable('RL_EMPLOYEE').filter(({ Channel = '' }) => Channel.startsWith('PJSIP/101'));
      assert.equal(mark?.['Value'], '101');
      const leg = events.find(({ Event, Channel = '' }) => Event === 'DialBegin' && Channel.startsWith('PJSIP/101'));
      assert.equal(leg?.['DestConnectedLineNum'], '74950000000');
      assert.equal(leg?.['CallerIDNum'], '101');
      assert.equal(variable('RL_RECORDING').length, 1);
    });

    it('forwards an extension to the mobile after its phone was silent, and marks the leg with the employee', async () => {
      const server = keep(await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' }));
      await load([server.port], { extensions: [{ extension: '101', forward: { to: '+79167770101' } }] });
      await lab.script({ '101': [busy()], '79167770101': [ring(0.3), answer(), stay()] });
      const call = await callIn();
      await answered('79167770101');
      await call.ended;
      const marks = variable('RL_EMPLOYEE');
      assert.deepEqual(
        marks.map(({ Value, Channel = '' }) => [Value, Channel.slice(0, 15)]),
        [['101', 'PJSIP/provider-']],
      );
    });

    it("rings the employee's phone with the client's number, then the client", async () => {
      await load([await findDeadPort()]);
      await lab.script({
        '101': [ring(0.3), answer(), stay()],
        '79161110009': [ring(0.3), answer(), talk(1), hangUp()],
      });
      await lab.pbx.ami.send({
        Action: 'Originate',
        Async: 'true',
        Channel: 'Local/101@ringledger-click-to-call',
        Context: 'ringledger-click-to-call-client',
        Exten: '+79161110009',
        Priority: '1',
        CallerID: '"+79161110009" <+79161110009>',
        Variable: '__RL_REQUEST_ID=r1',
      });
      await answered('79161110009');
      await lab.quiet();
      const leg = events.find(
        ({ Event, DestChannel = '' }) => Event === 'DialBegin' && DestChannel.startsWith('PJSIP/101'),
      );
      assert.equal(leg?.['DestConnectedLineNum'], '+79161110009');
      assert(lab.witness.talkSeconds('101', '79161110009') > 0.5, lab.witness.describe());
    });

    it('reaches the client by redial of the number that a click showed', async () => {
      await load([await findDeadPort()], {
        outbound: [{ pattern: '_+7XXXXXXXXXX', trunks: ['provider'] }],
      });
      await lab.script({ '79161110009': [ring(0.3), answer(), talk(1), hangUp()] });
      const call = await lab.call({ from: '101', to: '+79161110009', then: [stay()] });
      await answered('79161110009');
      await call.ended;
      await lab.quiet();
      assert(lab.witness.talkSeconds('101', '79161110009') > 0.5, lab.witness.describe());
    });

    it('makes the phone pick up by itself when so configured', async () => {
      await load([await findDeadPort()], { clickToCall: { autoAnswer: { value: '<sip:127.0.0.1>;answer-after=0' } } });
      const seen: AmiMessage[] = [];
      lab.world.ami.onEvent((event) => event['UserEvent'] === 'Seen' && seen.push(event));
      await lab.script({
        '101': [step('UserEvent(Seen,Header: ${PJSIP_HEADER(read,Call-Info)})'), answer(), talk(1), hangUp()],
        '79161110009': [ring(0.2), hangUp(17)],
      });
      await lab.pbx.ami.send({
        Action: 'Originate',
        Async: 'true',
        Channel: 'Local/101@ringledger-click-to-call',
        Context: 'ringledger-click-to-call-client',
        Exten: '79161110009',
        Priority: '1',
      });
      await answered('101');
      await lab.quiet();
      assert.equal(seen[0]?.['Header'], '<sip:127.0.0.1>;answer-after=0');
    });

    it('never dials what is no number for click-to-call', async () => {
      await load([await findDeadPort()]);
      await lab.script({ '101': [answer(), talk(1), hangUp()] });
      const originate = (channel: string, exten: string) =>
        lab.pbx.ami.send({
          Action: 'Originate',
          Channel: `Local/${channel}@ringledger-click-to-call`,
          Context: 'ringledger-click-to-call-client',
          Exten: exten,
          Priority: '1',
          Timeout: '3000',
        });
      for (const channel of ['101&102', '199', '1012', '101x']) {
        await assert.rejects(originate(channel, '79161110009'), channel);
      }
      assert.deepEqual(lab.witness.experiences, []);
      for (const exten of ['7916x', '79161110009&PJSIP', '12']) await originate('101', exten);
      await lab.quiet();
      assert.deepEqual(new Set(lab.witness.experiences.map(({ party }) => party)), new Set(['101']));
      assert.deepEqual(lab.witness.unscripted, []);
    });
  });

  describe('default routes', () => {
    const routed = async (defaultRoute: string, changes: object = {}) =>
      load([await findDeadPort()], { inbound: { defaultRoute }, ...changes });

    it('rings all members of a group, a forwarded one on the mobile', async () => {
      await routed('group:sales', {
        groups: [{ name: 'sales', members: ['102', '103', '101'] }],
        extensions: [{ extension: '101', forward: { to: '+79167770101', when: 'always' } }],
      });
      await lab.script({
        '102': [neverAnswer()],
        '103': [neverAnswer()],
        '79167770101': [ring(0.5), answer(), stay()],
      });
      const call = await callIn();
      await answered('79167770101');
      await call.ended;
      assert.deepEqual([lab.witness.of('102').length, lab.witness.of('103').length], [1, 1]);
      assert.equal(variable('RL_EMPLOYEE')[0]?.['Value'], '101');
    });

    it('rings members one after the other, then goes where the group leads', async () => {
      await routed('group:sales', {
        groups: [
          { name: 'sales', strategy: 'sequential', members: ['101', '102'], ringSeconds: 1, then: 'extension:104' },
        ],
      });
      await lab.script({ '101': [neverAnswer()], '102': [neverAnswer()], '104': [answer(), stay()] });
      const call = await callIn();
      await answered('104');
      await call.ended;
      assert(firstCall('102').startedAt - firstCall('101').startedAt > 800);
    });

    it('plays a menu and goes where the key leads; a caller who presses nothing goes on too', async () => {
      const menus = [
        {
          name: 'main',
          greeting: 'beep',
          waitSeconds: 1,
          tries: 1,
          choices: { '1': 'extension:101' },
          otherwise: 'extension:104',
        },
      ];
      await routed('menu:main', { menus });
      await lab.script({ '101': [answer(), stay()], '104': [answer(), stay()] });
      const pressing = await lab.call({
        from: client,
        to: '7000001',
        then: [talk(0.5), ['SendDTMF(1,100,60)'], talk(1.5), hangUp()],
      });
      await answered('101');
      await pressing.ended;
      const silent = await lab.call({ from: client, to: '7000001', then: [talk(4), hangUp()] });
      await answered('104');
      await silent.ended;
    });

    it('knows working hours and holidays', async () => {
      const hours = { name: 'office', whenOpen: 'extension:101', whenClosed: 'extension:104' };
      await lab.script({ '101': [answer(), stay()], '104': [answer(), stay()] });
      await routed('schedule:office', {
        schedules: [{ ...hours, open: [{ days: 'mon-sun', from: '00:00', to: '24:00' }] }],
      });
      await (
        await callIn()
      ).ended;
      assert.deepEqual([lab.witness.of('101').length, lab.witness.of('104').length], [1, 0]);
      const dates = [-1, 0, 1].map((days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10));
      await routed('schedule:office', {
        schedules: [
          {
            ...hours,
            open: [{ days: 'mon-sun', from: '00:00', to: '24:00' }],
            holidays: [dates[0], dates[1]!.slice(5), dates[2]],
          },
        ],
      });
      await (
        await callIn()
      ).ended;
      assert.deepEqual([lab.witness.of('101').length, lab.witness.of('104').length], [1, 1]);
    });

    it('leaves a queue that nobody took', async () => {
      await routed('queue:sales', { queues: [{ name: 'sales', waitSeconds: 2, then: 'extension:104' }] });
      await lab.script({ '101': [busy()], '102': [busy()], '103': [busy()], '104': [answer(), stay()] });
      const call = await lab.call({ from: client, to: '7000001', then: [talk(6), hangUp()] });
      await answered('104');
      await call.ended;
    });
  });
});
