import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { applyDialplan, rollBackDialplan, type Applied, type DialplanControl } from '../dialplan/apply.ts';
import { includeLine, placeOf, type Finding } from '../dialplan/check.ts';
import { generateDialplan, placeOfDialplan, type DialplanSettings } from '../dialplan/generate.ts';
import { listVersions } from '../dialplan/history.ts';
import type { RenderedFile } from '../dialplan/render.ts';
import { findUnusedTemplates } from '../dialplan/unused-templates.ts';
import type { OpenedControl } from '../installation/asterisk-control.ts';
import {
  checkDialplan,
  differenceOf,
  explainApplyFault,
  installationOf,
  isFaulty,
  type Asked,
} from '../installation/dialplan.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';
import { systemClock } from './quiet-log.ts';

/** What the commands need of the rest of the program. */
export interface DialplanCommandParts {
  readSettings(context: CliContext): DialplanSettings;
  /** Null: no Asterisk with a control user is configured. Rejects when it does not answer. */
  openControl(context: CliContext): Promise<OpenedControl | null>;
}

/** `ringledger dialplan render | diff | check | apply | rollback`. */
export function dialplanCommands(parts: DialplanCommandParts): AddCommand {
  return (program, context) => {
    const dialplan = program.command('dialplan').description('the dialplan that Ringledger generates for Asterisk');

    dialplan
      .command('render')
      .description('print the files as they would be written')
      .argument('[file]', 'only this one, e.g. inbound.conf')
      .option('--out <folder>', 'write them into a folder instead, without the checks and safeguards of apply')
      .action((name: string | undefined, options: { out?: string }) => {
        const settings = parts.readSettings(context);
        const all = rendered(settings);
        // Not between the files, which may go into another program.
        for (const message of findUnusedTemplates(settings.config.templatesFolder, all))
          context.stderr.write(`warning: ${message}\n`);
        const files = all.filter((file) => name === undefined || file.name === name);
        if (name !== undefined && files.length === 0) throw new UserFault(`there is no ${name}`, exitCodes.usage);
        if (options.out === undefined) {
          for (const { name: title, text } of files) context.print(`; ---- ${title}\n${text}`);
          return;
        }
        const folder = resolve(context.cwd, options.out);
        mkdirSync(folder, { recursive: true });
        for (const file of files) writeFileSync(join(folder, file.name), file.text);
        context.print(`${files.length} files in ${folder}`);
      });

    dialplan
      .command('diff')
      .description('show what apply would change')
      .option('--exit-code', 'end with 1 when there are differences')
      .action((options: { exitCode?: boolean }) => {
        const settings = parts.readSettings(context);
        const difference = differenceOf(settings.config.folder, rendered(settings));
        context.print(difference === '' ? 'No difference.' : difference);
        if (options.exitCode && difference !== '') context.setExitCode(exitCodes.failed);
      });

    dialplan
      .command('check')
      .description('check the files, everything they go to, and whether Asterisk includes them')
      .action(async () => {
        const settings = parts.readSettings(context);
        const findings = await withControl(parts, context, { isNeeded: false }, (asked) =>
          explained(() => checkDialplan(settings, rendered(settings), asked)),
        );
        report(findings, context);
        if (findings.some(({ level }) => level === 'error')) context.setExitCode(exitCodes.failed);
        else context.print('The dialplan is in order.');
      });

    dialplan
      .command('apply')
      .description('write the files, let Asterisk load them and see that it did; on failure everything is put back')
      .option('--force', 'replace files that were changed by hand; they are kept as a version')
      .option('--no-reload', 'write only; nothing is verified')
      .action(async (options: { force?: boolean; reload: boolean }) => {
        const settings = parts.readSettings(context);
        const files = rendered(settings);
        await withControl(parts, context, { isNeeded: options.reload }, async (asked) => {
          const known = options.reload ? requireControl(asked.control) : null;
          const findings = await explained(() => checkDialplan(settings, files, asked));
          report(findings, context);
          if (isFaulty(findings)) throw new UserFault('Nothing was changed.');
          const installation = installationOf(settings, known, systemClock);
          const applied = await explained(() =>
            applyDialplan(files, installation, { isForced: options.force === true }),
          );
          tellApplied(applied, settings, context);
        });
      });

    dialplan
      .command('rollback')
      .description('put an earlier version into force; without a version, the one before the present one')
      .argument('[version]')
      .option('--list', 'only list the versions that are kept')
      .option('--force', 'replace files that were changed by hand; they are kept as a version')
      .option('--no-reload', 'write only; nothing is verified')
      .action(async (version: string | undefined, options: { list?: boolean; force?: boolean; reload: boolean }) => {
        const settings = parts.readSettings(context);
        if (options.list === true) {
          const versions = listVersions(settings.config.historyFolder);
          for (const { id, origin, files } of versions) context.print(`${id}  ${origin}, ${files.size} files`);
          if (versions.length === 0) context.print('No versions are kept yet.');
          return;
        }
        await withControl(parts, context, { isNeeded: options.reload }, async ({ control }) => {
          const installation = installationOf(settings, options.reload ? requireControl(control) : null, systemClock);
          const choice = { isForced: options.force === true, version: version ?? null };
          const applied = await explained(() => rollBackDialplan(installation, choice));
          tellApplied(applied, settings, context);
        });
      });
  };
}

function rendered(settings: DialplanSettings): RenderedFile[] {
  try {
    return generateDialplan(settings);
  } catch (error) {
    throw toUserFault(error);
  }
}

async function explained<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toUserFault(error);
  }
}

function toUserFault(error: unknown): unknown {
  const message = explainApplyFault(error);
  return message === null ? error : new UserFault(message);
}

function requireControl(control: DialplanControl | null): DialplanControl {
  if (control !== null) return control;
  throw new UserFault(
    'No AMI control user is configured, so Asterisk cannot be told to reload. Configure one, or use --no-reload and reload by hand.',
  );
}

/** Where Asterisk is not needed, one that does not answer is no reason to stop. */
async function withControl<T>(
  parts: DialplanCommandParts,
  context: CliContext,
  { isNeeded }: { readonly isNeeded: boolean },
  action: (asked: Asked) => Promise<T>,
): Promise<T> {
  let opened: OpenedControl | null = null;
  let fault: string | null = null;
  try {
    opened = await parts.openControl(context);
  } catch (error) {
    if (isNeeded || !(error instanceof UserFault)) throw error;
    fault = error.message;
  }
  try {
    return await action({ control: opened?.control ?? null, fault });
  } finally {
    await opened?.close();
  }
}

function report(findings: readonly Finding[], context: CliContext): void {
  for (const finding of findings) context.print(`${finding.level}: ${placeOf(finding)}${finding.message}`);
}

function tellApplied(applied: Applied, settings: DialplanSettings, context: CliContext): void {
  const { written, removed, verifiedContexts, version } = applied;
  if (written.length > 0) context.print(`Written: ${written.join(', ')}`);
  if (removed.length > 0) context.print(`Removed: ${removed.join(', ')}`);
  if (written.length + removed.length === 0) context.print('The files were up to date.');
  context.print(
    verifiedContexts === null
      ? `Not loaded yet: run "asterisk -rx 'dialplan reload'".`
      : `Asterisk has loaded all ${verifiedContexts} contexts.`,
  );
  context.print(
    `Version ${version} in ${settings.config.folder}, included by ${includeLine(placeOfDialplan(settings.config))}`,
  );
}
