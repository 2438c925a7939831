/**
 * The hook customize_autodistribution around an answer: it may change the number and the name, within its time, and what
 * it answers is checked like anything else that comes from outside.
 */
import type { CallerAnswer, CallerQuestion } from './caller-lookup.ts';
import { withDeadline } from './contact-search.ts';
import { isDialable, type StepNote } from './distribution.ts';
import type { EmployeeDirectory } from './employees.ts';
import type { Hooks } from './hooks.ts';
import type { Log } from './ports.ts';

/** The answer as the hook wants it; as it was when the hook is late, fails or answers garbage. Never rejects. */
export async function customizeAnswer(
  hook: Hooks['customize_autodistribution'],
  parts: {
    readonly question: CallerQuestion;
    readonly answer: CallerAnswer;
    readonly timeoutMs: number;
    readonly directory: EmployeeDirectory;
    /** Makes a text fit for the display. */
    readonly toName: (text: string) => string;
    readonly log: Log;
    readonly note?: StepNote | undefined;
  },
): Promise<CallerAnswer> {
  const { question, answer, timeoutMs, directory, toName, log, note } = parts;
  const own = { number: answer.extension ?? '', name: answer.name };
  let changed: unknown = own;
  try {
    const { callerNumber, trunk, requestData, linkedId } = question;
    const asked = hook({
      ...own,
      requestData,
      ...(callerNumber && { from: callerNumber }),
      ...(trunk && { trunk }),
      ...(answer.contact && { entity: answer.contact }),
      ...(answer.error && { error: answer.error }),
      ...(linkedId && { linkedId }),
    });
    changed = await withDeadline(asked, timeoutMs, () => own);
  } catch (error) {
    log.warn({ error }, 'the hook customize_autodistribution failed; its turn is skipped');
  }
  const { number, name } = readChange(changed, own);
  const shown = name === own.name ? name : toName(name);
  const hasChanged = number !== own.number || shown !== own.name;
  note?.('hook', hasChanged ? `number "${number}", name "${shown}"` : 'changed nothing');
  if (number === own.number) return { ...answer, name: shown };
  if (number === '')
    return { ...answer, name: shown, status: 'NOT_FOUND', extension: null, deputies: [], employee: null };
  return {
    ...answer,
    name: shown,
    status: 'FOUND',
    extension: number,
    deputies: answer.deputies.filter((deputy) => deputy !== number),
    employee: directory.byExtension(number),
  };
}

type NumberAndName = { readonly number: string; readonly name: string };

/** Each of the two that is not usable stays as it was. */
function readChange(changed: unknown, own: NumberAndName): NumberAndName {
  if (typeof changed !== 'object' || changed === null) return own;
  const { number, name } = changed as Partial<Record<keyof NumberAndName, unknown>>;
  const isNumber = typeof number === 'string' && (number === '' || isDialable(number));
  return { number: isNumber ? number : own.number, name: typeof name === 'string' ? name : own.name };
}
