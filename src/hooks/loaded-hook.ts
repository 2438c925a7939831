import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HookName } from '../core/hooks.ts';
import { HookFault } from './hook-fault.ts';
import { sweepLeft } from './process/contained-process.ts';
import { runExecutable } from './process/executable-run.ts';
import { ModuleProcess, type ModuleProcessSettings } from './process/module-process.ts';
import type { HookVersion } from './versions.ts';

/** A version that is ready to run. */
export interface LoadedHook {
  readonly version: HookVersion;
  /** What the hook answered, parsed. Rejects with `HookFault` at the latest after the deadline. */
  run(input: object, deadlineMs: number): Promise<unknown>;
  /** The version stands elsewhere from now on; what runs keeps running. */
  moveTo(version: HookVersion): void;
  /** Takes nothing new; what runs is let finish. */
  retire(): void;
  /** Ends all at once; resolves when no process is left. */
  close(): Promise<void>;
}

export interface LoadSettings {
  readonly runtimeFolder: string;
  readonly hook: HookName;
  /** Where the hook's file stands, for its relative paths. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly onPrinted: (text: string) => void;
}

const startDeadlineMs = 5_000;
/** A process that fails sooner than this without having answered once is started again only when it is asked. */
const firmAfterMs = 1_000;

/** Loads and checks a version. Rejects with `HookFault` when it does not even load. */
export async function loadHook(version: HookVersion, settings: LoadSettings): Promise<LoadedHook> {
  if (version.kind !== 'module') {
    await checkSyntax(version, settings);
    return new ExecutableHook(version, settings);
  }
  const hook = new ModuleHook(version, settings);
  await hook.start();
  return hook;
}

class ModuleHook implements LoadedHook {
  version: HookVersion;
  readonly #settings: LoadSettings;
  readonly #processes = new Set<ModuleProcess>();
  #current: ModuleProcess | null = null;
  #isClosed = false;

  constructor(version: HookVersion, settings: LoadSettings) {
    this.version = version;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    await this.#ensureProcess().ready();
  }

  async run(input: object, deadlineMs: number): Promise<unknown> {
    const askedAtMs = performance.now();
    const one = this.#ensureProcess();
    await withinDeadline(one.ready(), deadlineMs);
    return one.run(input, Math.max(1, deadlineMs - (performance.now() - askedAtMs)));
  }

  moveTo(version: HookVersion): void {
    this.version = version;
  }

  retire(): void {
    this.#isClosed = true;
    for (const one of this.#processes) one.retire();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const one of this.#processes) one.close();
    await Promise.all([...this.#processes].map(({ over }) => over));
  }

  #ensureProcess(): ModuleProcess {
    if (this.#current?.isUsable === true) return this.#current;
    const { runtimeFolder, cwd, env, memoryBytes, outputBytes, onPrinted } = this.#settings;
    const settings: ModuleProcessSettings = {
      runner: join(runtimeFolder, 'run-module.mjs'),
      file: this.version.entry,
      cwd,
      env,
      memoryBytes,
      outputBytes,
      startDeadlineMs,
      onPrinted,
    };
    const startedAtMs = performance.now();
    const one = new ModuleProcess(settings);
    this.#current = one;
    this.#processes.add(one);
    void one.over.then(() => {
      this.#processes.delete(one);
      // The next call shall find it warm.
      const isFirm = performance.now() - startedAtMs > firmAfterMs;
      if (!this.#isClosed && this.#current === one && isFirm) this.#ensureProcess();
    });
    return one;
  }
}

class ExecutableHook implements LoadedHook {
  version: HookVersion;
  readonly #settings: LoadSettings;
  readonly #running = new Set<Promise<unknown>>();

  constructor(version: HookVersion, settings: LoadSettings) {
    this.version = version;
    this.#settings = settings;
  }

  async run(input: object, deadlineMs: number): Promise<unknown> {
    const running = this.#runOnce(input, deadlineMs);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #runOnce(input: object, deadlineMs: number): Promise<unknown> {
    const { cwd, env, memoryBytes, outputBytes, onPrinted } = this.#settings;
    const [command, ...args] = commandOf(this.version, this.#settings);
    const { output, printed } = await runExecutable({
      command: command!,
      args,
      cwd,
      env,
      memoryBytes,
      outputBytes,
      input: JSON.stringify(input),
      deadlineMs,
    });
    if (printed !== '') onPrinted(printed);
    if (output.trim() === '') return null;
    try {
      return JSON.parse(output);
    } catch {
      const shown = JSON.stringify(output.slice(0, 200));
      throw new HookFault('garbage', [`answered what is no JSON: ${shown}`, printed].filter(Boolean).join('; '));
    }
  }

  moveTo(version: HookVersion): void {
    this.version = version;
  }

  retire(): void {}

  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await sweepLeft();
  }
}

function commandOf(version: HookVersion, { runtimeFolder, hook }: LoadSettings): readonly string[] {
  if (version.kind === 'executable') return [version.entry];
  return ['php', join(runtimeFolder, 'itgrix-action.php'), hook, version.entry];
}

async function withinDeadline(work: Promise<void>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new HookFault('timeout', `was not ready within ${Math.round(deadlineMs)} ms`)),
      deadlineMs,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What each language says of a file without running it. */
const checkers: readonly { readonly interpreter: RegExp; readonly args: (file: string) => readonly string[] }[] = [
  { interpreter: /^php[\d.]*$/, args: (file) => ['-l', file] },
  { interpreter: /^(?:ba|da|z|k)?sh$/, args: (file) => ['-n', file] },
  {
    interpreter: /^python[\d.]*$/,
    args: (file) => ['-c', 'import sys; compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")', file],
  },
];

async function checkSyntax(version: HookVersion, settings: LoadSettings): Promise<void> {
  const { text, isText } = await readHead(version.entry);
  if (text.trim() === '' && isText) throw new HookFault('start', 'the file is empty');
  if (version.kind === 'executable' && isText) checkFirstLine(text);
  const command = version.kind === 'action' ? ['php'] : readShebang(text);
  if (command === null) return;
  const name = command.at(-1)!.split('/').at(-1)!;
  const checker = checkers.find(({ interpreter }) => interpreter.test(name));
  if (checker === undefined) return;
  try {
    await runExecutable({
      ...settings,
      command: command[0]!,
      args: [...command.slice(1), ...checker.args(version.entry)],
      cwd: dirname(version.entry),
      input: '',
      deadlineMs: startDeadlineMs,
    });
  } catch (error) {
    if (!(error instanceof HookFault)) throw error;
    const isMissing = error.message.includes('ENOENT') || /failed to execute/.test(error.message);
    throw new HookFault('start', isMissing ? `${name} is not installed on this machine` : error.message);
  }
}

/** The system would run such a file as a shell script, or not at all. */
function checkFirstLine(text: string): void {
  const [line = ''] = text.split('\n');
  const wrong = line.startsWith('\u00EF\u00BB\u00BF')
    ? 'begins with a byte order mark; save it as UTF-8 without BOM'
    : !line.startsWith('#!')
      ? 'has no first line that says what runs it, such as #!/usr/bin/env python3'
      : line.endsWith('\r')
        ? 'has the line ends of Windows; save it with those of Unix (dos2unix)'
        : null;
  if (wrong !== null) throw new HookFault('start', `the file ${wrong}`);
}

async function readHead(file: string): Promise<{ readonly text: string; readonly isText: boolean }> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
    const head = buffer.subarray(0, bytesRead);
    return { text: head.toString('latin1'), isText: !head.includes(0) };
  } finally {
    await handle.close();
  }
}

/** `['/usr/bin/env', 'python3']` of `#!/usr/bin/env python3`; options are left out; null where there is none. */
function readShebang(text: string): readonly string[] | null {
  const line = /^#!\s*(\S.*)/.exec(text)?.[1];
  if (line === undefined) return null;
  const words = line.trim().split(/\s+/);
  return words[0]!.endsWith('/env') ? words.filter((word) => !word.startsWith('-')).slice(0, 2) : words.slice(0, 1);
}
