import type { Call, Conversation } from './call.ts';
import { RequestCounter, type RequestLimits } from './click-to-call/request-limits.ts';
import {
  isFurther,
  isOver,
  isPresumed,
  progressOf,
  type FailureReason,
  type RequestPhase,
} from './click-to-call/request-state.ts';
import type { EmployeeDirectory } from './employees.ts';
import { Rejected } from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { NumberPattern } from './number-pattern.ts';
import type { CallWatcher, Clock, Employee, Log, NumberPlan, OriginateRequest, PbxSource } from './ports.ts';

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
  /** Null: a request of before the service started, of which only the ledger knows. */
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

/**
 * The request of this conversation as the ledger alone tells it: of one that this process did not place, or has forgotten.
 */
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
    changedAt: call.endedAt ?? conversation.answeredAt ?? conversation.requestedAt,
    call: { source: call.source, linkedId: call.linkedId },
  };
}

const keptMs = 3_600_000;
const mostKept = 10_000;
/** After the phone has rung out, the PBX has this long to tell of it. */
const silenceMs = 15_000;

/**
 * Places calls for people who click: rings the employee's own phone first, then the client. At most one call comes of one
 * click however often it is sent, only to numbers that are allowed, and only from a phone of the employee who clicked. As
 * a watcher of calls it knows how far each request is, for an hour after its end.
 */
export class ClickToCall implements CallWatcher {
  readonly #parts: ClickToCallParts;
  readonly #settings: ClickToCallSettings;
  readonly #counter: RequestCounter;
  readonly #requests = new Map<string, RequestState>();

  constructor(parts: ClickToCallParts, settings: ClickToCallSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#counter = new RequestCounter(settings.limits);
  }

  /**
   * Resolves once the phone system took the request. Rejects with `CallRefused`, which says why in plain words, or with
   * `Retryable` when the phone system cannot be reached.
   */
  async start(click: Click): Promise<RequestState> {
    const { employee, extension } = this.#findPhone(click);
    const number = this.#checkNumber(click.number);
    // From here to the entry nothing waits: of clicks that come at once one passes.
    this.#refuseRepeated(extension, number);
    this.#count(extension);
    const source = this.#findSource(extension);
    const requestedAt = this.#parts.clock.now();
    const requestId = crypto.randomUUID();
    this.#enter({
      requestId,
      phase: 'queued',
      reason: null,
      requester: click.requester,
      employeeId: employee.id,
      extension,
      number,
      clientName: click.clientName,
      requestedAt,
      changedAt: requestedAt,
      call: null,
    });
    try {
      const clientName = click.clientName ?? (await this.#parts.nameOf(number));
      const context = this.#contextOf(employee, click.did);
      const wanted = await this.#parts.hooksOf(click.requester).process_originate_params({
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
      await source.originate!(request);
      this.#change(requestId, { extension: request.extension, clientName: request.clientName });
    } catch (error) {
      const isRefused = error instanceof Rejected;
      this.#change(requestId, { phase: 'failed', reason: isRefused ? 'pbx_refused' : 'pbx_unreachable' });
      if (isRefused) throw new CallRefused('pbx_refused', error.message, { cause: error, requestId });
      throw error;
    }
    const { requester } = click;
    this.#parts.log.info({ requestId, requester, employee: employee.id, extension }, 'A call was asked for by a click');
    return this.#requests.get(requestId)!;
  }

  /** Null: there is no such request, or it was more than an hour ago. */
  state(requestId: string): RequestState | null {
    this.#giveUpSilent(this.#requests.get(requestId));
    return this.#requests.get(requestId) ?? null;
  }

  /** Newest first. */
  list(): readonly RequestState[] {
    for (const request of this.#requests.values()) this.#giveUpSilent(request);
    return [...this.#requests.values()].reverse();
  }

  onStage(): void {
    // `onChange` tells more: between the stages the employee picks up and the client's phone begins to ring.
  }

  onChange(call: Call): void {
    for (const conversation of call.conversations) {
      const request = conversation.requestId === null ? undefined : this.#requests.get(conversation.requestId);
      if (request === undefined || (isOver(request.phase) && !isPresumed(request.reason))) continue;
      const { phase, reason } = progressOf(call, conversation);
      const place = { source: call.source, linkedId: call.linkedId };
      if (isPresumed(request.reason) || isFurther(phase, request.phase))
        this.#change(request.requestId, { phase, reason, call: place });
    }
  }

  /** The phone that rings: the one that was named, else the first of the employee's that is there. */
  #findPhone(click: Click): { readonly employee: Employee; readonly extension: string } {
    const employee = findAsker(this.#parts.directory, click);
    const { extension } = click;
    const isThere = (one: string) => this.#stateOf(one) !== 'unavailable';
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

  #refuseRepeated(extension: string, number: string): void {
    const now = this.#parts.clock.now().getTime();
    for (const request of this.list()) {
      if (request.extension !== extension) continue;
      const { requestId, phase } = request;
      const isRecent = now - request.requestedAt.getTime() < this.#settings.repeatMs;
      // What the phone system refused may be tried again at once; what it did not answer may ring all the same.
      const mayHaveRung = request.reason !== 'pbx_refused';
      if (request.number === number && mayHaveRung && (isRecent || !isOver(phase))) {
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

  #count(extension: string): void {
    const limit = this.#counter.take(extension, this.#parts.clock.now().getTime());
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

  #stateOf(extension: string) {
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

  #enter(request: RequestState): void {
    const now = request.requestedAt.getTime();
    for (const { requestId, phase, changedAt } of this.#requests.values()) {
      const isOld = isOver(phase) && now - changedAt.getTime() > keptMs;
      if (isOld || this.#requests.size >= mostKept) this.#requests.delete(requestId);
    }
    this.#requests.set(request.requestId, request);
  }

  #change(requestId: string, change: Partial<RequestState>): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    this.#requests.set(requestId, { ...request, ...change, changedAt: this.#parts.clock.now() });
  }

  #giveUpSilent(request: RequestState | undefined): void {
    if (request === undefined || request.call !== null || isOver(request.phase)) return;
    const waitedMs = this.#parts.clock.now().getTime() - request.requestedAt.getTime();
    if (waitedMs > this.#settings.ringMs + silenceMs) {
      this.#change(request.requestId, { phase: 'failed', reason: 'no_sign' });
    }
  }
}
