import { customizeAnswer } from './autodistribution-hook.ts';
import { renderCallerName, toDisplay, type CallerNameSettings } from './caller-name.ts';
import type { ContactFinding, ContactSearch } from './contact-search.ts';
import { chooseExtensions, type Choice, type DistributionPolicy, type StepNote } from './distribution.ts';
import type { EmployeeDirectory } from './employees.ts';
import type { Hooks } from './hooks.ts';
import type { Clock, Contact, DeviceState, Employee, Log, NumberPlan } from './ports.ts';

export type LookupStatus = 'FOUND' | 'NOT_FOUND' | 'TIMEOUT' | 'ERROR';

/** What the dialplan asks about a call that is ringing. Numbers and names as the network gave them. */
export interface CallerQuestion {
  readonly callerNumber: string;
  readonly callerName: string;
  /** The number that was called. */
  readonly did: string;
  readonly trunk: string;
  /** Whatever else came along; for the hook. */
  readonly requestData: Readonly<Record<string, string>>;
  /** The uniqueid of the channel that asks, which is the linkedid of the call that began with it; absent: no call asks. */
  readonly linkedId?: string;
  /** When the question arrived, on the monotonic clock: the deadline counts from here. */
  readonly askedAtMs: number;
}

export interface CallerAnswer {
  /** FOUND: `extension` is to be rung. NOT_FOUND: nobody is. TIMEOUT, ERROR: nobody, and the CRM could not be asked. */
  readonly status: LookupStatus;
  readonly extension: string | null;
  /** To be tried after it, in this order. */
  readonly deputies: readonly string[];
  /** Ready for the display; empty when nothing is known. May be set whatever the status. */
  readonly name: string;
  readonly contact: Contact | null;
  /** The CRM that knows the contact. */
  readonly crm: string | null;
  readonly employee: Employee | null;
  readonly error: string | null;
}

export interface CallerLookupSettings {
  /** For everything: mirror, CRMs, hook. */
  readonly deadlineMs: number;
  /** Kept back from the CRMs so that a hook, where one is installed, still gets its turn. */
  readonly hookMs: number;
  readonly policy: DistributionPolicy;
  readonly name: CallerNameSettings;
}

export interface LookupStep {
  readonly step: string;
  readonly outcome: string;
  /** Since the question, in milliseconds. */
  readonly ms: number;
}

/** An answer for people: names in place of records, and how it came about. */
export interface LookupTrace extends Omit<CallerAnswer, 'contact' | 'employee'> {
  readonly contactId: string | null;
  readonly contact: string | null;
  readonly employee: string | null;
  readonly steps: readonly LookupStep[];
}

export interface CallerLookupParts {
  readonly search: ContactSearch;
  readonly directory: EmployeeDirectory;
  readonly numberPlan: NumberPlan;
  readonly stateOf: (extension: string) => DeviceState;
  /** Null: no hook is installed. */
  readonly customizeAutodistribution: Hooks['customize_autodistribution'] | null;
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  readonly log: Log;
}

/**
 * Answers the dialplan: who should get this call, and what the phone should show. A CRM or hook that fails only changes
 * the answer; it rejects for a bug alone.
 */
export class CallerLookup {
  readonly #parts: CallerLookupParts;
  readonly #settings: CallerLookupSettings;

  constructor(parts: CallerLookupParts, settings: CallerLookupSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Who should get the call. `at` is when it rings, for trials of another moment. */
  async distribute(question: CallerQuestion, at = this.#parts.clock.now(), note?: StepNote): Promise<CallerAnswer> {
    const { customizeAutodistribution: hook, directory, monotonicMs, log } = this.#parts;
    const deadlineMs = question.askedAtMs + this.#settings.deadlineMs;
    const caller = await this.#findCaller(question, deadlineMs - (hook ? this.#settings.hookMs : 0), note);
    const choice = this.#choose(caller, at, note);
    let answer: CallerAnswer = {
      ...this.#describe(caller, question),
      status: choice ? 'FOUND' : caller.finding.status === 'FOUND' ? 'NOT_FOUND' : caller.finding.status,
      extension: choice?.extension ?? null,
      deputies: choice?.deputies ?? [],
      employee: choice?.employee ?? null,
    };
    if (hook) {
      const toName = (text: string) => this.toDisplay(text);
      const timeoutMs = deadlineMs - monotonicMs();
      answer = await customizeAnswer(hook, { question, answer, timeoutMs, directory, toName, log, note });
    }
    note?.('answer', [answer.status, answer.extension, ...answer.deputies].filter((part) => part !== null).join(' '));
    return answer;
  }

  /** Only what the phone should show; FOUND when the caller is known. */
  async callerName(question: CallerQuestion, note?: StepNote): Promise<CallerAnswer> {
    const caller = await this.#findCaller(question, question.askedAtMs + this.#settings.deadlineMs, note);
    return {
      ...this.#describe(caller, question),
      status: caller.colleague ? 'FOUND' : caller.finding.status,
      extension: null,
      deputies: [],
      employee: caller.colleague,
    };
  }

  /** Who would get a call, now or at another moment, and each step that led there. */
  async trace(question: {
    readonly number: string;
    readonly did: string | null;
    readonly trunk: string | null;
    readonly at?: Date | null;
  }): Promise<LookupTrace> {
    const { clock, monotonicMs } = this.#parts;
    const askedAtMs = monotonicMs();
    const steps: LookupStep[] = [];
    const { contact, employee, ...answer } = await this.distribute(
      {
        callerNumber: question.number,
        callerName: '',
        did: question.did ?? '',
        trunk: question.trunk ?? '',
        requestData: {},
        askedAtMs,
      },
      question.at ?? clock.now(),
      (step, outcome) => void steps.push({ step, outcome, ms: Math.round((monotonicMs() - askedAtMs) * 100) / 100 }),
    );
    return {
      ...answer,
      contactId: contact?.id ?? null,
      contact: contact?.name ?? null,
      employee: employee?.name ?? null,
      steps,
    };
  }

  /** Makes any text fit for a display, by the same settings as names. */
  toDisplay(text: string): string {
    return toDisplay(text, this.#settings.name.transliterate);
  }

  async #findCaller(question: CallerQuestion, deadlineMs: number, note?: StepNote): Promise<Caller> {
    const { numberPlan, directory, search } = this.#parts;
    const number = numberPlan.toClientNumber(question.callerNumber);
    note?.('number', number ?? 'withheld');
    if (number === null) return { finding: { status: 'NOT_FOUND' }, colleague: null };
    const colleague = directory.byExtension(number) ?? directory.byMobile(number);
    if (!colleague) return { finding: await search.find(number, deadlineMs, note), colleague: null };
    note?.('employees', `the caller is ${colleague.name}`);
    return { finding: { status: 'NOT_FOUND' }, colleague };
  }

  #choose({ finding }: Caller, at: Date, note?: StepNote): Choice | null {
    if (finding.status !== 'FOUND') return null;
    const { directory, stateOf } = this.#parts;
    const { responsibleId } = finding.contact;
    const responsible = responsibleId === null ? null : directory.byCrmUser(finding.crm, responsibleId);
    if (!responsible) {
      note?.('responsible', responsibleId === null ? 'the contact has none' : `no employee is user ${responsibleId}`);
      return null;
    }
    return chooseExtensions({ responsible, directory, stateOf, policy: this.#settings.policy, at, note });
  }

  #describe(caller: Caller, question: CallerQuestion): Pick<CallerAnswer, 'name' | 'contact' | 'crm' | 'error'> {
    const { finding } = caller;
    return {
      name: this.#nameOf(caller, question),
      contact: finding.status === 'FOUND' ? finding.contact : null,
      crm: finding.status === 'FOUND' ? finding.crm : null,
      error: 'error' in finding ? finding.error : null,
    };
  }

  #nameOf({ finding, colleague }: Caller, { callerName, trunk, did }: CallerQuestion): string {
    const contact = finding.status === 'FOUND' ? finding.contact : null;
    const label = trunk || did || null;
    if (contact || colleague) {
      const name = contact?.name ?? colleague?.name ?? null;
      return renderCallerName({ name, company: contact?.company ?? null, trunk: label }, this.#settings.name);
    }
    // Of a stranger only the line can be told, and only where the template asks for it.
    if (!/\{\{\s*trunk\s*\}\}/.test(this.#settings.name.template)) return '';
    return renderCallerName({ name: callerName || null, company: null, trunk: label }, this.#settings.name);
  }
}

interface Caller {
  readonly finding: ContactFinding;
  /** The caller is one of us: calls from an extension, or from the own mobile. */
  readonly colleague: Employee | null;
}
