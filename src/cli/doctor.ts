import type { Finding, FindingState } from '../doctor/finding.ts';
import { visit, type Patient } from '../doctor/visit.ts';
import { exitCodes, type AddCommand, type CliContext } from './context.ts';
import { makePrintable } from './table.ts';

export interface DoctorCommandParts {
  /** What to look at, from the configuration. */
  readPatient(context: CliContext): Promise<Patient>;
}

const marks: Readonly<Record<FindingState, string>> = {
  ok: 'OK',
  warning: 'WARNING',
  error: 'ERROR',
  unknown: 'UNKNOWN',
};

/** `doctor`: what is wrong with the installation and how to mend it. Exit code 1 when there is an error. */
export function createDoctorCommand({ readPatient }: DoctorCommandParts): AddCommand {
  return (program, context) => {
    program
      .command('doctor')
      .description('look at Asterisk and this machine: what is wrong, and how to mend it')
      .option('--json', 'as JSON')
      .option('--quiet', 'only what is not in order')
      .action(async ({ json, quiet }: { json?: boolean; quiet?: boolean }) => {
        const all = await visit(await readPatient(context));
        const findings = quiet === true ? all.filter(({ state }) => state !== 'ok') : all;
        if (json === true) context.printJson({ findings });
        else printFindings(findings, all, context);
        if (all.some(({ state }) => state === 'error')) context.setExitCode(exitCodes.failed);
      });
  };
}

function printFindings(findings: readonly Finding[], all: readonly Finding[], context: CliContext): void {
  for (const { check, state, message, mend } of findings) {
    context.print(`${marks[state].padEnd(8)}${check}: ${makePrintable(message)}`);
    if (mend !== null) context.print(`        → ${makePrintable(mend)}`);
  }
  const count = (state: FindingState) => all.filter((finding) => finding.state === state).length;
  const counts = (['error', 'warning', 'unknown', 'ok'] as const).map((state) => `${count(state)} ${state}`);
  context.print(`${findings.length > 0 ? '\n' : ''}${counts.join(', ')}`);
}
