import pino, { type DestinationStream } from 'pino';
import type { Config } from '../config.ts';
import { maskSecrets } from '../config/secrets.ts';
import type { Log } from '../core/ports.ts';
import { makePrintable } from './table.ts';

/** To `destination`, one line each: JSON for machines, or text for people where `pretty` is set. */
export function createLog({ level, pretty }: Config['log'], destination: NodeJS.WritableStream): Log {
  const stream: DestinationStream = {
    write: (line) => void destination.write(pretty ? `${toText(JSON.parse(line) as Record<string, unknown>)}\n` : line),
  };
  const logger = pino(
    {
      level,
      // Host name and process id are the journal's to tell.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        // The last door before the disk: what is named like a secret does not pass.
        bindings: (fields) => maskSecrets(fields) as Record<string, unknown>,
        log: (fields) => maskSecrets(fields) as Record<string, unknown>,
      },
      serializers: {
        err: pino.stdSerializers.err,
        error: (value: unknown) => (value instanceof Error ? pino.stdSerializers.err(value) : value),
      },
    },
    stream,
  );
  return logger;
}

function toText({ time, level, msg, ...fields }: Record<string, unknown>): string {
  const details = Object.entries(fields).map(([name, value]) => {
    const error = value as { stack?: string; message?: string } | null;
    if (typeof error === 'object' && error !== null && typeof error.stack === 'string') return `${name}=${error.stack}`;
    return `${name}=${makePrintable(typeof value === 'string' ? value : JSON.stringify(value))}`;
  });
  return [String(time), String(level).toUpperCase().padEnd(5), makePrintable(msg), ...details].join(' ');
}
