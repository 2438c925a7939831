import assert from 'node:assert/strict';
import { LastAdmin, type WebUserFields, type WebUserStore } from '../../src/core/web-users.ts';
import { createWebUserStore } from '../../src/storage/web-user-store.ts';
import { forEachDatabase } from '../support/databases.ts';

const now = new Date('2026-11-21T08:00:00Z');
const later = (minutes: number) => new Date(now.getTime() + minutes * 60_000);
const fields = (change: Partial<WebUserFields> = {}): WebUserFields => ({
  name: 'Anna',
  role: 'admin',
  extensions: [],
  isActive: true,
  passwordHash: 'hash',
  ...change,
});

describe('the store of people of the web interface', () => {
  forEachDatabase((makeDatabase) => {
    let store: WebUserStore;
    beforeEach(async () => {
      store = createWebUserStore((await makeDatabase()).database);
    });

    it('makes the first user once, however many ask at the same time', async () => {
      assert.equal(await store.isEmpty(), true);
      const made = await Promise.all(['a', 'b', 'c'].map((name) => store.addFirst(fields({ name }), now)));
      assert.equal(made.filter((user) => user !== null).length, 1);
      assert.equal((await store.list()).length, 1);
    });

    it('knows a name whatever its case, and gives it once', async () => {
      await store.add(fields({ role: 'supervisor', extensions: ['101', '*5'] }), now);
      assert.equal(await store.add(fields({ name: 'ANNA' }), now), null);
      const found = await store.findByName('aNNa');
      assert.deepEqual(
        { name: found?.user.name, extensions: found?.user.extensions, isActive: found?.user.isActive },
        { name: 'anna', extensions: ['101', '*5'], isActive: true },
      );
    });

    it('locks after so many wrong passwords in a row, and a right one starts the count again', async () => {
      const { id } = (await store.add(fields(), now))!;
      const options = { lockAfter: 3, lockedUntil: later(15) };
      await store.countFailure(id, options);
      await store.countFailure(id, options);
      await store.clearFailures(id);
      await store.countFailure(id, options);
      await store.countFailure(id, options);
      assert.equal((await store.findByName('anna'))?.lockedUntil, null);
      assert.equal(await store.countFailure(id, options), 3);
      assert.deepEqual((await store.findByName('anna'))?.lockedUntil, later(15));
    });

    it('ends sessions with a change of the user, when they are closed, and when nobody used them', async () => {
      const { id } = (await store.add(fields(), now))!;
      const open = (tokenHash: string) => store.openSession({ tokenHash, csrfToken: 'c', userId: id, now });
      await open('one');
      await open('two');
      assert.equal((await store.findSession('one'))?.user.name, 'anna');
      await store.closeSession('one');
      assert.equal(await store.findSession('one'), null);
      await store.noteUse('two', later(10));
      await store.closeUnused(later(5));
      assert.deepEqual((await store.findSession('two'))?.usedAt, later(10));
      await store.closeUnused(later(11));
      assert.equal(await store.findSession('two'), null);
      await open('three');
      await store.change(id, { passwordHash: 'other' });
      assert.equal(await store.findSession('three'), null);
      assert.equal((await store.findByName('anna'))?.passwordHash, 'other');
    });

    it('never loses the last active admin', async () => {
      const { id } = (await store.add(fields(), now))!;
      await assert.rejects(store.change(id, { isActive: false }), LastAdmin);
      await assert.rejects(store.change(id, { role: 'own' }), LastAdmin);
      assert.equal((await store.findByName('anna'))?.user.role, 'admin');
      await store.add(fields({ name: 'boris' }), now);
      assert.equal((await store.change(id, { isActive: false }))?.isActive, false);
      assert.equal(await store.change('999', { isActive: true }), null);
    });

    it('gives what was done newest first, page by page', async () => {
      for (let n = 0; n < 5; n += 1)
        await store.record({ at: later(n), who: 'anna', address: '127.0.0.1', action: 'POST', target: `/${n}` });
      const first = await store.listAudit({ limit: 3, after: null });
      const second = await store.listAudit({ limit: 3, after: first.nextCursor });
      assert.deepEqual(
        [...first.items, ...second.items].map(({ target }) => target),
        ['/4', '/3', '/2', '/1', '/0'],
      );
      assert.equal(second.nextCursor, null);
    });
  });
});
