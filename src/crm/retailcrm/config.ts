import { z } from 'zod';

const accountAddress = z
  .string()
  .trim()
  .transform((text) => (/^https?:\/\//i.test(text) ? text : `https://${text}`).replace(/\/+$/, ''))
  .pipe(z.url({ protocol: /^https?$/, error: 'is not an address such as company.retailcrm.ru' }));

const isTimeZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

const moduleConfig = z
  .strictObject({
    code: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,100}$/, 'has letters, digits, - and _ only')
      .default('ringledger')
      .describe('Symbolic code of the integration in the CRM; keep it'),
    title: z.string().min(1).max(100).default('Ringledger').describe('What people see in the list of integrations'),
    logo: z.url().nullable().default(null).describe('Address of an SVG picture'),
    allowEdit: z.boolean().default(false).describe('People may change extensions and lines in the CRM'),
  })
  .prefault({});

/** Settings of a retailCRM (Simla) account. */
export const retailcrmConfig = z.strictObject({
  account: accountAddress.describe('Address of the account'),
  apiKey: z.string().min(1).describe('API key with the rights that docs/connect-retailcrm.md lists'),
  clientToken: z
    .string()
    .min(16, 'is too short for a secret; make one with: openssl rand -hex 16')
    .max(200)
    .describe('The clientId by which the CRM proves itself when it asks for a call'),
  integration: moduleConfig,
  extensions: z
    .record(z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension; digits only'), z.string().trim().min(1))
    .default({})
    .describe('Extension: id or e-mail of its user in the CRM'),
  lines: z
    .record(z.string().min(3), z.string().min(1))
    .default({})
    .describe('Outside number: symbolic code of the shop whose line it is'),
  site: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Shop of new customers and orders; null: the only one of the key'),
  timeZone: z
    .string()
    .refine(isTimeZone, 'is not a time zone; write one such as Europe/Moscow')
    .nullable()
    .default(null)
    .describe("The account's; null: as its settings say"),
  upload: z
    .strictObject({
      strategy: z
        .enum(['at_once', 'periodic'])
        .default('at_once')
        .describe('periodic: together, 50 at most in one request'),
      everyMs: z.int().min(1_000).max(3_600_000).default(600_000).describe('With periodic'),
    })
    .prefault({}),
  ignoreStatus: z
    .boolean()
    .default(false)
    .describe('Live lookup gives the responsible although he is not free in the CRM'),
  userStatus: z
    .strictObject({
      away: z
        .array(z.enum(['free', 'busy', 'dinner', 'break']))
        .default(['busy', 'dinner', 'break'])
        .describe('States in the CRM in which the phone gets no calls'),
      setsDnd: z.boolean().default(true).describe('Do-not-disturb: the distribution takes a deputy'),
      pausesQueues: z.boolean().default(true).describe("Paused as a member of the phone system's queues"),
    })
    .prefault({}),
  withheldNumber: z.string().min(1).default('anonymous').describe('Written in place of a number that is withheld'),
  fallbackCode: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Extension written with calls that reached no phone and have no responsible; null: none is written'),
  orderMethod: z.string().min(1).nullable().default('phone').describe('Code of the order method of new orders'),
  closedGroups: z
    .array(z.string().min(1))
    .default(['complete', 'cancel'])
    .describe('Groups of order statuses in which an order is finished'),
  timeoutMs: z.int().min(1_000).max(60_000).default(15_000).describe('For one request'),
});

export type RetailcrmConfig = z.output<typeof retailcrmConfig>;
