import assert from 'node:assert/strict';
import { checkSyntax, checkTargets } from '../../src/dialplan/check.ts';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel } from '../../src/dialplan/model.ts';
import { compileTemplates, shippedTemplatesFolder } from '../../src/dialplan/render.ts';

describe('checking the dialplan', function () {
  this.timeout(120_000);
  const trunks = [{ name: 'provider', device: 'PJSIP/{number}@provider' }];

  it('finds the lost target among 10,000 phones, within two seconds of processor time', async () => {
    const settings = {
      trunks,
      extensions: Array.from({ length: 10_000 }, (_, index) => ({ extension: String(10_000 + index), mailbox: '1@x' })),
      groups: Array.from({ length: 500 }, (_, group) => ({
        name: `group-${group}`,
        strategy: 'sequential',
        members: Array.from({ length: 20 }, (_, member) => String(10_000 + group * 20 + member)),
      })),
      inbound: { defaultRoute: 'extension:20000' },
    };
    const model = buildModel(dialplanConfig.parse(settings), { extensions: ['_1XXXX'], timeZone: 'UTC' });
    const files = compileTemplates({ shipped: shippedTemplatesFolder(), owner: null }).render(model);
    const before = process.cpuUsage();
    const findings = [...checkSyntax(files), ...(await checkTargets(files, null))];
    const { user, system } = process.cpuUsage(before);
    const told = new Set(findings.map(({ level, message }) => `${level}: ${message}`));
    assert.deepEqual([...told], ['error: ringledger-extensions has no extension 20000']);
    assert.ok(user + system < 2_000_000, `${(user + system) / 1e6} s`);
  });

  it('takes an extension with hyphens for the one without, as Asterisk does, and finds what only a pattern takes', async () => {
    const text = [
      '[ringledger-own]',
      'exten => s,1,Goto(ringledger-own,20-01,1)',
      ' same => n,Goto(ringledger-own,3003,1)',
      ' same => n,Goto(ringledger-own,4004,1)',
      'exten => 2001,1,NoOp()',
      'exten => _3XXX,1,NoOp()',
      '',
    ].join('\n');
    const findings = await checkTargets([{ name: 'own.conf', text, template: 'own.conf.hbs' }], null);
    assert.deepEqual(
      findings.map(({ line, message }) => `${line}: ${message}`),
      ['4: ringledger-own has no extension 4004'],
    );
  });
});
