import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import type { Loader, Message } from 'esbuild';
import type { TextFault } from './text-faults.ts';

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

/** The text is no module; the message holds file, line and column of each fault. */
export class CompileFault extends Error {
  override readonly name = 'CompileFault';
  readonly faults: readonly TextFault[];
  constructor(faults: readonly TextFault[], message: string, cause: unknown) {
    super(message, { cause });
    this.faults = faults;
  }
}

const loaderOf = (path: string): Loader => (/^\.[mc]?ts$/.test(extname(path)) ? 'ts' : 'js');

/**
 * Makes one module of a hook in JavaScript or TypeScript and all that it imports. `text`: as if this stood in the file. Rejects with
 * `CompileFault`.
 */
export async function compileModule(path: string, text?: string): Promise<CompiledModule> {
  const folder = dirname(path);
  const { build } = await (compiler ??= import('esbuild'));
  try {
    const { outputFiles, metafile } = await build({
      ...(text === undefined
        ? { entryPoints: [path] }
        : { stdin: { contents: text, resolveDir: folder, sourcefile: basename(path), loader: loaderOf(path) } }),
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
    const faults = errors.map((one) => toTextFault(one, basename(path)));
    throw new CompileFault(faults, errors.map(describe).join('; '), error);
  }
}

/** What is wrong in a file that the hook imports has no line in the hook's own text. */
function toTextFault(message: Message, fileName: string): TextFault {
  const { location, text } = message;
  if (location === null || location.file !== fileName) return { line: null, column: null, message: describe(message) };
  return { line: location.line, column: location.column + 1, message: text };
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

/** Of the contents alone, wherever the files stand; those that are gone count as empty. */
export async function digestOf(files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map((file) => readFile(file).catch(() => Buffer.alloc(0))));
  const digests = contents.map((content) => createHash('sha256').update(content).digest('hex')).sort();
  return createHash('sha256').update(digests.join()).digest('hex').slice(0, 16);
}
