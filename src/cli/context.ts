import { Command } from 'commander';
import { loadConfig, type LoadedConfig } from '../config.ts';
import { ConfigError } from '../config/fault.ts';

/**
 * 0: done. 1: it went wrong, or a check found errors. 2: wrong usage or configuration. 3: the service does not answer.
 * 75: ended to be started again, also by a service manager that lets rest what ended well.
 */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unreachable: 3, restart: 75 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A fault that the person at the keyboard can mend: printed as it is, without a stack trace. */
export class UserFault extends Error {
  override readonly name = 'UserFault';
  readonly exitCode: ExitCode;
  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The process as commands see it; tests hand in their own. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** What every command gets. */
export interface CliContext extends Surroundings {
  /** The configuration that `--config` (before or after the command), the environment or the usual places name. */
  loadConfig(): LoadedConfig;
  /** As given with `--config`. */
  readonly configFile: () => string | undefined;
  print(text: string): void;
  printJson(value: unknown): void;
  /** Ends the program with this code once the command is done. */
  setExitCode(code: ExitCode): void;
}

/** One command or family of commands; adds itself to the program. */
export type AddCommand = (program: Command, context: CliContext) => void;

/** Commands by their first word. */
export type CommandLoaders = Readonly<Record<string, () => Promise<AddCommand>>>;

export interface CliOptions extends Surroundings {
  readonly version: string;
  /** Loaders: only the command that is asked for is loaded, as most of them know half of the house. */
  readonly commands: readonly AddCommand[] | CommandLoaders;
}

/** Runs one command line (without node and script) and resolves with the exit code; never throws for a user's fault. */
export async function runCli(words: readonly string[], options: CliOptions): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = new Command('ringledger')
    .description(
      'Stands between an Asterisk PBX and the CRM: distributes calls, keeps the ledger, delivers to the CRMs.',
    )
    .version(options.version)
    .option(
      '--config <file>',
      'configuration file (else RINGLEDGER_CONFIG, ./ringledger.yaml, /etc/ringledger/ringledger.yaml)',
    )
    .showSuggestionAfterError()
    .showHelpAfterError('(ringledger --help tells more)')
    .configureOutput({
      writeOut: (text) => options.stdout.write(text),
      writeErr: (text) => options.stderr.write(text),
    })
    .exitOverride();
  const configFile = () => program.opts<{ config?: string }>().config;
  const context: CliContext = {
    ...options,
    configFile,
    loadConfig: () => loadConfig({ file: configFile(), env: options.env, cwd: options.cwd }),
    print: (text) => void options.stdout.write(`${text}\n`),
    printJson: (value) => void options.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
    setExitCode: (code) => (exitCode = code),
  };
  try {
    const [word] = program.parseOptions([...words]).operands;
    for (const add of await loadCommands(options.commands, word)) add(program, context);
    await program.parseAsync([...words], { from: 'user' });
    return exitCode;
  } catch (error) {
    return explain(error, options);
  }
}

/** All of them where none is named: help and the answer to a wrong word tell which there are. */
async function loadCommands(
  commands: CliOptions['commands'],
  word: string | undefined,
): Promise<readonly AddCommand[]> {
  if (isList(commands)) return commands;
  const named = word !== undefined && Object.hasOwn(commands, word) ? [commands[word]!] : Object.values(commands);
  return Promise.all(named.map((load) => load()));
}
const isList = (commands: CliOptions['commands']): commands is readonly AddCommand[] => Array.isArray(commands);

function explain(error: unknown, { stderr }: Surroundings): number {
  if (isCommanderFault(error)) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof ConfigError) {
    const count = error.faults.length;
    stderr.write(`${error.message}\n${count} fault${count === 1 ? '' : 's'} in the configuration.\n`);
    return exitCodes.usage;
  }
  if (error instanceof UserFault) {
    stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.failed;
}

/** Help, version and wrong usage; commander has printed them already. */
function isCommanderFault(error: unknown): error is { readonly exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}
