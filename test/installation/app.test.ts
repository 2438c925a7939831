import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { createApp, type App } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';

describe('the start of the service', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-app-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  async function start(): Promise<{ app: App; log: ReturnType<typeof createKeptLog> }> {
    const text = `
installation: { country: RU, timezone: UTC }
storage: { path: ledger.db }
http: { port: 0 }
agi: { port: 0 }
`;
    const { config } = parseConfig({ file: join(folder, 'ringledger.yaml'), text, env: {}, cwd: folder });
    const log = createKeptLog();
    return { app: await createApp(config, { log }), log };
  }
  const fresh = 'the statistics of the database are fresh';

  it('answers before the ledger is looked through for its statistics, and stops cleanly meanwhile', async () => {
    const first = await start();
    // Stopped as soon as it is there, whatever it still does.
    await first.app.stop();
    const book = new Sqlite(join(folder, 'ledger.db'));
    book.exec(`
      with recursive counted(n) as (select 1 union all select n + 1 from counted where n < 1000)
      insert into cursors (name, value) select 'x' || n, '' from counted`);
    book.close();

    const { app, log } = await start();
    const messages = () => log.lines.map(({ message }) => message);
    assert.equal(messages().includes(fresh), false);
    await until(() => messages().includes(fresh));
    assert.ok(messages().indexOf('ready') < messages().indexOf(fresh));
    await app.stop();
    assert.deepEqual(
      [...first.log.lines, ...log.lines].filter(({ level }) => level === 'warn' || level === 'error'),
      [],
    );
  });
});
