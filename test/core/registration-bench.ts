import type { Call, Conversation } from '../../src/core/call.ts';
import type { DeliveryHandler, DeliveryOutcome } from '../../src/core/delivery/crm-loop.ts';
import { StaffDirectory } from '../../src/core/employees.ts';
import { coreBehaviour, type Hooks } from '../../src/core/hooks.ts';
import { Retryable } from '../../src/core/errors.ts';
import type { CrmAdapter, CrmUser, Delivery, Employee } from '../../src/core/ports.ts';
import { createConversationHandler } from '../../src/core/registration.ts';
import { buildRegistrationRules, registrationConfig } from '../../src/crm/rules-config.ts';
import { type LocalCrmUnderTest, russianNumbers } from '../crm/local/local-crm-under-test.ts';

type Written = Parameters<typeof registrationConfig.parse>[0];

/** Where an attempt breaks: before or after the n-th thing it does to the world (0 is the first). */
export interface Break {
  readonly step: number;
  readonly when: 'before' | 'after';
}

/** The registration step over a built-in CRM, a ledger of the calls given to it, and deliveries in memory. */
export class RegistrationBench {
  readonly crm: LocalCrmUnderTest;
  /** What was done to the world so far: requests to the CRM that change it, and progress kept. */
  readonly steps: string[] = [];
  readonly #progress = new Map<string, Readonly<Record<string, string>>>();
  readonly #calls = new Map<string, Call>();
  readonly #handle: DeliveryHandler;
  #break: Break | null = null;

  static async open(
    crm: LocalCrmUnderTest,
    setting: {
      readonly written?: Written;
      readonly hooks?: Partial<Hooks>;
      /** Employees that stand in the configuration besides those of the CRM. */
      readonly employees?: readonly Employee[];
      readonly without?: readonly (keyof CrmAdapter)[];
      /** Instead of the CRM's own list. */
      readonly users?: readonly CrmUser[];
    } = {},
  ): Promise<RegistrationBench> {
    const staff = new StaffDirectory({
      employees: [...(await crm.book.listEmployees()), ...(setting.employees ?? [])],
      timeZone: 'Europe/Moscow',
    });
    const users = setting.users ?? (await crm.adapter.listUsers());
    staff.setCrmUsers('local', users);
    return new RegistrationBench(crm, { ...setting, staff, users });
  }

  private constructor(
    crm: LocalCrmUnderTest,
    setting: {
      readonly written?: Written;
      readonly hooks?: Partial<Hooks>;
      readonly without?: readonly (keyof CrmAdapter)[];
      readonly staff: StaffDirectory;
      readonly users: readonly CrmUser[];
    },
  ) {
    this.crm = crm;
    this.#handle = createConversationHandler({
      crm: this.#watch(crm.adapter, setting.without ?? []),
      ledger: {
        conversation: async (source, uniqueId) => {
          const call = this.#calls.get(`${source}/${uniqueId}`);
          const conversation = call?.conversations.find((one) => one.uniqueId === uniqueId);
          return call === undefined || conversation === undefined ? null : { call, conversation };
        },
      },
      hooks: { ...coreBehaviour, ...setting.hooks },
      installation: {
        crm: 'local',
        rules: buildRegistrationRules(registrationConfig.parse(setting.written ?? {}), {
          language: 'en',
          toClientNumber: russianNumbers.toClientNumber,
        }),
        staff: setting.staff,
        numbers: russianNumbers,
        timeZone: 'Europe/Moscow',
      },
      users: () => setting.users,
    });
  }

  /** Puts the call into the ledger, in place of what was known of it. */
  know(call: Call): void {
    for (const { uniqueId } of call.conversations) this.#calls.set(`${call.source}/${uniqueId}`, call);
  }

  /** One attempt at the conversation's delivery; progress of earlier attempts is kept as the store keeps it. */
  attempt(
    call: Call,
    conversation: Conversation = call.conversations[0]!,
    broken: Break | null = null,
  ): Promise<DeliveryOutcome> {
    this.#break = broken;
    this.steps.length = 0;
    const key = `${call.source}/${conversation.uniqueId}`;
    const delivery: Delivery = {
      id: key,
      crm: 'local',
      kind: 'conversation',
      source: call.source,
      linkedId: call.linkedId,
      uniqueId: conversation.uniqueId,
      state: 'leased',
      attempts: 0,
      dueAt: call.startedAt,
      fence: 1,
      progress: this.#progress.get(key) ?? {},
      lastError: null,
      crmId: null,
      createdAt: call.startedAt,
      deliveredAt: null,
    };
    return this.#handle(delivery, {
      signal: new AbortController().signal,
      saveProgress: (progress) =>
        this.#step('progress', async () => {
          this.#progress.set(key, progress);
        }),
    });
  }

  /** As `attempt`, of a call that the ledger does not know yet. */
  register(call: Call): Promise<DeliveryOutcome> {
    this.know(call);
    return this.attempt(call);
  }

  async counts(): Promise<Record<string, number>> {
    const entities = ['contact', 'lead', 'incomingLead', 'task', 'registration'] as const;
    const counted = await Promise.all(entities.map(async (entity) => [entity, await this.crm.count(entity)] as const));
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  }

  #watch(adapter: CrmAdapter, without: readonly (keyof CrmAdapter)[]): CrmAdapter {
    return new Proxy(adapter, {
      get: (target, property) => {
        if ((without as readonly (string | symbol)[]).includes(property)) return undefined;
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function' || !/^(?:create|update|register)/.test(String(property))) return value;
        return (...values: unknown[]) =>
          this.#step(String(property), async () => Reflect.apply(value, target, values) as unknown);
      },
    });
  }

  async #step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const isHere = this.#break?.step === this.steps.length;
    this.steps.push(name);
    if (isHere && this.#break?.when === 'before') throw new Retryable(`broken before ${name}`);
    const result = await work();
    if (isHere) throw new Retryable(`broken after ${name}`);
    return result;
  }
}
