import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Message } from 'esbuild';

export interface CompiledModule {
  /** One ES module that needs nothing but Node. */
  readonly text: string;
  /** The files that it was made of. */
  readonly sources: readonly string[];
}

/** Loaded with the first hook: most installations have none, and memory is worth more beside a PBX. */
let compiler: Promise<typeof import('esbuild')> | null = null;

/** Ends the compiler's process; the next hook begins another. */
export async function stopCompiler(): Promise<void> {
  await (await compiler)?.stop();
}

/** Makes one module of a hook in JavaScript or TypeScript and all that it imports. Throws with file, line and column of each fault. */
export async function compileModule(path: string): Promise<CompiledModule> {
  const folder = dirname(path);
  const { build } = await (compiler ??= import('esbuild'));
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [path],
      absWorkingDir: folder,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      sourcemap: 'inline',
      sourcesContent: false,
      logLevel: 'silent',
      // A tsconfig.json that happens to lie above must not change what a hook means.
      tsconfigRaw: {},
      // Packages in the CommonJS way ask for Node's own modules with require.
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
    });
    return {
      text: outputFiles[0]!.text,
      sources: Object.keys(metafile.inputs).map((input) => resolve(folder, input)),
    };
  } catch (error) {
    const { errors } = error as { errors?: readonly Message[] };
    if (errors === undefined) throw error;
    throw new Error(errors.map(describe).join('; '), { cause: error });
  }
}

function describe({ location, text }: Message): string {
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`;
}

/** Changes when one of the files does. */
export async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    files.map(async (file) => {
      const details = await stat(file).catch(() => null);
      return details === null ? 'gone' : `${details.ino}:${details.size}:${details.mtimeMs}`;
    }),
  );
  return stamps.join(' ');
}
