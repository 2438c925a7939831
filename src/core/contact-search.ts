import { Breaker, type BreakerSettings } from './breaker.ts';
import type { ContactMirror } from './contact-mirror.ts';
import type { StepNote } from './distribution.ts';
import { AuthRequired, Rejected } from './errors.ts';
import type { Contact, CrmAdapter, Log, PartStatus } from './ports.ts';

/** One CRM as the search sees it; what is null it cannot do. */
export interface ContactSource {
  readonly name: string;
  readonly mirror: ContactMirror | null;
  readonly findContact: CrmAdapter['findContact'] | null;
}

export type ContactFinding =
  | { readonly status: 'FOUND'; readonly contact: Contact; readonly crm: string }
  | { readonly status: 'NOT_FOUND' }
  | { readonly status: 'TIMEOUT' | 'ERROR'; readonly error: string };

export interface ContactSearchSettings {
  readonly breaker: BreakerSettings;
  /** How long a live answer is given again without asking: one call asks several times. */
  readonly freshMs: number;
  /** How long a live answer stands in for a CRM that does not answer. */
  readonly staleMs: number;
}

type LiveAnswer =
  { readonly contact: Contact | null } | { readonly failure: 'TIMEOUT' | 'ERROR'; readonly error: string };

const mostRemembered = 10_000;

/**
 * Finds a contact by number: in the mirrors in memory; else live, in all CRMs at once and before a deadline. The first
 * CRM of the list that knows the number wins, whichever is faster. Searches for the same number share one request, a CRM
 * that keeps failing is not asked for a while, and an answer of earlier stands in for a CRM that fails.
 */
export class ContactSearch {
  readonly #sources: readonly ContactSource[];
  readonly #settings: ContactSearchSettings;
  readonly #breakers: ReadonlyMap<string, Breaker>;
  readonly #monotonicMs: () => number;
  readonly #log: Log;
  readonly #inFlight = new Map<string, Promise<LiveAnswer>>();
  readonly #remembered = new Map<string, { readonly contact: Contact | null; readonly atMs: number }>();

  constructor(parts: {
    readonly sources: readonly ContactSource[];
    readonly settings: ContactSearchSettings;
    readonly monotonicMs: () => number;
    readonly log: Log;
  }) {
    this.#sources = parts.sources;
    this.#settings = parts.settings;
    this.#monotonicMs = parts.monotonicMs;
    this.#log = parts.log;
    this.#breakers = new Map(
      parts.sources.map(({ name }) => [name, new Breaker(parts.settings.breaker, parts.monotonicMs)]),
    );
  }

  /** `deadlineMs` is on the monotonic clock. Never rejects and never takes longer than that. */
  async find(number: string, deadlineMs: number, note?: StepNote): Promise<ContactFinding> {
    for (const { name, mirror } of this.#sources) {
      const contact = mirror?.find(number);
      if (mirror) note?.(`mirror of ${name}`, contact ? `contact ${contact.id}, ${contact.name}` : 'no contact');
      if (!contact) continue;
      // From here on the mirror knows better, also when it is deleted there.
      this.#remembered.delete(`${name}\n${number}`);
      return { status: 'FOUND', contact, crm: name };
    }
    const live = this.#sources.filter(({ findContact }) => findContact !== null);
    const answers = live.map((source) => this.#ask(source, number, deadlineMs));
    // A bug in one that is not waited for below must not end the process.
    for (const answer of answers) answer.catch(() => undefined);
    let failed: ContactFinding | null = null;
    // In the order of the list: who stands behind a CRM that knows the number is not waited for.
    for (const [index, pending] of answers.entries()) {
      const answer = await pending;
      const crm = live[index]!.name;
      note?.(`asking ${crm}`, describe(answer));
      if ('failure' in answer) failed ??= { status: answer.failure, error: answer.error };
      else if (answer.contact) return { status: 'FOUND', contact: answer.contact, crm };
    }
    return failed ?? { status: 'NOT_FOUND' };
  }

  status(): readonly PartStatus[] {
    return this.#sources
      .filter(({ findContact }) => findContact !== null)
      .map(({ name }) => {
        const state = this.#breakers.get(name)!.state;
        const part = `lookup in ${name}`;
        if (state === 'closed') return { part, health: 'ok', message: 'answers', breaker: state };
        const message = `${name} did not answer in time; callers are looked up in the mirror only, and it is tried again by itself`;
        return { part, health: 'warning', message, breaker: state };
      });
  }

  async #ask(source: ContactSource, number: string, deadlineMs: number): Promise<LiveAnswer> {
    const key = `${source.name}\n${number}`;
    const known = this.#remembered.get(key);
    const ageMs = known ? this.#monotonicMs() - known.atMs : Infinity;
    if (known && ageMs < this.#settings.freshMs) return known;
    const answer = await this.#askLive(source, key, number, deadlineMs);
    const mayStandIn = 'failure' in answer && known?.contact && ageMs < this.#settings.staleMs;
    return mayStandIn ? known : answer;
  }

  async #askLive(source: ContactSource, key: string, number: string, deadlineMs: number): Promise<LiveAnswer> {
    // Our own lateness is no fault of the CRM's.
    if (deadlineMs <= this.#monotonicMs()) return timedOut(source);
    let flight = this.#inFlight.get(key);
    if (!flight) {
      if (!this.#breakers.get(source.name)!.mayTry()) {
        return { failure: 'ERROR', error: `${source.name} keeps failing and is not asked for a while` };
      }
      flight = this.#request(source, number, deadlineMs).finally(() => this.#inFlight.delete(key));
      this.#inFlight.set(key, flight);
      const answer = await flight;
      if ('contact' in answer) this.#remember(key, answer.contact);
      return answer;
    }
    // Whoever asked first may have more time left than we have.
    return withDeadline(flight, deadlineMs - this.#monotonicMs(), () => timedOut(source));
  }

  async #request(source: ContactSource, number: string, deadlineMs: number): Promise<LiveAnswer> {
    const breaker = this.#breakers.get(source.name)!;
    const abort = new AbortController();
    const question = (async (): Promise<LiveAnswer> => ({
      contact: await source.findContact!(number, { signal: abort.signal }),
    }))();
    try {
      const answer = await withDeadline(question, deadlineMs - this.#monotonicMs(), () => timedOut(source));
      if ('failure' in answer) breaker.failed();
      else breaker.succeeded();
      return answer;
    } catch (error) {
      // A refusal of this one question is an answer: the CRM is there.
      if (error instanceof Rejected) breaker.succeeded();
      else if (error instanceof AuthRequired) breaker.trip();
      else breaker.failed();
      this.#log.warn({ crm: source.name, error }, 'the contact of a caller could not be looked up');
      return { failure: 'ERROR', error: `${source.name}: ${error instanceof Error ? error.message : String(error)}` };
    } finally {
      abort.abort();
    }
  }

  #remember(key: string, contact: Contact | null): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, { contact, atMs: this.#monotonicMs() });
    if (this.#remembered.size > mostRemembered) this.#remembered.delete(this.#remembered.keys().next().value!);
  }
}

function timedOut(source: ContactSource): LiveAnswer {
  return { failure: 'TIMEOUT', error: `${source.name} did not answer in time` };
}

function describe(answer: LiveAnswer): string {
  if ('failure' in answer) return answer.error;
  return answer.contact ? `contact ${answer.contact.id}, ${answer.contact.name}` : 'no contact';
}

/** The promise's outcome, or `otherwise()` when it has none after so long. A late rejection is swallowed. */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  otherwise: () => Value,
): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Value>((resolve) => {
    timer = setTimeout(() => resolve(otherwise()), Math.max(0, timeoutMs));
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
