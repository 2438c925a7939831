import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fillTemplate, placeholders, type Placeholder } from '../../src/core/call-text.ts';
import { compileNumberPattern } from '../../src/core/number-pattern.ts';
import {
  callKindOf,
  chooseActions,
  chooseResponsible,
  findHoldingList,
  findWorkingTime,
} from '../../src/core/rules.ts';
import { buildRegistrationRules, registrationConfig } from '../../src/crm/rules-config.ts';
import { aCall, aConversation } from '../crm/conformance.ts';
import { russianNumbers } from '../crm/local/local-crm-under-test.ts';

const { toClientNumber } = russianNumbers;
const rulesOf = (written: unknown) =>
  buildRegistrationRules(registrationConfig.parse(written), { language: 'en', toClientNumber });

const faultsOf = (written: unknown) =>
  registrationConfig.safeParse(written).error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? [];

describe('the kind of a call', () => {
  const kinds = [
    ['inbound', 'answered', 'incoming'],
    ['inbound', 'missed', 'missed'],
    ['inbound', 'voicemail', 'missed'],
    ['outbound', 'answered', 'outgoing'],
    ['outbound', 'busy', 'outgoing_failed'],
    ['outbound', 'cancelled', 'outgoing_failed'],
    ['internal', 'answered', null],
  ] as const;
  for (const [direction, result, kind] of kinds) {
    it(`${direction}, ${result}: ${kind}`, () => {
      assert.equal(callKindOf(aCall({ direction }), aConversation({ result })), kind);
    });
  }
});

describe('number patterns', () => {
  const matches = (text: string, value: string | null) => compileNumberPattern(text, toClientNumber)(value);

  it('match a whole number however it is written', () => {
    for (const text of ['+79161110002', '89161110002', '8 (916) 111-00-02', '9161110002']) {
      assert.ok(matches(text, '+79161110002'), text);
      assert.ok(!matches(text, '+79161110003'), text);
    }
  });

  it('match the beginning of the international number', () => {
    assert.ok(matches('7916*', '+79161110002'));
    assert.ok(matches('+7916*', '+79161110002'));
    assert.ok(!matches('7917*', '+79161110002'));
    assert.ok(!matches('7916*', null));
  });

  it('match as Asterisk does', () => {
    assert.ok(matches('_7916XXXXXXX', '+79161110002'));
    assert.ok(!matches('_7916XXXXXX', '+79161110002'));
    assert.ok(matches('_[78]800.', '88001234567'));
    assert.ok(!matches('_NXX', '199'));
    assert.ok(matches('_ZXX!', '199'));
  });

  it('match callers without a number only by that word', () => {
    assert.ok(matches('anonymous', null));
    assert.ok(!matches('anonymous', '+79161110002'));
    assert.ok(!matches('_X.', null));
  });

  it('match extensions and trunks as they are written', () => {
    assert.ok(compileNumberPattern('101')('101'));
    assert.ok(compileNumberPattern('provider')('provider'));
    assert.ok(!compileNumberPattern('provider')('provider2'));
    assert.ok(compileNumberPattern('provider*')('provider2'));
  });

  it('are refused when they mean nothing', () => {
    for (const text of ['', ' ', '*', '_', '_79.1', '_7916[', '_7916(', '7*9*']) {
      assert.throws(() => compileNumberPattern(text), Error, text);
    }
  });

  it('never throw or hang on any number', () => {
    const patterns = ['anonymous', '_[1-9]X.', '7916*', '+79161110002'].map((text) => compileNumberPattern(text));
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (value) =>
        patterns.every((pattern) => typeof pattern(value) === 'boolean'),
      ),
    );
  });
});

describe('rules', () => {
  const rules = rulesOf({
    rules: [
      { name: 'hotline', dids: ['+78001234567'], calls: ['incoming'], lead: { name: 'hotline' }, task: false },
      { name: 'unknown', clients: ['unknown'], contact: { name: '{{name}}' }, lead: { name: 'general' } },
      { name: 'missed', calls: ['missed'], task: { text: 'call back' } },
      { name: 'all', task: { text: 'look at it' } },
    ],
  }).rules;

  it('decide each kind of action by the first rule that matches and speaks of it', () => {
    const actions = chooseActions(rules, { kind: 'incoming', client: 'unknown', did: '88001234567' });
    assert.equal(actions.lead?.name, 'hotline');
    assert.equal(actions.contact?.name, '{{name}}');
    assert.equal(actions.task, null);
    assert.equal(actions.incomingLead, null);
  });

  it('leave out rules whose conditions do not hold', () => {
    const actions = chooseActions(rules, { kind: 'missed', client: 'known', did: '88001234567' });
    assert.deepEqual([actions.contact, actions.lead, actions.task?.text], [null, null, 'call back']);
  });

  it('make by default a task of a missed call and a contact of an unknown client, and nothing else', () => {
    const { rules: defaults } = rulesOf({});
    const made = (
      kind: 'incoming' | 'missed' | 'outgoing' | 'outgoing_failed',
      client: 'known' | 'unknown' | 'anonymous',
    ) =>
      Object.entries(chooseActions(defaults, { kind, client, did: null }))
        .filter(([, action]) => action !== null)
        .map(([action]) => action);
    assert.deepEqual(made('missed', 'known'), ['task']);
    assert.deepEqual(made('missed', 'unknown'), ['contact', 'task']);
    assert.deepEqual(made('missed', 'anonymous'), []);
    assert.deepEqual(made('incoming', 'unknown'), ['contact']);
    assert.deepEqual(made('incoming', 'known'), []);
    assert.deepEqual(made('outgoing', 'unknown'), ['contact']);
    assert.deepEqual(made('outgoing_failed', 'unknown'), []);
  });

  it('speak the language of the installation by default', () => {
    const config = registrationConfig.parse({});
    const { rules: russian } = buildRegistrationRules(config, { language: 'ru', toClientNumber });
    const { task } = chooseActions(russian, { kind: 'missed', client: 'known', did: null });
    assert.match(task!.text, /^Перезвонить/);
  });

  it('are refused with the place of every fault', () => {
    assert.deepEqual(
      faultsOf({
        defaultResponsible: 'Ivan',
        rules: [
          { name: 'a', calls: ['inbound'] },
          { name: 'b', task: { text: 'call {{nobody}}', due: -1, responsible: 'boss' } },
        ],
        lists: [{ name: 'spam', kind: 'black' }],
      }).map((fault) => fault.split(':')[0]),
      ['defaultResponsible', 'rules.0.calls.0', 'rules.1.task', 'lists.0'],
    );
    assert.deepEqual(faultsOf({ lists: [{ name: 'spam', kind: 'black', numbers: '_7[' }] }).length, 1);
    assert.deepEqual(faultsOf({ rules: [{ name: 'a' }, { name: 'a' }] }).length, 1);
  });
});

describe('black and white lists', () => {
  const held = (lists: unknown, call = aCall(), conversation = call.conversations[0]!) =>
    findHoldingList(rulesOf({ lists }).lists, call, conversation);

  it('keep what a black list names from the CRMs', () => {
    const spam = { name: 'spam', kind: 'black', numbers: ['8 916 111-00-02', '7800*'] };
    assert.equal(held([spam]), 'spam');
    assert.equal(held([spam], aCall({ client: '+79161110003' })), null);
    assert.equal(held([spam], aCall({ client: null })), null);
  });

  it('match only when every field that is named matches', () => {
    const list = { name: 'lab', kind: 'black', extensions: '101', trunks: ['provider'], dids: '7000001' };
    assert.equal(held([list]), 'lab');
    assert.equal(held([list], aCall({ trunk: 'other' })), null);
    assert.equal(held([list], aCall({ conversations: [aConversation({ extension: null })] })), null);
  });

  it('let through only what a white list names, where there is one', () => {
    const lists = [
      { name: 'sales', kind: 'white', extensions: ['_10X'] },
      { name: 'hotline', kind: 'white', dids: ['88001234567'] },
    ];
    assert.equal(held(lists), null);
    const other = [aConversation({ extension: '201' })];
    assert.equal(held(lists, aCall({ conversations: other })), 'sales');
    assert.equal(held(lists, aCall({ conversations: other, did: '+78001234567' })), null);
  });

  it('hold back what stands in both', () => {
    const lists = [
      { name: 'all', kind: 'white', numbers: '_X.' },
      { name: 'spam', kind: 'black', numbers: '7916*' },
    ];
    assert.equal(held(lists), 'spam');
  });
});

describe('the responsible', () => {
  const staff = (inactive: readonly string[] = []) => ({
    userOf: (choice: string) => ({ client: 'anna', first_answered: 'boris', default: 'chief' })[choice] ?? null,
    deputiesOf: (userId: string) => (userId === 'anna' ? ['dora', 'egor'] : []),
    isActive: (userId: string) => !inactive.includes(userId),
  });

  it('is the first choice that there is', () => {
    assert.equal(chooseResponsible(['client', 'first_answered'], staff()), 'anna');
    assert.equal(chooseResponsible(['last_answered', 'first_answered'], staff()), 'boris');
  });
  it('who left is replaced by a deputy, before the next choice is tried', () => {
    assert.equal(chooseResponsible(['client', 'first_answered'], staff(['anna', 'dora'])), 'egor');
    assert.equal(chooseResponsible(['client', 'first_answered'], staff(['anna', 'dora', 'egor'])), 'boris');
  });
  it('is the default one when nobody else can, and nobody when he cannot either', () => {
    assert.equal(chooseResponsible(['last_answered'], staff()), 'chief');
    assert.equal(chooseResponsible(['last_answered'], staff(['chief'])), null);
  });
});

describe('texts', () => {
  const values = Object.fromEntries(placeholders.map((name) => [name, `<${name}>`])) as Record<Placeholder, string>;

  it('have their placeholders filled', () => {
    assert.equal(fillTemplate('{{client}}, {{ name }}: {{did}}', values), '<client>, <name>: <did>');
  });
  it('do not fill what a client wrote into his name', () => {
    assert.equal(fillTemplate('{{name}}', { ...values, name: '{{client}} $& $1' }), '{{client}} $& $1');
  });
  it('leave no gaps where a value is empty', () => {
    assert.equal(fillTemplate('Call  {{company}} {{name}}', { ...values, company: '' }), 'Call <name>');
  });
});

describe('the next working time', () => {
  // Monday to Friday, 9:30 to 18:00 UTC.
  const isAtWork = (at: Date) => {
    const minutes = at.getUTCHours() * 60 + at.getUTCMinutes();
    return at.getUTCDay() >= 1 && at.getUTCDay() <= 5 && minutes >= 570 && minutes < 1080;
  };
  it('is now, during working hours', () => {
    const at = new Date('2026-11-20T12:34:56.789Z');
    assert.equal(findWorkingTime(at, isAtWork), at);
  });
  it('is the beginning of the next working day, to the minute', () => {
    const friday = new Date('2026-11-20T18:00:00.000Z');
    assert.equal(findWorkingTime(friday, isAtWork).toISOString(), '2026-11-23T09:30:00.000Z');
    const early = new Date('2026-11-20T05:01:02.003Z');
    assert.equal(findWorkingTime(early, isAtWork).toISOString(), '2026-11-20T09:30:00.000Z');
  });
  it('is the moment itself for who never works', () => {
    const at = new Date('2026-11-20T18:00:00.000Z');
    assert.equal(
      findWorkingTime(at, () => false),
      at,
    );
  });
});
