import type { Call, Conversation } from '../../../core/call.ts';
import type { ConversationRegistration, IncomingCallCard, NumberPlan } from '../../../core/ports.ts';
import type { RetailcrmAccount } from '../account.ts';
import { Refused, type RetailcrmApi } from '../api.ts';
import type { RetailcrmConfig } from '../config.ts';
import {
  eventSchema,
  toExternalId,
  toHangupStatus,
  toLocalTime,
  toNumber,
  toResult,
  uploadSchema,
} from '../mapping.ts';
import type { Customers } from './customers.ts';

/** The CRM takes no more in one request. */
export const mostPerUpload = 50;
const eventTimeoutMs = 5_000;

interface CallRecord {
  readonly externalId: string;
  readonly [field: string]: unknown;
}
interface Waiting {
  readonly record: CallRecord;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export interface CallsParts {
  readonly api: RetailcrmApi;
  readonly account: RetailcrmAccount;
  readonly customers: Customers;
  readonly numbers: NumberPlan;
  readonly settings: RetailcrmConfig;
  /** Extension → the user's id. */
  readonly ownersOfCodes: () => Promise<ReadonlyMap<string, string>>;
}

/** The history of calls and the events of calls that ring. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isFinishing = false;
  /** Extensions that the CRM said it does not know, when it was last told of each. */
  readonly #unknownCodes = new Set<string>();

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  get unknownCodes(): readonly string[] {
    return [...this.#unknownCodes].sort();
  }

  /** The conversation's id in the CRM, which is ours. Resolves when the CRM has it; with `periodic`, with its batch. */
  async register(registration: ConversationRegistration): Promise<string> {
    if (registration.contactId !== null) await this.#parts.customers.require(registration.contactId);
    const record = await this.#recordOf(registration);
    if (this.#parts.settings.upload.strategy === 'at_once' || this.#isFinishing) await this.#upload([record]);
    else await this.#queue(record);
    return record.externalId;
  }

  /** Opens the card before exactly those whose phones ring: by their extensions, as the CRM has them. */
  async showCard(card: IncomingCallCard): Promise<void> {
    const type = card.call.direction === 'outbound' ? 'out' : 'in';
    const ringing = await this.#phonesOf(card, ({ endedAt }) => endedAt === null);
    const codes = [...new Set(ringing.flatMap(({ extension }) => extension ?? []))];
    const users = card.userIds.flatMap((id) => toNumber(id) ?? []);
    if (codes.length === 0 && users.length === 0) return;
    const whom = codes.length > 0 ? { codes } : { userIds: users };
    await this.#sendEvent(card, { type, ...whom }, ringing[0] ?? card.conversation);
  }

  /** Closes the card before these users; each learns what became of his own phone's ringing. */
  async hideCard(card: IncomingCallCard): Promise<void> {
    const codesByEnd = new Map<string, Set<string>>();
    const phones = await this.#phonesOf(card, () => true);
    // Of a phone that rang several times, the last time counts.
    const lastByExtension = new Map(phones.map((phone) => [phone.extension!, phone]));
    for (const [extension, { result }] of lastByExtension) {
      const end = toHangupStatus(result);
      codesByEnd.set(end, (codesByEnd.get(end) ?? new Set()).add(extension));
    }
    for (const [hangupStatus, codes] of codesByEnd) {
      const conversation = lastByExtension.get([...codes][0]!)!;
      await this.#sendEvent(card, { type: 'hangup', codes: [...codes], hangupStatus }, conversation);
    }
  }

  /** The call's conversations on phones of the card's users. */
  async #phonesOf(
    { call, userIds }: IncomingCallCard,
    fits: (conversation: Conversation) => boolean,
  ): Promise<readonly Conversation[]> {
    const owners = await this.#parts.ownersOfCodes();
    return call.conversations.filter((one) => {
      const owner = one.extension === null ? undefined : owners.get(one.extension);
      return owner !== undefined && userIds.includes(owner) && fits(one);
    });
  }

  /** Sends what waits for its batch now, and from now on at once. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, mostPerUpload);
      await this.#uploadBatch(batch);
    }
  }

  async #recordOf({
    idempotencyKey,
    call,
    conversation,
    userId,
    responsibleId,
  }: ConversationRegistration): Promise<CallRecord> {
    const { account, settings } = this.#parts;
    const user = toNumber(userId);
    const code = conversation.extension;
    const responsible = toNumber(responsibleId);
    // One of the two; nobody's phone rang for a call that ended in a menu.
    const employee =
      user !== null
        ? { userId: user }
        : code !== null
          ? { code }
          : responsible !== null
            ? { userId: responsible }
            : settings.fallbackCode === null
              ? {}
              : { code: settings.fallbackCode };
    const link = conversation.recording;
    return {
      externalId: idempotencyKey.replace(/^conversation:/, ''),
      date: toLocalTime(conversation.requestedAt, await account.timeZone()),
      type: call.direction === 'outbound' ? 'out' : 'in',
      phone: call.client ?? settings.withheldNumber,
      result: toResult(conversation.result),
      duration: conversation.duration,
      durationWaiting: conversation.waiting,
      ...employee,
      ...this.#lineOf(call),
      // A path on the PBX is no link.
      ...(link !== null && /^https?:\/\//.test(link) ? { recordUrl: link } : {}),
    };
  }

  /** The line as the CRM's integration has it, and the shop whose line it is. */
  #lineOf({ did }: Pick<Call, 'did'>): { readonly externalPhone?: string; readonly site?: string } {
    const { numbers, settings } = this.#parts;
    const shop = settings.site === null ? {} : { site: settings.site };
    if (did === null) return shop;
    const whole = numbers.toClientNumber(did) ?? did;
    const line = Object.entries(settings.lines).find(
      ([number]) => number === did || (numbers.toClientNumber(number) ?? number) === whole,
    );
    return line === undefined ? { externalPhone: whole, ...shop } : { externalPhone: line[0], site: line[1] };
  }

  async #sendEvent(
    { call }: IncomingCallCard,
    event: { readonly codes?: readonly string[]; readonly [field: string]: unknown },
    { uniqueId }: Conversation,
  ): Promise<void> {
    if (call.client === null) return;
    const { codes = [] } = event;
    const { api } = this.#parts;
    const ask = { isUrgent: true, signal: AbortSignal.timeout(eventTimeoutMs) };
    const body = {
      phone: call.client,
      ...event,
      callExternalId: toExternalId(call.source, uniqueId),
      ...this.#lineOf(call),
    };
    const answer = await api.post('/telephony/call/event', eventSchema, { event: body }, ask);
    for (const code of codes) this.#unknownCodes.delete(code);
    for (const code of answer.notExistCodes ?? []) this.#unknownCodes.add(code);
  }

  #queue(record: CallRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, done: resolve, failed: reject });
      if (this.#waiting.length >= mostPerUpload) void this.#flush();
      else this.#timer ??= setTimeout(() => void this.#flush(), this.#parts.settings.upload.everyMs);
    });
  }

  async #uploadBatch(batch: readonly Waiting[]): Promise<void> {
    // The same record twice is one.
    const records = new Map(batch.map(({ record }) => [record.externalId, record]));
    try {
      await this.#upload([...records.values()]);
      for (const { done } of batch) done();
    } catch (error) {
      if (!(error instanceof Refused) || batch.length === 1) {
        for (const { failed } of batch) failed(error);
        return;
      }
      // One of them is at fault: the others must not suffer for it.
      const half = Math.ceil(batch.length / 2);
      await this.#uploadBatch(batch.slice(0, half));
      await this.#uploadBatch(batch.slice(half));
    }
  }

  /** Repeats are no fault: the CRM names them and keeps what it has. */
  async #upload(calls: readonly CallRecord[]): Promise<void> {
    const answer = await this.#parts.api.post('/telephony/calls/upload', uploadSchema, { calls });
    const repeated = answer.duplicateCalls?.length ?? 0;
    const processed = answer.processedCallsCount ?? calls.length;
    if (processed + repeated >= calls.length) return;
    const details = { processedCallsCount: processed, duplicateCalls: repeated, sent: calls.length };
    throw new Refused('the CRM did not take all calls of an upload', { status: 200, answer, details });
  }
}
