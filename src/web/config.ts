import { z } from 'zod';

const apiToken = z.strictObject({
  name: z.string().min(1).describe('Who uses it; appears in the log'),
  token: z
    .string()
    .min(24, 'is too short for a token; make one with: openssl rand -hex 32')
    .describe('The secret itself; better tokenFile: /etc/ringledger/secrets/…'),
  access: z.enum(['full', 'read']).default('full').describe('read: may look, not change'),
});

/** The `http` section of the configuration: where the API listens and who may use it. */
export const httpConfig = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe('Address to listen on; loopback unless a proxy with TLS stands in front'),
    port: z.int().min(0).max(65_535).default(8480),
    publicUrl: z
      .url({ protocol: /^https?$/ })
      .nullable()
      .default(null)
      .describe('How browsers and CRMs reach this server'),
    tokens: z.array(apiToken).default([]),
    localTokenFile: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        'Token for the command line on this machine, made at the first start; default: api-token next to the database',
      ),
    allowedCidAddresses: z
      .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
      .default([])
      .describe('Addresses that may ask GET /cid/<number> without a token, besides loopback'),
    cidDeadlineMs: z.int().min(50).max(5000).default(800).describe('Longest wait of GET /cid/<number>'),
    maxConnections: z.int().min(1).max(10_000).default(200),
    requestTimeoutMs: z.int().min(100).max(120_000).default(15_000),
    bodyLimitBytes: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(1024 * 1024),
  })
  .prefault({});

export type HttpConfig = z.output<typeof httpConfig>;

/** The `metrics` section. */
export const metricsConfig = z
  .strictObject({
    enabled: z.boolean().default(true),
    public: z.boolean().default(false).describe('GET /metrics without a token'),
  })
  .prefault({});

export type MetricsConfig = z.output<typeof metricsConfig>;
