import assert from 'node:assert/strict';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { numberingConfig, type NumberingConfig } from '../../src/numbering/config.ts';

const planOf = (settings: Partial<NumberingConfig> = {}, isKnown?: (number: string) => boolean) =>
  createNumberPlan(numberingConfig.parse(settings), isKnown);

describe('the number plan', () => {
  it('reads every way of writing one Russian number as the same client', () => {
    const plan = planOf();
    for (const raw of [
      '+79161110002',
      '79161110002',
      '89161110002',
      '9161110002',
      '8 (916) 111-00-02',
      '+8 (916) 111-00-02',
      '+7 916 111 00 02',
      '0079161110002',
      '81079161110002',
      '89161110002#12',
      '+79161110002;ext=5',
      '89161110002 доб. 12',
      '8-916-111-00-02 ext 7',
      'sip:+79161110002@sbc.example;user=phone',
      '"Иван" <+79161110002>',
      'tel:+79161110002',
    ]) {
      assert.equal(plan.toClientNumber(raw), '+79161110002', raw);
    }
  });

  it('knows foreign numbers with plus, 00, the own international prefix, and bare', () => {
    const plan = planOf();
    for (const raw of ['+4915123456789', '004915123456789', '8104915123456789', '4915123456789']) {
      assert.equal(plan.toClientNumber(raw), '+4915123456789', raw);
    }
    assert.equal(planOf({ internationalPrefix: '983' }).toClientNumber('9834915123456789'), '+4915123456789');
  });

  it('reads national numbers by the country of the installation', () => {
    assert.equal(planOf({ country: 'DE' }).toClientNumber('030 901820'), '+4930901820');
    assert.equal(planOf({ country: 'US' }).toClientNumber('(212) 736-5000'), '+12127365000');
    assert.equal(planOf({ country: 'ES' }).toClientNumber('913350000'), '+34913350000');
  });

  it('does not take numbers of two countries with the same last nine digits for one', () => {
    const plan = planOf();
    assert.notEqual(plan.toClientNumber('+79161110002'), plan.toClientNumber('+39161110002'));
  });

  it('strips the prefix for an outside line only where the number is not valid without doing so', () => {
    const plan = planOf({ outsidePrefix: '9' });
    assert.equal(plan.toClientNumber('989161110002'), '+79161110002');
    assert.equal(plan.toClientNumber('99161110002'), '+79161110002');
    assert.equal(plan.toClientNumber('9161110002'), '+79161110002');
  });

  it('answers null for callers without a number', () => {
    const plan = planOf({ anonymous: ['nomor'] });
    for (const raw of [
      '',
      '  ',
      'anonymous',
      'Anonymous',
      'unknown',
      '<unknown>',
      'Restricted',
      'sip:anonymous@anonymous.invalid',
      'nomor',
      '+266696687',
      's',
      '-',
      'Unavailable',
    ]) {
      assert.equal(plan.toClientNumber(raw), null, raw);
    }
  });

  it('leaves extensions, short numbers and unknown lengths as dialled', () => {
    const plan = planOf();
    assert.equal(plan.toClientNumber('101'), '101');
    assert.equal(plan.toClientNumber('0611'), '0611');
    assert.equal(plan.toClientNumber('7000001'), '7000001');
  });

  it('knows extensions by pattern, range, single number, exception and user list', () => {
    const plan = planOf(
      { extensions: ['_1XX', '200-205', '7', '_[3-4]0Z'], notExtensions: ['112'] },
      (number) => number === '5555',
    );
    for (const number of ['101', '199', '200', '205', '7', '301', '409', '5555'])
      assert.ok(plan.isExtension(number), number);
    for (const number of ['112', '99', '206', '300', '501', '1010', '', 'abc', '20O'])
      assert.ok(!plan.isExtension(number), number);
  });

  it('takes for outside what is a valid number, and neither extension nor feature code', () => {
    const plan = planOf({ outsidePrefix: '9' });
    for (const dialled of ['89161110002', '+79161110002', '989161110002', '84951234567', '0079161110002']) {
      assert.ok(plan.isOutsideNumber(dialled), dialled);
    }
    for (const dialled of ['101', '*8', '*8101', '##101', '', 's', '7000001', 'h', '700'])
      assert.ok(!plan.isOutsideNumber(dialled), dialled);
  });

  it('knows trunks by name, by name with technology and by prefix; without a list, as what is no extension', () => {
    const plan = planOf({ trunks: ['provider', 'PJSIP/mtt', 'sip-*'] });
    for (const name of ['provider', 'mtt', 'sip-out-1']) assert.ok(plan.isTrunk(name), name);
    for (const name of ['101', 'provider2', 'sipx', '']) assert.ok(!plan.isTrunk(name), name);
    const open = planOf();
    assert.ok(open.isTrunk('provider'));
    assert.ok(!open.isTrunk('101'));
    assert.ok(!open.isTrunk(''));
  });

  it('takes a device of an employee, named after the extension and more, for no trunk', () => {
    const plan = createNumberPlan(numberingConfig.parse({}), (number) => number === '101');
    for (const name of ['101-desk', '101_mobile', '101a']) assert.ok(!plan.isTrunk(name), name);
    for (const name of ['10.0.0.5', '102-mts', '74951234567-mts']) assert.ok(plan.isTrunk(name), name);
  });

  it('says what is wrong with its settings', () => {
    const faults = numberingConfig.safeParse({
      country: 'XX',
      extensions: ['_Q', '199-100', ''],
      outsidePrefix: 'a',
      colour: 1,
    });
    assert.equal(faults.success, false);
    const paths = faults.error!.issues.map((issue) => issue.path.join('.'));
    assert.deepEqual(
      new Set(paths),
      new Set(['country', 'extensions.0', 'extensions.1', 'extensions.2', 'outsidePrefix', '']),
    );
  });
});
