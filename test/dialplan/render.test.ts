import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel } from '../../src/dialplan/model.ts';
import { compileTemplates, shippedTemplatesFolder, TemplateError } from '../../src/dialplan/render.ts';
import { everySetting } from './every-setting.ts';

const model = buildModel(dialplanConfig.parse(everySetting), { extensions: ['_1XX'], timeZone: 'Europe/Moscow' });

describe('the templates of the dialplan', () => {
  let owner: string;
  beforeEach(() => (owner = mkdtempSync(join(tmpdir(), 'ringledger-templates-'))));
  afterEach(() => rmSync(owner, { recursive: true, force: true }));

  const put = (name: string, text: string) => {
    mkdirSync(join(owner, 'partials'), { recursive: true });
    writeFileSync(join(owner, name), text);
  };
  const compile = () => compileTemplates({ shipped: shippedTemplatesFolder(), owner });
  const faultOf = (text: string, name = 'inbound.conf.hbs') => {
    put(name, text);
    try {
      compile().render(model);
    } catch (error) {
      assert(error instanceof TemplateError, String(error));
      return error;
    }
    return assert.fail('was accepted');
  };

  it('make one file each', () => {
    const shipped = readdirSync(shippedTemplatesFolder()).filter((name) => name.endsWith('.conf.hbs'));
    const names = compile()
      .render(model)
      .map(({ name }) => name);
    assert.deepEqual(
      names.sort(),
      shipped
        .map((name) => name.replace('.hbs', ''))
        .filter((name) => name !== 'freepbx.conf')
        .sort(),
    );
  });

  it('make phones of both SIP drivers pick up a click by themselves', () => {
    const { text } = compile()
      .render(model)
      .find(({ name }) => name === 'click-to-call.conf')!;
    const value = String.raw`<http://127.0.0.1>\;info=alert-autoanswer\;delay=0`;
    assert.ok(text.includes(`Set(PJSIP_HEADER(add,Alert-Info)=${value})`), text);
    assert.ok(text.includes(`SIPAddHeader(Alert-Info: ${value})`), text);
  });

  it('are replaced by the owner’s file by file, and joined by new ones', () => {
    const plain = compile().render(model);
    put(
      'queues.conf.hbs',
      '[ringledger-queues]\n{{#each queues}}\nexten => {{name exten}},1,Queue({{name queue}},,,,{{int waitSeconds}})\n{{/each}}\n',
    );
    put('our-own.conf.hbs', '[our-own]\nexten => s,1,NoOp({{ctx "x"}})\n');
    put('partials/target.hbs', ' same => n,Hangup(17)\n');
    const changed = new Map(
      compile()
        .render(model)
        .map(({ name, text }) => [name, text]),
    );
    assert.equal(changed.get('queues.conf'), '[ringledger-queues]\nexten => support,1,Queue(support,,,,120)\n');
    assert.equal(changed.get('our-own.conf'), '[our-own]\nexten => s,1,NoOp(x)\n');
    assert.match(changed.get('groups.conf')!, /Hangup\(17\)/);
    assert.equal(changed.get('subroutines.conf'), plain.find(({ name }) => name === 'subroutines.conf')!.text);
  });

  it('name file and line of a template that does not compile', () => {
    const error = faultOf('[a]\n{{#each queues}}\nexten => s,1,NoOp()\n');
    assert.equal(error.file, join(owner, 'inbound.conf.hbs'));
    assert.match(error.message, /inbound\.conf\.hbs:\d+: /);
    assert.equal(faultOf('[a]\n\n{{#if x}}{{/each}}\n').line, 3);
  });

  it('write nothing without a typed helper', () => {
    for (const [text, message] of [
      ['{{{servers.0.address}}}', /writes a value as it is/],
      ['{{&agiWaitMs}}', /writes a value as it is/],
      ['{{agiWaitMs}}', /has no helper; write for example \{\{str agiWaitMs\}\}/],
      ['{{@root.agiWaitMs}}', /has no helper/],
      ['{{lookup queues 0}}', /has no helper/],
      ['{{log "x"}}', /has no helper/],
      ['{{str}}', /needs a value/],
      ['{{str (lookup queues 0)}}', /calls inside a call/],
      ['{{#lookup queues 0}}{{/lookup}}', /not known here/],
      ['{{> (lookup . "x")}}', /must be written out/],
      ['{{> nowhere}}', /there is no partials\/nowhere\.hbs/],
      ['{{#*inline "x"}}{{/inline}}', /not allowed/],
      ['{{#> target}}{{/target}}', /not allowed/],
      ['{{constructor.constructor "return 1"}}', /has no helper/],
    ] as const) {
      const error = faultOf(`[a]\nexten => s,1,NoOp(${text})\n`);
      assert.match(error.message, message, text);
      assert.equal(error.line, 2, text);
    }
  });

  it('reach no member that a setting does not have', () => {
    for (const name of ['nosuch', 'constructor', '__proto__', 'toString', 'queues.length.constructor']) {
      assert.match(faultOf(`[a]\nexten => s,1,NoOp({{str ${name}}})\n`).message, /not defined|must be/, name);
    }
  });

  it('name the line of a setting whose section is not there either', () => {
    const error = faultOf('[a]\nexten => s,1,NoOp(x)\n same => n,NoOp({{str installation.name}})\n');
    assert.equal(error.line, 3);
    assert.match(error.message, /what should have 'name' is not there/);
  });

  it('name the setting that does not fit', () => {
    const bad = { ...model, groups: [{ ...model.groups[0]!, exten: 'sales)\nexten => s,1,System(id' }] };
    assert.throws(
      () => compile().render(bad),
      /groups\.conf\.hbs:4: groups\.0\.exten is "sales\)\\nexten => s,1,System\(id" and must be a name of latin letters/,
    );
    put('text.conf.hbs', '[a]\nexten => s,1,Set(X={{str clickToCall.autoAnswer.value}})\n');
    assert.match(
      compile()
        .render(model)
        .find(({ name }) => name === 'text.conf')!.text,
      /Set\(X=<http:\/\/127\.0\.0\.1>\\;info=alert-autoanswer\\;delay=0\)/,
    );
  });

  it('may have only names that become harmless file names', () => {
    assert.match(faultOf('[a]\n', '..evil.conf.hbs').message, /small letters, digits and hyphens/);
    rmSync(join(owner, '..evil.conf.hbs'));
    assert.match(faultOf('[a]\n', 'A b.conf.hbs').message, /small letters, digits and hyphens/);
  });
});
