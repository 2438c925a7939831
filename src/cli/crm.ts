import { AuthRequired, Rejected, Retryable } from '../core/errors.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';
import { withCrm } from '../installation/open-crm.ts';
import { makePrintable } from './table.ts';

/** `crm setup | check`: what a CRM must be told about us, and how it does. */
export const addCrmCommand: AddCommand = (program, context) => {
  const crm = program.command('crm').description('the CRMs of the configuration');

  crm
    .command('setup')
    .description('show how the integration in the CRM would change, and with --apply change it')
    .argument('<name>', 'of the CRM in the configuration')
    .option('--apply', 'send it to the CRM')
    .option('--json', 'as JSON')
    .action(async (name: string, { apply, json }: { apply?: boolean; json?: boolean }) => {
      const { config } = context.loadConfig();
      const entry = findEntry(name, context);
      await withFaults(() =>
        withCrm(config, entry, async ({ setup }) => {
          if (setup === undefined) throw new UserFault(`${name} needs no setup from here.`, exitCodes.usage);
          const changes = await setup.plan();
          const notices = apply === true && changes.length > 0 ? await setup.apply() : [];
          const left = apply === true ? await setup.plan() : changes;
          if (apply === true && left.length > 0) context.setExitCode(exitCodes.failed);
          if (json === true) return context.printJson({ changes, notices, left: apply === true ? left : undefined });
          if (config.http.publicUrl === null) {
            context.print('http.publicUrl is not set: the CRM cannot ask for calls, and shows no telephone icons.');
          }
          for (const { field, from, to } of changes) {
            if (from !== null) context.print(makePrintable(`- ${field}: ${from}`));
            if (to !== null) context.print(makePrintable(`+ ${field}: ${to}`));
          }
          for (const notice of notices) context.print(makePrintable(`The CRM says: ${notice}`));
          if (changes.length === 0) context.print('The integration in the CRM is as configured.');
          else if (apply !== true)
            context.print(`Nothing was sent. Send it with: ringledger crm setup ${name} --apply`);
          else if (left.length === 0) context.print('Sent, and read back as it should be.');
          else
            context.print(
              makePrintable(`Sent, but the CRM kept otherwise: ${left.map((one) => one.field).join(', ')}`),
            );
        }),
      );
    });

  crm
    .command('check')
    .description('ask a CRM how it does')
    .argument('<name>', 'of the CRM in the configuration')
    .option('--json', 'as JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const { config } = context.loadConfig();
      const parts = await withFaults(() => withCrm(config, findEntry(name, context), ({ adapter }) => adapter.check()));
      if (json === true) context.printJson({ parts });
      else
        for (const { part, health, message } of parts)
          context.print(makePrintable(`${health.padEnd(8)}${part}: ${message}`));
      if (parts.some(({ health }) => health === 'error')) context.setExitCode(exitCodes.failed);
    });
};

function findEntry(name: string, context: CliContext) {
  const { config } = context.loadConfig();
  const entry = config.crm.find((one) => one.name === name);
  if (entry !== undefined) return entry;
  const names = config.crm.map((one) => one.name).join(', ');
  throw new UserFault(`There is no CRM ${name} in the configuration; there is: ${names}`, exitCodes.usage);
}

/** What a CRM says is for the person at the keyboard, without a trace. */
async function withFaults<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Rejected || error instanceof Retryable || error instanceof AuthRequired) {
      throw new UserFault(error.message);
    }
    throw error;
  }
}
