import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compileModule } from './compile.ts';
import type { HooksConfig } from './config.ts';
import { environmentOf } from './environment.ts';
import type { HookFile } from './hook-files.ts';
import { loadHook } from './loaded-hook.ts';
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

/** Runs a hook's file once, with all limits, beside the service and without a trace. Rejects with what is wrong with it. */
export async function tryHook(
  file: HookFile,
  trial: {
    readonly input: object;
    readonly config: HooksConfig;
    readonly deadlineMs: number;
    readonly env: NodeJS.ProcessEnv;
  },
): Promise<HookTrial> {
  const { input, config, deadlineMs, env } = trial;
  const folder = await mkdtemp(join(tmpdir(), 'ringledger-hook-'));
  const printed: string[] = [];
  try {
    const compiled = file.kind === 'module' ? (await compileModule(file.path)).text : null;
    const version = await new HookVersions(folder).prepare(file, compiled, new Date());
    const loaded = await loadHook(version, {
      runtimeFolder: findRuntimeFolder(),
      hook: file.hook,
      cwd: join(file.path, '..'),
      env: environmentOf(env, config.environment, { hook: file.hook, crm: file.crm, folder: config.folder }),
      memoryBytes: config.memoryMb * 2 ** 20,
      outputBytes: config.outputKb * 2 ** 10,
      onPrinted: (text) => void printed.push(text),
    });
    try {
      const startedAtMs = performance.now();
      const answer = await loaded.run(input, deadlineMs);
      const tookMs = performance.now() - startedAtMs;
      await delay(printedWithinMs);
      return { answer, printed: printed.join(''), tookMs };
    } finally {
      await loaded.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
