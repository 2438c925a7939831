import { z } from 'zod';
import { isAddressOrNetwork, isLoopback } from './allow-list.ts';

const network = z
  .string()
  .refine(isAddressOrNetwork, { error: 'must be an address or a network such as 192.168.1.0/24' });

const milliseconds = (least: number, most: number) => z.int().min(least).max(most);

/** Where and how the dialplan's questions are taken: the `agi` section of the configuration. */
export const agiServerConfig = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on; FastAGI has no passwords'),
    port: z.int().min(0).max(65535).default(4573),
    allow: z
      .array(network)
      .default([])
      .describe('Addresses and networks of further Asterisk machines; needed to listen on anything but loopback'),
    maxSessions: z.int().min(1).max(10_000).default(500).describe('Questions being answered at once'),
    maxWaiting: z.int().min(1).max(10_000).default(1000).describe('Connections that have not asked anything yet'),
    headDeadlineMs: milliseconds(100, 60_000).default(2000).describe('Within which a connection must have asked'),
    sessionDeadlineMs: milliseconds(100, 60_000).default(5000).describe('Within which everything is over'),
  })
  .superRefine((config, context) => {
    if (isLoopback(config.host) || config.allow.length > 0) return;
    const message = 'FastAGI has no passwords: to listen on other than loopback, list the allowed addresses in "allow"';
    context.addIssue({ code: 'custom', path: ['host'], message });
  })
  .prefault({});
export type AgiServerConfig = z.output<typeof agiServerConfig>;

/** Who gets a call: the `distribution` section of the configuration. */
export const distributionConfig = z
  .strictObject({
    deadlineMs: milliseconds(50, 1500).default(800).describe('For the whole answer; then the default route is taken'),
    hookMs: milliseconds(0, 1000).default(200).describe('Of that, kept for the hook customize_autodistribution'),
    ringsWhileTalking: z.boolean().default(false).describe('A second call rings an employee who is talking'),
    ringsUnknown: z.boolean().default(true).describe('Phones of which no state is known are rung'),
    breakerFailures: z.int().min(1).max(100).default(5).describe('Failures in a row after which a CRM is not asked'),
    breakerOpenMs: milliseconds(1000, 600_000).default(15_000).describe('For how long it is not asked then'),
    freshMs: milliseconds(0, 3_600_000).default(30_000).describe("How long a CRM's answer is used again"),
    staleMs: milliseconds(0, 7 * 86_400_000)
      .default(86_400_000)
      .describe("How long a CRM's answer stands in when the CRM does not answer"),
  })
  .prefault({});
export type DistributionConfig = z.output<typeof distributionConfig>;

/** What the phone shows of a caller: the `callerName` section of the configuration. */
export const callerNameConfig = z
  .strictObject({
    template: z
      .string()
      .min(1)
      .max(200)
      .refine((text) => !/\{\{(?!\s*(?:name|company|trunk)\s*\}\})/.test(text), {
        error: 'knows only {{name}}, {{company}} and {{trunk}}',
      })
      .default('{{name}}'),
    transliterate: z.boolean().default(false).describe('For phones that show only ASCII'),
    keepsExisting: z
      .boolean()
      .default(false)
      .describe('The script caller-name leaves a name from the network as it is'),
  })
  .prefault({});
export type CallerNameConfig = z.output<typeof callerNameConfig>;
