import type { Knex } from 'knex';
import type { ContactBook } from '../core/contact-book.ts';
import type { Clock, CrmAdapter, NumberPlan } from '../core/ports.ts';
import { createKommoCrm } from './kommo/adapter.ts';
import { kommoConfig } from './kommo/config.ts';
import { createLocalCrm } from './local/adapter.ts';
import { localCrmConfig } from './local/config.ts';

/** What an adapter may stand on; each takes what it needs. */
export interface CrmParts {
  /** The configured name of this CRM, which its deliveries carry. */
  readonly name: string;
  readonly db: Knex;
  readonly numbers: NumberPlan;
  readonly clock: Clock;
}

export interface BuiltCrm {
  readonly adapter: CrmAdapter;
  /** Only where people keep their contacts with us. */
  readonly book?: ContactBook;
}

/** Every kind of CRM: its settings, and how it is built from settings that have passed. The only list. */
export const crmKinds = {
  local: {
    config: localCrmConfig,
    create: (settings: unknown, parts: CrmParts): BuiltCrm =>
      createLocalCrm({ ...parts, config: localCrmConfig.parse(settings) }),
  },
  /** amoCRM and Kommo: two brands of one CRM. */
  kommo: {
    config: kommoConfig,
    create: (settings: unknown, parts: CrmParts): BuiltCrm => ({
      adapter: createKommoCrm({ ...parts, config: kommoConfig.parse(settings) }),
    }),
  },
} as const;

export type CrmKind = keyof typeof crmKinds;
