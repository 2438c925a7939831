import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Argument, Option, type Command } from 'commander';
import { localTokenFile, type Config } from '../config.ts';
import type { Call } from '../core/call.ts';
import { Rejected } from '../core/errors.ts';
import { hookNames, type HookName } from '../core/hooks.ts';
import type { PartStatus } from '../core/ports.ts';
import { hookReference, hookSchema } from '../hooks/contract/type-text.ts';
import { findHooks, placeOf, type HookFile } from '../hooks/hook-files.ts';
import { ChangedMeanwhile, HookDesk } from '../hooks/hook-desk.ts';
import { hookLanguages, type HookLanguage } from '../hooks/new-hook.ts';
import { rehearse } from '../hooks/rehearsal.ts';
import { createSampleCall } from '../hooks/sample-input.ts';
import { createNumbering } from '../installation/foundations.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';
import { createServiceClient, ServiceFault } from './service-client.ts';
import { formatTable, makePrintable } from './table.ts';

/** `hook`: what integrators write, try and look after. Only `stats`, `list` and `test --call` ask the service. */
export const addHookCommand: AddCommand = (program, context) => {
  const hook = program.command('hook').description("hooks: your own code where the core's behaviour is not enough");
  const nameArgument = () => new Argument('<name>', 'the hook').choices(hookNames);
  const crmOption = () => new Option('--crm <name>', 'of this CRM alone');

  hook
    .command('list')
    .description('all hooks, which of them are installed, and how they do')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => listHooks(context, options));
  hook
    .command('new')
    .description("a file to begin with in the hooks' folder; it does what the core does")
    .addArgument(nameArgument())
    .addOption(new Option('--lang <language>', 'of the file').choices(hookLanguages).default('ts'))
    .addOption(crmOption())
    .action((name: HookName, options: { lang: HookLanguage; crm?: string }) => createHook(context, name, options));
  hook
    .command('test')
    .description('runs the file of a hook once, beside the service, and shows what would become of its answer')
    .addArgument(nameArgument())
    .option('--call <linkedid>', 'about this call of the ledger')
    .option('--event <file>', 'with this JSON as input; - for stdin')
    .option('--file <file>', "another file than the one in the hooks' folder")
    .addOption(crmOption())
    .option('--json', 'as JSON')
    .action((name: HookName, options: TestOptions) => testHook(context, name, options));
  hook
    .command('stats')
    .description('runs, failures and times of the hooks since the service started, and their last errors')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => printStats(context, options));
  hook
    .command('schema')
    .description('JSON Schema of what a hook gets and answers')
    .addArgument(nameArgument())
    .action((name: HookName) => context.printJson(hookSchema(name)));
  hook
    .command('reference')
    .description('all hooks with all their fields, in Markdown')
    .action(() => context.print(hookReference()));
  addVersionCommands(hook, context, { nameArgument, crmOption });
};

function addVersionCommands(
  hook: Command,
  context: CliContext,
  words: { readonly nameArgument: () => Argument; readonly crmOption: () => Option },
): void {
  hook
    .command('versions')
    .description('the last 20 working versions of a hook')
    .addArgument(words.nameArgument())
    .addOption(words.crmOption())
    .action(async (name: HookName, { crm = null }: { crm?: string | null }) => {
      const versions = await deskOf(context.loadConfig().config).versions({ hook: name, crm }).catch(inUserWords);
      const rows = [...versions].reverse().map(({ id, keptAt, folder }) => [id, keptAt.toISOString(), folder]);
      context.print(formatTable(['VERSION', 'KEPT', 'FOLDER'], rows));
    });
  hook
    .command('restore')
    .description('puts a kept version back in place of the file')
    .addArgument(words.nameArgument())
    .argument('<version>', 'as `hook versions` tells it')
    .addOption(words.crmOption())
    .action(async (name: HookName, id: string, { crm = null }: { crm?: string | null }) => {
      const desk = deskOf(context.loadConfig().config);
      const { path } = await desk.restore({ hook: name, crm }, id).catch(inUserWords);
      context.print(`${path} is as it was in ${id}.`);
    });
}

const deskOf = (config: Config) =>
  new HookDesk({
    folder: config.hooks.folder,
    versionsFolder: config.hooks.versionsFolder ?? join(dirname(localTokenFile(config)), 'hooks'),
    crms: crmsOf(config),
  });
const inUserWords = (error: unknown): never => {
  if (error instanceof Rejected || error instanceof ChangedMeanwhile) throw new UserFault(error.message);
  throw error;
};
const crmsOf = (config: Config) => config.crm.map(({ name }) => name);

function requireCrm(config: Config, crm: string | undefined): string | null {
  if (crm === undefined) return null;
  if (crmsOf(config).includes(crm)) return crm;
  throw new UserFault(`There is no CRM ${crm}; they are: ${crmsOf(config).join(', ')}.`, exitCodes.usage);
}

interface ListedHook {
  readonly hook: HookName;
  readonly crm: string | null;
  readonly file: string | null;
  readonly state: string;
}

async function listHooks(context: CliContext, { json }: { json?: boolean }): Promise<void> {
  const { config } = context.loadConfig();
  const { files, notices } = await findHooks(config.hooks.folder, crmsOf(config));
  const parts = await readParts(context).catch(() => null);
  const rows = hookNames.flatMap((name): readonly ListedHook[] => {
    const installed = [...files.values()].filter((file) => file.hook === name);
    if (installed.length === 0) return [{ hook: name, crm: null, file: null, state: "the core's own behaviour" }];
    return installed.map(({ crm, path }) => {
      const part = parts?.find((one) => one['hook'] === name && one['crm'] === crm);
      const state = parts === null ? 'the service does not answer' : (part?.message ?? 'not taken yet');
      return { hook: name, crm, file: path, state };
    });
  });
  if (json === true) return context.printJson({ folder: config.hooks.folder, hooks: rows, notices });
  context.print(
    formatTable(
      ['HOOK', 'CRM', 'FILE', ''],
      rows.map(({ hook, crm, file, state }) => [hook, file === null ? '' : (crm ?? 'all'), file, state]),
    ),
  );
  for (const { path, message } of notices) context.print(`\n${path}: ${makePrintable(message)}`);
}

async function createHook(
  context: CliContext,
  name: HookName,
  options: { lang: HookLanguage; crm?: string },
): Promise<void> {
  const { config } = context.loadConfig();
  const desk = deskOf(config);
  const { file, text } = desk.draft({ hook: name, crm: requireCrm(config, options.crm) }, options.lang);
  await desk.save(file, text, null).catch(inUserWords);
  context.print(
    `${file.path}\nIt is in force within two seconds, and again after each change. To try it: ringledger hook test ${name}`,
  );
}

interface TestOptions {
  readonly call?: string;
  readonly event?: string;
  readonly file?: string;
  readonly crm?: string;
  readonly json?: boolean;
}

async function testHook(context: CliContext, name: HookName, options: TestOptions): Promise<void> {
  if (options.call !== undefined && options.event !== undefined)
    throw new UserFault('--call and --event are two ways to say the same; give one.', exitCodes.usage);
  const { config } = context.loadConfig();
  const crm = requireCrm(config, options.crm);
  const file = await fileToTest(context, config, { name, crm, path: options.file });
  const { directory } = createNumbering(config);
  const question =
    options.event !== undefined
      ? { event: readEvent(context, options.event) }
      : {
          call:
            options.call === undefined ? createSampleCall(new Date()) : await readCall(context, config, options.call),
        };
  const { input, answer, printed, tookMs, result, fault } = await rehearse(file, {
    question,
    surroundings: {
      timeZone: config.installation.timezone,
      userOf: (extension: string) => directory.byExtension(extension),
      phoneFieldId: null,
    },
    config: config.hooks,
    env: context.env,
  }).catch((error: Error) => {
    throw new UserFault(`${file.path}: ${error.message}`);
  });
  if (fault !== null) context.setExitCode(exitCodes.failed);
  if (options.json === true)
    return context.printJson({ file: file.path, input, answer, printed, tookMs, result, fault });
  context.print(`input:\n${JSON.stringify(input, null, 2)}`);
  if (printed !== '') context.print(`\nprinted:\n${printed.trimEnd()}`);
  context.print(`\nanswer, after ${tookMs.toFixed(1)} ms:\n${JSON.stringify(answer, null, 2)}`);
  context.print(
    fault === null
      ? `\nwhat the core goes on with:\n${JSON.stringify(result, null, 2) ?? 'nothing: its answer does not matter'}`
      : `\nThe answer cannot be used, the core would go on without it: ${fault}`,
  );
}

async function fileToTest(
  context: CliContext,
  config: Config,
  wanted: { readonly name: HookName; readonly crm: string | null; readonly path: string | undefined },
): Promise<HookFile> {
  const { name, crm, path } = wanted;
  if (path !== undefined) {
    const whole = resolve(context.cwd, path);
    const { files, notices } = await findHooks(dirname(whole), []);
    const found = [...files.values()].find((file) => file.path === whole);
    const notice = notices.find((one) => one.path === whole);
    if (found === undefined)
      throw new UserFault(`${whole} ${notice?.message ?? `is no file of a hook; its name is to be ${name}`}`);
    return found;
  }
  const { files, notices } = await findHooks(config.hooks.folder, crmsOf(config));
  const found = (crm === null ? undefined : files.get(placeOf(name, crm))) ?? files.get(placeOf(name, null));
  if (found !== undefined) return found;
  const hint = notices.map((notice) => ` ${notice.path}: ${notice.message}.`).join('');
  throw new UserFault(
    `${name} is not installed in ${config.hooks.folder}. Make one: ringledger hook new ${name}.${hint}`,
  );
}

function readEvent(context: CliContext, path: string): object {
  try {
    const text = readFileSync(path === '-' ? 0 : resolve(context.cwd, path), 'utf8');
    // Editors on Windows put a mark before it.
    const event: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (typeof event !== 'object' || event === null) throw new Error('it is no JSON object');
    return event;
  } catch (error) {
    throw new UserFault(`${path} cannot be read: ${(error as Error).message}`);
  }
}

async function readCall(context: CliContext, config: Config, linkedId: string): Promise<Call> {
  const client = createServiceClient(context);
  for (const { name } of config.pbx) {
    try {
      const call = await client.get<Call>(`/api/v1/calls/${name}/${encodeURIComponent(linkedId)}`);
      return JSON.parse(JSON.stringify(call), reviveTimes) as Call;
    } catch (error) {
      if (!(error instanceof ServiceFault) || error.status !== 404) throw error;
    }
  }
  throw new UserFault(`The ledger has no call ${linkedId}.`);
}

const reviveTimes = (key: string, value: unknown) =>
  key.endsWith('At') && typeof value === 'string' ? new Date(value) : value;

async function readParts(context: CliContext): Promise<readonly PartStatus[]> {
  const { parts } = await createServiceClient(context).getAny<{ parts?: readonly PartStatus[] }>('/status');
  return (parts ?? []).filter((part) => part['hook'] !== undefined);
}

async function printStats(context: CliContext, { json }: { json?: boolean }): Promise<void> {
  const parts = await readParts(context);
  if (json === true) return context.printJson(parts);
  if (parts.length === 0) return context.print('No hook is installed.');
  const countFailures = (part: PartStatus) =>
    Object.entries((part['failures'] ?? {}) as Record<string, number>)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  context.print(
    formatTable(
      ['HOOK', 'CRM', 'VERSION', 'RUNS', 'P50 MS', 'P99 MS', 'FAILED', ''],
      parts.map((part) => [
        part['hook'],
        part['crm'] ?? 'all',
        part['version'],
        part['runs'],
        part['p50Ms'],
        part['p99Ms'],
        countFailures(part),
        part.health === 'ok' ? '' : part.message,
      ]),
    ),
  );
  const errors = parts.flatMap((part) =>
    ((part['errors'] ?? []) as { at: string; kind: string; linkedId: string | null; message: string }[]).map(
      (error) => [error.at, part['hook'], error.kind, error.linkedId, error.message.split('\n')[0]],
    ),
  );
  if (errors.length > 0) context.print(`\n${formatTable(['AT', 'HOOK', 'FAULT', 'CALL', ''], errors)}`);
}
