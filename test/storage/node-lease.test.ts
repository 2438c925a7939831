import assert from 'node:assert/strict';
import { holdNodeLease } from '../../src/storage/node-lease.ts';
import type { NodeLease } from '../../src/storage/node-lease.ts';
import type { Database } from '../../src/storage/connection.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';

describe('the node lease', () => {
  forEachDatabase((makeDatabase, kind) => {
    const leases: NodeLease[] = [];
    afterEach(async () => {
      for (const lease of leases.splice(0)) await lease.stop();
    });
    function hold(database: Database, role: string, story: string[], name: string): NodeLease {
      const lease = holdNodeLease({
        database,
        role,
        log: createKeptLog(),
        onHeld: () => void story.push(`${name} has it`),
        onLost: () => void story.push(`${name} lost it`),
        retryMs: 10,
        pingMs: 10,
      });
      leases.push(lease);
      return lease;
    }

    it('gives the role to the node, and takes it back at the stop', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const lease = hold(database, 'pbx:office', story, 'a');
      await until(() => lease.isHeld);
      await lease.stop();
      assert.equal(lease.isHeld, false);
      assert.deepEqual(story, ['a has it', 'a lost it']);
    });

    if (kind === 'sqlite') return;

    it('lets one node have it at a time, each role by itself', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const first = hold(database, 'pbx:office', story, 'a');
      await until(() => first.isHeld);
      const second = hold(database, 'pbx:office', story, 'b');
      const branch = hold(database, 'pbx:branch', story, 'b at the branch');
      await until(() => branch.isHeld);
      assert.equal(second.isHeld, false);
      await first.stop();
      await until(() => second.isHeld);
      assert.deepEqual(story, ['a has it', 'b at the branch has it', 'a lost it', 'b has it']);
    });

    it('notices that its session was ended, and asks again', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const first = hold(database, 'pbx:office', story, 'a');
      await until(() => first.isHeld);
      hold(database, 'pbx:office', story, 'b');
      await database.knex.raw(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
         and database = (select oid from pg_database where datname = current_database())`,
      );
      await until(() => story.length >= 3);
      assert.deepEqual(story.slice(0, 2), ['a has it', 'a lost it']);
      assert.match(story[2]!, /has it$/);
    });
  });
});
