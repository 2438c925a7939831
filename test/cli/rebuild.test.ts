import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { addRebuildCommand } from '../../src/cli/rebuild.ts';
import type { Call } from '../../src/core/call.ts';
import { CallTracker, defaultTrackerSettings } from '../../src/core/tracking/call-tracker.ts';
import { crmKinds } from '../../src/crm/index.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import { forEachDatabase, type TestDatabase } from '../support/databases.ts';
import {
  amiEvents,
  celEvents,
  labNumbering,
  readRecordedStories,
  type RecordedStory,
} from '../support/recorded-traffic.ts';
import { readLedger } from '../support/reckoning.ts';
import { silentLog } from '../support/silent-log.ts';
import { runCommand } from './terminal.ts';

const stories = readRecordedStories('asterisk-22').filter((story) => story.mobiles.length === 0);
const some = stories.filter((_, index) => index % 5 === 0);
const clock = { now: () => new Date() };
const usual = {
  installation: { country: 'RU', timezone: 'UTC' },
  numbering: { extensions: ['_1XX'], trunks: ['provider'] },
};

describe('ringledger rebuild', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-rebuild-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const rebuild = (config: object, ...words: string[]) => {
    writeFileSync(join(folder, 'ringledger.yaml'), stringify({ ...usual, ...config }));
    return runCommand(['rebuild', ...words], { commands: [addRebuildCommand], cwd: folder });
  };

  it('makes no database where there is none', async () => {
    const { exitCode, err } = await rebuild({});
    assert.equal(exitCode, 1);
    assert.match(err, /^There is no database .*ringledger\.db yet; the service makes it at its first start\.\n$/);
    assert.ok(!existsSync(join(folder, 'data')));
    assert.equal((await rebuild({}, '--from', 'yesterday')).exitCode, 2);
  });

  forEachDatabase((makeDatabase) => {
    /** The ledger of the stories, as the service leaves it. */
    async function follow(told: readonly RecordedStory[]): Promise<TestDatabase> {
      const made = await makeDatabase();
      const store = createCallStore({ database: made.database, crms: ['local'], settleMs: 0, clock });
      const tracker = new CallTracker({
        store,
        plan: labNumbering([]),
        clock,
        log: silentLog,
        watchers: [],
        screen: () => null,
        settings: defaultTrackerSettings,
      });
      for (const { ami, cel } of told) {
        await tracker.accept(amiEvents(ami));
        await tracker.accept(celEvents(cel));
      }
      await tracker.stop();
      return made;
    }
    const black = { lists: [{ name: 'couriers', kind: 'black', numbers: ['7916*'] }] };
    const last = (text: string) => text.trim().split('\n').at(-1);

    it('finds nothing to change in what was followed under the same settings', async () => {
      const { config: storage } = await follow(stories);
      const before = await readLedger(storage);
      assert.ok(before.calls.length >= stories.length);
      const { out, err } = await rebuild({ storage });
      assert.equal(out, `${before.calls.length} calls read, 0 changed.\n`, err);
      assert.deepEqual(await readLedger(storage), before);
    });

    it('brings stored calls up to new settings, once, and sends nothing', async () => {
      const { config: storage } = await follow(some);
      const before = await readLedger(storage);
      const settings = { storage, registration: black };
      const isAffected = (call: Call) =>
        call.client?.startsWith('+7916') === true && call.conversations.some(({ registered }) => registered);
      const affected = before.calls.filter(isAffected);
      assert.ok(affected.length > 10);

      const dry = await rebuild(settings, '--dry-run');
      assert.equal(last(dry.out), `${before.calls.length} calls read, ${affected.length} would change.`);
      assert.deepEqual(await readLedger(storage), before);

      const one = affected[0]!.linkedId;
      assert.equal((await rebuild(settings, '--call', one)).out, '1 calls read, 1 changed.\n');
      const later = await rebuild(settings, '--from', new Date(affected[0]!.startedAt.getTime() + 1).toISOString());
      assert.match(later.out, /, \d+ changed\.\n$/);
      await rebuild(settings);
      const after = await readLedger(storage);
      assert.deepEqual(
        after.calls.map(({ linkedId }) => linkedId),
        before.calls.map(({ linkedId }) => linkedId),
      );
      const reasons = after.calls.flatMap(({ conversations }) => conversations.map(({ reason }) => reason));
      assert.ok(reasons.includes('rule:couriers'));
      assert.deepEqual(after.calls.filter(isAffected), []);
      assert.deepEqual(after.deliveries, before.deliveries);
      assert.match((await rebuild(settings)).out, /, 0 changed\.\n$/);
    });

    it('knows the employees that were added in the built-in CRM', async () => {
      const { config: storage, database } = await follow(some);
      const { book } = await crmKinds.local.create(undefined, {
        name: 'local',
        db: database.knex,
        numbers: labNumbering([]),
        clock,
      });
      // The phones of the stories, the last thirteen in a queue.
      for (const extension of [101, 102, 103, 104, ...Array.from({ length: 13 }, (_, index) => 151 + index)])
        await book!.addEmployee({
          name: `${extension}`,
          email: null,
          extensions: [`${extension}`],
          isActive: true,
          deputies: [],
          mobile: null,
          workingHours: null,
        });
      // None of the phones is an extension by its number alone.
      const { out } = await rebuild({ storage, numbering: { ...usual.numbering, extensions: ['_9XX'] } }, '--dry-run');
      assert.match(last(out)!, /, 0 would change\.$/, out);
    });
  });
});
