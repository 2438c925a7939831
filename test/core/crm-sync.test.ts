import assert from 'node:assert/strict';
import { ContactMirror } from '../../src/core/contact-mirror.ts';
import { CrmSync } from '../../src/core/crm-sync.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { Contact, CrmUser } from '../../src/core/ports.ts';
import { contactOf } from '../support/caller-lookup.ts';
import { FixedClock } from '../support/fixed-clock.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { until } from '../support/until.ts';

const user: CrmUser = { id: '5', name: 'Anna', email: null, extensions: ['101'], isActive: true };

/** A CRM in memory that pages by two, remembers what it was asked for, and fails when told to. */
function createCrm() {
  const crm = {
    name: 'crm',
    users: [user] as readonly CrmUser[],
    contacts: [] as Contact[],
    asked: [] as (Date | null)[],
    failure: null as Error | null,
    listUsers: async () => crm.users,
    gone: [] as string[],
    async *listContacts(since: Date | null, onGone?: (id: string) => void) {
      crm.asked.push(since);
      for (const id of crm.gone.splice(0)) onGone?.(id);
      const changed = crm.contacts.filter(({ updatedAt }) => since === null || updatedAt >= since);
      for (let at = 0; at < changed.length; at += 2) {
        if (crm.failure && at > 0) throw crm.failure;
        yield changed.slice(at, at + 2);
      }
      if (crm.failure) throw crm.failure;
    },
  };
  return crm;
}

const numberOf = (id: number) => `+7916111000${id}`;
const at = (minute: number) => new Date(Date.UTC(2026, 10, 1, 0, minute));
const contact = (id: number, minute: number) =>
  contactOf({ id: `${id}`, numbers: [numberOf(id)], updatedAt: at(minute) });

describe('keeping a CRM in memory', () => {
  function create(crm = createCrm()) {
    const mirror = new ContactMirror();
    const directory = new StaffDirectory({ employees: [], timeZone: 'UTC' });
    const clock = new FixedClock();
    const settings = { everyMs: 5, fullEveryMs: 3_600_000 };
    const log = createKeptLog();
    return { crm, mirror, directory, clock, log, sync: new CrmSync({ crm, mirror, directory, settings, clock, log }) };
  }

  it('reads everything, then only what changed, a little overlapping', async () => {
    const { crm, mirror, directory, sync } = create();
    crm.contacts = [contact(1, 10), contact(2, 11), contact(3, 12)];
    await sync.syncOnce();
    assert.equal(mirror.size, 3);
    assert.equal(directory.byCrmUser('crm', '5')?.name, 'Anna');
    crm.contacts.push(contact(4, 20));
    await sync.syncOnce();
    assert.equal(mirror.find(numberOf(4))?.id, '4');
    assert.deepEqual(crm.asked, [null, at(11)]);
  });

  it('forgets what was deleted at the next full listing', async () => {
    const { crm, mirror, clock, sync } = create();
    crm.contacts = [contact(1, 10), contact(2, 11)];
    await sync.syncOnce();
    crm.contacts.shift();
    await sync.syncOnce();
    assert.equal(mirror.size, 2);
    clock.advance(3_600_000);
    await sync.syncOnce();
    assert.equal(mirror.find(numberOf(1)), null);
    assert.equal(mirror.size, 1);
  });

  it('forgets at once what the CRM says was deleted', async () => {
    const { crm, mirror, sync } = create();
    crm.contacts = [contact(1, 10), contact(2, 11)];
    await sync.syncOnce();
    crm.contacts.shift();
    crm.gone.push('1');
    await sync.syncOnce();
    assert.equal(mirror.find(numberOf(1)), null);
    assert.equal(mirror.size, 1);
  });

  it('keeps all it has when the CRM fails in the middle, and reads everything again after', async () => {
    const { crm, mirror, clock, sync } = create();
    crm.contacts = [contact(1, 10), contact(2, 11), contact(3, 12)];
    await sync.syncOnce();
    clock.advance(3_600_000);
    crm.failure = new Retryable('502');
    await assert.rejects(sync.syncOnce(), Retryable);
    assert.equal(mirror.size, 3);
    crm.failure = null;
    crm.contacts.pop();
    await sync.syncOnce();
    assert.equal(mirror.size, 2);
  });

  it('does not take an empty list of users for an answer', async () => {
    const { crm, directory, sync } = create();
    await sync.syncOnce();
    crm.users = [];
    await sync.syncOnce();
    assert.equal(directory.byExtension('101')?.name, 'Anna');
  });

  it('goes on by itself through failures, says how it does, and stops', async () => {
    const { crm, mirror, log, sync } = create();
    crm.failure = new Retryable('502');
    sync.start();
    await until(() => crm.asked.length >= 2);
    assert.equal(sync.status()[0]!.health, 'warning');
    assert.ok(log.lines.some(({ level }) => level === 'warn'));
    crm.failure = null;
    crm.contacts = [contact(1, 10)];
    await until(() => mirror.size === 1);
    await until(() => sync.status()[0]!.health === 'ok');
    await sync.stop();
    const rounds = crm.asked.length;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(crm.asked.length, rounds);
  });
});
