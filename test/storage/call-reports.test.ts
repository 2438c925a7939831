import assert from 'node:assert/strict';
import type { Call, CallResult, Direction } from '../../src/core/call.ts';
import { createCallReports } from '../../src/storage/call-reports.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { Database } from '../../src/storage/connection.ts';
import { forEachDatabase } from '../support/databases.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';

const start = Date.UTC(2026, 10, 21, 7, 0, 0);
const minute = 60_000;
const period = { from: new Date(start - 86_400_000), to: new Date(start + 86_400_000), extensions: null };

interface Told {
  readonly at: number;
  readonly client: string;
  readonly direction?: Direction;
  readonly result?: CallResult;
  readonly extension?: string;
}
let count = 0;
/** A call at so many minutes after the start. */
function call({ at, client, direction = 'inbound', result = 'answered', extension = '101' }: Told): Call {
  const linkedId = `1795250000.${++count}`;
  const startedAt = new Date(start + at * minute);
  const isAnswered = result === 'answered';
  const conversation = sampleConversation({
    uniqueId: `${linkedId}9`,
    extension,
    result,
    requestedAt: startedAt,
    answeredAt: isAnswered ? new Date(startedAt.getTime() + 10_000) : null,
    endedAt: new Date(startedAt.getTime() + 40_000),
    duration: isAnswered ? 30 : 0,
    waiting: isAnswered ? 10 : 40,
  });
  return sampleCall({
    linkedId,
    client,
    direction,
    result,
    startedAt,
    endedAt: conversation.endedAt,
    conversations: [conversation],
  });
}

async function save(database: Database, calls: readonly Call[], crms: readonly string[] = ['local']): Promise<void> {
  const clock = { now: () => new Date(start) };
  const store = createCallStore({ database, crms, settleMs: 0, clock, announce: () => undefined });
  await store.save(
    calls.map((one) => ({
      call: one,
      newEvents: [],
      absorbed: [],
      owed: one.conversations.map(({ uniqueId }) => uniqueId),
    })),
  );
}

describe('the reports over calls', () => {
  forEachDatabase((makeDatabase) => {
    it('list clients who were missed and have talked to nobody since, once each', async () => {
      const { database } = await makeDatabase();
      await save(database, [
        call({ at: 0, client: '+79160000001', result: 'missed' }),
        call({ at: 5, client: '+79160000001', result: 'no_answer' }),
        call({ at: 6, client: '+79160000001', direction: 'outbound', result: 'no_answer' }),
        call({ at: 1, client: '+79160000002', result: 'missed' }),
        call({ at: 9, client: '+79160000002', direction: 'outbound' }),
        call({ at: 2, client: '+79160000003', result: 'missed' }),
        call({ at: 3, client: '+79160000003' }),
        call({ at: 4, client: '+79160000004', result: 'missed', extension: '102' }),
        call({ at: -5, client: '+79160000004', direction: 'outbound' }),
      ]);
      const reports = createCallReports(database);
      const found = await reports.missedClients({ ...period, limit: 10 });
      assert.deepEqual(
        found.map(({ client, calls, triedBack }) => ({ client, calls, triedBack })),
        [
          { client: '+79160000001', calls: 2, triedBack: 1 },
          { client: '+79160000004', calls: 1, triedBack: 0 },
        ],
      );
      assert.deepEqual(found[0]?.calledAt, new Date(start + 5 * minute));
      const group = await reports.missedClients({ ...period, extensions: ['102'], limit: 10 });
      assert.deepEqual(
        group.map(({ client }) => client),
        ['+79160000004'],
      );
      assert.deepEqual(await reports.missedClients({ ...period, extensions: [], limit: 10 }), []);
    });

    it('remember who takes a missed client, until the client calls in vain again', async () => {
      const { database } = await makeDatabase();
      await save(database, [call({ at: 0, client: '+79160000001', result: 'missed' })]);
      const reports = createCallReports(database);
      const takenBy = async () => (await reports.missedClients({ ...period, limit: 10 }))[0]?.takenBy;
      await reports.takeMissed('+79160000001', { who: 'anna', at: new Date(start + minute) });
      await reports.takeMissed('+79160000001', { who: 'vera', at: new Date(start + 2 * minute) });
      assert.equal(await takenBy(), 'vera');
      await reports.takeMissed('+79160000001', null);
      assert.equal(await takenBy(), null);
      await reports.takeMissed('+79160000001', { who: 'anna', at: new Date(start + minute) });
      await save(database, [call({ at: 5, client: '+79160000001', result: 'missed' })]);
      assert.equal(await takenBy(), null);
    });

    it('count calls by half hour, direction and result, and conversations by employee and number', async () => {
      const { database } = await makeDatabase();
      await save(database, [
        call({ at: 0, client: '+79160000001' }),
        call({ at: 29, client: '+79160000002' }),
        call({ at: 29, client: '+79160000003', result: 'missed' }),
        call({ at: 31, client: '+79160000004', extension: '102' }),
        call({ at: 32, client: '+79160000005', direction: 'outbound' }),
      ]);
      const { calls, extensions, dids } = await createCallReports(database).overview(period);
      const sum = calls.map(
        ({ from, direction, result, calls: number }) => `${from.getTime() - start} ${direction} ${result} ${number}`,
      );
      assert.deepEqual(sum.sort(), [
        '0 inbound answered 2',
        '0 inbound missed 1',
        '1800000 inbound answered 1',
        '1800000 outbound answered 1',
      ]);
      assert.deepEqual(extensions, [
        { name: '101', answered: 3, unanswered: 1, talkSeconds: 90, waitingSeconds: 70 },
        { name: '102', answered: 1, unanswered: 0, talkSeconds: 30, waitingSeconds: 10 },
      ]);
      assert.deepEqual(dids, [{ name: '7000001', answered: 3, unanswered: 1, talkSeconds: 90, waitingSeconds: 70 }]);
    });

    it('compare each day, as it begins in the zone, with what each CRM has', async () => {
      const { database } = await makeDatabase();
      // 21:30 and 23:30 in UTC are two days in Moscow when midnight lies between 20:59 and 21:00.
      const calls = [-11, -10, -9.5].map((hours) => call({ at: hours * 60, client: '+79160000001' }));
      await save(database, calls);
      await database
        .knex('deliveries')
        .where('unique_id', calls[0]!.conversations[0]!.uniqueId)
        .update({ state: 'rejected' });
      await database
        .knex('deliveries')
        .where('unique_id', calls[2]!.conversations[0]!.uniqueId)
        .update({ state: 'delivered' });
      const lines = await createCallReports(database).completeness({
        ...period,
        crms: ['local', 'other'],
        clocks: [{ from: period.from, aheadMs: 3 * 60 * minute }],
      });
      const shown = lines.map(({ day, crm, registered, delivered, pending, rejected, missing }) =>
        [day, crm, registered, delivered, pending, rejected, missing].join(' '),
      );
      assert.deepEqual(shown, [
        '2026-11-21 local 2 1 1 0 0',
        '2026-11-20 local 1 0 0 1 0',
        '2026-11-21 other 2 0 0 0 2',
        '2026-11-20 other 1 0 0 0 1',
      ]);
    });

    it('keep to the days of the clocks where these change', async () => {
      const { database } = await makeDatabase();
      const at = (text: string) => call({ at: (Date.parse(text) - start) / minute, client: '+79160000001' });
      // In Berlin a day of 23 hours in March, and one of 25 in October: a minute on each side of every midnight.
      await save(
        database,
        ['2026-03-28T22:59Z', '2026-03-28T23:00Z', '2026-03-29T21:59Z', '2026-03-29T22:00Z'].map(at),
      );
      await save(
        database,
        ['2026-10-24T21:59Z', '2026-10-24T22:00Z', '2026-10-25T22:59Z', '2026-10-25T23:00Z'].map(at),
      );
      const whole = { from: new Date('2026-03-01T00:00Z'), to: new Date('2026-11-01T00:00Z'), extensions: null };
      const hour = 60 * minute;
      const lines = await createCallReports(database).completeness({
        ...whole,
        crms: ['local'],
        clocks: [
          { from: whole.from, aheadMs: hour },
          { from: new Date('2026-03-29T01:00Z'), aheadMs: 2 * hour },
          { from: new Date('2026-10-25T01:00Z'), aheadMs: hour },
        ],
      });
      assert.deepEqual(
        lines.map(({ day, registered }) => `${day} ${registered}`),
        ['2026-10-26 1', '2026-10-25 2', '2026-10-24 1', '2026-03-30 1', '2026-03-29 2', '2026-03-28 1'],
      );
    });
  });
});
