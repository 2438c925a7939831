import { z } from 'zod';
import { hookNames, type HookName } from '../core/hooks.ts';

const milliseconds = z.int().min(10).max(120_000);

/** Hooks of integrators: the `hooks` section of the configuration. */
export const hooksConfig = z
  .strictObject({
    enabled: z.boolean().default(true).describe('false: no hook runs, everything goes as the core does it'),
    folder: z
      .string()
      .min(1)
      .default('/etc/ringledger/hooks')
      .describe("The hooks' files; those of one CRM alone in a folder of its name"),
    editable: z
      .boolean()
      .default(true)
      .describe('false: administrators see hooks in the web interface, and neither change them nor try other texts'),
    deadlineMs: milliseconds.default(2000).describe('Of a hook; then the call goes on as if there were none'),
    deadlines: z
      .partialRecord(z.enum(hookNames as [HookName, ...HookName[]]), milliseconds)
      .default({ process_record_file_path: 10_000 })
      .describe('Of single hooks; customize_autodistribution never has longer than distribution.deadlineMs'),
    concurrency: z.int().min(1).max(64).default(8).describe('Runs of one hook at once; further ones wait'),
    memoryMb: z.int().min(32).max(4096).default(128).describe('Of one process of a hook; it is ended above that'),
    outputKb: z.int().min(1).max(65_536).default(256).describe('What a hook may answer, and print in a second'),
    breakerFailures: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe('Hangs and crashes in a row after which a hook is not asked'),
    breakerOpenMs: z.int().min(1000).max(3_600_000).default(30_000).describe('For how long; then it is tried again'),
    environment: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not the name of a variable'))
      .default([])
      .describe("Variables of the service's environment that hooks may see, besides PATH, LANG, LC_ALL and TZ"),
    keepRunsDays: z
      .int()
      .min(0)
      .max(3650)
      .default(30)
      .describe('How long it is known which hooks ran for a call, of at most the last 500,000 runs; 0: not at all'),
    versionsFolder: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('The last 20 working versions of each hook; null: hooks beside the database'),
  })
  .prefault({});
export type HooksConfig = z.output<typeof hooksConfig>;

/** How long a hook may take, by the configuration alone. */
export function deadlineOf(config: HooksConfig, name: HookName): number {
  return config.deadlines[name] ?? (name === 'process_record_file_path' ? 10_000 : config.deadlineMs);
}
