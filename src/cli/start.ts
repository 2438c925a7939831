import type { LoadedConfig } from '../config.ts';
import { UserFault, type AddCommand } from './context.ts';

export interface RunningService {
  /** Takes nothing new, finishes what is under way, closes everything. */
  stop(): Promise<void>;
}

export interface StartParts {
  /** Resolves once calls are followed and questions answered. */
  startService(loaded: LoadedConfig): Promise<RunningService>;
  /** Emits SIGTERM and SIGINT. */
  readonly signals: Pick<NodeJS.EventEmitter, 'once' | 'off'>;
}

/** Past this a stop is cut; systemd's TimeoutStopSec is a little longer. */
const stopDeadlineMs = 15_000;

/** `start`: runs the service in the foreground until SIGTERM or SIGINT. */
export function createStartCommand({ startService, signals }: StartParts): AddCommand {
  return (program, context) => {
    program
      .command('start', { isDefault: false })
      .description('run the service in the foreground')
      .action(async () => {
        const loaded = context.loadConfig();
        for (const warning of loaded.warnings) context.stderr.write(`warning: ${warning}\n`);
        // Heard from the first moment on: a stop during the start must not be lost.
        const stopRequested = new Promise<void>((resolve) => {
          signals.once('SIGTERM', resolve);
          signals.once('SIGINT', resolve);
        });
        const service = await startService(loaded);
        await stopRequested;
        await withinDeadline(service.stop());
      });
  };
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
