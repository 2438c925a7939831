import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgiServer } from '../../agi/server.ts';
import { agiServerConfig } from '../../agi/config.ts';
import { createRoutes } from '../../agi/routes.ts';
import { askAgi } from '../support/agi-client.ts';
import { contactOf, createTestLookup, mirrorOf } from '../support/caller-lookup.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';
import { HooksUnderTest, sampleHookCall } from './hooks-under-test.ts';

interface EvilHook {
  readonly does: string;
  readonly file: string;
  readonly text: string;
  /** What is kept of it, one of these. */
  readonly faults: readonly string[];
}

const deadlineMs = 800;
const shell = (lines: string) => `#!/bin/sh\n${lines}\n`;
const python = (lines: string) => `#!/usr/bin/env python3\n${lines}\n`;
const good = `{ state: 'success', data: { phone: 'evil' } }`;

const evilHooks: readonly EvilHook[] = [
  {
    does: 'loops for ever',
    file: '.js',
    text: 'export default () => { for (;;); };',
    faults: ['timeout'],
  },
  {
    does: 'waits for what never comes',
    file: '.ts',
    text: 'export default (): Promise<void> => new Promise(() => setInterval(() => undefined, 1000));',
    faults: ['timeout'],
  },
  {
    does: 'throws',
    file: '.js',
    text: "export default () => { throw new Error('evil'); };",
    faults: ['error'],
  },
  {
    does: 'ends its process',
    file: '.js',
    text: 'export default () => process.exit(0);',
    faults: ['crash'],
  },
  {
    does: 'prints without end',
    file: '.js',
    text: "export default () => { const text = 'evil '.repeat(10000); for (;;) console.log(text); };",
    faults: ['flood', 'timeout'],
  },
  {
    does: 'answers a hundred megabytes',
    file: '.js',
    text: "export default () => ({ state: 'success', data: { phone: 'e'.repeat(100 * 2 ** 20) } });",
    faults: ['flood', 'memory', 'timeout', 'crash'],
  },
  {
    does: 'writes into the descriptor of the answers',
    file: '.js',
    text: `import { writeSync } from 'node:fs'; export default () => { writeSync(3, 'evil\\n'); return ${good}; };`,
    faults: ['garbage'],
  },
  {
    does: 'takes all memory',
    file: '.js',
    text: 'const kept = []; export default async () => { for (;;) { kept.push(Buffer.alloc(8e6, 1)); await new Promise(setImmediate); } };',
    faults: ['memory', 'timeout', 'crash'],
  },
  {
    does: 'starts processes that leave its group and hold its pipes',
    file: '.sh',
    text: shell(
      'for n in 1 2 3 4 5 6 7 8 9 10; do setsid sh -c "setsid sleep 600 & sleep 600" & sleep 601 & done\nwait',
    ),
    faults: ['timeout'],
  },
  {
    does: 'ignores every signal and sleeps',
    file: '.py',
    text: python(
      'import signal, time\nfor n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)\ntime.sleep(600)',
    ),
    faults: ['timeout'],
  },
  {
    does: 'answers half of its JSON',
    file: '.sh',
    text: shell('printf \'{"state":"success","data":{"phone":"evi\''),
    faults: ['garbage'],
  },
  {
    does: 'answers in the letters of Windows',
    file: '.sh',
    text: shell(`printf '{"state":"success","data":{"phone":"\\320\\362"}}'`),
    faults: ['garbage'],
  },
  {
    does: 'prints before its answer',
    file: '.sh',
    text: shell(`echo debug\nprintf '{"state":"success","data":{"phone":"evil"}}'`),
    faults: ['garbage'],
  },
  {
    does: 'drips its answer',
    file: '.py',
    text: python("import sys, time\nwhile True: sys.stdout.write(' '); sys.stdout.flush(); time.sleep(0.02)"),
    faults: ['timeout'],
  },
  {
    does: 'answers a circle',
    file: '.js',
    text: `export default () => { const answer = ${good}; answer.data.self = answer; return answer; };`,
    faults: ['error'],
  },
  {
    does: 'answers a number beyond JSON',
    file: '.js',
    text: "export default () => ({ state: 'success', data: { phone: 1n } });",
    faults: ['error'],
  },
  {
    does: 'throws what cannot be shown',
    file: '.js',
    text: 'export default () => { throw Object.create(null); };',
    faults: ['error'],
  },
  {
    does: 'dies of a segmentation fault',
    file: '.sh',
    text: shell('kill -SEGV $$'),
    faults: ['crash'],
  },
  {
    does: 'answers what is not asked for',
    file: '.js',
    text: `export default () => JSON.parse('{"state":"success","data":{"phone":{"__proto__":{"isAdmin":true}},"__proto__":{"isAdmin":true}}}');`,
    faults: ['invalid'],
  },
  {
    does: 'says that it failed',
    file: '.sh',
    text: shell('printf \'{"state":"error","data":{"phone":"evil"}}\''),
    faults: ['refused'],
  },
  {
    does: 'takes all memory outside of JavaScript',
    file: '.py',
    text: python('kept = []\nwhile True: kept.append(bytearray(8000000))'),
    faults: ['crash', 'timeout'],
  },
  {
    does: 'leaves its answer to a child that outlives it',
    file: '.sh',
    text: shell('sleep 600 &\nexit 0'),
    faults: ['invalid'],
  },
];

/** Processes that were started as a run of a hook and still are. */
function livingRuns(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
        return environment.includes('RINGLEDGER_HOOK_RUN=') && environment.includes(folder);
      } catch {
        return false;
      }
    });
}

describe('an evil hook', function () {
  this.timeout(60_000);
  let under: HooksUnderTest;
  let agi: AgiServer;
  let mayDistribute = false;

  beforeEach(async () => {
    mayDistribute = false;
    under = new HooksUnderTest({ deadlineMs, breakerFailures: 100 });
    await under.hooks.start();
    const { hooks } = under;
    const lookup = createTestLookup({
      sources: [{ name: 'local', mirror: mirrorOf(contactOf({ id: '7' })), findContact: null }],
      hook: async (input) => {
        const hook = mayDistribute ? hooks.customizeAutodistribution : null;
        return hook === null ? { number: input.number, name: input.name } : hook(input);
      },
    });
    agi = new AgiServer({
      config: agiServerConfig.parse({ port: 0 }),
      routes: createRoutes({ lookup, keepsExistingName: false }),
      log: createKeptLog(),
    });
    await agi.start();
  });
  afterEach(async () => {
    await agi.stop(0);
    await under.stop();
    await until(() => livingRuns(under.folder).length === 0, { what: 'no process of a hook is left' });
  });

  const ask = () => askAgi({ port: agi.port, script: 'distribute', args: ['+79161110002', '7000001', 'provider'] });

  for (const { does, file, text, faults } of evilHooks) {
    it(`that ${does} costs its deadline and nothing else`, async () => {
      await under.install(`process_client_phone${file}`, text, 0o755);
      const hooks = under.hooks.forCrm('local');
      const runs = Array.from({ length: 4 }, async () => {
        const startedAt = performance.now();
        const input = { ...sampleHookCall(), stage: 'conversation_ended' as const, phone: '+79161110002' };
        const phone = await hooks.process_client_phone(input);
        return { phone, tookMs: performance.now() - startedAt };
      });
      const answersMs: number[] = [];
      let isRunning = true;
      const asking = (async () => {
        while (isRunning || answersMs.length < 20) {
          const { tookMs, variables } = await ask();
          assert.equal(variables['RL_STATUS'], 'FOUND');
          answersMs.push(tookMs);
        }
      })();
      for (const { phone, tookMs } of await Promise.all(runs)) {
        assert.equal(phone, '+79161110002');
        assert.ok(tookMs < deadlineMs + 700, `${tookMs} ms`);
      }
      isRunning = false;
      await asking;
      answersMs.sort((a, b) => a - b);
      const p99 = answersMs[Math.floor(answersMs.length * 0.99)]!;
      assert.ok(p99 < 300, `the dialplan waited ${p99} ms`);

      const errors = under.errorsOf('process_client_phone');
      assert.equal(errors.length, 4);
      for (const { kind, message } of errors) {
        assert.ok(faults.includes(kind), `${kind}: ${message}`);
        assert.notEqual(message, '');
      }
      // What it started is gone; the process of a module stays warm for the next run.
      await until(() => livingRuns(under.folder).length <= 1, { what: 'what the hook started is gone' });
    });
  }

  for (const evil of evilHooks.filter(({ faults }) => faults.includes('timeout')).slice(0, 2)) {
    it(`that ${evil.does} in the dialplan's question lets the call go on within the deadline`, async () => {
      mayDistribute = true;
      await under.install(`customize_autodistribution${evil.file}`, evil.text, 0o755);
      const outcomes = await Promise.all(Array.from({ length: 8 }, ask));
      for (const { variables, tookMs } of outcomes) {
        assert.equal(variables['RL_STATUS'], 'FOUND');
        assert.equal(variables['RL_EXTENSION'], '101');
        assert.ok(tookMs < 1_500, `${tookMs} ms`);
      }
    });
  }

  it('that hangs again and again is not asked for a while, then tried again by itself', async () => {
    await under.stop();
    under = new HooksUnderTest({ deadlineMs: 100, breakerFailures: 3, breakerOpenMs: 1_000 });
    await under.install(
      'process_client_phone.js',
      `import { existsSync } from 'node:fs';
       export default ({ phone }) => { while (!existsSync('healed')); return { state: 'success', data: { phone: 'healed' } }; };`,
    );
    const hooks = under.hooks.forCrm('local');
    const run = () =>
      hooks.process_client_phone({ ...sampleHookCall(), stage: 'conversation_ended', phone: '+79161110002' });
    for (let time = 0; time < 3; time += 1) assert.equal(await run(), '+79161110002');
    assert.equal(under.statusOf('process_client_phone').health, 'warning');
    const startedAt = performance.now();
    assert.equal(await run(), '+79161110002');
    assert.ok(performance.now() - startedAt < 50);
    assert.equal(under.errorsOf('process_client_phone')[0]!.kind, 'paused');

    under.save('healed', '');
    await until(async () => (await run()) === 'healed');
    assert.equal(under.statusOf('process_client_phone').health, 'ok');
  });

  for (const [how, end] of [
    ['after it answered', `sys.stdout.write('{"state":"success","data":{"phone":"1"}}')`],
    ['and hangs', 'time.sleep(600)'],
  ] as const) {
    it(`that starts a daemon which forgets whose it is, ${how}, leaves nothing behind`, async () => {
      await under.install(
        'process_client_phone.py',
        python(`import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open('daemon', 'w') as file: file.write(str(os.getpid()))
        os.execve('/bin/sleep', ['sleep', '600'], {})
    os._exit(0)
while not os.path.exists('daemon'): time.sleep(0.01)
${end}`),
        0o755,
      );
      const input = { ...sampleHookCall(), stage: 'conversation_ended' as const, phone: '+79161110002' };
      await under.hooks.forCrm('local').process_client_phone(input);
      const pid = readFileSync(join(under.hooksFolder, 'daemon'), 'latin1');
      await until(() => !existsSync(`/proc/${pid}`), { timeoutMs: 5_000, what: 'the daemon is gone' });
    });
  }

  it('that fails after its answer has answered', async () => {
    await under.install(
      'process_client_phone.js',
      `export default () => {
         setTimeout(() => Promise.reject(new Error('late')), 1);
         return { state: 'success', data: { phone: '1' } };
       };`,
    );
    const input = { ...sampleHookCall(), stage: 'conversation_ended' as const, phone: '+79161110002' };
    for (let time = 0; time < 3; time += 1)
      assert.equal(await under.hooks.forCrm('local').process_client_phone(input), '1');
    await until(() => under.lines.some(({ fields }) => String(fields['printed']).includes('late')));
    assert.deepEqual(under.errorsOf('process_client_phone'), []);
  });

  it('that hangs while it is loaded does not come into force', async () => {
    await under.install(
      'process_client_phone.js',
      'export default ({ phone }) => ({ state: "success", data: { phone: "1" } });',
    );
    await under.install('process_client_phone.js', 'for (;;);');
    const status = under.statusOf('process_client_phone');
    assert.match(status.message, /did not load within .* ms/);
    const hooks = under.hooks.forCrm('local');
    const input = { ...sampleHookCall(), stage: 'conversation_ended' as const, phone: '+79161110002' };
    assert.equal(await hooks.process_client_phone(input), '1');
  });

  it('does not harm another hook', async () => {
    await under.install('process_client_phone.js', evilHooks[0]!.text);
    await under.install(
      'need_registration.js',
      "export default () => ({ state: 'success', data: { result: false } });",
    );
    const hooks = under.hooks.forCrm('local');
    const stage = 'conversation_ended' as const;
    const hanging = hooks.process_client_phone({ ...sampleHookCall(), stage, phone: '+7' });
    for (let time = 0; time < 50; time += 1)
      assert.equal(await hooks.need_registration({ ...sampleHookCall(), stage }), false);
    await hanging;
    assert.deepEqual(under.errorsOf('need_registration'), []);
  });
});
