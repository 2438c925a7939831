import { z } from 'zod';
import { compileNumberPattern } from '../core/number-pattern.ts';

const numberPattern = z.string().superRefine((text, context) => {
  try {
    compileNumberPattern(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

/** The `clickToCall` section: who may have whom called by a click. */
export const clickToCallConfig = z
  .strictObject({
    allow: z
      .array(numberPattern)
      .nullable()
      .default(null)
      .describe("Numbers that may be called; null: those with the installation's country code"),
    deny: z.array(numberPattern).default([]).describe('Numbers that may not be called although allowed'),
    perMinute: z.int().min(1).max(1_000).default(10).describe('Calls of one employee'),
    perHour: z.int().min(1).max(10_000).default(100).describe('Calls of one employee'),
    allPerHour: z.int().min(1).max(100_000).default(1_000).describe('Calls of everybody together'),
    repeatMs: z
      .int()
      .min(0)
      .max(600_000)
      .default(5_000)
      .describe('The same employee and number again within this time is no second call'),
    contexts: z
      .array(
        z.strictObject({
          users: z.array(z.string().min(1)).nullable().default(null).describe('Ids of users; null: all'),
          dids: z.array(numberPattern).nullable().default(null).describe('Lines that the CRM names; null: all'),
          context: z.string().regex(/^[A-Za-z0-9_-]{1,79}$/, 'is not the name of a context'),
        }),
      )
      .default([])
      .describe("Contexts of the owner's dialplan that dial the client for some; the first that fits"),
  })
  .prefault({});

export type ClickToCallConfig = z.output<typeof clickToCallConfig>;
