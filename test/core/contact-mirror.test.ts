import assert from 'node:assert/strict';
import type { ContactBook } from '../../src/core/contact-book.ts';
import { ContactMirror, forgettingDeleted } from '../../src/core/contact-mirror.ts';
import { contactOf, mirrorOf } from '../support/caller-lookup.ts';

describe('the mirror of contacts', () => {
  it('finds by each full number of a contact', () => {
    const mirror = mirrorOf(contactOf({ id: '1', numbers: ['+79161110002', '+74951234567'] }));
    assert.equal(mirror.find('+79161110002')?.id, '1');
    assert.equal(mirror.find('+74951234567')?.id, '1');
    assert.equal(mirror.find('+79161110003'), null);
  });

  it('chooses among several the one with a responsible, then the one changed last, then the lower id, in any order', () => {
    const day = (number: number) => new Date(Date.UTC(2026, 10, number));
    const contacts = [
      contactOf({ id: '101', updatedAt: day(5) }),
      contactOf({ id: '12', updatedAt: day(5) }),
      contactOf({ id: '3', updatedAt: day(4) }),
      contactOf({ id: '2', updatedAt: day(9), responsibleId: null }),
    ];
    for (let turn = 0; turn < contacts.length; turn += 1) {
      contacts.push(contacts.shift()!);
      assert.equal(mirrorOf(...contacts).find('+79161110002')?.id, '12');
      assert.equal(mirrorOf(...contacts.toReversed()).find('+79161110002')?.id, '12');
    }
  });

  it('falls back on the end of the number only where one side is not E.164, and for one contact only', () => {
    const mirror = mirrorOf(
      contactOf({ id: '1', numbers: ['9161110002'] }),
      contactOf({ id: '2', numbers: ['916222000'] }),
      contactOf({ id: '3', numbers: ['+79163330003'] }),
    );
    assert.equal(mirror.find('+79161110002')?.id, '1');
    assert.equal(mirror.find('+7916222000')?.id, '2', 'nine digits are enough where there are no more');
    assert.equal(mirror.find('9163330003')?.id, '3');
    mirror.put([contactOf({ id: '4', numbers: ['89161110002'] })]);
    assert.equal(mirror.find('+79161110002'), null, 'two contacts have this end');
    assert.equal(mirror.find('9161110002')?.id, '1', 'the full number is not in doubt');
  });

  it('takes nobody of another country with the same last digits', () => {
    const mirror = mirrorOf(contactOf({ id: '1', numbers: ['+79161110002'] }));
    assert.equal(mirror.find('+39161110002'), null);
    assert.equal(mirror.find('+19161110002'), null);
    assert.equal(mirror.find('0061110002'), null, 'ten digits are compared where both have them');
    assert.equal(mirror.find('1110002'), null, 'too short to tell');
  });

  it('follows changes: numbers taken away, contacts removed, older versions ignored', () => {
    const mirror = mirrorOf(contactOf({ id: '1', numbers: ['+79161110002', '+74951234567'], updatedAt: new Date(5) }));
    mirror.put([contactOf({ id: '1', numbers: ['+74951234567'], updatedAt: new Date(6) })]);
    assert.equal(mirror.find('+79161110002'), null);
    mirror.put([contactOf({ id: '1', numbers: ['+79161110002'], updatedAt: new Date(5) })]);
    assert.equal(mirror.find('+79161110002'), null);
    mirror.put([contactOf({ id: '2' }), contactOf({ id: '3', numbers: [] })]);
    mirror.remove('2');
    assert.equal(mirror.find('+79161110002'), null);
    mirror.retain(new Set(['3']));
    assert.equal(mirror.size, 1);
    assert.equal(mirror.find('+74951234567'), null);
  });

  it('finds in microseconds among 200,000 contacts', () => {
    const mirror = new ContactMirror();
    const numberOf = (index: number) => `+7916${1_000_000 + index}`;
    mirror.put(
      Array.from({ length: 200_000 }, (_, index) => contactOf({ id: `${index}`, numbers: [numberOf(index)] })),
    );
    const startedAt = performance.now();
    for (let index = 0; index < 100_000; index += 1) assert.equal(mirror.find(numberOf(index))?.id, `${index}`);
    assert.ok(performance.now() - startedAt < 2000);
  });
});

describe('a contact that is deleted from the book', () => {
  it('is unknown to the next call', async () => {
    const mirror = new ContactMirror();
    mirror.put([contactOf({ id: '1', numbers: ['+79161110002'] })]);
    let isFaulty = true;
    const book = {
      deleteContact: async () => {
        if (isFaulty) throw new Error('no database');
        return true;
      },
    } as unknown as ContactBook;
    const watched = forgettingDeleted(book, mirror);
    await assert.rejects(watched.deleteContact('1'));
    assert.equal(mirror.size, 1);
    isFaulty = false;
    assert.equal(await watched.deleteContact('1'), true);
    assert.equal(mirror.find('+79161110002'), null);
  });
});
