import assert from 'node:assert/strict';
import { CallRefused, type Click, type RequestState } from '../../src/core/click-to-call.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { ConversationQuery, LedgerQueries } from '../../src/core/ledger-queries.ts';
import { answeredCall, openHouse, readToken, type House } from './house.ts';

const at = new Date('2026-11-21T08:00:00.000Z');
const state: RequestState = {
  requestId: 'r1',
  phase: 'queued',
  reason: null,
  requester: 'api',
  employeeId: 'anna',
  extension: '101',
  number: '+79161110002',
  clientName: null,
  requestedAt: at,
  changedAt: at,
  call: null,
};

describe('POST /api/v1/click-to-call', () => {
  let house: House;
  let clicks: Click[];
  let fault: Error | null;
  before(async () => {
    const clickToCall = {
      async start(click: Click) {
        clicks.push(click);
        if (fault !== null) throw fault;
        return state;
      },
      state: async (requestId: string) => (requestId === 'r1' ? { ...state, phase: 'talking' as const } : null),
      list: async () => [state],
    };
    house = await openHouse({ parts: { clickToCall } });
  });
  beforeEach(() => {
    clicks = [];
    fault = null;
  });
  after(() => house.stop(100));
  const post = async (json: unknown, token?: string) => {
    const response = await house.request('/api/v1/click-to-call', { method: 'POST', json, ...(token && { token }) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('asks for the call and answers with the request', async () => {
    const { status, body } = await post({ extension: '101', number: '+79161110002', did: '7000001' });
    assert.equal(status, 202);
    assert.equal(body['requestId'], 'r1');
    const { requestData: _, ...click } = clicks[0]!;
    assert.deepEqual(click, {
      requester: 'api',
      crmUser: null,
      employeeId: null,
      extension: '101',
      number: '+79161110002',
      clientName: null,
      did: '7000001',
    });
  });

  it('tells how far the request is', async () => {
    const answer = await house.request('/api/v1/click-to-call/r1');
    assert.equal(((await answer.json()) as RequestState).phase, 'talking');
    assert.equal((await house.request('/api/v1/click-to-call/r2')).status, 404);
    assert.equal((await house.request('/api/v1/click-to-call')).status, 200);
  });

  it('tells what became of a request that only the ledger knows', async () => {
    const [talked] = answeredCall.conversations;
    const conversation = { ...talked!, requestId: 'r0' };
    const call = { ...answeredCall, direction: 'outbound' as const, conversations: [conversation] };
    const asked: ConversationQuery[] = [];
    const ledger = {
      async listConversations(query: ConversationQuery) {
        asked.push(query);
        return { items: query.requestId === 'r0' ? [{ conversation, call }] : [], nextCursor: null };
      },
      findCall: async () => call,
    } as Partial<LedgerQueries> as LedgerQueries;
    const other = await openHouse({ parts: { ledger } });
    try {
      const answer = await other.request('/api/v1/click-to-call/r0');
      const told = (await answer.json()) as RequestState;
      assert.deepEqual(
        [told.requestId, told.phase, told.reason, told.extension, told.number, told.requester, told.call],
        ['r0', 'ended', null, '101', '+79161110002', null, { source: 'office', linkedId: call.linkedId }],
      );
      assert.ok(asked[0]!.from !== undefined, 'not all of a long ledger is looked through');
      assert.equal((await other.request('/api/v1/click-to-call/r9')).status, 404);
    } finally {
      await other.stop(100);
    }
  });

  it('says why there is no call', async () => {
    const faults = [
      [new CallRefused('duplicate', 'twice'), 409, 'duplicate'],
      [new CallRefused('number_not_allowed', 'no'), 403, 'number_not_allowed'],
      [new CallRefused('unknown_employee', 'who'), 404, 'unknown_employee'],
      [new CallRefused('too_many', 'slow'), 429, 'too_many'],
      [new CallRefused('pbx_refused', 'Permission denied'), 502, 'pbx_refused'],
      [new Retryable('There is no connection to Asterisk'), 503, 'pbx_unreachable'],
    ] as const;
    for (const [error, status, code] of faults) {
      fault = error;
      const answer = await post({ extension: '101', number: '1' });
      assert.equal(answer.status, status);
      const { error: told } = answer.body as { error: { code: string; message: string } };
      assert.deepEqual([told.code, told.message], [code, error.message]);
    }
  });

  it('takes nothing from tokens that may only look, nor what is not whole', async () => {
    assert.equal((await post({ extension: '101', number: '1' }, readToken)).status, 403);
    for (const json of [
      {},
      { number: '1' },
      { extension: '101' },
      { extension: 101, number: '1' },
      { extension: '101', number: '1', context: 'x' },
    ]) {
      assert.equal((await post(json)).status, 400, JSON.stringify(json));
    }
    assert.deepEqual(clicks, []);
  });
});
