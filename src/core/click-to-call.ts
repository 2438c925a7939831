import type { Call, Conversation } from './call.ts';
import type { ClickBook, ClickRequest, EarlierRequests, FollowedRequest } from './click-to-call/click-book.ts';
import { findReachedLimit, type RequestLimits } from './click-to-call/request-limits.ts';
import { isFurther, isOver, progressOf, type FailureReason, type RequestPhase } from './click-to-call/request-state.ts';
import type { EmployeeDirectory } from './employees.ts';
import { Rejected, Retryable } from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { NumberPattern } from './number-pattern.ts';
import type { Clock, Employee, Log, NumberPlan, OriginateRequest, PbxSource } from './ports.ts';

/** A click, as whoever asks for the call tells it. */
export interface Click {
  /** Who asks, for the log and the state: the CRM's configured name, or `api`. */
  readonly requester: string;
  /** The CRM's user who clicked; `employeeId` and `extension` must then be his. */
  readonly crmUser: { readonly crm: string; readonly userId: string } | null;
  readonly employeeId: string | null;
  readonly extension: string | null;
  /** The client's number in any way of writing. */
  readonly number: string;
  /** Null: looked up. */
  readonly clientName: string | null;
  /** The outside number that the call should come from, where the CRM names one. */
  readonly did: string | null;
  /** What the CRM sent; for the hook. */
  readonly requestData: Readonly<Record<string, unknown>>;
}

export interface RequestState {
  readonly requestId: string;
  readonly phase: RequestPhase;
  /** Only with `failed`. */
  readonly reason: FailureReason | null;
  /** Null: a request of which only the ledger knows. */
  readonly requester: string | null;
  /** Null: as above. */
  readonly employeeId: string | null;
  readonly extension: string;
  /** As it was asked for, normalised; a hook may have another one dialled. */
  readonly number: string;
  readonly clientName: string | null;
  readonly requestedAt: Date;
  readonly changedAt: Date;
  /** The call in the ledger, once the phone system has told of it. */
  readonly call: { readonly source: string; readonly linkedId: string } | null;
}

export type RefusalReason =
  | 'unknown_employee'
  | 'foreign_extension'
  | 'not_a_number'
  | 'number_not_allowed'
  | 'duplicate'
  | 'employee_busy'
  | 'too_many'
  | 'no_pbx'
  | 'pbx_refused';

/** No call is placed. `requestId`: of the request that is under way already (`duplicate`, `employee_busy`). */
export class CallRefused extends Rejected {
  readonly reason: RefusalReason;
  readonly requestId: string | null;
  constructor(reason: RefusalReason, message: string, options: { requestId?: string; cause?: unknown } = {}) {
    super(message, { details: { reason }, cause: options.cause });
    this.reason = reason;
    this.requestId = options.requestId ?? null;
  }
}

export interface ClickToCallSettings {
  /** Numbers that may be called, E.164; the others are refused. */
  readonly allow: readonly NumberPattern[];
  /** Numbers that are refused although allowed. */
  readonly deny: readonly NumberPattern[];
  readonly limits: RequestLimits;
  /** The same employee and number again within this time is a second click, not a second call. */
  readonly repeatMs: number;
  /** How long the employee's phone rings. */
  readonly ringMs: number;
  /** Other contexts of the dialplan for some: the first that fits; null conditions fit always. */
  readonly contexts: readonly {
    readonly employees: readonly string[] | null;
    readonly dids: readonly NumberPattern[] | null;
    readonly context: string;
  }[];
}

export interface ClickToCallParts {
  readonly directory: EmployeeDirectory;
  readonly plan: NumberPlan;
  readonly book: ClickBook;
  readonly sources: () => Iterable<PbxSource>;
  /** The hooks that hold for a requester. */
  readonly hooksOf: (requester: string) => Pick<Hooks, 'process_originate_params'>;
  /** The client's name for the employee's phone; null: nobody knows. Answers within its own deadline. */
  readonly nameOf: (number: string) => Promise<string | null>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The employee who asks. Whatever names him must name the same one, or it throws `CallRefused`. */
export function findAsker(
  directory: EmployeeDirectory,
  { crmUser, employeeId, extension }: Pick<Click, 'crmUser' | 'employeeId' | 'extension'>,
): Employee {
  const owners = [
    ...(crmUser === null ? [] : [directory.byCrmUser(crmUser.crm, crmUser.userId)]),
    ...(employeeId === null ? [] : [directory.byId(employeeId)]),
    ...(extension === null ? [] : [directory.byExtension(extension)]),
  ];
  const [employee] = owners;
  if (employee === undefined || employee === null || !employee.isActive) {
    throw new CallRefused('unknown_employee', 'No employee with a phone is known here under what the request names.');
  }
  if (owners.some((owner) => owner?.id !== employee.id)) {
    throw new CallRefused('foreign_extension', 'This phone is not one of the employee who asks.');
  }
  return employee;
}

/** The request of this conversation as the ledger alone tells it: of one that is in no book any more. */
export function requestInLedger(call: Call, conversation: Conversation): RequestState | null {
  if (conversation.requestId === null) return null;
  return {
    requestId: conversation.requestId,
    ...progressOf(call, conversation),
    requester: null,
    employeeId: null,
    extension: conversation.extension ?? '',
    number: call.client ?? '',
    clientName: call.clientName,
    requestedAt: conversation.requestedAt,
    changedAt: changedAtOf(call, conversation),
    call: { source: call.source, linkedId: call.linkedId },
  };
}

/** After the phone has rung out, the PBX has this long to tell of it. */
const silenceMs = 15_000;

/**
 * Places calls for people who click: rings the employee's own phone first, then the client. At most one call comes of one
 * click however often it is sent and to whichever node, only to numbers that are allowed, and only from a phone of the
 * employee who clicked. How far each request is, it knows from the ledger, so that it need not follow the phone system itself.
 */
export class ClickToCall {
  readonly #parts: ClickToCallParts;
  readonly #settings: ClickToCallSettings;

  constructor(parts: ClickToCallParts, settings: ClickToCallSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /**
   * Resolves once the phone system took the request. Rejects with `CallRefused`, which says why in plain words, or with
   * `Retryable` when the phone system or the database cannot be reached.
   */
  async start(click: Click): Promise<RequestState> {
    const { book, clock, log } = this.#parts;
    const { employee, extension } = this.#findPhone(click);
    const number = this.#checkNumber(click.number);
    const source = this.#findSource(extension);
    const { requester } = click;
    const requestId = crypto.randomUUID();
    const entered: ClickRequest = {
      requestId,
      requester,
      employeeId: employee.id,
      extension,
      number,
      clientName: click.clientName,
      requestedAt: clock.now(),
      refusal: null,
    };
    await this.#enter(entered);
    try {
      const clientName = click.clientName ?? (await this.#parts.nameOf(number));
      const context = this.#contextOf(employee, click.did);
      const wanted = await this.#parts.hooksOf(requester).process_originate_params({
        request: {
          requestId,
          extension,
          clientNumber: number,
          clientName,
          timeoutMs: this.#settings.ringMs,
          ...(context === null ? {} : { context }),
        },
        requestData: click.requestData,
      });
      const request: OriginateRequest = { ...wanted, requestId };
      const known = { extension: request.extension, clientName: request.clientName };
      await this.#ask(book.change(requestId, known));
      await source.originate!(request);
      log.info({ requestId, requester, employee: employee.id, extension }, 'A call was asked for by a click');
      return this.#stateOf({ ...entered, ...known, calls: [] });
    } catch (error) {
      const isRefused = error instanceof Rejected;
      const refusal = { reason: isRefused ? 'pbx_refused' : 'pbx_unreachable', at: clock.now() } as const;
      await book
        .change(requestId, { refusal })
        .catch((fault: unknown) =>
          log.warn({ requestId, err: fault }, 'That a click placed no call could not be noted'),
        );
      if (isRefused) throw new CallRefused('pbx_refused', error.message, { cause: error, requestId });
      throw error;
    }
  }

  /** Null: there is no such request, or it was more than a day ago. */
  async state(requestId: string): Promise<RequestState | null> {
    const found = await this.#parts.book.find(requestId);
    return found === null ? null : this.#stateOf(found);
  }

  /** The newest 200, of all nodes; newest first. */
  async list(): Promise<readonly RequestState[]> {
    return (await this.#parts.book.list()).map((request) => this.#stateOf(request));
  }

  #stateOf({ calls, refusal, ...request }: FollowedRequest): RequestState {
    // What the phone system itself refused is not believed when something else claims to be it.
    const told = refusal?.reason === 'pbx_refused' ? null : furthestOf(request.requestId, calls);
    if (told !== null) return { ...request, ...told };
    if (refusal !== null)
      return { ...request, phase: 'failed', reason: refusal.reason, changedAt: refusal.at, call: null };
    const givenUpAt = new Date(request.requestedAt.getTime() + this.#settings.ringMs + silenceMs);
    return this.#parts.clock.now() > givenUpAt
      ? { ...request, phase: 'failed', reason: 'no_sign', changedAt: givenUpAt, call: null }
      : { ...request, phase: 'queued', reason: null, changedAt: request.requestedAt, call: null };
  }

  /** The phone that rings: the one that was named, else the first of the employee's that is there. */
  #findPhone(click: Click): { readonly employee: Employee; readonly extension: string } {
    const employee = findAsker(this.#parts.directory, click);
    const { extension } = click;
    const isThere = (one: string) => this.#deviceStateOf(one) !== 'unavailable';
    const chosen = extension ?? employee.extensions.find(isThere) ?? employee.extensions[0];
    if (chosen === undefined) throw new CallRefused('unknown_employee', `${employee.name} has no extension.`);
    return { employee, extension: chosen };
  }

  #checkNumber(raw: string): string {
    const { plan } = this.#parts;
    const number = plan.toClientNumber(raw);
    if (number === null || !/^\+?[0-9]{3,15}$/.test(number)) {
      throw new CallRefused('not_a_number', 'The number to be called is not a telephone number.');
    }
    const { allow, deny } = this.#settings;
    const isAllowed =
      !plan.isExtension(number) && allow.some((fits) => fits(number)) && !deny.some((fits) => fits(number));
    if (isAllowed) return number;
    throw new CallRefused('number_not_allowed', 'This number may not be called by a click (see clickToCall.allow).');
  }

  async #enter(request: ClickRequest): Promise<void> {
    const judge = (earlier: EarlierRequests) => {
      this.#refuseRepeated(request, earlier);
      this.#refuseTooMany(request, earlier);
    };
    await this.#ask(this.#parts.book.enter(request, judge));
  }

  async #ask<Answer>(answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof CallRefused) throw error;
      const message = `Whether this phone rings already cannot be known now: ${(error as Error).message}`;
      throw new Retryable(message, { cause: error });
    }
  }

  #refuseRepeated({ number, requestedAt }: ClickRequest, { ofExtension }: EarlierRequests): void {
    for (const { requestId, phase, reason, ...earlier } of ofExtension.map((one) => this.#stateOf(one))) {
      const isRecent = requestedAt.getTime() - earlier.requestedAt.getTime() < this.#settings.repeatMs;
      // What the phone system refused may be tried again at once; what it did not answer may ring all the same.
      const mayHaveRung = reason !== 'pbx_refused';
      if (earlier.number === number && mayHaveRung && (isRecent || !isOver(phase))) {
        throw new CallRefused(
          'duplicate',
          isOver(phase) ? 'This call was placed a moment ago.' : 'This call is being placed already.',
          { requestId },
        );
      }
      if (phase === 'queued' || phase === 'ringing_employee') {
        throw new CallRefused('employee_busy', 'The phone is ringing already for another click.', { requestId });
      }
    }
  }

  #refuseTooMany({ employeeId, extension, requestedAt }: ClickRequest, { ofHour }: EarlierRequests): void {
    const limit = findReachedLimit(this.#settings.limits, employeeId, ofHour, requestedAt);
    if (limit === null) return;
    this.#parts.log.warn({ extension, limit }, 'More calls were asked for by clicks than are allowed');
    throw new CallRefused('too_many', `More calls than are allowed by a click: ${limit} (see clickToCall).`);
  }

  #findSource(extension: string): PbxSource {
    const able = [...this.#parts.sources()].filter((source) => source.originate !== undefined);
    const knowing = able.find((source) => (source.deviceState?.(extension) ?? 'unknown') !== 'unknown');
    const source = knowing ?? able[0];
    if (source !== undefined) return source;
    throw new CallRefused('no_pbx', 'No phone system can be commanded: set ami.control of one under pbx.');
  }

  #deviceStateOf(extension: string) {
    for (const source of this.#parts.sources()) {
      const state = source.deviceState?.(extension) ?? 'unknown';
      if (state !== 'unknown') return state;
    }
    return 'unknown';
  }

  #contextOf(employee: Employee, did: string | null): string | null {
    const line = did === null ? null : (this.#parts.plan.toClientNumber(did) ?? did);
    const fitting = this.#settings.contexts.find(
      ({ employees, dids }) =>
        (employees === null || employees.includes(employee.id)) && (dids === null || dids.some((fits) => fits(line))),
    );
    return fitting?.context ?? null;
  }
}

/** How far the request is by its conversation that is furthest; null: no call of it is known. */
function furthestOf(
  requestId: string,
  calls: readonly Call[],
): Pick<RequestState, 'phase' | 'reason' | 'call' | 'changedAt'> | null {
  let furthest: ReturnType<typeof furthestOf> = null;
  for (const call of calls) {
    for (const conversation of call.conversations) {
      if (conversation.requestId !== requestId) continue;
      const progress = progressOf(call, conversation);
      if (furthest !== null && !isFurther(progress.phase, furthest.phase)) continue;
      const place = { source: call.source, linkedId: call.linkedId };
      furthest = { ...progress, call: place, changedAt: changedAtOf(call, conversation) };
    }
  }
  return furthest;
}

const changedAtOf = (call: Call, conversation: Conversation): Date =>
  call.endedAt ?? conversation.answeredAt ?? conversation.requestedAt;
