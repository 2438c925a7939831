import type { Knex } from 'knex';
import type { Contact, CrmAdapter } from '../../../src/core/ports.ts';
import { createKommoCrm } from '../../../src/crm/kommo/adapter.ts';
import { kommoConfig } from '../../../src/crm/kommo/config.ts';
import { toContact } from '../../../src/crm/kommo/mapping.ts';
import { numberingConfig } from '../../../src/numbering/config.ts';
import { createNumberPlan } from '../../../src/numbering/number-plan.ts';
import { FakeKommo, type FakeReadings } from '../../support/fake-kommo.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import type { CrmEntity, CrmUnderTest, OptionalMethod } from '../conformance.ts';

export const numbers = createNumberPlan(numberingConfig.parse({ country: 'RU' }));

export const kommoCapabilities: readonly OptionalMethod[] = [
  'listContacts',
  'createContact',
  'findOpenLead',
  'createLead',
  'createIncomingLead',
  'findOpenTask',
  'createTask',
  'updateContact',
  'updateLead',
  'showIncomingCall',
  'attachRecording',
];

/** Fast enough for tests: the pace itself is tried on its own. */
export const hastySettings = { extensions: { '101': '501', '102': 'Olga@example.org' }, timeoutMs: 5_000 };

/** An adapter of the fake account; a further one on the same database is a further node. */
export function connectKommo(
  fake: FakeKommo,
  parts: {
    readonly db: Knex;
    readonly clock: FixedClock;
    readonly settings?: Record<string, unknown>;
    readonly requestsPerSecond?: number;
    readonly firstBackOffMs?: number;
  },
): CrmAdapter {
  const access = parts.settings?.['oauth'] === undefined ? { longLivedToken: 'long-lived' } : {};
  const config = kommoConfig.parse({ account: fake.address, ...access, ...hastySettings, ...parts.settings });
  const pace = { ...config, requestsPerSecond: parts.requestsPerSecond ?? 5_000 };
  return createKommoCrm({
    name: 'amo',
    config: pace,
    db: parts.db,
    numbers,
    clock: parts.clock,
    firstBackOffMs: parts.firstBackOffMs,
  });
}

export interface KommoUnderTest extends CrmUnderTest {
  readonly fake: FakeKommo;
  readonly clock: FixedClock;
}

export async function makeKommo(
  db: Knex,
  options: { readonly readings?: FakeReadings; readonly settings?: Record<string, unknown> } = {},
): Promise<KommoUnderTest> {
  const clock = new FixedClock();
  const fake = await FakeKommo.start({
    clock,
    ...(options.readings === undefined ? {} : { readings: options.readings }),
  });
  const adapter = connectKommo(fake, {
    db,
    clock,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  const counts: Record<CrmEntity, () => number> = {
    contact: () => fake.contacts.filter((card) => !card.is_unsorted && card.phones.length > 0).length,
    lead: () => fake.leads.filter((lead) => lead.status_id !== 21).length,
    incomingLead: () => fake.requests.length,
    task: () => fake.tasks.length,
    registration: () => fake.callNotes.length,
  };
  let refusals = 0;
  return {
    adapter,
    fake,
    clock,
    userIds: ['501', '502'],
    async addContact({ name, numbers: phones, responsibleId }): Promise<Contact> {
      const card = fake.addCard('contacts', {
        name,
        phones,
        ...(responsibleId === null ? {} : { responsibleId: Number(responsibleId) }),
      });
      const shown = {
        ...card,
        custom_fields_values: [{ field_code: 'PHONE', values: card.phones }],
        _embedded: {},
      };
      return toContact(shown, { kind: 'contacts', numbers, address: fake.address, company: null });
    },
    count: async (entity) => counts[entity](),
    closeLead: async (id) => fake.closeLead(Number(id)),
    completeTask: async (id) => {
      fake.tasks.find((task) => task.id === Number(id))!.is_completed = true;
    },
    loseNextAnswer: () => fake.loseNextAnswer(),
    failNext: (fault) => fake.failNext(fault === 'down' ? 'down' : refusals++ % 2 === 0 ? 'unpaid' : 'banned'),
    advance: (ms) => clock.advance(ms),
    async close() {
      await adapter.close?.();
      await fake.close();
    },
  };
}
