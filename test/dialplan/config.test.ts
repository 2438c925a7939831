import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dialplanConfig } from '../../src/dialplan/config.ts';
import { buildModel } from '../../src/dialplan/model.ts';
import { matchesExten } from '../../src/dialplan/parse.ts';
import { everySetting } from './every-setting.ts';

const faultsOf = (settings: object) => {
  const parsed = dialplanConfig.safeParse(settings);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('the settings of the dialplan', () => {
  it('need nothing to be written', () => {
    const config = dialplanConfig.parse(undefined);
    assert.equal(config.folder, '/etc/asterisk/ringledger.d');
    assert.deepEqual(config.agi.servers, ['127.0.0.1:4573']);
    assert.equal(config.inbound.defaultRoute, 'hangup');
  });

  it('take all that can be set', () => assert.deepEqual(faultsOf(everySetting), []));

  it('name every target, trunk and name that is wrong, at once', () => {
    const faults = faultsOf({
      inbound: { defaultRoute: 'group:nobody', numbers: [{ number: '1', defaultRoute: 'menu:none' }, { number: '1' }] },
      groups: [
        { name: 'a-b', members: ['101'], then: 'queue:lost' },
        { name: 'a_b', members: ['101'] },
      ],
      menus: [{ name: 'main', greeting: 'x', choices: { '1': 'schedule:never' } }],
      outbound: [{ pattern: '_X.', trunks: ['gone'] }],
      extensions: [{ extension: '101', forward: { to: '+79161110001' } }],
      clickToCall: { trunk: 'gone' },
    });
    assert.deepEqual(faults.sort(), [
      "clickToCall.trunk: there is no trunk 'gone'",
      'extensions.0.forward: needs a trunk; there is none under dialplan.trunks',
      "groups.0.then: there is no queue 'lost'",
      "groups.1.name: 'a_b' stands here already; each needs its own",
      "inbound.defaultRoute: there is no group 'nobody'",
      "inbound.numbers.0.defaultRoute: there is no menu 'none'",
      "inbound.numbers.1.number: '1' stands here already; each needs its own",
      "menus.0.choices.1: there is no schedule 'never'",
      "outbound.0.trunks.0: there is no trunk 'gone'",
    ]);
  });

  it('refuse groups and schedules that lead back to themselves', () => {
    const group = (name: string, then: string) => ({ name, members: ['101'], then });
    assert.deepEqual(faultsOf({ groups: [group('one', 'group:two'), group('two', 'group:one')] }), [
      "groups.0: 'one' leads back to itself",
      "groups.1: 'two' leads back to itself",
    ]);
    assert.deepEqual(faultsOf({ groups: [group('one', 'group:two'), group('two', 'hangup')] }), []);
    const office = { name: 'office', open: [], whenOpen: 'hangup', whenClosed: 'group:one' };
    assert.equal(faultsOf({ schedules: [office], groups: [group('one', 'schedule:office')] }).length, 2);
  });

  it('refuse hours that end before they begin, and folders that are not ours', () => {
    const open = [{ days: 'mon', from: '22:00', to: '06:00' }];
    assert.match(
      faultsOf({ schedules: [{ name: 'x1', open, whenOpen: 'hangup', whenClosed: 'hangup' }] })[0]!,
      /write two spans/,
    );
    for (const folder of ['/etc/asterisk', '/etc', 'relative', '/etc/asterisk/../x', '/etc/asterisk/']) {
      assert.equal(faultsOf({ folder }).length, 1, folder);
    }
  });

  it('say what a value must be', () => {
    assert.deepEqual(faultsOf({ inbound: { defaultRoute: 'group' } }), [
      'inbound.defaultRoute: group: must be followed by a name of latin letters, digits, - and _, starting with a letter, 2 to 40 long',
    ]);
    assert.match(
      faultsOf({ trunks: [{ name: 'provider', device: 'PJSIP/provider' }] })[0]!,
      /must be a dial string such as PJSIP\/\{number\}@provider/,
    );
    assert.match(faultsOf({ device: 'PJSIP/{extension}&SIP/x' })[0]!, /must be a dial string/);
    assert.match(faultsOf({ inbound: { defaultRoute: 'context:from-old,s,1)&x' } })[0]!, /context,extension,priority/);
  });

  it('turn ranges of extensions into patterns that match exactly them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 9999 }), (one, other) => {
        const [from, to] = [one, other].sort((a, b) => a - b).map((number) => String(number).padStart(4, '0')) as [
          string,
          string,
        ];
        const { phones } = buildModel(dialplanConfig.parse({}), { extensions: [`${from}-${to}`], timeZone: 'UTC' });
        const matches = (number: number) =>
          phones.filter(({ exten }) => matchesExten(exten, String(number).padStart(4, '0'))).length;
        for (const number of [one, other, one - 1, one + 1, other - 1, other + 1, (one + other) >> 1, 0, 9999]) {
          if (number < 0 || number > 9999) continue;
          const isIn = number >= Number(from) && number <= Number(to);
          assert.equal(
            matches(number),
            isIn ? 1 : 0,
            `${number} in ${from}-${to}: ${phones.map(({ exten }) => exten).join(' ')}`,
          );
        }
        assert(phones.length <= 8 * 4);
      }),
      { numRuns: 2000 },
    );
  });
});
