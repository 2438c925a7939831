import type { AddCommand } from './context.ts';
import { createServiceClient } from './service-client.ts';
import { formatTable, makePrintable } from './table.ts';

/** `lookup NUMBER`: what a call from this number would be answered now, and why. */
export const addLookupCommand: AddCommand = (program, context) => {
  program
    .command('lookup')
    .description('what a call from this number would be answered now, step by step')
    .argument('<number>', 'the caller, in any way of writing')
    .option('--did <number>', 'the number that was called')
    .option('--trunk <name>', 'the trunk it came in on')
    .option('--at <time>', 'as if it came then: 2026-11-21T20:00:00+03:00')
    .option('--json', 'as JSON')
    .action(
      async (number: string, { json, ...about }: { json?: boolean; did?: string; trunk?: string; at?: string }) => {
        const trace = await createServiceClient(context).get<Record<string, unknown>>('/api/v1/lookup', {
          number,
          ...about,
        });
        if (json === true) {
          context.printJson(trace);
          return;
        }
        for (const [name, value] of Object.entries(trace)) {
          if (Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null)) continue;
          context.print(
            `${name}: ${makePrintable(typeof value === 'object' && value !== null ? JSON.stringify(value) : value)}`,
          );
        }
        for (const [name, value] of Object.entries(trace)) {
          if (!Array.isArray(value) || value.length === 0 || typeof value[0] !== 'object') continue;
          const rows = value as Record<string, unknown>[];
          const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
          context.print(`\n${name}:`);
          context.print(
            formatTable(
              columns.map((column) => column.toUpperCase()),
              rows.map((row) => columns.map((column) => row[column])),
            ),
          );
        }
      },
    );
};
