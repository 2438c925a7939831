import { localTokenFile, type LoadedConfig } from '../config.ts';
import { DatabaseUnusable } from '../storage/errors.ts';
import { CannotListen } from '../web/server.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';
import { createSystemdNotice } from './systemd-notice.ts';

export interface RunningService {
  /** Takes nothing new, finishes what is under way, closes everything. */
  stop(): Promise<void>;
}

export interface StartParts {
  /** Resolves once calls are followed and questions answered. */
  startService(
    loaded: LoadedConfig,
    surroundings: {
      readonly env: NodeJS.ProcessEnv;
      readonly cwd: string;
      /** Stops in order and ends so that systemd starts the service again; null: there is no systemd. */
      readonly restart: (() => void) | null;
    },
  ): Promise<RunningService>;
  /** Emits SIGTERM and SIGINT. */
  readonly signals: Pick<NodeJS.EventEmitter, 'once' | 'off'>;
  /** Ends the process at once; for a second signal. */
  readonly exit: (code: number) => void;
}

/** Past this a stop is cut; systemd's TimeoutStopSec is a little longer. */
const stopDeadlineMs = 15_000;

/** `start`: runs the service in the foreground until SIGTERM or SIGINT. */
export function createStartCommand({ startService, signals, exit }: StartParts): AddCommand {
  return (program, context) => {
    program
      .command('start')
      .description('run the service in the foreground')
      .action(async () => {
        const loaded = context.loadConfig();
        const notice = createSystemdNotice({ env: context.env, onFault: (fault) => say(context, fault) });
        tellSettings(loaded, context);
        // Heard from the first moment on: a stop during the start must not be lost.
        const stopRequested = new Promise<string>((resolve) => {
          for (const signal of ['SIGTERM', 'SIGINT']) signals.once(signal, () => resolve(signal));
        });
        let restart: (() => void) | null = null;
        const restartRequested =
          context.env['NOTIFY_SOCKET'] === undefined
            ? new Promise<never>(() => undefined)
            : new Promise<string>((resolve) => (restart = () => resolve('Restart')));
        const service = await startService(loaded, { env: context.env, cwd: context.cwd, restart }).catch(
          (error: unknown) => {
            throw toUserFault(error);
          },
        );
        notice.ready();
        say(context, 'Ready.');
        const signal = await Promise.race([stopRequested, restartRequested]);
        say(context, `${signal}: finishing what is under way.`);
        notice.stopping();
        for (const again of ['SIGTERM', 'SIGINT']) signals.once(again, () => exit(130));
        try {
          await withinDeadline(service.stop());
        } catch (error) {
          say(context, error instanceof UserFault ? error.message : String((error as Error).stack));
          // Whatever still runs would keep the process from ending.
          return exit(exitCodes.failed);
        }
        say(context, 'Stopped.');
        if (signal === 'Restart') context.setExitCode(exitCodes.restart);
      });
  };
}

const listenCodes = ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND'];

/** What a person can mend is told without a stack trace; a bug keeps its own. */
function toUserFault(error: unknown): unknown {
  if (error instanceof DatabaseUnusable || error instanceof CannotListen) return new UserFault(error.message);
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'listen') return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !listenCodes.includes(code)) return error;
  return new UserFault(
    `FastAGI cannot listen (${message}); see agi.host and agi.port, and whether the service runs already.`,
  );
}

/** To standard error: standard output belongs to the log. */
function say(context: CliContext, text: string): void {
  context.stderr.write(`${text}\n`);
}

function tellSettings(loaded: LoadedConfig, context: CliContext): void {
  const { config, file, warnings } = loaded;
  for (const warning of warnings) say(context, `warning: ${warning}`);
  say(context, `Configuration: ${file ?? 'no file found; everything at its default (see ringledger.example.yaml)'}`);
  say(context, `Database:      ${config.storage.kind === 'sqlite' ? config.storage.path : 'PostgreSQL'}`);
  say(
    context,
    `API:           http://${config.http.host}:${config.http.port}/ (token of this machine: ${localTokenFile(config)})`,
  );
  say(context, `FastAGI:       ${config.agi.host}:${config.agi.port}`);
}

async function withinDeadline(stopped: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    const message = `The service did not stop within ${stopDeadlineMs / 1000} s; what was not finished is taken up at the next start.`;
    timer = setTimeout(() => reject(new UserFault(message)), stopDeadlineMs);
  });
  try {
    await Promise.race([stopped, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
