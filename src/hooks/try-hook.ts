import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compileModule } from './compile.ts';
import type { HooksConfig } from './config.ts';
import { environmentOf } from './environment.ts';
import type { HookFile } from './hook-files.ts';
import { loadHook, type LoadedHook } from './loaded-hook.ts';
import { findRuntimeFolder } from './runtime-folder.ts';
import { HookVersions } from './versions.ts';

/** What a hook prints comes on another way than its answer. */
const printedWithinMs = 50;

export interface HookTrial {
  /** What it answered, as it did. */
  readonly answer: unknown;
  /** What it printed. */
  readonly printed: string;
  readonly tookMs: number;
}

/** What a trial needs to know beside the file. */
export interface TrialSettings {
  readonly config: HooksConfig;
  readonly env: NodeJS.ProcessEnv;
  /** As if this stood in the file. */
  readonly text?: string | undefined;
  /** Where what is tried is laid out meanwhile; absent: among the system's temporary files. */
  readonly workFolder?: string | undefined;
}

/** Runs a hook's file once, with all limits, beside the service and without a trace. Rejects with what is wrong with it. */
export function tryHook(
  file: HookFile,
  trial: TrialSettings & { readonly input: object; readonly deadlineMs: number },
): Promise<HookTrial> {
  return withLoaded(file, trial, async (loaded, printed) => {
    const startedAtMs = performance.now();
    const answer = await loaded.run(trial.input, trial.deadlineMs);
    const tookMs = performance.now() - startedAtMs;
    await delay(printedWithinMs);
    return { answer, printed: printed.join(''), tookMs };
  });
}

/** Resolves when the file could take a working one's place; rejects with what is wrong with it. Asks it nothing. */
export function checkHook(file: HookFile, settings: TrialSettings): Promise<void> {
  return withLoaded(file, settings, async () => undefined);
}

async function withLoaded<Result>(
  file: HookFile,
  { config, env, text, workFolder = tmpdir() }: TrialSettings,
  use: (loaded: LoadedHook, printed: readonly string[]) => Promise<Result>,
): Promise<Result> {
  await mkdir(workFolder, { recursive: true, mode: 0o750 });
  const folder = await mkdtemp(join(workFolder, 'ringledger-hook-'));
  const printed: string[] = [];
  try {
    const compiled = file.kind === 'module' ? (await compileModule(file.path, text)).text : null;
    const version = await new HookVersions(folder).prepare(file, compiled, new Date(), text);
    const loaded = await loadHook(version, {
      runtimeFolder: findRuntimeFolder(),
      hook: file.hook,
      // A hook may be tried before there is a folder for it.
      cwd: existsSync(dirname(file.path)) ? dirname(file.path) : folder,
      env: environmentOf(env, config.environment, { hook: file.hook, crm: file.crm, folder: config.folder }),
      memoryBytes: config.memoryMb * 2 ** 20,
      outputBytes: config.outputKb * 2 ** 10,
      onPrinted: (one) => void printed.push(one),
    });
    try {
      return await use(loaded, printed);
    } finally {
      await loaded.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
