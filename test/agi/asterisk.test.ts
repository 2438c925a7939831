import assert from 'node:assert/strict';
import { agiServerConfig } from '../../agi/config.ts';
import { createRoutes, type AgiHandler } from '../../agi/routes.ts';
import { AgiServer } from '../../agi/server.ts';
import { mostLineBytes, SessionEnded, type AgiSession } from '../../agi/session.ts';
import { answerVariables } from '../../agi/variables.ts';
import { contactOf, createTestLookup, employeeOf, mirrorOf } from '../support/caller-lookup.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

const client = '79161110002';

/** What each script's last session left: the head it had, what its handler found, and how that ended. */
class Findings {
  readonly requests = new Map<string, AgiSession['request']>();
  readonly values = new Map<string, unknown>();
  watch(script: string, handler: (session: AgiSession) => Promise<unknown>): [string, AgiHandler] {
    return [
      script,
      async (session) => {
        this.requests.set(script, session.request);
        this.values.set(script, await handler(session).catch((error: unknown) => error));
      },
    ];
  }
}

/** GET VARIABLE gives back no more than this (res_agi.c has a buffer of 1,024 bytes). */
const mostGivenBack = 1023;
const longest = 'x'.repeat(mostLineBytes - Buffer.byteLength('SET VARIABLE RL_TEST ""\n'));
const values = [
  '',
  ' ',
  'Ivan Petrov',
  'Ёлка, "Ромашка" & Co.',
  '"',
  '\\',
  'a\\"b\\\\"',
  '${EXTEN} $[1+1] ${SHELL(id)}',
  '(one) (two)',
  'a;b|c<d>{e}`f`',
  '👨‍👩‍👧 \u202e',
  "it's %s %n",
  'x'.repeat(mostGivenBack),
];

describe('a real Asterisk over FastAGI', function () {
  this.timeout(60_000);
  const findings = new Findings();
  let server: AgiServer;
  let lab: Lab;

  before(async function () {
    this.timeout(180_000);
    const lookup = createTestLookup({
      sources: [
        { name: 'local', mirror: mirrorOf(contactOf({ id: '7', name: 'Алёна «Ромашка», "ООО"' })), findContact: null },
      ],
      employees: [employeeOf({ id: '1', deputies: ['2', '3'] }), employeeOf({ id: '2' }), employeeOf({ id: '3' })],
    });
    const routes = new Map<string, AgiHandler>([
      ...createRoutes({ lookup, keepsExistingName: false }),
      findings.watch('round-trip', async (session) => {
        const found: (string | null)[] = [await session.getVariable('RL_TEST')];
        for (const value of values) {
          await session.setVariable('RL_TEST', value);
          found.push(await session.getVariable('RL_TEST'));
        }
        await session.setVariable('RL_TEST', longest);
        return found;
      }),
      findings.watch('length', async () => null),
      findings.watch('report', async (session) => {
        const names = [...Object.values(answerVariables), 'CALLERID(name)'];
        const found = [];
        for (const name of names) found.push([name, await session.getVariable(name)]);
        return Object.fromEntries(found) as Record<string, string | null>;
      }),
      findings.watch('endless', async (session) => {
        for (;;) await session.getVariable('CHANNEL(state)');
      }),
    ]);
    server = new AgiServer({
      config: agiServerConfig.parse({ port: 0, sessionDeadlineMs: 20_000 }),
      routes,
      log: silentLog,
    });
    await server.start();
    const url = `agi://127.0.0.1:${server.port}`;
    lab = await startLab({
      trunkContext: 'agi-test',
      generatedDialplan: {
        'agi-test.conf': [
          '[agi-test]',
          `exten => 7000001,1,AGI(${url}/round-trip?did=\${EXTEN}&x=1,\${CALLERID(num)},\${EXTEN},provider,a: b:c)`,
          ` same => n,AGI(${url}/length,\${LEN(\${RL_TEST})})`,
          ` same => n,AGI(${url}/distribute,+\${CALLERID(num)},\${EXTEN},provider)`,
          ` same => n,AGI(${url}/report)`,
          ' same => n,Hangup()',
          `exten => 7000002,1,AGI(${url}/endless)`,
          ' same => n,Hangup()',
          '',
        ].join('\n'),
      },
    });
  });
  after(async () => {
    await lab?.stop();
    await server?.stop(0);
  });

  it('gets every value as it is, up to the longest line, and gives it back', async () => {
    await (
      await lab.call({ from: client, to: '7000001', name: 'Sales: Ivan' })
    ).ended;
    const found = findings.values.get('round-trip');
    assert.ok(Array.isArray(found), String(found));
    assert.deepEqual(found, [null, ...values]);
    assert.deepEqual(findings.requests.get('length')?.args, [String(longest.length)]);
  });

  it('is read right: colons in the head, arguments and query', () => {
    const { head, args, query } = findings.requests.get('round-trip')!;
    assert.equal(head.get('agi_request'), `agi://127.0.0.1:${server.port}/round-trip?did=7000001&x=1`);
    assert.equal(head.get('agi_calleridname'), 'Sales: Ivan');
    assert.deepEqual(args, [client, '7000001', 'provider', 'a: b:c']);
    assert.deepEqual(
      [...query],
      [
        ['did', '7000001'],
        ['x', '1'],
      ],
    );
  });

  it('stands with all variables of the answer and the name for the phone', async () => {
    await until(() => findings.values.has('report'));
    assert.deepEqual(findings.values.get('report'), {
      RL_STATUS: 'FOUND',
      RL_EXTENSION: '101',
      RL_DEPUTIES: '102-103',
      RL_NAME: "Алёна «Ромашка» 'ООО",
      RL_CONTACT_ID: '7',
      'CALLERID(name)': "Алёна «Ромашка» 'ООО",
    });
  });

  it('tells at once when the caller hangs up in the middle', async () => {
    const call = await lab.call({ from: client, to: '7000002', givesUpAfterSeconds: 1 });
    await call.ended;
    await until(() => findings.values.has('endless'));
    assert.ok(findings.values.get('endless') instanceof SessionEnded, String(findings.values.get('endless')));
  });
});
