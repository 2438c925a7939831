import type { Knex } from 'knex';
import type { NumberPlan } from '../../../src/core/ports.ts';
import { createLocalCrm } from '../../../src/crm/local/adapter.ts';
import type { LocalCrm } from '../../../src/crm/local/adapter.ts';
import { localCrmConfig } from '../../../src/crm/local/config.ts';
import { numberingConfig } from '../../../src/numbering/config.ts';
import { createNumberPlan } from '../../../src/numbering/number-plan.ts';
import { FixedClock } from '../../support/fixed-clock.ts';
import type { CrmEntity, CrmUnderTest, OptionalMethod } from '../conformance.ts';

export const russianNumbers: NumberPlan = createNumberPlan(numberingConfig.parse({ country: 'RU' }));

export const anEmployee = {
  email: null,
  deputies: [],
  mobile: null,
  isActive: true,
  workingHours: null,
} as const;

export const localCapabilities: readonly OptionalMethod[] = [
  'listContacts',
  'createContact',
  'findOpenLead',
  'createLead',
  'createIncomingLead',
  'findOpenTask',
  'createTask',
  'updateContact',
  'updateLead',
  'attachRecording',
];

const lostAnswer = () => Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
const faults = {
  down: () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  'access-refused': () => Object.assign(new Error('password authentication failed'), { code: '28P01' }),
};

/** The database as it is met over a network: requests fail, and answers to what was committed get lost. */
export class UnreliableDatabase {
  readonly knex: Knex;
  #fault: keyof typeof faults | null = null;
  #isAnswerLost = false;

  constructor(db: Knex) {
    this.knex = new Proxy(db, {
      apply: (target, self, argumentsList) => {
        const builder: object = Reflect.apply(target as unknown as () => object, self, argumentsList);
        const fault = this.#takeFault();
        if (fault === null) return builder;
        return new Proxy(builder, {
          get: (real, property, receiver) => {
            if (property === 'then') return (_: unknown, reject: (error: Error) => void) => reject(fault);
            const value: unknown = Reflect.get(real, property, real);
            return typeof value === 'function'
              ? (...values: unknown[]) => (Reflect.apply(value, real, values) === real ? receiver : fail(fault))
              : value;
          },
        });
      },
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property);
        if (property !== 'transaction') return value;
        return async (work: (transaction: Knex.Transaction) => Promise<unknown>) => {
          const fault = this.#takeFault();
          if (fault !== null) throw fault;
          const result = await target.transaction(work);
          if (!this.#isAnswerLost) return result;
          this.#isAnswerLost = false;
          throw lostAnswer();
        };
      },
    });
  }

  failNext(fault: keyof typeof faults): void {
    this.#fault = fault;
  }
  loseNextAnswer(): void {
    this.#isAnswerLost = true;
  }

  #takeFault(): Error | null {
    const fault = this.#fault === null ? null : faults[this.#fault]();
    this.#fault = null;
    return fault;
  }
}

function fail(error: Error): never {
  throw error;
}

const tables: Record<CrmEntity, string> = {
  contact: 'local_contacts',
  lead: 'local_leads',
  incomingLead: 'local_incoming_leads',
  task: 'local_tasks',
  registration: 'local_call_notes',
};

export type LocalCrmUnderTest = CrmUnderTest & LocalCrm & { readonly clock: FixedClock };

/** A further node on a database that is in use. */
export function connectLocalCrm(db: Knex, clock: FixedClock): LocalCrm {
  return createLocalCrm({ name: 'local', config: localCrmConfig.parse({}), db, numbers: russianNumbers, clock });
}

/** The built-in CRM on a migrated, empty database, with two employees: 101 and 102. */
export async function makeLocalCrm(db: Knex): Promise<LocalCrmUnderTest> {
  const clock = new FixedClock();
  const unreliable = new UnreliableDatabase(db);
  const { adapter, book } = connectLocalCrm(unreliable.knex, clock);
  const ivan = await book.addEmployee({ ...anEmployee, name: 'Иван', extensions: ['101'] });
  const olga = await book.addEmployee({ ...anEmployee, name: 'Ольга', extensions: ['102'] });
  return {
    adapter,
    book,
    clock,
    userIds: [ivan.id, olga.id],
    addContact: (contact) => book.addContact({ company: null, tags: [], ...contact }),
    count: async (entity) => Number((await db(tables[entity]).count({ count: '*' }).first())!['count']),
    closeLead: async (id) => void (await book.editLead(id, { statusId: 'won' })),
    completeTask: async (id) => void (await book.completeTask(id)),
    loseNextAnswer: () => unreliable.loseNextAnswer(),
    failNext: (fault) => unreliable.failNext(fault),
    advance: (ms) => clock.advance(ms),
    // The database is closed by whoever made it.
    close: async () => undefined,
  };
}
