import type { Knex } from 'knex';
import { createRetailcrmCrm, type RetailcrmCrm, type RetailcrmParts } from '../../../src/crm/retailcrm/adapter.ts';
import { retailcrmConfig } from '../../../src/crm/retailcrm/config.ts';
import { customerSchema, toContact } from '../../../src/crm/retailcrm/mapping.ts';
import { numberingConfig } from '../../../src/numbering/config.ts';
import { createNumberPlan } from '../../../src/numbering/number-plan.ts';
import { fakeKey, FakeRetailcrm, type FakeRetailcrmOptions } from '../../support/fake-retailcrm.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import type { CrmEntity, CrmUnderTest, OptionalMethod } from '../conformance.ts';

export const numbers = createNumberPlan(numberingConfig.parse({ country: 'RU' }));

export const retailcrmCapabilities: readonly OptionalMethod[] = [
  'listContacts',
  'createContact',
  'findOpenLead',
  'createLead',
  'findOpenTask',
  'createTask',
  'updateContact',
  'updateLead',
  'showIncomingCall',
  'hideIncomingCall',
  'setUserStatus',
];

export const clientToken = 'client-token-of-the-tests';

/** An adapter of the fake account; a further one on the same database is a further node. */
export function connectRetailcrm(
  fake: FakeRetailcrm,
  parts: Partial<RetailcrmParts> & { readonly db: Knex; readonly settings?: Readonly<Record<string, unknown>> },
): RetailcrmCrm {
  const { settings, ...rest } = parts;
  return createRetailcrmCrm({
    name: 'shop',
    numbers,
    clock: new FixedClock(),
    publicUrl: 'https://calls.example.org',
    // Fast enough for tests: the pace itself is tried on its own.
    requestsPerSecond: { general: 5_000, telephony: 5_000 },
    ...rest,
    config: retailcrmConfig.parse({
      account: fake.address,
      apiKey: fakeKey,
      clientToken,
      extensions: { '101': '1', '102': 'OLGA@example.org' },
      fallbackCode: '101',
      timeoutMs: 5_000,
      ...settings,
    }),
  });
}

export interface RetailcrmUnderTest extends CrmUnderTest, RetailcrmCrm {
  readonly fake: FakeRetailcrm;
  readonly clock: FixedClock;
}

/** An account with nothing in it but the users 1 (extension 101) and 2 (102). */
export async function makeRetailcrm(
  db: Knex,
  options: {
    readonly fake?: Partial<FakeRetailcrmOptions>;
    readonly settings?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<RetailcrmUnderTest> {
  const clock = new FixedClock();
  const fake = await FakeRetailcrm.start({ clock, ...options.fake });
  fake.addUser({ id: 1, firstName: 'Anna', lastName: 'Petrova', email: 'anna@example.org' });
  fake.addUser({ id: 2, firstName: 'Olga', lastName: 'Orlova', email: 'olga@example.org' });
  const crm = connectRetailcrm(fake, { db, clock, ...(options.settings && { settings: options.settings }) });
  const counts: Record<CrmEntity, () => number> = {
    contact: () => fake.customers.length,
    lead: () => fake.orders.length,
    incomingLead: () => 0,
    task: () => fake.tasks.length,
    registration: () => fake.calls.length,
  };
  return {
    ...crm,
    fake,
    clock,
    userIds: ['1', '2'],
    async addContact({ name, numbers: phones, responsibleId }) {
      const managerId = responsibleId === null ? null : Number(responsibleId);
      const customer = fake.addCustomer({ firstName: name, phones, managerId });
      const known = { numbers, address: fake.address, timeZone: fake.timeZone };
      return toContact(customerSchema.parse(customer), known);
    },
    count: async (entity) => counts[entity](),
    closeLead: async (id) => void (fake.orders.find((order) => String(order.id) === id)!.status = 'complete'),
    completeTask: async (id) => void (fake.tasks.find((task) => String(task.id) === id)!.complete = true),
    loseNextAnswer: () => fake.loseNextAnswer(),
    failNext: (fault) => fake.failNext(fault),
    advance: (ms) => clock.advance(ms),
    async close() {
      await crm.adapter.close!();
      await fake.stop();
    },
  };
}
