/**
 * The card that opens before an employee while his phone rings. Best effort and outside the queue: it is worth nothing
 * later, and no call waits for it.
 */
import type { Call, CallStage, Conversation } from './call.ts';
import type { Hooks } from './hooks.ts';
import type { CallWatcher, Clock, Contact, CrmAdapter, CrmUser, IncomingCallCard, Log } from './ports.ts';
import { userOfExtension, type Installation } from './registration-plan.ts';
import { Turns } from './turns.ts';

/** One CRM that can show cards. */
export interface CardCrm {
  readonly crm: Pick<CrmAdapter, 'name' | 'showIncomingCall' | 'hideIncomingCall' | 'showsOutgoingCalls'>;
  readonly installation: Installation;
  readonly hooks: Pick<Hooks, 'need_registration' | 'process_client_phone'>;
  readonly users: () => readonly CrmUser[];
  /** From memory: nothing is asked for a card. */
  readonly knownContact: (number: string) => Contact | null;
}

export interface IncomingCards {
  readonly callWatcher: CallWatcher;
  /** Forgets what waits, and resolves when what is under way has ended. */
  stop(): Promise<void>;
}

/** Phones of a group begin to ring within this, and are one request. */
const gatherMs = 100;
/** What rang longer ago is told late (after a break, from CEL) and rings no more. */
const staleMs = 30_000;
/** A queue rings the same phone round after round; the card that could not be closed still stands there. */
const repeatMs = 30_000;

/** A phone that rings for a call that another may take, or for a click whose client is not yet called. */
const shownReasons: ReadonlySet<string> = new Set(['rang_elsewhere', 'rule:click_to_call_unanswered']);

interface Ringing {
  readonly conversation: Conversation;
  readonly userId: string;
}

/** One call in one CRM. */
interface Shown {
  call: Call;
  /** By the conversation that rings. */
  readonly ringing: Map<string, Ringing>;
  /** When a card was last shown to these users. */
  readonly shownAt: Map<string, number>;
  /** Users before whom it stands now. */
  open: Set<string>;
  timer: ReturnType<typeof setTimeout> | null;
}

/** Shows, moves and hides the cards of calls in every CRM that can, to exactly the users whose phones ring. */
export function createIncomingCards(parts: {
  readonly crms: readonly CardCrm[];
  readonly clock: Clock;
  readonly log: Log;
}): IncomingCards {
  const shows = parts.crms
    .filter(({ crm }) => crm.showIncomingCall !== undefined)
    .map((crm) => new CardsOfCrm(crm, parts.clock, parts.log));
  return {
    callWatcher: {
      onStage(stage, call, conversation) {
        for (const show of shows) show.onStage(stage, call, conversation);
      },
      onChange(call, hungUp) {
        for (const show of shows) show.onHungUp(call, hungUp);
      },
    },
    async stop() {
      await Promise.all(shows.map((show) => show.stop()));
    },
  };
}

class CardsOfCrm {
  readonly #crm: CardCrm;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #calls = new Map<string, Shown>();
  readonly #turns = new Turns();
  readonly #work = new Set<Promise<void>>();

  constructor(crm: CardCrm, clock: Clock, log: Log) {
    this.#crm = crm;
    this.#clock = clock;
    this.#log = log;
  }

  onStage(stage: CallStage, call: Call, conversation: Conversation | null): void {
    const isShown = call.direction === 'inbound' || (call.direction === 'outbound' && this.#crm.crm.showsOutgoingCalls);
    if (!isShown) return;
    const key = `${call.source}/${call.linkedId}`;
    if (stage === 'call_ended') return this.#end(key, call);
    if (conversation === null) return;
    const shown = this.#calls.get(key) ?? this.#begin(key, call);
    shown.call = call;
    if (stage === 'conversation_requested') this.#ring(shown, conversation);
    else if (stage === 'conversation_ended') shown.ringing.delete(conversation.uniqueId);
    // Who picks up keeps his card; before the others it has no business any more.
    else if (stage === 'conversation_accepted') {
      for (const id of [...shown.ringing.keys()]) if (id !== conversation.uniqueId) shown.ringing.delete(id);
    }
    this.#schedule(key, shown);
  }

  /** A phone that rings no more while the call goes on to the next. */
  onHungUp(call: Call, hungUp: ReadonlySet<string>): void {
    const key = `${call.source}/${call.linkedId}`;
    const shown = this.#calls.get(key);
    const silent = [...(shown?.ringing.keys() ?? [])].filter((id) => hungUp.has(id));
    if (shown === undefined || silent.length === 0) return;
    for (const id of silent) shown.ringing.delete(id);
    shown.call = call;
    this.#schedule(key, shown);
  }

  async stop(): Promise<void> {
    for (const shown of this.#calls.values()) if (shown.timer !== null) clearTimeout(shown.timer);
    this.#calls.clear();
    await Promise.all(this.#work);
  }

  #begin(key: string, call: Call): Shown {
    const shown: Shown = { call, ringing: new Map(), shownAt: new Map(), open: new Set(), timer: null };
    this.#calls.set(key, shown);
    return shown;
  }

  #ring(shown: Shown, conversation: Conversation): void {
    if (this.#clock.now().getTime() - conversation.requestedAt.getTime() > staleMs) return;
    // What the lists keep from the CRM has no card there either.
    if (conversation.reason !== null && !shownReasons.has(conversation.reason)) return;
    if (conversation.endedAt !== null) return;
    const { installation, users } = this.#crm;
    const { client } = shown.call;
    if (client === null || installation.numbers.isExtension(client) || installation.staff.byMobile(client) !== null)
      return;
    const userId = userOfExtension(installation, users(), conversation.extension);
    if (userId !== null) shown.ringing.set(conversation.uniqueId, { conversation, userId });
  }

  #end(key: string, call: Call): void {
    const shown = this.#calls.get(key);
    if (shown === undefined) return;
    shown.call = call;
    shown.ringing.clear();
    this.#schedule(key, shown);
  }

  #schedule(key: string, shown: Shown): void {
    if (shown.timer !== null) return;
    shown.timer = setTimeout(() => {
      shown.timer = null;
      const work = this.#turns
        .take(key, () => this.#update(shown))
        .catch((error: unknown) => {
          const fields = { crm: this.#crm.crm.name, call: shown.call.linkedId, error };
          this.#log.warn(fields, 'the card of a call could not be shown or hidden');
        })
        .finally(() => {
          this.#work.delete(work);
          const isOver = shown.call.endedAt !== null && shown.timer === null;
          if (isOver && this.#calls.get(key) === shown) this.#calls.delete(key);
        });
      this.#work.add(work);
    }, gatherMs);
  }

  async #update(shown: Shown): Promise<void> {
    const { crm } = this.#crm;
    const now = this.#clock.now().getTime();
    const ringing = [...shown.ringing.values()];
    const wanted = new Set(ringing.map(({ userId }) => userId));
    const leaving = [...shown.open].filter((userId) => !wanted.has(userId));
    const first = ringing[0]?.conversation ?? shown.call.conversations.at(-1);
    if (first === undefined) return;
    if (leaving.length > 0) {
      shown.open = new Set([...shown.open].filter((userId) => wanted.has(userId)));
      if (crm.hideIncomingCall !== undefined) {
        for (const userId of leaving) shown.shownAt.delete(userId);
        await crm.hideIncomingCall(this.#card(shown.call, first, leaving, shown.call.client));
      }
    }
    const coming = [...wanted].filter(
      (userId) => !shown.open.has(userId) && now - (shown.shownAt.get(userId) ?? -Infinity) >= repeatMs,
    );
    for (const userId of wanted) shown.open.add(userId);
    if (coming.length === 0) return;
    for (const userId of coming) shown.shownAt.set(userId, now);
    const about = { call: shown.call, conversation: first, stage: 'conversation_requested' } as const;
    if (!(await this.#crm.hooks.need_registration(about))) return;
    const phone = await this.#crm.hooks.process_client_phone({ ...about, phone: shown.call.client! });
    if (phone !== '') await crm.showIncomingCall!(this.#card(shown.call, first, coming, phone));
  }

  #card(call: Call, conversation: Conversation, userIds: readonly string[], phone: string | null): IncomingCallCard {
    const contact = phone === null ? null : this.#crm.knownContact(phone);
    return { call: { ...call, client: phone }, conversation, contact, userIds };
  }
}
