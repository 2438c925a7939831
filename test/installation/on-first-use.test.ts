import assert from 'node:assert/strict';
import { onFirstUse, once } from '../../src/installation/on-first-use.ts';

interface Counter {
  add(amount: number): Promise<number>;
  read(): Promise<number>;
}

describe('onFirstUse', () => {
  it('builds nothing until somebody comes, and the same for all', async () => {
    let built = 0;
    const counter = onFirstUse<Counter>(async () => {
      built++;
      let sum = 0;
      return { add: async (amount) => (sum += amount), read: async () => sum };
    });
    assert.equal(built, 0);
    await Promise.all([counter.add(2), counter.add(3)]);
    assert.equal(await counter.read(), 5);
    assert.equal(built, 1);
  });

  it('keeps the door itself as what its methods are called on', async () => {
    class House implements Counter {
      #sum = 0;
      async add(amount: number) {
        return (this.#sum += amount);
      }
      async read() {
        return this.#sum;
      }
    }
    const counter = onFirstUse<Pick<House, 'add' | 'read'>>(async () => new House());
    await counter.add(4);
    assert.equal(await counter.read(), 4);
  });

  it('hands the faults of the door on', async () => {
    const counter = onFirstUse<Counter>(async () => ({
      add: () => Promise.reject(new Error('full')),
      read: async () => 0,
    }));
    await assert.rejects(counter.add(1), /full/);
  });
});

describe('once', () => {
  it('tries again what could not be built', async () => {
    let tries = 0;
    const build = once(async () => {
      if (++tries === 1) throw new Error('not there yet');
      return tries;
    });
    await assert.rejects(build(), /not there yet/);
    assert.equal(await build(), 2);
    assert.equal(await build(), 2);
  });
});
