import assert from 'node:assert/strict';
import { createLiveCalls } from '../../src/web/live-calls.ts';
import { isOpenTo, recordingsFor, showTo, type Visitor } from '../../src/web/visitor.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

describe('live calls', () => {
  it('are looked at once for a burst of stages, again each second, and by nobody who left', async () => {
    const live = createLiveCalls(() => []);
    let looks = 0;
    const leave = live.watch(() => (looks += 1));
    assert.equal(looks, 1);
    const call = sampleCall();
    for (let stage = 0; stage < 100; stage += 1) live.callWatcher.onStage('conversation_requested', call, null);
    assert.equal(looks, 1);
    await until(() => looks === 2, { timeoutMs: 900 });
    await until(() => looks === 3, { timeoutMs: 3_000 });
    leave();
    live.callWatcher.onStage('call_ended', call, null);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(looks, 3);
  });
});

describe('visitors of the web interface', () => {
  const visitor = (role: Visitor['role'], extensions: readonly string[] | null): Visitor => ({
    name: 'somebody',
    access: 'full',
    role,
    extensions,
  });

  it('see of a call only the conversations of their extensions', () => {
    const conversations = ['101', '102', null].map((extension, index) =>
      sampleConversation({ uniqueId: `1795246371.${index}`, extension }),
    );
    const call = sampleCall({ conversations });
    assert.equal(showTo(visitor('admin', null), call)?.conversations.length, 3);
    assert.deepEqual(
      showTo(visitor('supervisor', ['102', '103']), call)?.conversations.map(({ extension }) => extension),
      ['102'],
    );
    assert.equal(showTo(visitor('own', ['105']), call), null);
    assert.equal(showTo(visitor('own', []), call), null);
  });

  it('hear only recordings of conversations they see', () => {
    const call = sampleCall({
      conversations: [
        sampleConversation({ uniqueId: 'a', extension: '101' }),
        sampleConversation({ uniqueId: 'b', extension: '102' }),
      ],
    });
    const all = [{ uniqueId: null }, { uniqueId: 'a' }, { uniqueId: 'b' }];
    assert.deepEqual(recordingsFor(visitor('admin', null), null, all), all);
    assert.deepEqual(recordingsFor(visitor('own', ['102']), call, all), [{ uniqueId: 'b' }]);
    assert.deepEqual(recordingsFor(visitor('own', ['105']), call, all), []);
    assert.deepEqual(recordingsFor(visitor('own', ['102']), null, all), []);
  });

  it('who are no admins are let to nothing that no rule names', () => {
    for (const role of ['supervisor', 'own'] as const) {
      const own = visitor(role, ['101']);
      assert.equal(isOpenTo(own, 'HEAD', '/api/v1/calls'), true);
      for (const route of [
        'GET /api/v1/deliveries',
        'GET /api/v1/something-new',
        'DELETE /api/v1/contacts/:id',
        'POST /api/v1/click-to-call',
        'GET ',
      ]) {
        const [method, url] = route.split(' ') as [string, string];
        assert.equal(isOpenTo(own, method, url), false, route);
      }
    }
    assert.equal(isOpenTo(visitor('own', ['101']), 'POST', '/api/v1/contacts'), false);
    assert.equal(isOpenTo(visitor('admin', null), 'DELETE', '/api/v1/contacts/:id'), true);
  });
});
