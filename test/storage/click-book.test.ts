import assert from 'node:assert/strict';
import type { ClickRequest, EarlierRequests } from '../../src/core/click-to-call/click-book.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { createClickBook } from '../../src/storage/click-book.ts';
import { forEachDatabase } from '../support/databases.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';

const now = new Date('2026-11-21T08:00:00.000Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000);
let serial = 0;
const aRequest = (fields: Partial<ClickRequest> = {}): ClickRequest => ({
  requestId: `request-${++serial}`,
  requester: 'api',
  employeeId: 'anna',
  extension: '101',
  number: '+79161110002',
  clientName: null,
  requestedAt: now,
  refusal: null,
  ...fields,
});
const takeAll = () => undefined;

describe('the book of clicks', () => {
  forEachDatabase((makeDatabase) => {
    it('lets one of all pass that come at once to all nodes', async () => {
      const { database, reopen } = await makeDatabase();
      const books = [createClickBook(database), createClickBook(await reopen())];
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          books[index % 2]!.enter(aRequest(), ({ ofExtension }) => assert.equal(ofExtension.length, 0)),
        ),
      );
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const book of books) assert.equal((await book.list()).length, 1);
    });

    it('judges by the extension of a day and everybody of an hour, and forgets what is older', async () => {
      const { database } = await makeDatabase();
      const book = createClickBook(database);
      const old = aRequest({ requestedAt: ago(26 * 3_600) });
      const ofDay = aRequest({ requestedAt: ago(5 * 3_600) });
      const ofHour = aRequest({ requestedAt: ago(600) });
      const other = aRequest({ requestedAt: ago(300), extension: '102', employeeId: 'boris' });
      for (const one of [old, ofDay, ofHour, other]) await book.enter(one, takeAll);
      let seen: EarlierRequests | null = null;
      await book.enter(aRequest(), (earlier) => (seen = earlier));
      assert.deepEqual(seen, {
        ofHour: [
          { employeeId: 'anna', requestedAt: ofHour.requestedAt },
          { employeeId: 'boris', requestedAt: other.requestedAt },
        ],
        ofExtension: [
          { ...ofHour, calls: [] },
          { ...ofDay, calls: [] },
        ],
      });
      assert.equal(await book.find(old.requestId), null);
      assert.deepEqual(await book.find(other.requestId), { ...other, calls: [] });
    });

    it('tells the calls of a request from the ledger, and what was noted of it', async () => {
      const { database } = await makeDatabase();
      const book = createClickBook(database);
      const request = aRequest();
      await book.enter(request, takeAll);
      const store = createCallStore({ database, crms: [], settleMs: 0, clock: { now: () => now }, announce() {} });
      const conversations = [
        sampleConversation({ requestId: request.requestId }),
        sampleConversation({ uniqueId: '1795246371.9', requestId: request.requestId }),
      ];
      const call = sampleCall({ direction: 'outbound', conversations });
      await store.save([{ call, newEvents: [], absorbed: [], owed: [] }]);
      const refusal = { reason: 'pbx_unreachable', at: now } as const;
      await book.change(request.requestId, { extension: '111', clientName: 'Anna', refusal });
      const told = { ...request, extension: '111', clientName: 'Anna', refusal, calls: [call] };
      assert.deepEqual(await book.find(request.requestId), told);
      assert.deepEqual(await book.list(), [told]);
    });
  });
});
