import assert from 'node:assert/strict';
import type { ContactSource } from '../../src/core/contact-search.ts';
import { AuthRequired, Rejected, Retryable } from '../../src/core/errors.ts';
import type { AutodistributionInput } from '../../src/core/hooks.ts';
import type { Contact } from '../../src/core/ports.ts';
import { contactOf, createTestLookup, employeeOf, mirrorOf, questionOf } from '../support/caller-lookup.ts';
import { until } from '../support/until.ts';

type Answer = Contact | null | Error | 'never';

/** A CRM that gives the answers one after the other, the last for ever, and remembers what it was asked. */
function crmOf(name: string, ...answers: Answer[]): ContactSource & { asked: string[]; signals: AbortSignal[] } {
  const asked: string[] = [];
  const signals: AbortSignal[] = [];
  return {
    name,
    mirror: null,
    asked,
    signals,
    findContact: (number, { signal }) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)]!;
      asked.push(number);
      signals.push(signal);
      if (answer === 'never') return new Promise(() => undefined);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

describe('looking up a caller', () => {
  it('asks the mirror first, and no CRM when it knows the number', async () => {
    const crm = { ...crmOf('crm', null), mirror: mirrorOf(contactOf({ id: '7', name: 'Ivan' })) };
    const answer = await createTestLookup({ sources: [crm] }).distribute(
      questionOf({ callerNumber: '8 916 111-00-02' }),
    );
    assert.equal(answer.status, 'FOUND');
    assert.deepEqual([answer.extension, answer.name, answer.crm, answer.contact?.id], ['101', 'Ivan', 'crm', '7']);
    assert.deepEqual(crm.asked, []);
  });

  it('asks the CRM by the normalised number when the mirror does not know it, and remembers the answer', async () => {
    const crm = crmOf('crm', contactOf({ id: '7' }));
    const lookup = createTestLookup({ sources: [crm] });
    assert.equal((await lookup.distribute(questionOf({ callerNumber: '89161110002' }))).status, 'FOUND');
    assert.equal((await lookup.callerName(questionOf())).name, 'Contact 7');
    assert.deepEqual(crm.asked, ['+79161110002']);
  });

  it('asks once for many callers of one number at the same time', async () => {
    const crm = crmOf('crm', contactOf({ id: '7' }));
    const lookup = createTestLookup({ sources: [crm] });
    const answers = await Promise.all(Array.from({ length: 50 }, () => lookup.distribute(questionOf())));
    assert.ok(answers.every(({ status }) => status === 'FOUND'));
    assert.equal(crm.asked.length, 1);
  });

  it('prefers the CRM that stands first, whichever answers faster', async () => {
    let release = (_contact: Contact): void => undefined;
    const slow: ContactSource = {
      name: 'first',
      mirror: null,
      findContact: () => new Promise<Contact>((resolve) => (release = resolve)),
    };
    const fast = crmOf('second', contactOf({ id: '2' }));
    const answer = createTestLookup({ sources: [slow, fast] }).distribute(questionOf());
    await until(() => fast.asked.length > 0);
    release(contactOf({ id: '1' }));
    assert.equal((await answer).crm, 'first');
  });

  it('does not wait for a slow CRM once one that stands before it knows the number', async () => {
    const sources = [crmOf('first', contactOf({ id: '1' })), crmOf('second', 'never')];
    const startedAt = performance.now();
    const answer = await createTestLookup({ sources }).distribute(questionOf());
    assert.deepEqual([answer.status, answer.crm], ['FOUND', 'first']);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 400, `took ${tookMs} ms of 800`);
  });

  it('takes what the others know when one CRM fails', async () => {
    const sources = [crmOf('first', new Retryable('503')), crmOf('second', contactOf({ id: '2' }))];
    assert.equal((await createTestLookup({ sources }).distribute(questionOf())).crm, 'second');
  });

  it('says TIMEOUT at the deadline, counted from the question, and tells the CRM to stop', async () => {
    const crm = crmOf('crm', 'never');
    const lookup = createTestLookup({ sources: [crm], settings: { deadlineMs: 400 } });
    const startedAt = performance.now();
    const answer = await lookup.distribute(questionOf({ askedAtMs: startedAt - 300 }));
    const tookMs = performance.now() - startedAt;
    assert.equal(answer.status, 'TIMEOUT');
    assert.ok(tookMs >= 90 && tookMs < 300, `took ${tookMs} ms`);
    assert.ok(crm.signals[0]!.aborted);
  });

  it('answers at once when the deadline has already passed', async () => {
    const lookup = createTestLookup({ sources: [crmOf('crm', 'never')] });
    const startedAt = performance.now();
    assert.equal((await lookup.distribute(questionOf({ askedAtMs: startedAt - 5000 }))).status, 'TIMEOUT');
    assert.ok(performance.now() - startedAt < 100);
  });

  it('stops asking a CRM that keeps failing, tries it again by itself, and says so in the status', async () => {
    const time = { now: 1_000_000 };
    const crm = crmOf('crm', new Retryable('502'), new Retryable('502'), contactOf({ id: '7' }));
    const lookup = createTestLookup({ sources: [crm], breakerFailures: 2, monotonicMs: () => time.now });
    const ask = async (callerNumber: string) =>
      (await lookup.distribute(questionOf({ callerNumber, askedAtMs: time.now }))).status;
    assert.equal(await ask('+79161110001'), 'ERROR');
    assert.equal(await ask('+79161110002'), 'ERROR');
    assert.equal(await ask('+79161110003'), 'ERROR');
    assert.equal(crm.asked.length, 2);
    time.now += 10_000;
    assert.equal(await ask('+79161110004'), 'FOUND');
    assert.equal(await ask('+79161110005'), 'FOUND');
    assert.equal(crm.asked.length, 4);
  });

  it('stops asking at once when the access is gone, and goes on when one question is refused', async () => {
    const revoked = crmOf('crm', new AuthRequired('401'));
    const lookup = createTestLookup({ sources: [revoked] });
    for (let turn = 0; turn < 3; turn += 1) await lookup.distribute(questionOf());
    assert.equal(revoked.asked.length, 1);
    const refusing = crmOf('crm', new Rejected('a bad number'));
    const other = createTestLookup({ sources: [refusing], breakerFailures: 1 });
    for (let turn = 0; turn < 3; turn += 1) assert.equal((await other.distribute(questionOf())).status, 'ERROR');
    assert.equal(refusing.asked.length, 3);
  });

  it('uses what a CRM said before when it does not answer now, but not for ever', async () => {
    const time = { now: 1_000_000 };
    const crm = crmOf('crm', contactOf({ id: '7' }), new Retryable('502'));
    const lookup = createTestLookup({ sources: [crm], monotonicMs: () => time.now });
    const ask = async () => (await lookup.distribute(questionOf({ askedAtMs: time.now }))).status;
    assert.equal(await ask(), 'FOUND');
    time.now += 31_000;
    assert.equal(await ask(), 'FOUND');
    assert.equal(crm.asked.length, 2);
    time.now += 3_600_000;
    assert.equal(await ask(), 'ERROR');
  });

  it('survives a CRM adapter that throws instead of rejecting', async () => {
    const source: ContactSource = {
      name: 'crm',
      mirror: null,
      findContact: () => {
        throw new TypeError('a bug');
      },
    };
    assert.equal((await createTestLookup({ sources: [source] }).distribute(questionOf())).status, 'ERROR');
  });

  it('asks nobody about withheld numbers', async () => {
    const crm = crmOf('crm', contactOf({ id: '7' }));
    assert.equal(
      (await createTestLookup({ sources: [crm] }).distribute(questionOf({ callerNumber: 'anonymous' }))).status,
      'NOT_FOUND',
    );
    assert.deepEqual(crm.asked, []);
  });

  it('takes an employee who calls, from an extension or the own mobile, for a colleague and no client', async () => {
    const crm = crmOf('crm', contactOf({ id: '7' }));
    const lookup = createTestLookup({
      sources: [crm],
      employees: [employeeOf({ id: '1', name: 'Anna', mobile: '+79160000001' })],
    });
    for (const callerNumber of ['101', '89160000001']) {
      const answer = await lookup.distribute(questionOf({ callerNumber }));
      assert.deepEqual([answer.status, answer.name, answer.contact], ['NOT_FOUND', 'Anna', null]);
    }
    assert.equal((await lookup.callerName(questionOf({ callerNumber: '101' }))).status, 'FOUND');
    assert.deepEqual(crm.asked, []);
  });

  it('knows the contact and finds nobody to ring: NOT_FOUND, with the name', async () => {
    for (const contact of [contactOf({ id: '7', responsibleId: null }), contactOf({ id: '7', responsibleId: '99' })]) {
      const sources = [{ name: 'local', mirror: mirrorOf(contact), findContact: null }];
      const answer = await createTestLookup({ sources }).distribute(questionOf());
      assert.deepEqual(
        [answer.status, answer.extension, answer.name, answer.contact?.id],
        ['NOT_FOUND', null, 'Contact 7', '7'],
      );
    }
    const allBusy = await createTestLookup({ states: { '101': 'busy' } }).distribute(questionOf());
    assert.equal(allBusy.status, 'NOT_FOUND');
  });

  it('shows the line of a stranger only where the template asks for it', async () => {
    const settings = { name: { template: '{{trunk}} {{name}}', transliterate: null } };
    const stranger = questionOf({ callerNumber: '+79031234567', callerName: 'IVAN', trunk: 'Sales' });
    assert.equal((await createTestLookup({ settings }).distribute(stranger)).name, 'Sales IVAN');
    assert.equal((await createTestLookup().distribute(stranger)).name, '');
  });

  it('tells every step with its outcome and time, for any moment', async () => {
    const hours = { days: { 5: [{ from: 540, to: 1080 }] }, holidays: [] };
    const lookup = createTestLookup({
      employees: [
        employeeOf({ id: '1', name: 'Anna', deputies: ['2'], workingHours: hours }),
        employeeOf({ id: '2', name: 'Boris' }),
      ],
    });
    const asked = { number: '8 916 111-00-02', did: '7000001', trunk: null };
    const night = await lookup.trace({ ...asked, at: new Date('2026-11-20T20:00:00Z') });
    assert.deepEqual([night.extension, night.employee, night.contact], ['102', 'Boris', 'Contact 7']);
    assert.deepEqual(
      night.steps.map(({ step, outcome }) => [step, outcome]),
      [
        ['number', '+79161110002'],
        ['mirror of local', 'contact 7, Contact 7'],
        ['responsible Anna', 'is outside working hours'],
        ['deputy Boris', 'can take it on 102'],
        ['answer', 'FOUND 102'],
      ],
    );
    assert.ok(night.steps.every(({ ms }) => ms >= 0 && ms < 1000));
    const day = await lookup.trace({ ...asked, at: new Date('2026-11-20T09:00:00Z') });
    assert.deepEqual([day.extension, day.deputies], ['101', ['102']]);
  });
});

describe('the hook customize_autodistribution', () => {
  it('sees what is known and may change number and name, and nothing else', async () => {
    let seen: AutodistributionInput | undefined;
    const lookup = createTestLookup({
      employees: [employeeOf({ id: '1', deputies: ['2'] }), employeeOf({ id: '2' })],
      hook: async (input) => {
        seen = input;
        return { number: '102', name: 'VIP "Ivan" of a very long name', entity: null, status: 'ERROR' } as {
          number: string;
          name: string;
        };
      },
    });
    const answer = await lookup.distribute(questionOf({ requestData: { queue: 'sales' } }));
    assert.deepEqual(
      { ...seen, entity: seen?.entity?.id },
      {
        number: '101',
        name: 'Contact 7',
        requestData: { queue: 'sales' },
        from: '+79161110002',
        trunk: 'provider',
        entity: '7',
      },
    );
    assert.deepEqual([answer.status, answer.extension, answer.deputies, answer.contact?.id], ['FOUND', '102', [], '7']);
    assert.equal(answer.name, "VIP 'Ivan' of a very");
  });

  it('may find somebody for a stranger, and may take the number away', async () => {
    const stranger = questionOf({ callerNumber: '+79031234567' });
    const finder = createTestLookup({ hook: async ({ name }) => ({ number: '150', name }) });
    assert.deepEqual(
      [(await finder.distribute(stranger)).status, (await finder.distribute(stranger)).extension],
      ['FOUND', '150'],
    );
    const taker = createTestLookup({ hook: async ({ name }) => ({ number: '', name }) });
    assert.equal((await taker.distribute(questionOf())).status, 'NOT_FOUND');
  });

  it('sees the error, and still gets its turn when the CRM took all the time it had', async () => {
    let error: string | undefined;
    const lookup = createTestLookup({
      sources: [crmOf('crm', 'never')],
      settings: { deadlineMs: 300, hookMs: 150 },
      hook: async (input) => {
        error = input.error;
        return { number: '150', name: '' };
      },
    });
    const answer = await lookup.distribute(questionOf());
    assert.deepEqual([answer.status, answer.extension], ['FOUND', '150']);
    assert.match(error!, /did not answer in time/);
  });

  const garbage: [string, () => Promise<unknown>][] = [
    ['never answers', () => new Promise(() => undefined)],
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['answers nothing', async () => undefined],
    ['answers a number', async () => 7],
    ['answers other types', async () => ({ number: 101, name: ['x'] })],
    ['answers what is no extension', async () => ({ number: '500&SIP/itsp/1416', name: 'Contact 7' })],
  ];
  for (const [what, hook] of garbage) {
    it(`costs at most the deadline when it ${what}`, async () => {
      const lookup = createTestLookup({
        settings: { deadlineMs: 150 },
        hook: hook as () => Promise<{ number: string; name: string }>,
      });
      const startedAt = performance.now();
      const answer = await lookup.distribute(questionOf());
      assert.deepEqual([answer.status, answer.extension, answer.name], ['FOUND', '101', 'Contact 7']);
      assert.ok(performance.now() - startedAt < 1000);
    });
  }
});
