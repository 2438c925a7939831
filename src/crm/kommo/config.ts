import { z } from 'zod';

const accountAddress = z
  .string()
  .trim()
  .transform((text) => (text.includes('://') ? text : `https://${text}`))
  .refine(isAccountAddress, 'write the address of the account, e.g. company.amocrm.ru or company.kommo.com');

/** Plain HTTP would show the token to the whole line; only this machine itself may be spoken to so. */
function isAccountAddress(address: string): boolean {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || url.username !== '' || url.search !== '' || url.pathname !== '/') return false;
  if (url.protocol === 'https:') return url.hostname.includes('.');
  return url.protocol === 'http:' && ['127.0.0.1', 'localhost'].includes(url.hostname);
}

const oauthConfig = z.strictObject({
  clientId: z.string().min(1).describe('"Integration ID" on the Keys tab of the integration'),
  clientSecret: z.string().min(1).describe('"Secret key" on the same tab'),
  redirectUri: z.url().describe('Exactly as written in the integration'),
  authorizationCode: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Lives 20 minutes and is used once, at the start; a new one renews the access'),
  encryptionSecret: z
    .string()
    .min(32, 'is too short; make one with: openssl rand -hex 32')
    .describe('Tokens stand in the database encrypted with it'),
});

const widgetConfig = z.strictObject({
  clientId: z.string().min(1).nullable().default(null),
  clientSecret: z.string().min(1).describe('"Secret key" of the integration whose widget asks for calls'),
  address: z.url().nullable().default(null).describe('Ours, as the redirect address of the integration names it'),
});
const stockWidgetConfig = z.strictObject({
  login: z.string().min(1),
  password: z.string().min(12, 'is too short; make one with: openssl rand -hex 16'),
  givesCalls: z
    .boolean()
    .default(false)
    .describe('The widget may fetch the calls too; they then stand in the CRM twice'),
});

/** Settings of an amoCRM or Kommo account. */
export const kommoConfig = z
  .strictObject({
    account: accountAddress.describe('Address of the account'),
    longLivedToken: z.string().min(1).nullable().default(null).describe('Of a private integration; instead of oauth'),
    oauth: oauthConfig.nullable().default(null),
    extensions: z
      .record(z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension; digits only'), z.string().trim().min(1))
      .default({})
      .describe('Extension: id or e-mail of its user in the CRM. Not needed where users names the same e-mail'),
    source: z.string().min(1).max(100).default('ringledger').describe('Name of the service that calls came from'),
    language: z
      .enum(['en', 'ru'])
      .nullable()
      .default(null)
      .describe('Of what we write; null: ru for amocrm.ru, else en'),
    taskType: z.int().min(1).default(1).describe("The account's task type for tasks; 1: call"),
    collectingContact: z
      .string()
      .trim()
      .min(1)
      .nullable()
      .default(null)
      .describe('Name of the contact that keeps calls of withheld numbers, and of numbers no rule makes a contact for'),
    companies: z.boolean().default(true).describe('Numbers of companies are looked for too'),
    widget: widgetConfig.nullable().default(null).describe('Click-to-call; null: the integration of oauth, if any'),
    stockWidget: stockWidgetConfig.nullable().default(null).describe('Click-to-call by the stock widget "Asterisk"'),
    requestsPerSecond: z
      .number()
      .min(0.5)
      .max(7)
      .default(7)
      .describe('Of all nodes together; other integrations count too'),
    timeoutMs: z.int().min(1_000).max(60_000).default(15_000).describe('For one request'),
  })
  .superRefine((settings, context) => {
    if ((settings.longLivedToken === null) === (settings.oauth === null)) {
      context.addIssue({
        code: 'custom',
        path: [],
        message: 'needs either longLivedToken (or longLivedTokenFile) or oauth',
      });
    }
  });

export type KommoConfig = z.output<typeof kommoConfig>;
