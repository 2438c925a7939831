import assert from 'node:assert/strict';
import { Retryable } from '../../../src/core/errors.ts';
import type { CrmAdapter } from '../../../src/core/ports.ts';
import { NodeLocks } from '../../../src/crm/kommo/access/node-locks.ts';
import type { Database } from '../../../src/storage/connection.ts';
import { forEachDatabase } from '../../support/databases.ts';
import { FakeKommo } from '../../support/fake-kommo.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import { until } from '../../support/until.ts';
import { aContact, aLead, aRegistration } from '../conformance.ts';
import { connectKommo } from './kommo-under-test.ts';

describe('several nodes with one amoCRM or Kommo account', () => {
  forEachDatabase((makeDatabase, kind) => {
    // An SQLite file has one process.
    if (kind === 'sqlite') return;
    let database: Database;
    let fake: FakeKommo;
    let nodes: CrmAdapter[];
    const clock = new FixedClock();
    beforeEach(async () => {
      const made = await makeDatabase();
      database = made.database;
      const other = await made.reopen();
      fake = await FakeKommo.start({ clock });
      nodes = [database, other].map(({ knex }) => connectKommo(fake, { db: knex, clock }));
    });
    afterEach(async () => {
      for (const node of nodes) await node.close?.();
      await fake.close();
    });
    const onAll = <Result>(count: number, work: (node: CrmAdapter, index: number) => Promise<Result>) =>
      Promise.all(Array.from({ length: count }, (_, index) => work(nodes[index % nodes.length]!, index)));

    it('make one contact of a number, one lead of a contact, one task, one request and one call of a key', async () => {
      // What the account's own search does not show yet is known from what the other node has made.
      fake.searchLagMs = 60_000;
      const contacts = await onAll(10, (node, index) => node.createContact!(aContact(), `c${index}`));
      assert.equal(fake.contacts.length, 1);
      const contactId = contacts[0]!.id;
      await onAll(6, (node, index) => node.createLead!(aLead({ contactId }), `l${index}`));
      assert.equal(fake.leads.length, 1);
      const task = {
        text: 'Call back',
        dueAt: new Date('2026-11-22T00:00:00Z'),
        responsibleId: null,
        contactId,
        leadId: null,
      };
      await onAll(6, (node, index) => node.createTask!(task, `t${index}`));
      assert.equal(fake.tasks.length, 1);
      await onAll(6, (node) => node.registerConversation(aRegistration({ contactId })));
      assert.equal(fake.callNotes.length, 1);
      const request = {
        name: 'Входящий звонок',
        number: '+79161110003',
        callKey: 'k',
        startedAt: new Date('2026-11-21T07:32:51.000Z'),
        pipelineId: null,
        responsibleId: null,
      };
      await onAll(6, (node, index) => node.createIncomingLead!(request, `r${index}`));
      assert.equal(fake.requests.length, 1);
    });

    it('goes on where a node died between its request and the answer', async () => {
      fake.loseNextAnswer();
      await assert.rejects(nodes[0]!.createContact!(aContact(), 'c1'), Retryable);
      await nodes[0]!.close?.();
      const contact = await nodes[1]!.createContact!(aContact(), 'c1');
      assert.deepEqual(
        fake.contacts.map(({ id }) => String(id)),
        [contact.id],
      );
    });

    it('wait for each other, and not for ever for one that died', async () => {
      const [one, other] = [new NodeLocks(database.knex), new NodeLocks(database.knex)];
      const order: string[] = [];
      let release = () => {};
      const held = one.hold('x', async () => {
        order.push('one begins');
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        order.push('one ends');
      });
      await until(() => order.length === 1);
      const waiting = other.hold('x', async () => void order.push('other'));
      await other.hold('y', async () => void order.push('another name'));
      release();
      await Promise.all([held, waiting]);
      assert.deepEqual(order, ['one begins', 'another name', 'one ends', 'other']);

      await database.knex('crm_locks').insert({ name: 'z', owner: 'a node that died', held_until: Date.now() - 1 });
      await other.hold('z', async () => void order.push('taken over'));
      assert.equal(order.at(-1), 'taken over');
      assert.deepEqual(await database.knex('crm_locks'), []);
    });
  });
});
