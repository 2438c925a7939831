import assert from 'node:assert/strict';
import { createNodeRegister } from '../../src/storage/node-register.ts';
import { forEachDatabase } from '../support/databases.ts';

describe('the register of nodes', () => {
  forEachDatabase((makeDatabase, kind) => {
    it(kind === 'sqlite' ? 'is not kept: there is one node' : 'knows who lives, and what each works with', async () => {
      const { database } = await makeDatabase();
      const register = createNodeRegister(database);
      if (kind === 'sqlite') return assert.equal(register, null);
      const a = { name: 'a@one', worksWith: { users: '1' } };
      const b = { name: 'b@two', worksWith: { users: '2', 'hook need_registration': '3' } };
      assert.deepEqual(await register!.meet(a), []);
      assert.deepEqual(await register!.meet(b), [a]);
      const newer = { ...a, worksWith: { users: '2' } };
      assert.deepEqual(await register!.meet(newer), [b]);
      assert.deepEqual(await register!.meet(b), [newer]);
      // One that died without a word.
      await database.knex('nodes').where({ name: 'a@one' }).decrement('seen_at', 61_000);
      assert.deepEqual(await register!.meet(b), []);
      await register!.leave('b@two');
      assert.deepEqual(await register!.meet(a), []);
    });
  });
});
