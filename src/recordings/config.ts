import { z } from 'zod';

const root = z.strictObject({
  asteriskPath: z
    .string()
    .regex(/^\//, 'is not absolute')
    .nullable()
    .default(null)
    .describe('The folder as Asterisk names it; null: as here'),
  path: z.string().regex(/^\//, 'is not absolute').describe('The same folder on this machine'),
});

const days = z.number().positive().max(36_500).nullable();
const rule = z.strictObject({
  days: days.describe('null: for ever'),
  directions: z
    .array(z.enum(['inbound', 'outbound', 'internal']))
    .min(1)
    .nullable()
    .default(null),
  extensions: z.array(z.string().min(1)).min(1).nullable().default(null),
  dids: z.array(z.string().min(1)).min(1).nullable().default(null),
});

const archive = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Of the storage, without the bucket: https://s3.example.org'),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is no name of a bucket'),
  prefix: z
    .string()
    .regex(/^[\w./-]*$/, 'has characters that are not for keys')
    .default('recordings/'),
  region: z.string().min(1).default('us-east-1'),
  accessId: z.string().min(1),
  accessSecret: z.string().min(1),
  afterDays: z.number().min(0).default(30).describe('Converted recordings of that age are moved there'),
  timeoutMs: z.int().min(1000).max(600_000).default(60_000),
});

/** The `recordings` section of the configuration. */
export const recordingsConfig = z
  .strictObject({
    enabled: z.boolean().default(true),
    roots: z
      .array(root)
      .min(1)
      .default([{ asteriskPath: null, path: '/var/spool/asterisk' }])
      .describe('Nothing outside of these folders is ever opened'),
    templates: z
      .array(z.string().min(1).max(500))
      .default(['monitor/{{year}}/{{month}}/{{day}}/*-{{uniqueid}}.*'])
      .describe('Where to look below the roots when no file was announced; the default is the layout of FreePBX'),
    folder: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Of the converted recordings; default: recordings next to the database'),
    convert: z
      .strictObject({
        program: z.string().min(1).default('ffmpeg'),
        timeoutMs: z
          .int()
          .min(100)
          .max(600_000)
          .default(10_000)
          .describe('Then the original is served, and it is tried again slowly'),
        slowTimeoutMs: z
          .int()
          .min(1000)
          .max(24 * 3_600_000)
          .default(1_800_000),
        workers: z.int().min(1).max(16).default(2),
        niceness: z.int().min(0).max(19).default(10),
        kilobits: z.int().min(8).max(64).default(24).describe('Of each channel'),
        sampleRate: z.union([z.literal(8000), z.literal(16000)]).default(8000),
      })
      .prefault({}),
    links: z
      .strictObject({
        expireDays: z.number().positive().max(36_500).nullable().default(null).describe('null: good for ever'),
        secrets: z
          .array(z.strictObject({ secret: z.string().min(32, 'is too short; make one with: openssl rand -hex 32') }))
          .default([])
          .describe('The first signs, all are believed; default: one made at the first start'),
      })
      .prefault({}),
    keep: z
      .strictObject({
        days: days.default(null).describe('null: for ever'),
        rules: z.array(rule).default([]).describe('The first that fits decides'),
        originals: z.enum(['keep', 'remove']).default('keep').describe('What becomes of a file once it is converted'),
        quotaMegabytes: z.number().positive().nullable().default(null),
        whenFull: z.enum(['alarm', 'remove-oldest']).default('alarm'),
        minFreeMegabytes: z.number().min(0).default(200).describe('Nothing is converted onto a disk with less'),
      })
      .prefault({}),
    archive: archive.nullable().default(null).describe('S3-compatible storage'),
  })
  .prefault({});

export type RecordingsConfig = z.output<typeof recordingsConfig>;
