import assert from 'node:assert/strict';
import type { HookRun } from '../../src/core/hook-runs.ts';
import { createHookRunBook } from '../../src/storage/hook-runs.ts';
import type { Database } from '../../src/storage/connection.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';

const now = new Date('2026-11-21T08:00:00Z');
const run = (change: Partial<HookRun> = {}): HookRun => ({
  at: now,
  hook: 'process_call_params',
  crm: 'local',
  about: '1795246371.2',
  source: 'office',
  uniqueId: '1795246371.3',
  tookMs: 1.234,
  hasChanged: true,
  fault: null,
  message: null,
  ...change,
});
const call = sampleCall({
  source: 'office',
  linkedId: '1795246371.2',
  linkedIds: ['1795246371.2', '1795246371.9'],
  conversations: [sampleConversation({ uniqueId: '1795246371.3', requestId: 'click-1' })],
});

describe('the record of runs of hooks', () => {
  forEachDatabase((makeDatabase) => {
    let database: Database;
    beforeEach(async () => {
      ({ database } = await makeDatabase());
    });
    const open = (settings: { keepDays?: number; keepRuns?: number } = {}) =>
      createHookRunBook({ database, clock: { now: () => now }, log: silentLog, keepDays: 30, ...settings });

    it('tells those of a call, of what it absorbed, of its question and of its click, in order', async () => {
      const book = open();
      const failed = run({
        fault: 'error',
        message: 'not\0 today',
        hasChanged: false,
        at: new Date(now.getTime() + 1),
      });
      for (const one of [
        failed,
        run(),
        run({ about: '1795246371.9', uniqueId: null, at: new Date(now.getTime() - 1) }),
        run({
          about: '1795246371.2',
          source: null,
          hook: 'customize_autodistribution',
          at: new Date(now.getTime() + 2),
        }),
        run({ about: 'click-1', source: null, hook: 'process_originate_params', at: new Date(now.getTime() + 3) }),
        run({ about: '1795246371.2', source: 'another' }),
        run({ about: 'other' }),
      ])
        book.note(one);
      await book.stop();
      const found = await book.hookRunsOf(call);
      assert.deepEqual(
        found.map(({ about, hook }) => [about, hook]),
        [
          ['1795246371.9', 'process_call_params'],
          ['1795246371.2', 'process_call_params'],
          ['1795246371.2', 'process_call_params'],
          ['1795246371.2', 'customize_autodistribution'],
          ['click-1', 'process_originate_params'],
        ],
      );
      assert.deepEqual(found[1], run());
      assert.deepEqual(found[2], { ...failed, message: 'not today' });
    });

    it('writes by itself a moment later', async () => {
      const book = open();
      book.note(run());
      assert.deepEqual(await book.hookRunsOf(call), []);
      await until(async () => (await book.hookRunsOf(call)).length === 1);
      await book.stop();
    });

    it('forgets what is too old, and the oldest where there are too many', async () => {
      const first = open();
      first.note(run({ at: new Date(now.getTime() - 31 * 86_400_000) }));
      for (let index = 0; index < 5; index += 1) first.note(run({ tookMs: index }));
      await first.stop();
      assert.equal((await first.hookRunsOf(call)).length, 5);
      const second = open({ keepRuns: 3 });
      second.note(run({ tookMs: 5 }));
      await second.stop();
      assert.deepEqual(
        (await second.hookRunsOf(call)).map(({ tookMs }) => tookMs),
        [3, 4, 5],
      );
    });

    it('keeps none where the configuration wants none', async () => {
      const book = open({ keepDays: 0 });
      book.note(run());
      await book.stop();
      assert.deepEqual(await book.hookRunsOf(call), []);
    });

    it('holds few in memory and throws nothing while the database is away', async () => {
      const log = createKeptLog();
      const book = createHookRunBook({ database, clock: { now: () => now }, log, keepDays: 30 });
      await database.knex.schema.renameTable('hook_runs', 'gone');
      for (let index = 0; index < 5_000; index += 1) book.note(run());
      await until(() => log.lines.some(({ message }) => message === 'the runs of hooks could not be written down'));
      await database.knex.schema.renameTable('gone', 'hook_runs');
      book.note(run());
      await book.stop();
      const [row] = await database.knex('hook_runs').count<{ count: number }[]>({ count: '*' });
      assert.equal(Number(row!.count), 2_000);
    });
  });
});
