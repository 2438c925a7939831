import assert from 'node:assert/strict';
import { createUsedTokens } from '../../src/storage/used-tokens.ts';
import { createKommoTokenCheck } from '../../src/web/kommo-token.ts';
import { forEachDatabase } from '../support/databases.ts';
import { makeKommoToken } from '../support/kommo-token.ts';

describe('a one-time token', () => {
  forEachDatabase((makeDatabase) => {
    const now = new Date('2026-11-21T08:00:00Z');
    const at = (seconds: number) => new Date(now.getTime() + seconds * 1_000);

    it('is good for one of all who ask at once, on every node, and is forgotten when it expires', async () => {
      const { database } = await makeDatabase();
      const nodes = [createUsedTokens(database), createUsedTokens(database)];
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => nodes[index % 2]!.use('a', { expiresAt: at(60), now })),
      );
      assert.equal(answers.filter((isFirst) => isFirst).length, 1);
      assert.equal(await nodes[0]!.use('b', { expiresAt: at(60), now: at(59) }), true);
      assert.equal(await nodes[1]!.use('a', { expiresAt: at(60), now: at(60) }), false);
      assert.equal(await nodes[0]!.use('c', { expiresAt: at(600), now: at(61) }), true);
      assert.deepEqual(await database.knex('used_tokens').pluck('id'), ['c']);
    });

    it('of the CRM’s page does not come in again after a restart', async () => {
      const { database } = await makeDatabase();
      const widget = {
        name: 'amo',
        account: 'https://romashka.amocrm.ru',
        clientSecret: 'client-secret',
        clientId: 'client-1',
        audience: null,
        stock: null,
        openCalls: () => [],
      };
      const token = makeKommoToken({}, { now });
      const check = () => createKommoTokenCheck({ now: () => now }, createUsedTokens(database))(widget, token);
      assert.deepEqual(await check(), { userId: '501' });
      await assert.rejects(check(), /was used before/);
    });
  });
});
