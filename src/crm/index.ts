import type { Knex } from 'knex';
import type { ContactBook } from '../core/contact-book.ts';
import type { Clock, CrmAdapter, Employee, NumberPlan } from '../core/ports.ts';
import { kommoConfig } from './kommo/config.ts';
import { localCrmConfig } from './local/config.ts';
import type { IntegrationSetup } from './retailcrm/adapter.ts';
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

/**
 * Every kind of CRM: its settings, and how it is built from settings that have passed. The only list. An adapter is loaded
 * when it is built: an installation holds in memory the CRMs that it has.
 */
export const crmKinds = {
  local: {
    config: localCrmConfig,
    async create(settings: unknown, parts: CrmParts): Promise<BuiltCrm> {
      const { createLocalCrm } = await import('./local/adapter.ts');
      return createLocalCrm({ ...parts, config: localCrmConfig.parse(settings) });
    },
  },
  /** amoCRM and Kommo: two brands of one CRM. */
  kommo: {
    config: kommoConfig,
    async create(settings: unknown, parts: CrmParts): Promise<BuiltCrm> {
      const { createKommoCrm } = await import('./kommo/adapter.ts');
      return { adapter: createKommoCrm({ ...parts, config: kommoConfig.parse(settings) }) };
    },
  },
  /** retailCRM and Simla: two brands of one CRM. */
  retailcrm: {
    config: retailcrmConfig,
    async create(settings: unknown, parts: CrmParts): Promise<BuiltCrm> {
      const { createRetailcrmCrm } = await import('./retailcrm/adapter.ts');
      return createRetailcrmCrm({ ...parts, config: retailcrmConfig.parse(settings) });
    },
  },
} as const;

export type CrmKind = keyof typeof crmKinds;
