import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Sqlite from 'better-sqlite3';
import { createCallStore } from '../../src/storage/call-store.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import type { Database } from '../../src/storage/connection.ts';
import { createCursorStore } from '../../src/storage/cursor-store.ts';
import { DatabaseUnusable, isUnavailable } from '../../src/storage/errors.ts';
import { checkDatabase, findDamage } from '../../src/storage/health.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';
import { forEachDatabase } from '../support/databases.ts';
import { numberedChange } from '../support/ledger-samples.ts';

const clock = { now: () => new Date() };
const migrations = new URL('../../migrations/', import.meta.url);

describe('the database', () => {
  let folder: string;
  let opened: Database[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-database-'));
  });
  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
    rmSync(folder, { recursive: true });
  });
  const openFile = async (path: string): Promise<Database> => {
    const database = await openDatabase({ kind: 'sqlite', path });
    opened.push(database);
    return database;
  };
  const fill = async (path: string, calls: number): Promise<void> => {
    const database = await openDatabase({ kind: 'sqlite', path });
    await migrateDatabase(database);
    const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
    await store.save(Array.from({ length: calls }, (_, n) => numberedChange(n)));
    await database.close();
  };

  forEachDatabase((makeDatabase, kind) => {
    it('has every migration and nothing to do at the next start', async () => {
      const { database } = await makeDatabase();
      assert.deepEqual(await migrateDatabase(database), []);
      const names = await database.knex('migrations').orderBy('id').pluck<string[]>('name');
      const files = readdirSync(fileURLToPath(migrations)).filter((file) => file.endsWith('.ts'));
      assert.deepEqual(names, files.map((file) => file.replace('.ts', '')).sort());
    });

    it('takes the same migrations for the same whether they are TypeScript or compiled', async () => {
      const { database } = await makeDatabase();
      for (const file of readdirSync(fileURLToPath(migrations))) {
        const name = join(folder, file.replace(/\.ts$/, '.js'));
        copyFileSync(new URL(file, migrations), name);
        writeFileSync(`${name}.map`, '{}');
      }
      assert.deepEqual(await migrateDatabase(database, { folder: pathToFileURL(`${folder}/`) }), []);
    });

    it('refuses to work on what a newer version has written', async () => {
      const { database } = await makeDatabase();
      await database.knex('migrations').insert({ name: '0999_future', batch: 9, migration_time: null });
      await assert.rejects(migrateDatabase(database), (error: Error) => {
        assert.ok(error instanceof DatabaseUnusable);
        assert.match(error.message, /newer version.*0999_future.*restore the backup/s);
        return true;
      });
    });

    it('goes on after a start that was killed while it migrated', async () => {
      const { database } = await makeDatabase();
      await database.knex('migrations_lock').update({ is_locked: 1 });
      assert.deepEqual(await migrateDatabase(database), []);
    });

    it('can be built and taken down again', async () => {
      const { database } = await makeDatabase();
      const { up, down } =
        (await import('../../migrations/0001_calls_and_deliveries.ts')) as typeof import('../../migrations/0001_calls_and_deliveries.ts');
      await down(database.knex);
      await up(database.knex);
      assert.equal(await database.knex.schema.hasTable('calls'), true);
    });

    if (kind === 'postgres') {
      it('is migrated once when several nodes start together', async () => {
        const { database, reopen } = await makeDatabase();
        await database.knex.raw('drop schema public cascade; create schema public');
        const nodes = await Promise.all([reopen(), reopen(), reopen()]);
        const ran = await Promise.all(nodes.map((node) => migrateDatabase(node)));
        assert.deepEqual(ran.map((names) => names.length > 0).sort(), [false, false, true]);
      });

      it('syncs each commit to the disk whatever the server is set to', async () => {
        const { database } = await makeDatabase();
        const { rows } = (await database.knex.raw('show synchronous_commit')) as { rows: unknown[] };
        assert.deepEqual(rows, [{ synchronous_commit: 'on' }]);
      });
    }

    it('keeps cursors', async () => {
      const { database, reopen } = await makeDatabase();
      const cursors = createCursorStore(database);
      assert.equal(await cursors.get('cel:office'), null);
      await cursors.set('cel:office', 'Master.csv@17');
      await cursors.set('cel:office', 'Master.csv@34');
      assert.equal(await createCursorStore(await reopen()).get('cel:office'), 'Master.csv@34');
    });

    it('tells how it does', async () => {
      const { database } = await makeDatabase();
      assert.deepEqual((await checkDatabase(database)).health, 'ok');
      assert.equal(await findDamage(database), null);
      await database.knex.schema.renameTable('cursors', 'gone');
      const status = await checkDatabase(database);
      assert.equal(status.health, 'error');
      assert.match(status.message, /cursors/);
      assert.doesNotMatch(JSON.stringify(status), /password/);
    });
  });

  it('runs SQLite with the settings that lose nothing', async () => {
    const { knex, reader } = await openFile(join(folder, 'sub', 'ledger.sqlite'));
    assert.deepEqual(await knex.raw('pragma journal_mode'), [{ journal_mode: 'wal' }]);
    assert.deepEqual(await knex.raw('pragma synchronous'), [{ synchronous: 2 }]);
    assert.deepEqual(await knex.raw('pragma foreign_keys'), [{ foreign_keys: 1 }]);
    assert.deepEqual(await knex.raw('pragma busy_timeout'), [{ timeout: 5_000 }]);
    await assert.rejects(
      reader.schema.createTable('x', (table) => table.increments()),
      /readonly/,
    );
  });

  it('says that a file is no database, and leaves it as it is', async () => {
    const path = join(folder, 'notes.txt');
    writeFileSync(path, 'Milk, bread and a new trunk. '.repeat(500));
    const before = readFileSync(path);
    await assert.rejects(openFile(path), (error: Error) => {
      assert.ok(error instanceof DatabaseUnusable);
      assert.match(error.message, /notes\.txt is damaged.*restore a backup/s);
      return true;
    });
    assert.deepEqual(readFileSync(path), before);
  });

  it('finds damaged pages at the start, and leaves the file as it is', async () => {
    const path = join(folder, 'ledger.sqlite');
    await fill(path, 300);
    const bytes = readFileSync(path);
    for (let at = 4_096 * 3; at < 4_096 * 9; at += 7) bytes[at] = bytes[at]! ^ 0x5a;
    writeFileSync(path, bytes);
    await assert.rejects(openFile(path), DatabaseUnusable);
    assert.deepEqual(readFileSync(path), bytes);
  });

  it('waits for another program that holds the file without stopping anything else, then says so', async () => {
    const path = join(folder, 'ledger.sqlite');
    await fill(path, 1);
    const database = await openFile(path);
    const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
    const other = new Sqlite(path);
    other.exec('begin immediate');
    const delays = monitorEventLoopDelay({ resolution: 5 });
    delays.enable();
    await assert.rejects(store.save([numberedChange(7)]), (error: Error) => {
      assert.match(error.message, /database is locked/);
      assert.doesNotMatch(error.message, /7916/, 'no one’s number in the log');
      return isUnavailable(error);
    });
    delays.disable();
    assert.ok(delays.max / 1e6 < 1_000, `the event loop stood for ${delays.max / 1e6} ms`);
    other.exec('commit');
    other.close();
    await store.save([numberedChange(7)]);
    assert.equal((await store.load('office', ['1795250000.7'])).length, 1);
  });

  it('keeps nothing of what the disk has no room for, and goes on when there is room again', async () => {
    const path = join(folder, 'ledger.sqlite');
    await fill(path, 10);
    const database = await openFile(path);
    const store = createCallStore({ database, crms: ['local'], settleMs: 0, clock });
    const [{ page_count: pages }] = (await database.knex.raw('pragma page_count')) as [{ page_count: number }];
    await database.knex.raw(`pragma max_page_count = ${pages + 20}`);
    const many = Array.from({ length: 500 }, (_, n) => numberedChange(100 + n));
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(store.save(many), (error: Error) => /full/.test(error.message) && isUnavailable(error));
    }
    assert.equal((await database.knex('calls').select('id')).length, 10);
    await store.save([numberedChange(99)]);
    await database.knex.raw('pragma max_page_count = 1000000');
    await store.save(many);
    assert.equal((await database.knex('calls').select('id')).length, 511);
    assert.equal(await findDamage(database), null);
  });

  it('rejects at once when PostgreSQL is not there, without its password in the message', async () => {
    const url = 'postgres://ringledger:topsecret@127.0.0.1:1/ledger';
    await assert.rejects(openDatabase({ kind: 'postgres', url }), (error: Error) => {
      assert.doesNotMatch(error.message, /topsecret/);
      return isUnavailable(error);
    });
  });

  it('gives up a server that accepts and never answers', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const sockets: import('node:net').Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const { port } = server.address() as import('node:net').AddressInfo;
    const url = `postgres://ringledger@127.0.0.1:${port}/ledger`;
    await assert.rejects(openDatabase({ kind: 'postgres', url }), isUnavailable);
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('refuses a configuration that it does not understand', async () => {
    await assert.rejects(openDatabase({ kind: 'postgres', url: 'mysql://x' }), /must begin with postgres/);
    await assert.rejects(openDatabase({ kind: 'postgres', url: 'postgres://u:p#w@h:x/y' }), /percent-encoded/);
    await assert.rejects(openDatabase({ kind: 'sqlite', path: '' }));
  });
});
