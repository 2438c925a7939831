import type { Knex } from 'knex';
import type { ContactBook } from '../core/contact-book.ts';
import type { Clock, CrmAdapter, Employee, NumberPlan } from '../core/ports.ts';
import { createKommoCrm } from './kommo/adapter.ts';
import { kommoConfig } from './kommo/config.ts';
import { createLocalCrm } from './local/adapter.ts';
import { localCrmConfig } from './local/config.ts';
import { createRetailcrmCrm, type IntegrationSetup } from './retailcrm/adapter.ts';
import { retailcrmConfig } from './retailcrm/config.ts';

/** What an adapter may stand on; each takes what it needs. */
export interface CrmParts {
  /** The configured name of this CRM, which its deliveries carry. */
  readonly name: string;
  readonly db: Knex;
  readonly numbers: NumberPlan;
  readonly clock: Clock;
  /** How CRMs reach us from outside; null: they cannot. */
  readonly publicUrl?: string | null;
  readonly staff?: () => readonly Employee[];
}

export interface BuiltCrm {
  readonly adapter: CrmAdapter;
  /** Only where people keep their contacts with us. */
  readonly book?: ContactBook;
  /** Only where the CRM must be told about us before it works with us. */
  readonly setup?: IntegrationSetup;
  /** Deliveries that may be in work at once; null or absent: the usual number. */
  readonly concurrency?: number | null;
  /** The service stops: sends what was held back to be sent together. */
  readonly finish?: () => Promise<void>;
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
  /** retailCRM and Simla: two brands of one CRM. */
  retailcrm: {
    config: retailcrmConfig,
    create: (settings: unknown, parts: CrmParts): BuiltCrm =>
      createRetailcrmCrm({ ...parts, config: retailcrmConfig.parse(settings) }),
  },
} as const;

export type CrmKind = keyof typeof crmKinds;
