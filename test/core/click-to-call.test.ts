import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Call, Conversation } from '../../src/core/call.ts';
import { CallRefused, ClickToCall, type Click, type ClickToCallSettings } from '../../src/core/click-to-call.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Rejected, Retryable } from '../../src/core/errors.ts';
import { coreBehaviour, type Hooks } from '../../src/core/hooks.ts';
import { compileNumberPattern } from '../../src/core/number-pattern.ts';
import type { DeviceState, OriginateRequest, PbxSource } from '../../src/core/ports.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { aCall, aConversation } from '../crm/conformance.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { MemoryClickBook } from '../support/memory-click-book.ts';
import { silentLog } from '../support/silent-log.ts';

const plan = createNumberPlan(numberingConfig.parse({ country: 'RU', extensions: ['_1XX'] }));
const employee = { email: null, deputies: [], mobile: null, isActive: true, workingHours: null };
const settings: ClickToCallSettings = {
  allow: [compileNumberPattern('7*')],
  deny: [compileNumberPattern('_7809.')],
  limits: { perMinute: 5, perHour: 20, allPerHour: 30 },
  repeatMs: 10_000,
  ringMs: 30_000,
  contexts: [],
};
const click: Click = {
  requester: 'shop',
  crmUser: { crm: 'shop', userId: '7' },
  employeeId: null,
  extension: '101',
  number: '8 (916) 111-00-02',
  clientName: null,
  did: null,
  requestData: {},
};

describe('click-to-call', () => {
  let clock: FixedClock;
  /** Of the one that was made last. */
  let book: MemoryClickBook;
  let asked: OriginateRequest[];
  let fault: Error | null;
  let states: Record<string, DeviceState>;
  let directory: StaffDirectory;
  beforeEach(() => {
    clock = new FixedClock();
    asked = [];
    fault = null;
    states = {};
    directory = new StaffDirectory({
      employees: [
        { ...employee, id: 'anna', name: 'Anna', extensions: ['101', '111'] },
        { ...employee, id: 'boris', name: 'Boris', extensions: ['102'] },
        { ...employee, id: 'gone', name: 'Gone', extensions: ['103'], isActive: false },
        { ...employee, id: 'mute', name: 'Mute', extensions: [] },
      ],
      timeZone: 'UTC',
    });
    directory.setCrmUsers('shop', [
      { id: '7', name: 'Anna', email: null, extensions: ['101'], isActive: true },
      { id: '8', name: 'Boris', email: null, extensions: ['102'], isActive: true },
    ]);
  });
  const source = (): PbxSource => ({
    name: 'pbx',
    start: async () => undefined,
    stop: async () => undefined,
    status: () => [],
    deviceState: (extension) => states[extension] ?? 'unknown',
    async originate(request) {
      asked.push(request);
      if (fault !== null) throw fault;
    },
  });
  const make = (change: Partial<ClickToCallSettings> = {}, hooks: Partial<Hooks> = {}, sources = [source()]) => {
    book = new MemoryClickBook();
    return new ClickToCall(
      {
        directory,
        plan,
        book,
        sources: () => sources,
        hooksOf: () => ({ ...coreBehaviour, ...hooks }),
        nameOf: async (number) => (number === '+79161110002' ? 'Пётр' : null),
        clock,
        log: silentLog,
      },
      { ...settings, ...change },
    );
  };
  const refusal = (reason: CallRefused['reason']) => (error: unknown) =>
    error instanceof CallRefused && error.reason === reason;
  /** The call of a request as the tracker tells it. */
  const callOf = (requestId: string, conversation: Partial<Conversation>, call: Partial<Call> = {}): Call =>
    aCall({
      direction: 'outbound',
      endedAt: null,
      ...call,
      conversations: [
        aConversation({
          requestId,
          answeredAt: null,
          endedAt: null,
          duration: 0,
          result: 'no_answer',
          ...conversation,
        }),
      ],
    });
  const away = { reason: 'rule:click_to_call_unanswered', registered: false, result: 'failed' } as const;

  it("rings the employee's phone for the client's number, with the name that the phone should show", async () => {
    const state = await make().start(click);
    assert.deepEqual(asked, [
      {
        requestId: state.requestId,
        extension: '101',
        clientNumber: '+79161110002',
        clientName: 'Пётр',
        timeoutMs: 30_000,
      },
    ]);
    assert.deepEqual([state.phase, state.employeeId, state.requester], ['queued', 'anna', 'shop']);
  });

  it("takes the employee's first phone that is there where none is named", async () => {
    states = { '101': 'unavailable', '111': 'idle' };
    assert.equal((await make().start({ ...click, extension: null })).extension, '111');
    assert.equal(
      (await make().start({ ...click, crmUser: null, employeeId: 'boris', extension: null })).extension,
      '102',
    );
    assert.equal((await make().start({ ...click, crmUser: null, extension: '111' })).employeeId, 'anna');
  });

  it('rings nobody for strangers, the dismissed, people without a phone, and phones of others', async () => {
    const clickToCall = make();
    const byNobody = { ...click, crmUser: null, extension: null };
    await assert.rejects(clickToCall.start(byNobody), refusal('unknown_employee'));
    await assert.rejects(clickToCall.start({ ...byNobody, employeeId: 'gone' }), refusal('unknown_employee'));
    await assert.rejects(clickToCall.start({ ...byNobody, employeeId: 'mute' }), refusal('unknown_employee'));
    await assert.rejects(clickToCall.start({ ...byNobody, extension: '199' }), refusal('unknown_employee'));
    const unknownUser = { ...click, crmUser: { crm: 'shop', userId: '99' } };
    await assert.rejects(clickToCall.start(unknownUser), refusal('unknown_employee'));
    await assert.rejects(clickToCall.start({ ...click, extension: '102' }), refusal('foreign_extension'));
    await assert.rejects(clickToCall.start({ ...click, extension: '199' }), refusal('foreign_extension'));
    await assert.rejects(clickToCall.start({ ...click, employeeId: 'boris' }), refusal('foreign_extension'));
    assert.deepEqual(asked, []);
  });

  it('calls only numbers that are allowed', async () => {
    const clickToCall = make();
    for (const number of ['', 'anonymous', 'not a number', '1']) {
      await assert.rejects(clickToCall.start({ ...click, number }), CallRefused, number);
    }
    for (const number of ['+442071234567', '+78095550000', '102', '112']) {
      await assert.rejects(clickToCall.start({ ...click, number }), refusal('number_not_allowed'), number);
    }
    assert.deepEqual(asked, []);
  });

  it('asks the phone system for nothing but an own extension and a number, whatever is sent', async function () {
    this.timeout(30_000);
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '+79161110002',
        '101',
        '+79161110002\r\nAction: Originate',
        '79161110002&PJSIP/provider/442071234567',
        '${SHELL(id)}',
        '101@from-internal',
        '79161110002,20,G(x)',
      ),
      fc.string().map((text) => `+7916111${text}`),
    );
    await fc.assert(
      fc.asyncProperty(
        hostile,
        fc.option(hostile),
        fc.option(hostile),
        fc.option(hostile),
        async (number, extension, userId, employeeId) => {
          asked.length = 0;
          const clickToCall = make();
          const crmUser = userId === null ? null : { crm: 'shop', userId };
          const request = { ...click, number, extension, crmUser, employeeId, did: number };
          const state = await clickToCall.start(request).catch((error: unknown) => {
            assert.ok(error instanceof CallRefused);
            return null;
          });
          assert.equal(asked.length, state === null ? 0 : 1);
          if (state === null) return;
          assert.match(asked[0]!.clientNumber, /^\+?7\d{2,14}$/);
          assert.match(asked[0]!.extension, /^(101|111|102)$/);
          assert.equal(asked[0]!.context, undefined);
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('places one call for a click that is sent three times, and the next one later', async () => {
    const clickToCall = make();
    const outcomes = await Promise.allSettled(
      [click, click, { ...click, number: '+79161110002' }].map((one) => clickToCall.start(one)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    );
    const [first] = outcomes as PromiseFulfilledResult<{ requestId: string }>[];
    for (const { reason } of outcomes.slice(1) as PromiseRejectedResult[]) {
      assert.deepEqual([reason.reason, reason.requestId], ['duplicate', first!.value.requestId]);
    }
    assert.equal(asked.length, 1);
    // While the call lasts there is no second one, however long it is.
    book.tell(callOf(first!.value.requestId, { answeredAt: clock.now(), result: 'answered' }));
    clock.advance(3_600_000);
    await assert.rejects(clickToCall.start(click), refusal('duplicate'));
    book.tell(callOf(first!.value.requestId, { answeredAt: clock.now() }, { endedAt: clock.now() }));
    await clickToCall.start(click);
    assert.equal(asked.length, 2);
  });

  it('rings a phone for one click at a time, and other phones meanwhile', async () => {
    const clickToCall = make();
    const { requestId } = await clickToCall.start(click);
    await assert.rejects(clickToCall.start({ ...click, number: '+79161110003' }), refusal('employee_busy'));
    await clickToCall.start({ ...click, crmUser: null, extension: '102' });
    book.tell(callOf(requestId, {}));
    await clickToCall.start({ ...click, number: '+79161110003' });
    assert.equal(asked.length, 3);
  });

  it('stops at its limits, of one employee and of everybody', async () => {
    const clickToCall = make({ repeatMs: 0, limits: { perMinute: 3, perHour: 5, allPerHour: 7 } });
    const once = async (extension: string, number: string) => {
      const { requestId } = await clickToCall.start({ ...click, crmUser: null, extension, number });
      book.tell(callOf(requestId, away, { endedAt: clock.now() }));
    };
    const times = async (extension: string, count: number) => {
      for (let index = 0; index < count; index++) await once(extension, `+7916111000${index}`);
    };
    await times('101', 3);
    await assert.rejects(once('101', '+79161110009'), refusal('too_many'));
    clock.advance(61_000);
    await times('101', 2);
    await assert.rejects(once('101', '+79161110009'), refusal('too_many'));
    await times('102', 2);
    await assert.rejects(once('102', '+79161110009'), refusal('too_many'));
    clock.advance(3_600_000);
    await once('101', '+79161110009');
  });

  it('tells how far a request is, by its call', async () => {
    const clickToCall = make();
    const { requestId } = await clickToCall.start(click);
    const phase = async () => (await clickToCall.state(requestId))!.phase;
    assert.equal(await phase(), 'queued');
    book.tell(callOf(requestId, away));
    assert.equal(await phase(), 'ringing_employee');
    book.tell(callOf(requestId, {}));
    assert.equal(await phase(), 'ringing_client');
    book.tell(callOf(requestId, { answeredAt: clock.now(), result: 'answered' }));
    assert.equal(await phase(), 'talking');
    book.tell(callOf(requestId, { answeredAt: clock.now(), result: 'answered' }, { endedAt: clock.now() }));
    const { reason, call } = (await clickToCall.state(requestId))!;
    assert.deepEqual([await phase(), reason, call], ['ended', null, { source: 'pbx', linkedId: '1795246371.2' }]);
  });

  it('tells why a request failed', async () => {
    const ends = [
      [{ ...away }, 'employee_did_not_answer'],
      [{ result: 'busy' }, 'busy'],
      [{ result: 'not_found' }, 'not_found'],
      [{ result: 'cancelled' }, 'cancelled'],
      [{ result: 'no_answer' }, 'no_answer'],
    ] as const;
    for (const [end, reason] of ends) {
      const clickToCall = make();
      const { requestId } = await clickToCall.start(click);
      book.tell(callOf(requestId, end, { endedAt: clock.now() }));
      const state = (await clickToCall.state(requestId))!;
      assert.deepEqual([state.phase, state.reason], ['failed', reason]);
    }
  });

  it('gives up a request that the phone system never tells of again', async () => {
    const clickToCall = make();
    const { requestId } = await clickToCall.start(click);
    clock.advance(44_000);
    assert.equal((await clickToCall.state(requestId))!.phase, 'queued');
    clock.advance(2_000);
    assert.deepEqual(
      [(await clickToCall.state(requestId))!.phase, (await clickToCall.state(requestId))!.reason],
      ['failed', 'no_sign'],
    );
    await clickToCall.start(click);
  });

  it('believes the phone system when it tells of the call after all', async () => {
    const talks = { answeredAt: clock.now(), result: 'answered' } as const;
    const clickToCall = make();
    const silent = await clickToCall.start(click);
    clock.advance(46_000);
    assert.equal((await clickToCall.state(silent.requestId))!.reason, 'no_sign');
    book.tell(callOf(silent.requestId, talks, { endedAt: clock.now() }));
    const told = (await clickToCall.state(silent.requestId))!;
    assert.deepEqual([told.phase, told.reason, told.call?.source], ['ended', null, 'pbx']);

    // The answer to the command got lost, not the command.
    fault = new Retryable('Asterisk did not answer Originate within 5000 ms');
    await assert.rejects(clickToCall.start({ ...click, number: '+79161110003' }), Retryable);
    const [lost] = await clickToCall.list();
    assert.equal(lost!.reason, 'pbx_unreachable');
    book.tell(callOf(lost!.requestId, away));
    assert.deepEqual(
      [(await clickToCall.state(lost!.requestId))!.phase, (await clickToCall.state(lost!.requestId))!.reason],
      ['ringing_employee', null],
    );
    book.tell(callOf(lost!.requestId, talks));
    assert.equal((await clickToCall.state(lost!.requestId))!.phase, 'talking');
    // What the phone system itself refused stays refused.
    fault = new Rejected('Permission denied');
    await assert.rejects(clickToCall.start({ ...click, number: '+79161110004' }), CallRefused);
    const [refused] = await clickToCall.list();
    book.tell(callOf(refused!.requestId, talks));
    assert.equal((await clickToCall.state(refused!.requestId))!.reason, 'pbx_refused');
  });

  it('says what the phone system said, and when it cannot be reached', async () => {
    const clickToCall = make();
    fault = new Rejected('Asterisk refused Originate: Permission denied');
    await assert.rejects(clickToCall.start(click), (error: unknown) => {
      assert.ok(error instanceof CallRefused);
      assert.match(error.message, /Permission denied/);
      return error.reason === 'pbx_refused';
    });
    fault = new Retryable('no connection');
    await assert.rejects(clickToCall.start(click), Retryable);
    // Nobody knows whether it rings: the next click must wait.
    fault = null;
    await assert.rejects(clickToCall.start(click), refusal('duplicate'));
    clock.advance(11_000);
    await clickToCall.start(click);
    assert.deepEqual(
      (await clickToCall.list()).map(({ phase, reason }) => [phase, reason]),
      [
        ['queued', null],
        ['failed', 'pbx_unreachable'],
        ['failed', 'pbx_refused'],
      ],
    );
    await assert.rejects(make({}, {}, []).start(click), refusal('no_pbx'));
  });

  it('rings nobody when it cannot know whether the phone rings already', async () => {
    const clickToCall = make();
    book.enter = () => Promise.reject(new Error('the database is away'));
    await assert.rejects(clickToCall.start(click), Retryable);
    assert.deepEqual(asked, []);
  });

  it('takes another context by employee or line, and what the hook makes of it', async () => {
    const dids = [compileNumberPattern('+74951234567')];
    const contexts = [
      { employees: ['boris'], dids: null, context: 'boris-trunk' },
      { employees: null, dids, context: 'shop-trunk' },
    ];
    await make({ contexts }).start({ ...click, did: '8 495 123-45-67' });
    await make({ contexts }).start({ ...click, crmUser: null, extension: '102' });
    await make({ contexts }).start(click);
    assert.deepEqual(
      asked.map(({ context }) => context),
      ['shop-trunk', 'boris-trunk', undefined],
    );
    let seen: unknown;
    const hooked = make(
      {},
      {
        async process_originate_params({ request, requestData }) {
          seen = requestData;
          return { ...request, context: 'mine', clientNumber: '89161110002', requestId: 'x' };
        },
      },
    );
    const { requestId } = await hooked.start({ ...click, requestData: { order: '12' } });
    assert.deepEqual(seen, { order: '12' });
    assert.deepEqual(
      [asked[3]!.context, asked[3]!.clientNumber, asked[3]!.requestId],
      ['mine', '89161110002', requestId],
    );
  });

  it('forgets requests after a day', async () => {
    const clickToCall = make();
    const { requestId } = await clickToCall.start(click);
    book.tell(callOf(requestId, away, { endedAt: clock.now() }));
    clock.advance(25 * 3_600_000);
    await clickToCall.start(click);
    assert.equal(await clickToCall.state(requestId), null);
    assert.equal(await clickToCall.state('unknown'), null);
  });
});
