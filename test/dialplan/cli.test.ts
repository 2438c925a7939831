import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runCli, UserFault } from '../../src/cli/context.ts';
import { dialplanCommands } from '../../src/cli/dialplan.ts';
import type { DialplanControl } from '../../src/dialplan/apply.ts';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { parseDialplan } from '../../src/dialplan/parse.ts';

describe('ringledger dialplan', () => {
  let scratch: string;
  let settings: object;
  let hasControl: boolean;
  let isDown: boolean;
  let closed: number;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'ringledger-dialplan-cli-'));
    mkdirSync(join(scratch, 'asterisk'));
    writeFileSync(join(scratch, 'asterisk', 'extensions.conf'), '#tryinclude "ringledger.d/*.conf"\n');
    settings = {};
    hasControl = true;
    isDown = false;
    closed = 0;
  });
  afterEach(() => rmSync(scratch, { recursive: true, force: true }));
  const folder = () => join(scratch, 'asterisk', 'ringledger.d');

  /** Shows whatever stands in the folder, and one context of the owner's. */
  const control: DialplanControl = {
    reload: () => Promise.resolve(),
    showContext: (name) => {
      if (name === 'from-old')
        return Promise.resolve("[ Context 'from-old' created by 'pbx_config' ]\n  's' =>  1. NoOp()  [x:1]\n");
      const names = [
        'click-to-call',
        'groups',
        'inbound',
        'menus',
        'outbound',
        'phones',
        'queues',
        'schedules',
        'subroutines',
        'trunks',
      ];
      const files = names
        .map((file) => join(folder(), `${file}.conf`))
        .filter((file) => existsSync(file))
        .map((file) => ({ name: file, text: readFileSync(file, 'utf8') }));
      const context = parseDialplan(files).contexts.get(name);
      if (context === undefined) return Promise.resolve('');
      const steps = context.steps.map(
        ({ exten, priority, app, args }) => `  '${exten}' =>  ${priority}. ${app}(${args})  [x:1]`,
      );
      return Promise.resolve(`[ Context '${name}' created by 'pbx_config' ]\n${steps.join('\n')}\n`);
    },
  };

  async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
    const texts = { out: '', err: '' };
    const sink = (key: 'out' | 'err') =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          texts[key] += chunk.toString();
          done();
        },
      });
    const commands = dialplanCommands({
      readSettings: () => ({
        config: dialplanConfig.parse({
          folder: folder(),
          asteriskFolder: join(scratch, 'asterisk'),
          templatesFolder: join(scratch, 'templates'),
          historyFolder: join(scratch, 'history'),
          ...settings,
        }),
        surroundings: { extensions: ['_1XX'], timeZone: 'Europe/Moscow' },
      }),
      openControl: async () => {
        if (isDown) throw new UserFault('No connection to Asterisk.');
        return hasControl ? { control, close: () => Promise.resolve(void (closed += 1)) } : null;
      },
    });
    const code = await runCli(['dialplan', ...words], {
      env: {},
      cwd: scratch,
      stdout: sink('out'),
      stderr: sink('err'),
      version: '0.0.0',
      commands: [commands],
    });
    return { code, ...texts };
  }

  it('renders to the screen, one file of it, or into a folder', async () => {
    const all = await run('render');
    assert.equal(all.code, 0);
    assert.match(all.out, /; ---- inbound\.conf\n.*\[ringledger-inbound\]/s);
    const one = await run('render', 'queues.conf');
    assert.match(one.out, /\[ringledger-queues\]/);
    assert.doesNotMatch(one.out, /ringledger-inbound/);
    assert.equal((await run('render', 'nothing.conf')).code, 2);
    assert.equal((await run('render', '--out', 'here')).code, 0);
    assert(existsSync(join(scratch, 'here', 'inbound.conf')));
  });

  it('warns of templates of the owner that have no effect', async () => {
    const templates = join(scratch, 'templates');
    mkdirSync(join(templates, 'partials'), { recursive: true });
    const put = (name: string, text: string) => writeFileSync(join(templates, name), text);
    // What has an effect, or claims none, is no reason to warn.
    put('README.md', 'ours');
    put('queues.conf.hbs', '[ringledger-queues]\nexten => support,1,Hangup()\n{{> own}}\n');
    put('extra.conf.hbs', '[our-own]\nexten => s,1,Hangup()\n');
    put('partials/own.hbs', ' same => n,Hangup()\n');
    put('partials/target.hbs', ' same => n,Hangup(17)\n');
    assert.deepEqual([(await run('render')).err, /templates/.test((await run('check')).out)], ['', false]);

    put('inbound.conf', '[ringledger-inbound]\n');
    put('phones.hbs', 'x');
    put('mine.txt', 'x');
    put('inbuond.conf.hbs', '[ringledger-inbound]\nexten => s,1,Hangup()\n');
    put('nothing.conf.hbs', '; nothing\n');
    put('partials/tarqet.hbs', ' same => n,Hangup(17)\n');
    put('partials/ask', 'x');
    mkdirSync(join(templates, 'old'));
    const wanted = [
      'inbound.conf is not read: to replace ours it must be named inbound.conf.hbs',
      'phones.hbs is not read: to replace ours it must be named phones.conf.hbs',
      'mine.txt is not read: templates are named name.conf.hbs',
      'inbuond.conf.hbs replaces no file of ours and writes the context ringledger-inbound of inbound.conf once more; to replace that it must be named inbound.conf.hbs',
      'nothing.conf.hbs replaces no file of ours and writes no context',
      'partials/tarqet.hbs is used by no template',
      'partials/ask is not read: to replace ours it must be named partials/ask.hbs',
      'old is not read: only partials/ is',
    ].map((text) => `warning: ${join(templates, text)}`);
    const rendered = await run('render', 'queues.conf');
    assert.equal(rendered.code, 0);
    assert.deepEqual(rendered.err.trimEnd().split('\n').sort(), wanted.sort());
    assert.doesNotMatch(rendered.out, /warning/);
    const checked = (await run('check')).out.split('\n').filter((line) => line.includes(templates));
    assert.deepEqual(checked.sort(), wanted);
  });

  it('applies, shows no difference, then the difference that a setting makes, and goes back', async () => {
    const applied = await run('apply');
    assert.equal(applied.err, '');
    assert.equal(applied.code, 0);
    assert.match(applied.out, /Written: .*inbound\.conf.*\nAsterisk has loaded all \d+ contexts\./s);
    assert.equal(closed, 1);
    assert.equal((await run('diff', '--exit-code')).out, 'No difference.\n');
    settings = { ringSeconds: 44 };
    const difference = await run('diff', '--exit-code');
    assert.equal(difference.code, 1);
    assert.match(difference.out, /^-.*1\(20,t\)\)\n\+.*1\(44,t\)\)$/m);
    assert.doesNotMatch(difference.out, /sha256/);
    assert.equal((await run('apply')).code, 0);
    assert.equal((await run('rollback', '--list')).out.trim().split('\n').length, 2);
    assert.equal((await run('rollback')).code, 0);
    assert.match(readFileSync(join(folder(), 'phones.conf'), 'utf8'), /1\(20,t\)/);
  });

  it('checks targets with Asterisk, and refuses to apply what leads nowhere', async () => {
    settings = { inbound: { defaultRoute: 'context:from-old,s' } };
    const right = await run('check');
    assert.equal(right.code, 0, right.out);
    assert.match(right.out, /The dialplan is in order/);
    settings = { inbound: { defaultRoute: 'context:from-lost,s' } };
    const wrong = await run('check');
    assert.equal(wrong.code, 1);
    assert.match(wrong.out, /error: inbound\.conf:\d+: there is no context from-lost/);
    const refused = await run('apply');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /Nothing was changed/);
    assert(!existsSync(folder()));
    settings = { inbound: { defaultRoute: 'extension:999' } };
    assert.match((await run('check')).out, /ringledger-extensions has no extension 999/);
  });

  it('notes what clicks and redial will not reach', async () => {
    assert.match((await run('check')).out, /note: click-to-call cannot reach clients/);
    const trunks = [{ name: 'provider', device: 'PJSIP/{number}@provider' }];
    const national = { pattern: '_8XXXXXXXXXX', trunks: ['provider'] };
    settings = { trunks, outbound: [national] };
    const { code, out } = await run('check');
    assert.equal(code, 0);
    assert.match(out, /note: .*redial.*_\+7XXXXXXXXXX/);
    assert.doesNotMatch(out, /click-to-call cannot/);
    settings = { trunks, outbound: [national, { ...national, pattern: '_+7XXXXXXXXXX' }] };
    assert.doesNotMatch((await run('check')).out, /note/);
  });

  it('tells the one line to add to extensions.conf', async () => {
    writeFileSync(join(scratch, 'asterisk', 'extensions.conf'), '[general]\n');
    const { code, out } = await run('check');
    assert.equal(code, 1);
    assert.match(out, /add this line to the end of .*extensions\.conf: #tryinclude "ringledger\.d\/\*\.conf"/);
  });

  it('does not overwrite what was changed by hand unless it is forced', async () => {
    await run('apply');
    writeFileSync(join(folder(), 'queues.conf'), '[ringledger-queues]\n');
    const refused = await run('apply');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /queues\.conf \(not generated\).*--force/s);
    assert.match(refused.out, /warning: .*queues\.conf is not ours/);
    assert.equal((await run('apply', '--force')).code, 0);
  });

  it('checks what it can, writes and goes back while Asterisk is down, and reloads nothing', async () => {
    isDown = true;
    const checked = await run('check');
    assert.equal(checked.code, 0, checked.err);
    assert.match(checked.out, /warning: Asterisk cannot be asked, .*: No connection to Asterisk\./);
    settings = { inbound: { defaultRoute: 'extension:999' } };
    assert.match((await run('check')).out, /ringledger-extensions has no extension 999/);
    settings = {};
    const reloading = await run('apply');
    assert.deepEqual([reloading.code, reloading.err], [1, 'No connection to Asterisk.\n']);
    assert(!existsSync(folder()));
    assert.match((await run('apply', '--no-reload')).out, /Written: .*Not loaded yet/s);
    settings = { ringSeconds: 44 };
    assert.equal((await run('apply', '--no-reload')).code, 0);
    assert.equal((await run('rollback', '--no-reload')).code, 0);
    assert.match(readFileSync(join(folder(), 'phones.conf'), 'utf8'), /1\(20,t\)/);
  });

  it('says what to do without a control session', async () => {
    hasControl = false;
    const refused = await run('apply');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /--no-reload/);
    const written = await run('apply', '--no-reload');
    assert.equal(written.code, 0);
    assert.match(written.out, /Not loaded yet: run "asterisk -rx 'dialplan reload'"/);
  });

  it('names file and line of an owner’s template that is wrong', async () => {
    mkdirSync(join(scratch, 'templates'));
    writeFileSync(
      join(scratch, 'templates', 'inbound.conf.hbs'),
      '[ringledger-inbound]\n\nexten => s,1,NoOp({{ringSeconds}})\n',
    );
    const { code, err } = await run('check');
    assert.equal(code, 1);
    assert.match(err, /templates\/inbound\.conf\.hbs:3: \{\{ringSeconds\}\} has no helper/);
    writeFileSync(
      join(scratch, 'templates', 'inbound.conf.hbs'),
      '[ringledger-inbound]\nexten => s,1,Macro(x)\nsame n,Hangup()\n',
    );
    const faulty = await run('check');
    assert.equal(faulty.code, 1);
    assert.match(faulty.out, /error: inbound\.conf:2: Macro is gone from Asterisk; use Gosub/);
    assert.match(faulty.out, /error: inbound\.conf:3: is not dialplan/);
  });
});
