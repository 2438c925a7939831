import assert from 'node:assert/strict';
import { holdNodeLease } from '../../src/storage/node-lease.ts';
import type { NodeLease } from '../../src/storage/node-lease.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import type { Database } from '../../src/storage/connection.ts';
import { forEachDatabase } from '../support/databases.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { startPostgresCluster } from '../support/postgres-cluster.ts';
import { until } from '../support/until.ts';

const inThisDatabase = `locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())`;
const endSessions = (database: Database) =>
  database.knex.raw(`select pg_terminate_backend(pid) from pg_locks where ${inThisDatabase}`);
async function holders(database: Database): Promise<number> {
  const { rows } = (await database.knex.raw(`select pid from pg_locks where ${inThisDatabase}`)) as { rows: unknown[] };
  return rows.length;
}

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
        surrenderMs: 50,
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

    it('can be stopped while the node is taking the role', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      let finishTaking = () => {};
      const lease = holdNodeLease({
        database,
        role: 'pbx:office',
        log: createKeptLog(),
        onHeld: () => new Promise((resolve) => (finishTaking = resolve)),
        onLost: () => void story.push('lost'),
      });
      await until(() => lease.isHeld);
      const stopped = lease.stop();
      finishTaking();
      await stopped;
      assert.deepEqual([lease.isHeld, story], [false, ['lost']]);
    });

    it('says when it was asked for, and asks again when the role could not be played', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const lease = holdNodeLease({
        database,
        role: 'pbx:office',
        log: createKeptLog(),
        onHeld: async () => {
          story.push('taking');
          if (story.length === 1) throw new Error('the disk is full');
        },
        onLost: () => void story.push('lost'),
        retryMs: 10,
        pingMs: 10,
      });
      leases.push(lease);
      await lease.asked;
      assert.deepEqual([lease.isHeld, story], [false, ['taking', 'lost']]);
      await until(() => lease.isHeld && story.length === 3);
      assert.deepEqual(story, ['taking', 'lost', 'taking']);
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

    it('keeps the role when its session is ended and nobody else has it', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const first = hold(database, 'pbx:office', story, 'a');
      await until(() => first.isHeld);
      await endSessions(database);
      await until(async () => (await holders(database)) === 1);
      const second = hold(database, 'pbx:office', story, 'b');
      await first.stop();
      await until(() => second.isHeld);
      assert.deepEqual(story, ['a has it', 'a lost it', 'b has it']);
    });

    it('gives the role up when another node has taken it meanwhile', async () => {
      const { database } = await makeDatabase();
      const story: string[] = [];
      const first = hold(database, 'pbx:office', story, 'a');
      await until(() => first.isHeld);
      const thief = database.openSession!();
      await thief.connect();
      const taken = thief.query(`select pg_advisory_lock(hashtextextended('ringledger pbx:office', 0))`);
      await endSessions(database);
      await taken;
      await until(() => !first.isHeld);
      assert.deepEqual(story, ['a has it', 'a lost it']);
      await thief.end();
      await until(() => first.isHeld);
    });
  });

  it('keeps the role while the database is down, and holds it again when it is back', async function () {
    this.timeout(60_000);
    const cluster = await startPostgresCluster();
    const database = await openDatabase({ kind: 'postgres', url: cluster.urlOf('postgres') });
    const story: string[] = [];
    const log = createKeptLog();
    const lease = holdNodeLease({
      database,
      role: 'pbx:office',
      log,
      onHeld: () => void story.push('has it'),
      onLost: () => void story.push('lost it'),
      retryMs: 10,
      pingMs: 10,
      surrenderMs: 10,
    });
    try {
      await until(() => lease.isHeld);
      await cluster.crash();
      await until(() => log.lines.filter((line) => line.level === 'warn').length > 5);
      assert.equal(lease.isHeld, true);
      await cluster.start();
      await until(async () => (await holders(database)) === 1);
      assert.deepEqual(story, ['has it']);
    } finally {
      await lease.stop();
      await database.close();
      await cluster.remove();
    }
    assert.deepEqual(story, ['has it', 'lost it']);
  });
});
