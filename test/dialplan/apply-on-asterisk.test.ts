import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  applyDialplan,
  ApplyFailed,
  rollBackDialplan,
  type DialplanControl,
  type Installation,
} from '../../src/dialplan/apply.ts';
import { checkSyntax, checkTargets } from '../../src/dialplan/check.ts';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel } from '../../src/dialplan/model.ts';
import { parseShownContext } from '../../src/dialplan/parse.ts';
import { compileTemplates, shippedTemplatesFolder } from '../../src/dialplan/render.ts';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { answer, busy, hangUp, ring, stay, talk } from '../support/lab/script.ts';
import { startAnsweringPeer } from './fast-agi-server.ts';
import { everySetting } from './every-setting.ts';

const surroundings = { extensions: ['_10X', '200-249'], timeZone: 'Europe/Moscow' };

function render(settings: object, owner: string | null = null) {
  const model = buildModel(dialplanConfig.parse(settings), surroundings);
  return compileTemplates({ shipped: shippedTemplatesFolder(), owner }).render(model);
}

/** The parts of FreePBX's own dialplan that ours hooks into, in its order. */
const freepbx = `
[from-pstn]
include => from-pstn-custom
include => ext-did
include => from-did-direct
include => ext-did-catchall
[ext-did]
exten => 7000002,1,Dial(PJSIP/102,10)
 same => n,Hangup()
[from-did-direct]
exten => _10X,1,Dial(PJSIP/\${EXTEN},10)
[ext-did-catchall]
exten => _.,1,Dial(PJSIP/103,10)
 same => n,Hangup()
[from-internal]
exten => _X.,1,Hangup()
[outbound-allroutes]
exten => _8XXXXXXXXXX,1,Dial(PJSIP/7\${EXTEN:1}@provider,10)
`;

describe('applying the generated dialplan to a real Asterisk', function () {
  this.timeout(60_000);
  let lab: Lab;
  let control: DialplanControl;
  let installation: Installation;
  let scratch: string;

  before(async function () {
    this.timeout(180_000);
    scratch = mkdtempSync(join(tmpdir(), 'ringledger-apply-'));
    lab = await startLab({
      withoutClickToCallContexts: true,
      trunkContext: 'from-pstn',
      phonesContext: 'from-internal-custom',
    });
    control = {
      reload: () => lab.pbx.reloadDialplan(),
      showContext: (name) =>
        lab.pbx.command(`dialplan show ${name}`).catch((error: Error) => {
          if (error.message.includes('Command output follows')) return '';
          throw error;
        }),
    };
    lab.pbx.writeConfig('owner.conf', freepbx);
    const extensions = lab.pbx.outside(`${lab.pbx.settings.folders.etc}/extensions.conf`);
    writeFileSync(extensions, `${readFileSync(extensions, 'utf8')}\n#include owner.conf\n`);
    installation = {
      folder: lab.dialplanFolder,
      historyFolder: join(scratch, 'history'),
      clock: { now: () => new Date() },
      control,
    };
  });
  after(async () => {
    await lab?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const shown = async (context: string) => parseShownContext(await control.showContext(context), context);

  it('loads every context with every setting in use and reads all of it back', async () => {
    const files = render(everySetting);
    assert.deepEqual(checkSyntax(files), []);
    assert.deepEqual(
      (await checkTargets(files, control)).filter(({ level }) => level === 'error'),
      [],
    );
    const applied = await applyDialplan(files, installation, { isForced: false });
    assert.equal(applied.written.length, files.length);
    assert(applied.verifiedContexts! > 15, String(applied.verifiedContexts));
    const { mode } = statSync(join(installation.folder, 'inbound.conf'));
    assert.equal(mode & 0o777, 0o640);
  });

  it('puts the former dialplan back by itself when Asterisk loads something else', async () => {
    const before = await shown('ringledger-inbound');
    const owner = join(scratch, 'templates');
    mkdirSync(owner, { recursive: true });
    // A second priority 1 is refused by Asterisk, which keeps the first.
    writeFileSync(
      join(owner, 'broken.conf.hbs'),
      '[ringledger-broken]\nexten => s,1,NoOp(one)\nexten => s,1,NoOp(two)\n',
    );
    const error = await applyDialplan(render(everySetting, owner), installation, { isForced: false }).then(
      () => assert.fail('must not succeed'),
      (reason: unknown) => reason,
    );
    assert(error instanceof ApplyFailed, String(error));
    assert.match(error.message, /ringledger-broken,s,1 is NoOp\((one|two)\) and should be NoOp\((one|two)\)/);
    assert.equal(error.isRolledBack, true);
    assert.deepEqual(await shown('ringledger-inbound'), before);
    assert.equal(await shown('ringledger-broken'), null);
  });

  it('notices that Asterisk does not include the folder', async () => {
    const elsewhere = { ...installation, folder: join(lab.dialplanFolder, '../elsewhere.d') };
    const files = render({}).map((file) => ({ ...file, text: file.text.replaceAll('ringledger-', 'unincluded-') }));
    await assert.rejects(applyDialplan(files, elsewhere, { isForced: false }), /there is no context unincluded-/);
  });

  it('goes back to the version before, and Asterisk with it', async () => {
    await applyDialplan(render({ ...everySetting, ringSeconds: 33 }), installation, { isForced: false });
    const has33 = async () => (await control.showContext('ringledger-extensions')).includes('1(33,');
    assert.equal(await has33(), true);
    const { verifiedContexts } = await rollBackDialplan(installation, { isForced: false, version: null });
    assert(verifiedContexts !== null && verifiedContexts > 10);
    assert.equal(await has33(), false);
  });

  it('tells when a target of the owner is not there', async () => {
    const files = render({ inbound: { defaultRoute: 'context:no-such-context,s,1' } });
    const findings = await checkTargets(files, control);
    assert(
      findings.some(({ level, message }) => level === 'error' && message === 'there is no context no-such-context'),
    );
    assert.deepEqual(
      await checkTargets(render({ inbound: { defaultRoute: 'context:from-pstn,s,1' } }), control).then((all) =>
        all.filter(({ level }) => level === 'error'),
      ),
      [],
    );
  });

  describe('in the hooks of FreePBX', () => {
    const settings = (port: number) => ({
      variant: 'freepbx',
      agi: { servers: [`127.0.0.1:${port}`], waitMs: 800 },
      ringSeconds: 2,
      deputyRingSeconds: 2,
      freepbx: { outboundPatterns: ['_8XXXXXXXXXX'] },
    });
    const callIn = async (to: string) => {
      const call = await lab.call({ from: '79161110001', to, then: [talk(0.5), hangUp()] });
      await call.ended;
      await lab.quiet();
    };

    afterEach(async () => {
      await lab.hangUpAll();
      await lab.quiet();
      lab.witness.reset();
    });

    it('rings the responsible, and hands every other call back to where it would have gone', async () => {
      const peer = await startAnsweringPeer({ RL_STATUS: 'FOUND', RL_EXTENSION: '101' });
      try {
        await applyDialplan(render(settings(peer.port)), installation, { isForced: false });
        await lab.script({
          '101': [ring(0.2), answer(), stay()],
          '102': [answer(), stay()],
          '103': [answer(), stay()],
        });
        await callIn('7000002');
        assert.deepEqual(
          ['101', '102', '103'].map((party) => lab.witness.of(party).length),
          [1, 0, 0],
        );
        await lab.script({ '101': [busy()], '102': [answer(), stay()], '103': [answer(), stay()] });
        await callIn('7000002');
        assert.deepEqual(
          ['101', '102', '103'].map((party) => lab.witness.of(party).length),
          [2, 1, 0],
        );
      } finally {
        await peer.close();
      }
      await callIn('7000099');
      assert.deepEqual(
        ['101', '102', '103'].map((party) => lab.witness.of(party).length),
        [2, 1, 1],
      );
    });

    it('marks the employee and hands an outbound call back to the routes', async () => {
      await lab.script({ '79161110009': [answer(), stay()] });
      const call = await lab.call({ from: '101', to: '89161110009', then: [talk(0.5), hangUp()] });
      await call.ended;
      await lab.quiet();
      assert.equal(lab.witness.of('79161110009').length, 1, lab.witness.describe());
    });
  });
});
