import type { Health, PartStatus } from '../core/ports.ts';
import { exitCodes, type AddCommand, type CliContext } from './context.ts';
import { createServiceClient } from './service-client.ts';
import { formatTable } from './table.ts';

/** `status`: the running service's parts. Exit code 1 when one is in error. */
export const addStatusCommand: AddCommand = (program, context) => {
  program
    .command('status')
    .description('how the parts of the running service do')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const answer = await createServiceClient(context).getAny<{ status: Health; parts: PartStatus[] }>('/status');
      if (json === true) context.printJson(answer);
      else printParts(answer.parts, context);
      if (answer.status === 'error') context.setExitCode(exitCodes.failed);
    });
};

export function printParts(parts: readonly PartStatus[], context: CliContext): void {
  context.print(
    formatTable(
      ['', 'PART', ''],
      parts.map(({ health, part, message }) => [health.toUpperCase(), part, message]),
    ),
  );
}
