import type { Log } from '../../src/core/ports.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A log that keeps its lines for the test to read. */
export function createKeptLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const build = (bound: object): Log => {
    const write = (level: LogLine['level']) => (fields: object, message: string) =>
      void lines.push({ level, fields: { ...bound, ...fields }, message });
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => build({ ...bound, ...fields }),
    };
  };
  return { ...build({}), lines };
}
