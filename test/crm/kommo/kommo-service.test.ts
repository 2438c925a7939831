import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { FakeKommo } from '../../support/fake-kommo.ts';
import { silentLog } from '../../support/silent-log.ts';
import { until } from '../../support/until.ts';

describe('the service with an amoCRM or Kommo account', () => {
  it('knows its users and contacts, says how it does, and takes its clicks', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringledger-kommo-service-'));
    const fake = await FakeKommo.start({ clock: { now: () => new Date() }, requestsPerSecond: 7, banAfter: 1 });
    fake.addCard('contacts', { name: 'Пётр Ёжиков', phones: ['8 (916) 111-00-02'], responsibleId: 502 });
    const settings = { account: fake.address, longLivedToken: 'long-lived', extensions: { '101': 'olga@example.org' } };
    const text = stringify({
      installation: { country: 'RU', timezone: 'UTC' },
      storage: { kind: 'sqlite', path: join(folder, 'ringledger.db') },
      http: { port: 0 },
      agi: { port: 0 },
      hooks: { folder: join(folder, 'hooks') },
      recordings: { enabled: false },
      crm: [{ name: 'amo', kind: 'kommo', settings: { ...settings, widget: { clientSecret: 'secret' } } }],
    });
    const app = await createApp(parseConfig({ file: null, text, env: {} }).config, { log: silentLog });
    try {
      const lineOf = async (part: string) => (await app.status()).find((line) => line.part === part);
      await until(async () => (await lineOf('contacts of amo'))?.message === '1 in memory');
      await until(async () => (await lineOf('crm:amo')) !== undefined);
      assert.match((await lineOf('crm:amo'))!.message, /connected to the account "Ромашка" with 3 users/);
      const trace = await app.lookup.trace({ number: '89161110002', did: null, trunk: null, at: null });
      assert.deepEqual([trace.contact, trace.extension], ['Пётр Ёжиков', '101']);
      const response = await fetch(`http://127.0.0.1:${app.httpPort}/kommo/amo/call`, { method: 'POST' });
      assert.equal(response.status, 401);
    } finally {
      await app.stop();
      await fake.close();
      rmSync(folder, { recursive: true });
    }
  });
});
