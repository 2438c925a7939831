import assert from 'node:assert/strict';
import type { HookRun } from '../../src/core/hook-runs.ts';
import { HooksUnderTest, sampleHookCall } from './hooks-under-test.ts';

describe('runs of hooks', function () {
  this.timeout(30_000);
  const runs: HookRun[] = [];
  let under: HooksUnderTest;
  let noteRun = (run: HookRun): void => void runs.push(run);
  beforeEach(async () => {
    runs.length = 0;
    noteRun = (run) => void runs.push(run);
    under = new HooksUnderTest({}, { noteRun: (run) => noteRun(run) });
    await under.hooks.start();
  });
  afterEach(() => under.stop());
  const told = () => runs.map(({ hook, crm, hasChanged, fault }) => ({ hook, crm, hasChanged, fault }));
  const about = sampleHookCall();
  const phone = () =>
    under.hooks.forCrm('local').process_client_phone({ ...about, stage: 'conversation_ended', phone: '+79161110002' });

  it('are noted with their call and conversation, with what came of them and how long it took', async () => {
    await under.install(
      'process_client_phone.js',
      `let count = 0;
       export default ({ phone }) => {
         count += 1;
         if (count === 3) throw new Error('not today');
         return { state: 'success', data: { phone: count === 1 ? '8' : phone } };
       };`,
    );
    for (let round = 0; round < 3; round += 1) await phone();
    const common = { hook: 'process_client_phone', crm: 'local' };
    assert.deepEqual(told(), [
      { ...common, hasChanged: true, fault: null },
      { ...common, hasChanged: false, fault: null },
      { ...common, hasChanged: false, fault: 'error' },
    ]);
    assert.match(runs[2]!.message!, /not today/);
    const { call, conversation } = about;
    assert.deepEqual(
      [runs[0]!.about, runs[0]!.source, runs[0]!.uniqueId],
      [call.linkedId, call.source, conversation!.uniqueId],
    );
    assert.ok(runs.every(({ tookMs }) => tookMs > 0 && tookMs < 5_000));
  });

  it('are noted for clicks and for the question of the dialplan, and not for trials of a number', async () => {
    await under.install('process_originate_params.js', "export default () => ({ state: 'success', data: {} });");
    await under.install(
      'customize_autodistribution.js',
      "export default () => ({ state: 'success', data: { number: '102' } });",
    );
    const request = { requestId: 'click-1', extension: '101', clientNumber: '+7916', clientName: null, timeoutMs: 1 };
    await under.hooks.forCrm('web:anna').process_originate_params({ request, requestData: {} });
    const question = { number: '101', name: '', requestData: {} };
    await under.hooks.customizeAutodistribution!(question);
    await under.hooks.customizeAutodistribution!({ ...question, linkedId: '1795246371.2' });
    assert.deepEqual(
      runs.map(({ about, crm, source, hasChanged }) => [about, crm, source, hasChanged]),
      [
        ['click-1', null, null, false],
        ['1795246371.2', null, null, true],
      ],
    );
  });

  it('change nothing of the answer when they cannot be noted', async () => {
    await under.install(
      'process_client_phone.js',
      "export default () => ({ state: 'success', data: { phone: '8' } });",
    );
    noteRun = () => {
      throw new Error('the disk is full');
    };
    assert.equal(await phone(), '8');
  });

  it('are none where no hook is installed', async () => {
    await phone();
    assert.deepEqual(runs, []);
  });
});
