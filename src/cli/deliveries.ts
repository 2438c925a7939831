import { InvalidArgumentError } from 'commander';
import type { Delivery } from '../core/ports.ts';
import { exitCodes, UserFault, type AddCommand } from './context.ts';
import { createServiceClient, type Query } from './service-client.ts';
import { formatTable } from './table.ts';

type Shown = Omit<Delivery, 'fence' | 'createdAt' | 'dueAt' | 'deliveredAt'> & {
  readonly createdAt: string;
  readonly dueAt: string;
  readonly deliveredAt: string | null;
};
interface Filter {
  crm?: string;
  state?: string;
  from?: string;
  to?: string;
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1.');
  return value;
}

/** `deliveries list | resend | pause | resume` */
export const addDeliveriesCommand: AddCommand = (program, context) => {
  const deliveries = program.command('deliveries').description('what is owed to the CRMs');
  const withFilter = (name: string) =>
    deliveries
      .command(name)
      .option('--crm <name>', 'of this CRM')
      .option('--state <states>', 'pending, leased, delivered, rejected, skipped; several joined by commas')
      .option('--from <time>', 'made at or after: 2026-11-21T08:00:00Z')
      .option('--to <time>', 'made before');

  withFilter('list')
    .description('deliveries, newest first')
    .option('--limit <count>', 'at most this many', positiveNumber, 50)
    .option('--json', 'as JSON')
    .action(async ({ json, limit, ...filter }: Filter & { json?: boolean; limit: number }) => {
      const rows: Shown[] = [];
      const query: Query = { ...filter, limit: Math.min(limit, 500) };
      for await (const row of createServiceClient(context).list<Shown>('/api/v1/deliveries', query)) {
        rows.push(row);
        if (rows.length === limit) break;
      }
      if (json === true) context.printJson(rows);
      else if (rows.length === 0) context.print('None.');
      else {
        context.print(
          formatTable(
            ['ID', 'MADE', 'CRM', 'KIND', 'STATE', 'TRIES', 'CALL', 'CRM ID', 'LAST ERROR'],
            rows.map((row) => [
              row.id,
              row.createdAt,
              row.crm,
              row.kind,
              row.state,
              row.attempts,
              `${row.source}/${row.linkedId}`,
              row.crmId,
              row.lastError,
            ]),
          ),
        );
      }
    });

  withFilter('resend')
    .description('put deliveries back into the queue: by id, or all that a filter finds')
    .argument('[ids...]', 'as shown by: deliveries list')
    .option('--json', 'as JSON')
    .action(async (ids: string[], { json, ...filter }: Filter & { json?: boolean }) => {
      const client = createServiceClient(context);
      const hasFilter = Object.values(filter).some((value) => value !== undefined);
      if (ids.length > 0 === hasFilter) {
        throw new UserFault(
          'Name the deliveries by id, or choose them with --crm, --state, --from, --to.',
          exitCodes.usage,
        );
      }
      const chosen = [...ids];
      // All are found before the first is sent: sending changes what a filter by state finds.
      if (hasFilter) {
        const query: Query = { ...filter, limit: 500 };
        for await (const { id } of client.list<Shown>('/api/v1/deliveries', query)) chosen.push(id);
      }
      const outcomes: { id: string; resent: boolean; message: string | null }[] = [];
      for (const id of chosen) {
        try {
          await client.send('POST', `/api/v1/deliveries/${encodeURIComponent(id)}/resend`);
          outcomes.push({ id, resent: true, message: null });
        } catch (error) {
          if (!(error instanceof UserFault) || error.exitCode === exitCodes.unreachable) throw error;
          outcomes.push({ id, resent: false, message: error.message });
        }
      }
      const failed = outcomes.filter(({ resent }) => !resent);
      if (json === true) context.printJson(outcomes);
      else {
        for (const { id, message } of failed) context.print(`${id}: ${message}`);
        context.print(`${outcomes.length - failed.length} of ${outcomes.length} put back into the queue.`);
      }
      if (failed.length > 0) context.setExitCode(exitCodes.failed);
    });

  deliveries
    .command('pause')
    .description('send nothing to this CRM until it is resumed; nothing is lost meanwhile')
    .argument('<crm>')
    .option('--reason <text>', 'shown in status', 'paused from the command line')
    .action(async (crm: string, { reason }: { reason: string }) => {
      await createServiceClient(context).send('POST', `/api/v1/crms/${encodeURIComponent(crm)}/pause`, { reason });
      context.print(`${crm} is paused.`);
    });

  deliveries
    .command('resume')
    .description('send to this CRM again')
    .argument('<crm>')
    .action(async (crm: string) => {
      await createServiceClient(context).send('POST', `/api/v1/crms/${encodeURIComponent(crm)}/resume`);
      context.print(`${crm} is resumed.`);
    });
};
